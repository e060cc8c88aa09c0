"""What is missing of a clip is told, and why a file gives none is true."""

import re
from fractions import Fraction

import av
import numpy as np
import pytest
from conversion_runs import read_table

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert
from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.inspect.config import InspectionConfig
from video_zoo.data.inspect.inspection import inspect_dataset
from video_zoo.data.videos import video
from video_zoo.data.videos.readers import UnusableVideo
from video_zoo.data.videos.resampling import TimedFrames
from video_zoo.data.videos.video import encode_clip

TIMES = [Fraction(k, 25) for k in range(50)]
SMALL = EncodingConfig(short_side=32)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 255, (50, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, write_timed_video, noise):
    """Suffix -> the bytes of 50 frames in 2 seconds, a key frame every 5."""
    folder = tmp_path_factory.mktemp("whole")
    codecs = {"mp4": "libx264", "mkv": "libx264", "ts": "libx264", "avi": "mpeg4"}

    def write(suffix):
        more = {"mp4": {"movflags": "+faststart"}, "avi": {"time_base": TIMES[1]}}.get(suffix, {})
        path = folder / f"x.{suffix}"
        return write_timed_video(path, noise, TIMES, codecs[suffix], {"g": "5"}, **more)

    return {suffix: write(suffix).read_bytes() for suffix in codecs}


