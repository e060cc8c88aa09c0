"""The rows of a list in CSV."""

import csv
import dataclasses
import os
from collections.abc import Mapping, Sequence

from video_zoo import errors

from .clip import SPLIT_NAMES

_OTHER_DELIMITERS = (";", "\t", "|")


def read_rows(path: str) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with its number from 1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not CSV in UTF-8.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"`annotations` must be a CSV file. Received: annotations={path!r}, "
            "which is not a file. Check the spelling."
        )
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        allowed = f"a CSV file in UTF-8 ({error})"
        raise errors.refusal("annotations", allowed, path, "Save it as UTF-8.") from error


def header_of(path: str) -> list[str]:
    """The columns in the first row of a CSV file, in small letters; none where it is no CSV."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [name.strip().lower() for name in next(csv.reader(file), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


def check_delimiter(input_dir: str, path: str, rows: list[tuple[int, list[str]]]) -> None:
    """ValueError if other signs than commas stand between the columns of a list.

    Commas may be in it all the same, in numbers; so its first column is looked at, which holds a
    path or an id. The arguments are those of :func:`read_list`.
    """
    first = rows[0][1][0] if rows else ""
    found = next((sign for sign in _OTHER_DELIMITERS if sign in first), None)
    if found and not os.path.exists(os.path.join(input_dir, first)):
        raise ValueError(
            "`annotations` must have commas between its columns. Received: "
            f"annotations={path!r}, with {found!r} between them. Save it with commas."
        )


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a list, by its columns' names.

    Args:
        path: the list, for messages.
        number: counted from 1, the header included.
        fields: column -> value.
    """

    path: str
    number: int
    fields: Mapping[str, str]

    @classmethod
    def of(cls, path: str, header: Sequence[str], number: int, values: Sequence[str]) -> "Row":
        if len(values) != len(header):
            row = cls(path, number, dict(enumerate(values)))
            raise row.bad(f"has {len(values)} columns, not {len(header)}")
        return cls(path, number, {n: v.strip() for n, v in zip(header, values, strict=True)})

    def bad(self, problem: str) -> ValueError:
        return ValueError(
            f"`annotations` must have valid rows; row {self.number} {problem}. "
            f"Received: {','.join(self.fields.values())!r} in {self.path!r}. Correct the row."
        )

    def span(self, start: str, end: str) -> tuple[float | None, float | None]:
        """The seconds in two columns; None where the row says nothing."""
        texts = self.fields.get(start, ""), self.fields.get(end, "")
        try:
            seconds = [float(text) if text else None for text in texts]
            valid = all(value is None or 0 <= value < float("inf") for value in seconds)
        except ValueError:
            valid = False
        if not valid:
            raise self.bad(f"has {texts[0]!r} to {texts[1]!r} where seconds are expected")
        if seconds[1] is not None and seconds[1] <= (seconds[0] or 0.0):
            raise self.bad("ends before it starts")
        return seconds[0], seconds[1]

    def split(self) -> str:
        text = self.fields.get("split", "")
        if text and text.lower() not in SPLIT_NAMES:
            raise self.bad(f"has the split {text!r}, not one of train, val, test")
        return SPLIT_NAMES[text.lower()] if text else ""
