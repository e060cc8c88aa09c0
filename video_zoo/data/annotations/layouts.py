"""The layouts in which datasets are published, and which one a user's files are of."""

import os
from collections.abc import Iterator

from video_zoo import errors

from .activitynet import ACTIVITYNET
from .charades import CHARADES
from .class_folders import CLASS_FOLDERS
from .clip import Listing
from .contents import FolderContents
from .hmdb51 import HMDB51
from .kinetics import KINETICS
from .layout import Layout, Source
from .lists import LIST
from .something import SOMETHING_V1, SOMETHING_V2
from .ucf101 import UCF101

# The first that claims a file reads it.
LAYOUTS = {
    layout.name: layout
    for layout in (
        CLASS_FOLDERS,
        UCF101,
        HMDB51,
        SOMETHING_V1,
        SOMETHING_V2,
        ACTIVITYNET,
        CHARADES,
        KINETICS,
        LIST,
    )
}


def check_layout(layout: str | None, annotations: str | None) -> None:
    """Raises ValueError unless ``layout`` is None, or one that goes with ``annotations``."""
    if layout is None:
        return
    errors.check_choice("layout", layout, tuple(LAYOUTS))
    if (layout == CLASS_FOLDERS.name) != (annotations is None):
        allowed = f"{CLASS_FOLDERS.name!r} or None without `annotations`, and another one with them"
        raise errors.refusal("layout", allowed, layout)


def read_layout(
    input_dir: str,
    contents: FolderContents,
    annotations: str | None,
    layout: str | None = None,
    fold: int | None = None,
    multi_label: bool = False,
) -> Listing:
    """All that the annotations say about a folder of videos.

    Args:
        input_dir: folder of the videos.
        contents: what is in it.
        annotations: files and folders, several with commas between; None for class folders.
        layout: one of ``LAYOUTS``. Defaults to None: each file tells by name and beginning.
        fold: which of several published divisions. Defaults to None: the first.
        multi_label: whether a clip may have several classes, or none. Defaults to False, but for
            layouts that always have several.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is of no layout, an entry is wrong, or nothing listed is there.
    """
    check_layout(layout, annotations)
    by_layout: dict[str, list[str]] = {} if annotations else {CLASS_FOLDERS.name: []}
    for path, name in _layout_of_files(annotations, layout) if annotations else ():
        by_layout.setdefault(name, []).append(path)
    if fold is not None and not any(LAYOUTS[name].has_folds for name in by_layout):
        raise errors.refusal("fold", f"None for the layout {' and '.join(by_layout)}", fold)
    listing = Listing(multi_label=multi_label)
    for name, files in by_layout.items():
        source = Source(input_dir, contents, tuple(files), fold, multi_label)
        listing.extend(LAYOUTS[name].read(source))
    if not listing.clips:
        absent = listing.absent
        raise ValueError(
            "`annotations` must name videos that lie in `input_dir`. Received: "
            f"annotations={annotations!r}, input_dir={input_dir!r}: {len(absent)} videos are named "
            f"and none of them is there{', such as ' + absent[0].name if absent else ''}. "
            "Check that the folder and the list belong together."
        )
    return listing


def _layout_of_files(annotations: str, layout: str | None) -> Iterator[tuple[str, str]]:
    """The files that are named, and those in the folders that are named, each with its layout."""
    several = [annotations] if os.path.exists(annotations) else annotations.split(",")
    for path in (errors.at_home(path.strip()) for path in several):
        if os.path.isdir(path):
            yield from _layout_of_folder(path, layout)
        elif not os.path.isfile(path):
            raise FileNotFoundError(
                "`annotations` must be existing files or folders of lists, with commas between. "
                f"Received: annotations={path!r}, which is none. Check the spelling."
            )
        else:
            yield path, layout or _claiming(path) or _otherwise(path)


def _layout_of_folder(folder: str, layout: str | None) -> Iterator[tuple[str, str]]:
    """What else lies there is passed over, as a README is."""
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    claimed = {path: _claiming(path, layout) for path in paths if os.path.isfile(path)}
    found = [(path, name) for path, name in claimed.items() if name]
    if not found:
        wanted = "; ".join(LAYOUTS[name].words for name in ([layout] if layout else LAYOUTS))
        allowed = f"a folder with lists of a layout that is known: {wanted}"
        raise errors.refusal("annotations", allowed, folder, place=", which has none")
    yield from found


def _claiming(path: str, layout: str | None = None) -> str | None:
    candidates: list[Layout] = [LAYOUTS[layout]] if layout else list(LAYOUTS.values())
    return next((each.name for each in candidates if each.claims(path)), None)


def _otherwise(path: str) -> str:
    """A file that no layout claims is a plain list, unless it cannot be one."""
    if path.lower().endswith(".json"):
        known = "; ".join(each.words for each in LAYOUTS.values())
        allowed = f"of a layout that is known: {known}"
        remedy = "Write a list path,label."
        raise errors.refusal("annotations", allowed, path, remedy, ", which is of none")
    return LIST.name