def damaged(content, length):
    """The bytes with zeros in the middle."""
    begin = len(content) // 2
    return content[:begin] + bytes(length) + content[begin + length :]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_a_whole_video_has_no_note(tmp_path, whole, suffix):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(whole[suffix])
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.note) == (50, "")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_what_follows_damage_is_kept_and_the_damage_told(tmp_path, whole, suffix):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(damaged(whole[suffix], 3000))
    clip = encode_clip(path, EncodingConfig(fps=None, short_side=32))
    assert 35 <= len(clip.frames) <= 50
    assert clip.end_us == pytest.approx(2_000_000, abs=200_000)
    assert "packets or frames that are damaged: " in clip.note


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("mp4", r"\d\d of the 50 frames"), ("mkv", r"1\.\d\d s of the [12]\.\d\d s")],
)
def test_a_file_that_ends_early(tmp_path, whole, suffix, kind):
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(whole[suffix][: len(whole[suffix]) * 7 // 10])
    assert re.search(f"{kind} declared decode", encode_clip(path, SMALL).note)
    path.write_bytes(whole[suffix][: len(whole[suffix]) * 3 // 10])
    with pytest.raises(UnusableVideo, match=r"cut short: 0\.\d\d s of the [12]\.\d\d s declared"):
        encode_clip(path, SMALL)


def test_an_edit_leaves_nothing_out(tmp_path, whole, edit):
    path = tmp_path / "x.mp4"
    path.write_bytes(whole["mp4"])
    edit(path, start=Fraction(10, 25), duration=Fraction(15, 25))
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.note) == (15, "")


def test_a_still_picture_with_sound_is_whole(tmp_path):
    """One frame, which stands while the sound goes on."""
    path = tmp_path / "x.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
        for _ in range(10):
            second = np.zeros((1, 8000), np.int16)
            samples = av.AudioFrame.from_ndarray(second, format="s16", layout="mono")
            samples.sample_rate = 8000
            container.mux(sound.encode(samples))
        container.mux(sound.encode())
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.note) == (1, "")


def test_parts_of_a_stream(tmp_path, write_timed_video, noise):
    """Its initialisation segment, a segment without it, and a late segment with it."""
    path = tmp_path / "x.mp4"
    options = {"movflags": "+frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    content = path.read_bytes()
    begins = [match.start() - 4 for match in re.finditer(b"moof", content)]
    path.write_bytes(content[: begins[0]])
    with pytest.raises(UnusableVideo, match="an initialisation segment alone"):
        encode_clip(path)
    path.write_bytes(content[begins[2] :])
    with pytest.raises(UnusableVideo, match="the initialisation segment is missing"):
        encode_clip(path)
    path.write_bytes(content[: begins[0]] + content[begins[-2] :])
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.note) == (2, "")
    path.write_bytes(content[: begins[0] + 300])
    with pytest.raises(UnusableVideo, match="cut short: the file ends before its first frame"):
        encode_clip(path)


def test_encrypted(tmp_path, noise):
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for picture in noise[:5]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    with pytest.raises(UnusableVideo, match="^encrypted"):
        encode_clip(path)


def test_a_damaged_index_is_not_taken_for_sound_alone(tmp_path, whole):
    content = whole["mp4"]
    begin = content.index(b"moov") + 200
    path = tmp_path / "x.mp4"
    path.write_bytes(content[:begin] + bytes(300) + content[begin + 300 :])
    with pytest.raises(UnusableVideo, match=r"its index \(moov\) is damaged"):
        encode_clip(path)
    path.write_bytes(content[: begin + 300])
    with pytest.raises(UnusableVideo, match=r"the file ends inside its index \(moov\)"):
        encode_clip(path)


def test_an_animated_webp(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pictures = [image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 255)]
    path = tmp_path / "x.webp"
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    with pytest.raises(UnusableVideo, match="an animated WebP"):
        encode_clip(path)


def test_longer_clips_end_where_asked(tmp_path, whole):
    path = tmp_path / "x.mp4"
    path.write_bytes(whole["mp4"])
    config = EncodingConfig(short_side=32, max_clip_seconds=0.4)
    clip = encode_clip(path, config)
    assert len(clip.frames) == 10
    assert clip.note == "only the first 0.4 s, as `max_clip_seconds` asks"
    clip = encode_clip(path, config, start=1, end=1.2)
    assert (len(clip.frames), clip.note) == (5, "")
    assert encode_clip(path, config, start=1).start_us == 1_000_000


def test_what_one_example_cannot_hold(tmp_path, whole, monkeypatch):
    path = tmp_path / "x.mp4"
    path.write_bytes(whole["mp4"])
    size = sum(map(len, encode_clip(path, SMALL).frames))
    monkeypatch.setattr(video, "_MAX_BYTES", size // 2)
    with pytest.raises(UnusableVideo, match="too long: .*`max_clip_seconds`"):
        encode_clip(path, SMALL)


def test_notes_stand_beside_the_shards(tmp_path, whole):
    """And `inspect` prints them."""
    folder = tmp_path / "in" / "label"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes(whole["mp4"])
    (folder / "b.mp4").write_bytes(whole["mp4"][: len(whole["mp4"]) * 7 // 10])
    place = str(tmp_path / "in"), str(tmp_path / "out")
    config = ConversionConfig(*place, encoding=SMALL, val_fraction=0, workers=1)
    assert "not whole: 1, see notes.csv" in convert(config, progress=False).summary()
    ((file, note),) = read_table(tmp_path / "out", "notes.csv", ["file", "note"])
    assert file == "label/b.mp4"
    assert re.search(r"\d\d of the 50 frames declared decode", note)
    report = inspect_dataset(InspectionConfig(str(tmp_path / "out")))
    assert f"not whole: {file}: {note}" in report.summary()
    assert not report.problems


def test_a_pause_that_is_left_out_is_told(tmp_path, write_timed_video, noise):
    times = [*TIMES[:10], *(time + 3600 for time in TIMES[10:20])]
    path = write_timed_video(tmp_path / "x.mkv", noise[:20], times, "libx264", {"g": "5"})
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.end_us) == (20, 800_000)
    assert clip.note == "pauses of more than 60 s, which are left out as damaged times: 1"
    first = encode_clip(path, SMALL, end=0.2)  # it ends before
    assert (len(first.frames), first.note) == (5, "")


@pytest.mark.parametrize(
    ("still", "note"),
    [
        (30, "one and the same picture for 1.2 s, as where a decoder or a camera hangs"),
        (20, ""),  # 0.8 s
        (0, ""),
    ],
)
def test_a_picture_that_stands_still_for_half_of_a_clip_is_told(
    tmp_path, write_timed_video, noise, still, note
):
    frames = np.concatenate([np.repeat(noise[:1], still + 1, axis=0), noise[1 : 50 - still]])
    path = write_timed_video(tmp_path / "x.mkv", frames, TIMES, "ffv1", {})
    clip = encode_clip(path, SMALL)
    assert (len(clip.frames), clip.note) == (50, note)
    # A higher rate repeats frames, and makes none of them stand still.
    assert encode_clip(path, EncodingConfig(fps=100, short_side=32)).note == note


@pytest.mark.parametrize("jump", [1000, -1000])
def test_times_after_a_jump_of_the_clock_are_those_of_the_file(jump):
    times = [0, 1, 2, 3 + jump, 4 + jump, 9 + jump]
    video = TimedFrames([(time, None) for time in times], 1)
    assert [seconds for seconds, _ in video] == [0, 1, 2, 3, 4, 9]
    assert video.long_pauses == (jump > 0)


def test_one_wrong_time_costs_no_other():
    video = TimedFrames([(time, None) for time in [0, 1, 2, 1e6, 4, 9]], 1)
    assert [seconds for seconds, _ in video] == [0, 1, 2, 3, 4, 9]
