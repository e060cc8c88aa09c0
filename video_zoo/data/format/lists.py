"""The lists beside the shards: what a conversion skipped, missed, or has to tell of."""

import csv
import io
import os
from collections.abc import Iterable, Sequence

import tensorflow as tf

from video_zoo.files import file_content, whole_files

SKIPPED_NAME = "skipped.csv"
NOTES_NAME = "notes.csv"
MISSING_NAME = "missing.csv"
DUPLICATES_NAME = "duplicates.csv"
COLUMNS = {
    SKIPPED_NAME: ("file", "reason"),
    NOTES_NAME: ("file", "note"),
    MISSING_NAME: ("file",),
    DUPLICATES_NAME: ("file", "problem"),
}
_REMEDY = "Copy the file back as the conversion wrote it, or pass overwrite to start anew."


def write_list(output_dir: str, name: str, rows: Iterable[Sequence[str]]) -> None:
    """Writes a header and the rows below it, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS[name])
    writer.writerows(rows)
    whole_files.write_text(os.path.join(output_dir, name), text.getvalue())


def read_list(output_dir: str, name: str) -> tuple[tuple[str, ...], ...]:
    """The rows below the header; none if there is no such file, as in older datasets.

    Raises:
        ValueError: it is not what was written beside the shards.
    """
    path = os.path.join(output_dir, name)
    if not tf.io.gfile.exists(path):
        return ()
    columns = COLUMNS[name]
    rows = file_content.read_rows(path, columns, _REMEDY, "surrogateescape")
    return tuple(tuple(row[column] for column in columns) for _, row in rows)
