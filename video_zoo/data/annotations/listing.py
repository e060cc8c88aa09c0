"""Finds the clips to convert, in any layout.

Everything here is a pure function of the input and a seed: the same input gives the same clips in
the same order on every machine.
"""

import collections
import dataclasses
import os
import random
from collections.abc import Collection, Iterable, Iterator, Sequence

from video_zoo import errors
from video_zoo.files import file_content

from . import kinetics, several_labels
from .clip import Clip, Listing, class_name
from .contents import FolderContents, scan
from .coverage import check_classes, check_splits, class_remarks, some
from .duplicates import Videos, find_copies, find_duplicates
from .layouts import read_layout


@dataclasses.dataclass(frozen=True)
class Annotations:
    """The clips to convert.

    Args:
        clips: sorted by split, label, path and start.
        labels: the class names, sorted or as the label map has them; a name's place is its label
            index.
        missing: annotated videos that are not in the input folder: Kinetics clip names
            (``ID_000010_000020``) or listed paths, of the chosen classes; and listed ids of which
            no labelled clip is known.
        unnamed: relative paths of files in the folder that ``annotations`` does not name; nothing
            for class folders.
        duplicates: ``(file, problem)`` of clips that occur more than once, also as another
            path of the same file or as a file of equal content. Only those that are equal in all,
            label and split included, are converted once; the others stay.
        remarks: what may be wrong with the input and is no error, in one line each: no class with a
            training or validation video, folders without videos, and the like.
        frame_folders: paths of those of the videos that are folders of frames.
        multi_label: whether a clip may have several classes, or none.
    """

    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    frame_folders: tuple[str, ...] = ()
    multi_label: bool = False


def read_annotations(
    input_dir: str | os.PathLike,
    annotations: str | os.PathLike | None = None,
    *,
    layout: str | None = None,
    fold: int | None = None,
    label_map: str | os.PathLike | None = None,
    train_ids: str | os.PathLike | None = None,
    val_ids: str | os.PathLike | None = None,
    num_classes: int | None = None,
    train_per_class: int | None = None,
    val_per_class: int | None = None,
    val_fraction: float = 0.1,
    seed: int = 0,
    allow_empty_splits: bool = False,
    multi_label: bool = False,
) -> Annotations:
    """Lists the clips of a folder of videos, with their classes and splits.

    ``docs/data_format.md`` lists the layouts: class folders, a plain list
    ``path,label[,start,end][,split]``, and those in which the datasets of the field are published.
    A video is a file, or a folder of frames.

    Splits that the input gives are kept, and the limits only cut them. Otherwise each class is
    shuffled by ``seed`` and divided; clips of one video stay in one split.

    Args:
        input_dir: folder of the videos.
        annotations: list, or folder of lists, or several with commas between. Defaults to None:
            class folders.
        layout: what the annotations are, one of ``LAYOUTS``. Defaults to None: each file tells by
            its name and its beginning.
        fold: which of the three published divisions of UCF101 and HMDB51. Defaults to None: the
            first, or the only one that is there.
        label_map: file of class names, one a line, whose order the label index keeps. Every class
            must be in it. Defaults to None: as the dataset was published, or the classes found,
            sorted.
        train_ids: file of video ids, one a line, such as that of Mini-Kinetics-200. Only listed
            videos are taken, into the training split whatever theirs was. Defaults to None.
        val_ids: the same for the validation split; both may be given. Defaults to None.
        num_classes: so many classes are drawn by ``seed``. Refused with ``label_map``, and where
            clips have no label, as theirs cannot be drawn. Defaults to None, all.
        train_per_class: at most so many training clips a class. Defaults to None, all.
        val_per_class: at most so many validation clips a class. Defaults to None: all given ones
            or, where no split is given, ``val_fraction`` of the class.
        val_fraction: part of each class for validation where no split is given; at least one clip
            of a class that has two. Defaults to 0.1; 0 gives none.
        seed: draws classes and splits. Defaults to 0.
        allow_empty_splits: whether a split may be left without a video although ``annotations``, an
            id list or a split folder asks for it, and a class without a training or validation
            video although other classes have one. Defaults to False.
        multi_label: whether a clip may have several classes: rows of the same video and times are
            then one clip with all of theirs. Limits and splits take it for one of its rarest class.
            Defaults to False, but for layouts that always have several.

    Raises:
        FileNotFoundError: ``input_dir`` or a file does not exist.
        ValueError: nothing is found, or nothing for a split that is asked for, a class has no
            training or validation video where others have one, a row or column is wrong, a number
            is out of range, a class is not in ``label_map``, or no clip has a label and there is no
            ``label_map``.
    """
    input_dir = os.path.abspath(errors.at_home(input_dir))
    _check_numbers(
        val_fraction,
        num_classes=(1, num_classes),
        train_per_class=(0, train_per_class),
        val_per_class=(0, val_per_class),
    )
    label_map = errors.at_home(label_map)
    check_input(input_dir, label_map, num_classes)
    contents = scan(input_dir)
    annotations = None if annotations is None else os.fspath(annotations)
    listing = read_layout(input_dir, contents, annotations, layout, fold, multi_label)
    id_lists = {"train": train_ids, "val": val_ids}
    id_lists = {s: errors.at_home(path) for s, path in id_lists.items() if path is not None}
    if id_lists:
        listing = kinetics.choose_ids(listing, id_lists, allow_empty_splits)
    labels = _labels(listing, label_map, num_classes, seed)
    chosen = {"", *labels}
    clips = sorted(several_labels.of_classes(listing, chosen), key=_sort_key)
    absent = [each for each in listing.absent if num_classes is None or each.label in chosen]
    if not id_lists and not allow_empty_splits:
        check_splits(clips, absent, listing.empty_splits, input_dir)
    # A list may name files elsewhere, or hidden ones, as well.
    videos = Videos(_path(input_dir, name) for name in {*contents.videos, *listing.named})
    videos.name(clips)
    clips = several_labels.merged(clips, videos) if listing.multi_label else clips
    clips, duplicates = find_duplicates(clips, videos, input_dir)
    # So many videos for validation, where the input gives no split, leave the others for training.
    asked = val_per_class is not None and not any(clip.split for clip in clips)
    unwanted = _unwanted_splits(clips, id_lists, train_per_class, val_per_class, val_fraction)
    clips = several_labels.rarest_first(clips)
    clips = _assign_splits(clips, videos, train_per_class, val_per_class, val_fraction, seed)
    clips = several_labels.in_order(clips, labels)
    if not clips:
        raise ValueError(
            "`train_per_class` and `val_per_class` must leave some clips. "
            f"Received: train_per_class={train_per_class}, val_per_class={val_per_class}. "
            "Raise one of them."
        )
    by_class = several_labels.each_label(clips)
    if not allow_empty_splits:
        check_classes(by_class, unwanted, asked)
    of_frames = {_path(input_dir, name) for name in contents.of_frames}
    duplicates += listing.duplicates + find_copies(clips, videos, input_dir)
    return Annotations(
        clips=tuple(sorted(clips, key=_sort_key)),
        labels=tuple(labels),
        missing=tuple(sorted({each.name for each in absent})),
        unnamed=() if annotations is None else _unnamed(input_dir, contents, listing, videos),
        duplicates=tuple(sorted(duplicates)),
        remarks=(*_folder_remarks(contents), *listing.remarks, *class_remarks(by_class, unwanted)),
        frame_folders=tuple(sorted({clip.path for clip in clips} & of_frames)),
        multi_label=listing.multi_label,
    )


