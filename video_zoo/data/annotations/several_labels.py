"""Clips of several classes: rows of one clip as one, and what a class is to splits and limits."""

import collections
import dataclasses
from collections.abc import Collection, Iterable, Sequence

from .clip import Clip, Listing
from .duplicates import Videos


def merged(clips: Sequence[Clip], videos: Videos) -> list[Clip]:
    """One clip for all that are of the same video, times and split, with the classes of all.

    Args:
        clips: in the order in which the first of equals is kept.
        videos: with the ids of all the clips.
    """
    same: dict[tuple, list[Clip]] = collections.defaultdict(list)
    for clip in clips:
        same[videos.moment(clip), clip.split].append(clip)
    return [members[0].with_labels(_classes(members)) for members in same.values()]


def of_classes(listing: Listing, labels: Collection[str]) -> list[Clip]:
    """The clips that have one of these classes, or had none, without their other classes."""
    found = []
    for clip in listing.clips:
        kept = [label for label in clip.labels if label in labels]
        if kept or not clip.labels:
            found.append(clip.with_labels(kept))
    return found


def rarest_first(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, with the class that the fewest clips have as the first of each.

    Splits are drawn and cut class by class, and a clip counts for its first: so what is rare gets
    its share, and what is frequent has enough anyway.
    """
    counts = collections.Counter(label for clip in clips for label in clip.labels)
    return [
        clip.with_labels(sorted(clip.labels, key=lambda label: (counts[label], label)))
        for clip in clips
    ]


def in_order(clips: Iterable[Clip], labels: Sequence[str]) -> list[Clip]:
    """The clips, the classes of each in the order of ``labels``."""
    place = {label: index for index, label in enumerate(labels)}
    return [clip.with_labels(sorted(clip.labels, key=place.__getitem__)) for clip in clips]


def each_label(clips: Iterable[Clip]) -> list[Clip]:
    """A clip for each class of every clip, to count by classes."""
    return [
        dataclasses.replace(clip, label=label, other_labels=())
        for clip in clips
        for label in clip.labels or ("",)
    ]


def _classes(clips: Iterable[Clip]) -> list[str]:
    """All classes of these clips, sorted."""
    return sorted({label for clip in clips for label in clip.labels})
