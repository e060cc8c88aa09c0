"""What the clips of a conversion lack: splits without videos, classes without videos in a split."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from .clip import Absent, Clip

_USES = {"train": "training", "val": "validation"}


def some(names: Sequence[str], shown: int = 5) -> str:
    """The first names with commas between, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"


def check_splits(
    clips: Iterable[Clip], absent: Iterable[Absent], empty_splits: Iterable[str], input_dir: str
) -> None:
    """ValueError if a split has no clip, although the folder or a list has it.

    Args:
        clips: all that there are.
        absent: listed videos that are not there.
        empty_splits: splits that have a folder without videos.
        input_dir: for the message.
    """
    there = {clip.split for clip in clips}
    remedy = "or pass allow_empty_splits"
    for split in empty_splits:
        raise ValueError(
            "`input_dir` must hold videos in each of its split folders. Received: "
            f"input_dir={input_dir!r}, where that of {split!r} has none. Put them there, remove "
            f"the folder, {remedy}."
        )
    named = {}
    for each in absent:
        named.setdefault(each.split, []).append(each.name)
    for split in sorted(named.keys() - there - {""}):
        raise ValueError(
            "`annotations` must name videos that lie in `input_dir`, for each split that they "
            f"have. Received: input_dir={input_dir!r}, where none of the {len(named[split])} "
            f"{split!r} videos is, such as {named[split][0]}. Check that the folder holds them, "
            f"leave out their list, {remedy}."
        )


def check_classes(clips: Collection[Clip], without: Collection[str], asked: bool) -> None:
    """ValueError if a class lacks a training or validation video where others have one.

    Args:
        clips: each in its split.
        without: splits that are not wanted.
        asked: whether both splits were asked for, so that none of them may be empty either.
    """
    lacks = [line for share, line in _lacks(clips, without) if asked or share < 1]
    if lacks:
        raise ValueError(
            "`input_dir` and `annotations` must give each class a training and a validation "
            f"video. Received: {'; '.join(lacks)}. See that the names are alike in both splits, "
            "add videos, or pass allow_empty_splits."
        )


def class_remarks(clips: Collection[Clip], without: Collection[str]) -> Iterator[str]:
    """In one line each: one class only, and classes without a training or validation video.

    Args:
        clips: each in its split.
        without: splits that are not wanted.
    """
    labels = {clip.label for clip in clips}
    if len(classes := labels - {""}) == 1:
        yield f"all videos are of one class{', or none' * ('' in labels)}, {min(classes)!r}"
    for _, line in _lacks(clips, without):
        yield line


def _lacks(clips: Collection[Clip], without: Collection[str]) -> Iterator[tuple[float, str]]:
    """The share of classes that have no video in a split, and the line that says so."""
    classes = {clip.label for clip in clips} - {""}
    if not any(clip.split in _USES for clip in clips):
        return  # for a test
    for split, use in _USES.items():
        lacking = sorted(classes - {clip.label for clip in clips if clip.split == split})
        if split in without or not lacking:
            continue
        if len(lacking) == len(classes):
            yield 1.0, f"no class has a {use} video"
        else:
            share = f"{len(lacking)} of {len(classes)} classes"
            yield len(lacking) / len(classes), f"{share} have no {use} video: {some(lacking)}"
