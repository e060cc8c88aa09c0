"""Makes the pictures of the README, small enough for a repository.

    python docs/images/make.py SHARDS RUN

SHARDS and RUN are a folder of shards and a run on it, such as the quickstart's:
runs/quickstart/shards and runs/quickstart/run.
"""

import pathlib
import sys
import tempfile

from PIL import Image

from video_zoo.data import InspectionConfig, inspect_dataset

FOLDER = pathlib.Path(__file__).parent
SHEET = {"num_frames": 16, "image_size": 64, "max_records": 4, "random_flip": False}


def shrink(source: pathlib.Path, name: str, colours: int, width: int = 1008) -> None:
    """A picture with a palette of its own, a fraction of the size."""
    picture = Image.open(source).convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, picture.height * width // picture.width), Image.LANCZOS)
    picture.quantize(colours, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


def main(shards: str, run: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sheet = pathlib.Path(folder, "sheet.png")
        for name, options in (
            ("contact_sheet.png", {"num_clips": 3, "columns": 6}),
            ("augmentation.png", {"augment": True, "columns": 6}),
        ):
            config = InspectionConfig(
                shards, contact_sheet=str(sheet), sheet_split="train", **SHEET, **options
            )
            inspect_dataset(config)
            shrink(sheet, name, colours=64)
    for name in ("curves.png", "confusion_matrix.png"):
        shrink(pathlib.Path(run, name), name, colours=128)


if __name__ == "__main__":
    main(*sys.argv[1:])
