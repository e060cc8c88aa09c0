"""The files of `odd/`: videos as they occur in the wild, whole and damaged."""

import re

import pytest

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.videos.readers import UnusableVideo
from video_zoo.data.videos.video import encode_clip

EMPTY = r"no frame decodes \(codec \w+\): the file holds none, or its index is damaged"
REASONS = {
    "dali_git_lfs_pointer.mp4": "not a video: text",
    "exo_sample_audio_only.mp4": r"no video stream \(audio only\)",
    "made_text.mp4": "not a video: text",
    "made_truncated_60k_of_kick.avi": r"cut short: 0\.90 s of the 3\.33 s declared",
    "made_zeros_20k.avi": "zeros",
    "mp4parse_chunk_out_of_range.mp4": "cannot be opened: damaged",
    "mp4parse_short-cenc.mp4": "encrypted: it cannot be decoded without its key",
    "mp4parse_zero_empty_stsc.mp4": r"no frame decodes \(codec h264\): damaged, or encrypted",
    "small_WindowsMediaVideo.wmv": EMPTY,
}
# Frames that decode, and (width, height) on display.
VIDEOS = {
    "exo_hdr10-av1.mp4": (127, 720, 1280),
    "mp4parse_tiny_av1.mp4": (1, 64, 64),
    "torchcodec_av1_video.mkv": (125, 640, 360),
    "-video-with-dash-.mp4": (5, 1, 1),
    "decord_unordered.mov": (4, 50, 50),
    "decord_video_180.mov": (3, 568, 320),
    "decord_video_90.mov": (3, 320, 568),
    "exo_bbb_642x642_768kbps_30fps_vp9.webm": (90, 642, 642),
    "exo_internal_emulator_transformer_output_270_rotated.mp4": (149, 720, 1280),
    "exo_roadtrip-vp92-10bit.webm": (72, 426, 240),
    "exo_sample.flv": (30, 1080, 720),
    "exo_sample_empty_track.mp4": (30, 1080, 720),
    "exo_sample_mdat_too_long.mp4": (30, 1080, 720),
    "exo_sample_portrait.mp4": (30, 720, 1080),
    "exo_sample_sef_slow_motion.mp4": (63, 320, 240),
    "exo_sample_vvc.mp4": (120, 320, 180),
    "exo_silent-black-10s.mp4": (300, 320, 240),
    "moviepy_no_duration.webm": (74, 1280, 720),
    "moviepy_video_with_failing_audio.mp4": (280, 640, 360),
    "mp4parse_bbb_sunflower_QCIF_30fps_mp4v_noaudio_1f.mp4": (1, 256, 144),
    "mp4parse_hevc_white_frame.mp4": (1, 640, 480),
    "mp4parse_minimal.mp4": (1, 320, 240),
    "torchcodec_h264_10bits.mp4": (30, 200, 200),
    "torchcodec_h265_video.mp4": (10, 128, 128),
}

STILL = {
    "exo_silent-black-10s.mp4": "one and the same picture for 10.0 s, as where a decoder or a "
    "camera hangs"
}


@pytest.fixture(scope="module")
def odd(shared_data):
    folder = shared_data / "odd"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder


def test_every_file_is_expected(odd):
    names = {path.name for path in odd.iterdir()}
    assert names == REASONS.keys() | VIDEOS.keys()
    assert len(names) == 33


@pytest.mark.parametrize("name", REASONS)
def test_unusable(odd, name):
    with pytest.raises(UnusableVideo) as error:
        encode_clip(odd / name)
    assert re.search(REASONS[name], str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", VIDEOS)
def test_every_frame_is_kept_upright(odd, name):
    decoded, width, height = VIDEOS[name]
    short_side = min(64, width, height)
    clip = encode_clip(odd / name, EncodingConfig(fps=None, short_side=short_side))
    assert len(clip.frames) == decoded
    assert clip.note == STILL.get(name, "")
    scale = short_side / min(width, height)
    assert (clip.width, clip.height) == (round(width * scale), round(height * scale))
    assert clip.timestamps_us == sorted(set(clip.timestamps_us))
    assert clip.timestamps_us[0] == 0


def test_first_frame_is_at_time_zero_and_the_last_has_a_time(shared_data):
    """Segments of MPEG-4 AVI whose first frame is at 100 ms and whose last one at 0."""
    paths = sorted((shared_data / "ut_interaction").glob("*/*.avi"))[::40]
    if not paths:
        pytest.skip("no ut_interaction videos")
    for path in paths:
        clip = encode_clip(path, EncodingConfig(fps=30, short_side=32))
        own = encode_clip(path, EncodingConfig(fps=None, short_side=32))
        assert own.frame_rate == pytest.approx(30)
        assert len(clip.frames) == len(own.frames)
        assert clip.timestamps_us == pytest.approx(own.timestamps_us, abs=2)