def _unnamed(
    input_dir: str, contents: FolderContents, listing: Listing, videos: Videos
) -> tuple[str, ...]:
    """The files that the lists do not name, by any of their paths."""
    named = {videos.first(_path(input_dir, name)) for name in listing.named}
    return tuple(
        name.replace(os.sep, "/")
        for name in contents.videos
        if videos.first(_path(input_dir, name)) not in named
    )


def _path(input_dir: str, name: str) -> str:
    return os.path.normpath(os.path.join(input_dir, name))


def _folder_remarks(contents: FolderContents) -> Iterator[str]:
    if contents.unreadable:
        yield f"folders that cannot be read are left out: {some(contents.unreadable)}"


def _unwanted_splits(
    clips: Sequence[Clip],
    id_lists: Collection[str],
    train_per_class: int | None,
    val_per_class: int | None,
    val_fraction: float,
) -> set[str]:
    """The splits that the arguments leave out on purpose."""
    given = any(clip.split for clip in clips)
    unwanted = {"train", "val"} - set(id_lists) if id_lists else set()
    if train_per_class == 0:
        unwanted.add("train")
    if val_per_class == 0 or (val_per_class is None and val_fraction == 0 and not given):
        unwanted.add("val")
    return unwanted


def check_input(
    input_dir: str, label_map: str | os.PathLike | None, num_classes: int | None
) -> None:
    """Raises unless ``input_dir`` is a folder, and the two others go together."""
    if not os.path.isdir(input_dir):
        raise FileNotFoundError(
            f"`input_dir` must be a folder of videos. Received: input_dir={input_dir!r}, "
            "which is not a folder. Check the spelling."
        )
    if num_classes is not None and label_map is not None:
        raise ValueError(
            "`num_classes` must be left out where `label_map` tells the classes. "
            f"Received: num_classes={num_classes}, label_map={label_map!s}. Leave it out."
        )


