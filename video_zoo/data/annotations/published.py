"""What the published divisions of UCF101 and HMDB51 share."""

from collections.abc import Mapping

from video_zoo import errors


def chosen_fold(folds: Mapping[str, int], fold: int | None) -> list[str]:
    """The files of one of three published divisions.

    Args:
        folds: file -> its division.
        fold: the one that is wanted; None for the only one there, or the first.

    Raises:
        ValueError: there are no lists, or none of that division.
    """
    there = sorted(set(folds.values()))
    wanted = fold if fold is not None or not there else there[0]
    chosen = sorted(path for path, number in folds.items() if number == wanted)
    if not chosen:
        listed = ", ".join(map(str, there)) or "none"
        allowed = f"one whose lists are among `annotations`: {listed}"
        remedy = "Pass the folder of all lists as `annotations`."
        raise errors.refusal("fold", allowed, fold, remedy)
    return chosen
