"""A conversion of a few videos, and its result, which no test changes."""

import pytest
from conversion_runs import SMALL, contents

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert


@pytest.fixture(scope="session")
def videos(tmp_path_factory, write_video, counter_frames):
    """Two classes of four videos, each of another number of frames, and an empty file."""
    folder = tmp_path_factory.mktemp("videos")
    for label, first in (("wave", 4), ("jump", 8)):
        for number in range(4):
            write_video(folder / label / f"{number}.mp4", counter_frames(first + number))
    (folder / "wave" / "empty.mp4").touch()
    return folder


@pytest.fixture(scope="session")
def config(videos, tmp_path_factory):
    return ConversionConfig(
        str(videos),
        str(tmp_path_factory.mktemp("whole") / "out"),
        encoding=SMALL,
        num_shards=3,
        workers=2,
        max_skipped=0.2,
    )


@pytest.fixture(scope="session")
def whole(config):
    """The result of a run that nothing interrupted, and its files."""
    result = convert(config, progress=False)
    return result, contents(config.output_dir)