def _labels(
    listing: Listing, label_map: str | os.PathLike | None, num_classes: int | None, seed: int
) -> list[str]:
    """The class names, each at the place of its label index."""
    found = {label for clip in listing.clips for label in clip.labels or ("",)}
    if label_map is not None:
        names = _read_label_map(os.fspath(label_map))
        unknown = sorted((found | {each.label for each in listing.absent}) - {"", *names})
        if unknown:
            raise ValueError(
                f"`label_map` must have every class; it lacks {len(unknown)}, such as "
                f"{unknown[0]!r}. Received: label_map={os.fspath(label_map)!r}. "
                "Add the class, or take the label map that belongs to these videos."
            )
        return names
    if twice := [name for name, count in collections.Counter(listing.labels).items() if count > 1]:
        raise ValueError(
            "`annotations` must have each class once in their list of classes. Received: "
            f"{some(twice)} more than once. Correct the list."
        )
    if unknown := sorted(found - {"", *listing.labels}) if listing.labels else ():
        raise ValueError(
            "`annotations` must have every class in their list of classes; it lacks "
            f"{len(unknown)}, such as {unknown[0]!r}. Take the files of one version of the dataset."
        )
    if found == {""} and not listing.labels:
        raise ValueError(
            "`label_map` must be given where no clip has a label. Received: label_map=None. "
            "Pass the file of class names (one a line) of the network that is to see these videos, "
            "or the CSV of the labelled splits with the others."
        )
    if num_classes is not None and "" in found and not listing.multi_label:
        raise ValueError(
            "`num_classes` must be left out where clips have no label, since nobody can tell "
            f"theirs. Received: num_classes={num_classes}. Leave out the CSV without labels."
        )
    if num_classes is None and listing.labels:
        return listing.labels
    return _draw_classes(found - {""}, num_classes, seed)


def _read_label_map(path: str) -> list[str]:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "`label_map` must be a file of class names, one a line. "
            f"Received: label_map={path!r}, which is not a file. Check the spelling."
        )
    try:
        names = [class_name(line) for line in file_content.read_lines(path)]
    except ValueError:  # it is not UTF-8
        names = []
    while names and not names[-1]:  # what an editor left at the end
        names.pop()
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError(
            "`label_map` must be a file of class names in UTF-8, one a line, none of them empty or "
            f"twice. Received: label_map={path!r}. Correct the file."
        )
    return names


def _draw_classes(labels: Iterable[str], num_classes: int | None, seed: int) -> list[str]:
    labels = sorted(labels)
    if num_classes is None:
        return labels
    if num_classes > len(labels):
        raise ValueError(
            f"`num_classes` must be at most {len(labels)}, the number of classes found. "
            f"Received: num_classes={num_classes}."
        )
    return sorted(random.Random(seed).sample(labels, num_classes))


def _sort_key(clip: Clip) -> tuple:
    return clip.split, clip.label, clip.path, clip.start or 0.0, clip.end or 0.0


def _check_numbers(val_fraction: float, **least_and_value: tuple[int, int | None]) -> None:
    for name, (least, value) in least_and_value.items():
        if value is not None and value < least:
            raise errors.refusal(name, f"{least} or more", value)
    if not 0 <= val_fraction < 1:
        raise errors.refusal("val_fraction", "at least 0 and below 1", val_fraction)


def _assign_splits(
    clips: list[Clip],
    videos: Videos,
    train_per_class: int | None,
    val_per_class: int | None,
    val_fraction: float,
    seed: int,
) -> list[Clip]:
    limits = {"train": train_per_class, "val": val_per_class}
    given = any(clip.split for clip in clips)
    if given and not all(clip.split for clip in clips):
        clip = next(clip for clip in clips if not clip.split)
        raise ValueError(
            "`annotations` must give every clip a split, or none. "
            f"Received: no split for {clip.clip_id!r}. Add it, or leave out the column."
        )
    chosen = []
    by_label = collections.defaultdict(list)
    for clip in clips:
        by_label[clip.label].append(clip)
    # A video may hold clips of several classes: where it first goes, it goes for all of them.
    split_of_video: dict[str, str] = {}
    for label, members in sorted(by_label.items()):
        # Its own generator: a class is divided alike whatever other classes there are.
        random.Random(f"{seed}/{label}").shuffle(members)
        if not given:
            members = _divide(members, videos, val_per_class, val_fraction, split_of_video)
        taken = collections.Counter()
        for clip in members:
            limit = limits.get(clip.split)
            if limit is None or taken[clip.split] < limit:
                taken[clip.split] += 1
                chosen.append(clip)
    return chosen


def _divide(
    members: list[Clip],
    videos: Videos,
    val_per_class: int | None,
    val_fraction: float,
    split_of_video: dict[str, str],
) -> list[Clip]:
    """Gives the shuffled clips of one class to val first, then to train; whole videos at a time."""
    wanted = val_per_class
    if wanted is None:
        least = 1 if val_fraction > 0 and len(members) > 1 else 0
        wanted = max(least, round(val_fraction * len(members)))
    by_video = collections.defaultdict(list)
    for clip in members:
        by_video[videos.id(clip)].append(clip)
    divided, num_val = [], 0
    for video, clips in by_video.items():
        split = split_of_video.setdefault(video, "val" if num_val < wanted else "train")
        num_val += len(clips) if split == "val" else 0
        divided += [dataclasses.replace(clip, split=split) for clip in clips]
    return divided
