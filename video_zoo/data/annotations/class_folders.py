"""Videos in class folders, with or without split folders around them."""

import collections
import os
from collections.abc import Collection, Iterator, Mapping, Sequence

from .clip import SPLIT_NAMES, Clip, Listing, class_name, split_of
from .contents import FolderContents
from .coverage import some
from .layout import Layout, Source
from .replacements import kinetics_id, lies_in_replacements

Parts = Sequence[str]  # of a relative path: folders, and the name of the file


def _read(source: Source) -> Listing:
    """Reads ``CLASS/.../VIDEO`` or ``SPLIT/CLASS/.../VIDEO``.

    In Kinetics-400's folder ``replacement`` beside the others lie files that stand in for those of
    the same name. The id of a file ``ID_000010_000020.*`` is the video's, of another one its path.

    Raises:
        ValueError: there are no class folders, or split folders beside others.
    """
    input_dir, contents = source.input_dir, source.contents
    files = [path.split(os.sep) for path in contents.videos if os.sep in path]
    aside = [parts for parts in files if lies_in_replacements(parts[:1])]
    others = [parts for parts in files if not lies_in_replacements(parts[:1])]
    # `train/CLASS/FILE`, but only where every folder is a split: a class may be called "test".
    given = bool(others) and all(parts[0].lower() in SPLIT_NAMES for parts in others)
    if given:
        _check_no_loose_videos(input_dir, others)
    else:
        _check_no_split_is_a_class(input_dir, others)
    names = {parts[-1] for parts in others}
    stand_ins = {parts[-1]: parts for parts in aside if kinetics_id(parts[-1])}
    if given or stand_ins.keys() & names:
        files = others
    else:
        aside, stand_ins = [], {}  # a class of that name
    listing = Listing(remarks=list(_remarks(contents, given)))
    labels = {folder: _label(folder, input_dir) for folder in {parts[given] for parts in files}}
    for parts in files:
        split = SPLIT_NAMES[parts[0].lower()] if given else ""
        clip_id = kinetics_id(parts[-1]) or "/".join(parts)
        path = os.path.join(input_dir, *stand_ins.get(parts[-1], parts))
        listing.clips.append(Clip(path, labels[parts[given]], split, clip_id=clip_id))
    if not listing.clips:
        raise ValueError(
            "`input_dir` must hold one folder of videos for each class. "
            f"Received: input_dir={input_dir!r}, which has none. "
            "Pass `annotations` for a folder without class folders."
        )
    used = {tuple(stand_ins[name]) for name in stand_ins.keys() & names}
    for parts in aside:
        if tuple(parts) not in used:
            problem = "replaces no Kinetics clip of that name"
            listing.duplicates.append(("/".join(parts), problem))
    if given:
        tops = {SPLIT_NAMES.get(path.lower()) for path in contents.folders} - {None}
        listing.empty_splits = sorted(tops - {clip.split for clip in listing.clips})
    return listing


def _label(folder: str, input_dir: str) -> str:
    """The class of a folder; ValueError if its name cannot stand in a label map."""
    name = class_name(folder)
    try:
        name.encode()
    except UnicodeEncodeError:  # files may have any name, but classes stand in texts
        name = ""
    if not name:
        raise ValueError(
            "`input_dir` must have class folders whose names are UTF-8 and not blank. Received: "
            f"input_dir={input_dir!r}, with the folder {os.fsencode(folder)!r}. Rename it."
        )
    return name


def _check_no_loose_videos(input_dir: str, files: Sequence[Parts]) -> None:
    if any(len(parts) < 3 for parts in files):
        raise ValueError(
            "`input_dir` must hold class folders inside its split folders. "
            f"Received: input_dir={input_dir!r}, with videos directly in a split folder. "
            "Pass the CSV of their classes as `annotations`."
        )


def _check_no_split_is_a_class(input_dir: str, files: Sequence[Parts]) -> None:
    """Refuses split folders beside a folder that is none: all of them would become classes.

    A class may be called "test", so a folder of videos is no split, nor is one alone that holds
    folders where the others hold videos.
    """
    inside = collections.defaultdict(set)
    for top, *rest in files:
        inside[top].add(rest[0] if len(rest) > 1 else None)  # None: a video
    splits = [top for top in inside if top.lower() in SPLIT_NAMES and inside[top] != {None}]
    others = [top for top in inside if top.lower() not in SPLIT_NAMES]
    of_folders = [top for top in inside if None not in inside[top]]
    several = len({SPLIT_NAMES[top.lower()] for top in splits if top in of_folders}) > 1
    for split in splits:
        for other in others:
            alike = split in of_folders and other in of_folders
            if several or alike or (inside[split] & inside[other]) - {None}:
                raise ValueError(
                    "`input_dir` must hold class folders (CLASS/VIDEO), or split folders alone "
                    f"with class folders in each (train/CLASS/VIDEO), named "
                    f"{', '.join(SPLIT_NAMES)}. Received: input_dir={input_dir!r}, where {split!r} "
                    f"looks like a split and {other!r} is none. Rename or move {other!r}, or give "
                    "a list as `annotations`."
                )
    _check_no_split_in_a_name(input_dir, {top: inside[top] for top in of_folders})


def _check_no_split_in_a_name(input_dir: str, inside: Mapping[str, set[str | None]]) -> None:
    """Refuses folders such as ``train_256`` and ``val_256`` that hold folders of equal names."""
    found: dict[str, str] = {}  # split -> folder
    for top in sorted(inside):
        split = split_of(top)
        if split is None:
            continue
        for other, its_folder in found.items():
            if other != split and inside[its_folder] & inside[top]:
                raise ValueError(
                    "`input_dir` must hold class folders (CLASS/VIDEO), or split folders alone "
                    f"with class folders in each (train/CLASS/VIDEO), named "
                    f"{', '.join(SPLIT_NAMES)}. Received: input_dir={input_dir!r}, where "
                    f"{its_folder!r} and {top!r} look like splits. Rename them {other!r} and "
                    f"{split!r}, or give a list as `annotations`."
                )
        found.setdefault(split, top)


def _remarks(contents: FolderContents, given: bool) -> Iterator[str]:
    """Videos that have no class, and class folders without videos."""
    loose = [path for path in contents.videos if os.sep not in path]
    if loose:
        yield f"videos beside the class folders have no class and are left out: {some(loose)}"
    depth = 2 if given else 1
    empty = _without_videos(contents, 1)
    empty = {path for path in empty if not (given and path.lower() in SPLIT_NAMES)}
    if given:
        within = _without_videos(contents, depth)
        empty |= {path for path in within if path.split(os.sep)[0].lower() in SPLIT_NAMES}
    empty -= set(contents.unreadable)  # of which it has been said
    if empty:
        yield f"class folders without a video: {some(sorted(empty))}"


def _without_videos(contents: FolderContents, depth: int) -> set[str]:
    """The folders so many levels down in which, at any depth, is no video."""
    holding: Collection[str] = {
        os.sep.join(path.split(os.sep)[:depth])
        for path in contents.videos
        if path.count(os.sep) >= depth
    }
    return {path for path in contents.folders if path.count(os.sep) == depth - 1} - holding


CLASS_FOLDERS = Layout(
    "class_folders",
    "CLASS/VIDEO or SPLIT/CLASS/VIDEO, without annotations",
    lambda path: False,
    _read,
)
