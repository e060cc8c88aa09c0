"""Folders of frames as videos, and GIF."""

import cv2
import numpy as np
import pytest

from video_zoo.data import ConversionConfig, EncodingConfig, convert
from video_zoo.data.annotations.contents import scan
from video_zoo.data.format.frame_folders import frames_among
from video_zoo.data.videos.readers import UnusableVideo
from video_zoo.data.videos.video import encode_clip

TEN_HERTZ = EncodingConfig(frames_fps=10, fps=None, short_side=64)


@pytest.fixture
def write_frames(counter_frames):
    """A function (folder, count, name) that writes numbered pictures."""

    def write(folder, count, name="img_{:05d}.jpg"):
        folder.mkdir(parents=True)
        for number, frame in enumerate(counter_frames(count), start=1):
            cv2.imwrite(str(folder / name.format(number)), frame)
        return folder

    return write


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        (["img_8.jpg", "img_10.jpg", "img_9.jpg", "img_12.jpg"], [8, 9, 10, 12]),
        (["00001.PNG", "00002.PNG", "notes.txt"], [1, 2]),
        (["img_1.jpg", "img_2.jpg", "flow_x_1.jpg", "flow_x_2.jpg", "flow_x_3.jpg"], [1, 2]),
        (["img_1.jpg"], []),
        (["cat1.jpg", "cat93.jpg", "cat200.jpg"], []),
        (["a.jpg", "b.jpg"], []),
        ([], []),
    ],
)
def test_frames_among(names, frames):
    found = frames_among(names)
    assert [int("".join(filter(str.isdigit, name))) for name in found] == frames


def test_the_frames_of_a_folder_are_those_of_a_video(write_frames, read_counter, tmp_path):
    folder = write_frames(tmp_path / "v", 12)
    clip = encode_clip(folder, TEN_HERTZ)
    assert [read_counter(jpeg) for jpeg in clip.frames] == list(range(12))
    assert clip.timestamps_us == [100_000 * n for n in range(12)]
    assert (clip.width, clip.height, clip.frame_rate, clip.note) == (128, 64, 10, "")
    part = encode_clip(folder, EncodingConfig(frames_fps=10, fps=5, short_side=64), 0.2, 1.0)
    assert [read_counter(jpeg) for jpeg in part.frames] == [2, 4, 6, 8]


def test_damaged_frames_are_left_out_and_noted(write_frames, read_counter, tmp_path):
    folder = write_frames(tmp_path / "v", 12)
    (folder / "img_00003.jpg").write_bytes(b"")
    (folder / "img_00005.jpg").write_bytes(b"no picture")
    clip = encode_clip(folder, TEN_HERTZ)
    assert [read_counter(jpeg) for jpeg in clip.frames] == [0, 1, 3, *range(5, 12)]
    assert clip.note == "packets or frames that are damaged: 2"
    for path in folder.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(UnusableVideo, match="none of its pictures can be read"):
        encode_clip(folder, TEN_HERTZ)


def test_a_folder_needs_a_rate_and_frames(write_frames, tmp_path):
    with pytest.raises(UnusableVideo, match="tells no rate.*give `frames_fps`"):
        encode_clip(write_frames(tmp_path / "v", 2), EncodingConfig())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnusableVideo, match="a folder without frames"):
        encode_clip(tmp_path / "empty", TEN_HERTZ)


def test_a_folder_of_videos_with_pictures_beside_is_none_of_frames(make_files):
    pictures = (f"{folder}/{number}.jpg" for folder in ("run", "jump") for number in (1, 2))
    contents = scan(str(make_files("run/1.mp4", *pictures)))
    assert contents.videos == ["jump", "run/1.mp4"]
    assert contents.of_frames == {"jump"}


def test_folders_of_frames_are_converted_as_videos(
    write_frames, write_video, counter_frames, tmp_path
):
    for split in ("train", "val"):
        write_frames(tmp_path / "in" / split / "run" / "a", 8, "{:06d}.png")
        write_video(tmp_path / "in" / split / "jump" / "b.mp4", counter_frames(8))
    config = ConversionConfig(str(tmp_path / "in"), str(tmp_path / "out"), workers=1)
    with pytest.raises(ValueError, match="`frames_fps` must be given for folders of frames"):
        convert(config, progress=False)
    assert not (tmp_path / "out" / "manifest.json").exists()
    config = ConversionConfig(
        str(tmp_path / "in"), str(tmp_path / "out"), encoding=TEN_HERTZ, workers=1
    )
    manifest = convert(config, progress=False).manifest
    assert manifest.splits["train"].classes == {"jump": 1, "run": 1}
    assert manifest.splits["train"].num_frames == 16


def test_gif(counter_frames, read_counter, tmp_path):
    import av

    with av.open(str(tmp_path / "a.gif"), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.height, stream.width, stream.pix_fmt = 64, 128, "rgb8"
        for frame in counter_frames(8):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="rgb8")))
        container.mux(stream.encode())
    clip = encode_clip(tmp_path / "a.gif", EncodingConfig(fps=None, short_side=64))
    assert [read_counter(jpeg) for jpeg in clip.frames] == list(range(8))
    assert clip.frame_rate == 10
