import collections
import csv
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from video_zoo.data import tfrecord
from video_zoo.data.annotations import Annotations, Clip
from video_zoo.data.conversion import ConversionConfig, convert, plan_shards
from video_zoo.data.video import EncodingConfig, encode_clip

SMALL = EncodingConfig(short_side=32)


def read_split(folder, split):
    dataset = tf.data.TFRecordDataset(tfrecord.list_shards(folder, split))
    return list(dataset.map(tfrecord.parse_example).as_numpy_iterator())


def read_skipped(folder):
    with open(os.path.join(folder, "skipped.csv"), newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "reason"]
    return dict(rows)


def run_tool(repository, *arguments, **environment):
    """Runs the real tool in a process of its own, as a user does."""
    command = [sys.executable, repository / "tools" / "make_tfrecords.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=tool_env(**environment))


def tool_env(**environment):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"} | environment


def last_lines(text, count):
    return text.replace("\r", "\n").strip().splitlines()[-count:]


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video, counter_frames):
    """Two classes of six short videos; the number of frames tells which is which."""
    folder = tmp_path_factory.mktemp("videos")
    for label, first in (("wave", 10), ("jump", 20)):
        for number in range(6):
            frames = counter_frames(first + number)
            write_video(folder / label / f"{number}.mp4", frames)
    return folder


@pytest.fixture(scope="module")
def converted(videos, tmp_path_factory):
    """The two classes, in two workers and two shards."""
    output = tmp_path_factory.mktemp("converted")
    config = ConversionConfig(str(videos), str(output), encoding=SMALL, num_shards=2, workers=2)
    return convert(config, progress=False)


def test_files(converted):
    assert sorted(os.listdir(converted.output_dir)) == [
        "label_map.txt",
        "manifest.json",
        "missing.csv",
        "skipped.csv",
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
        "val-00000-of-00001.tfrecord",
    ]
    assert tfrecord.load_label_map(converted.output_dir) == ["jump", "wave"]
    assert converted.skipped == ()
    assert converted.problem is None
    assert read_skipped(converted.output_dir) == {}


def test_examples(converted, videos, read_counter):
    examples = read_split(converted.output_dir, "train") + read_split(converted.output_dir, "val")
    found = {}
    for example in examples:
        name = example["filename"].decode()
        numbers = [read_counter(jpeg) for jpeg in example["frames"]]
        assert numbers == list(range(len(numbers)))
        assert (example["height"], example["width"]) == (32, 64)
        assert example["label"] == ["jump", "wave"].index(name.split("/")[0])
        found[name] = len(numbers)
    expected = {f"wave/{n}.mp4": 10 + n for n in range(6)}
    expected |= {f"jump/{n}.mp4": 20 + n for n in range(6)}
    assert found == expected


def test_manifest(converted):
    manifest = tfrecord.load_manifest(converted.output_dir)
    assert manifest == converted.manifest
    assert manifest.num_clips == 12
    assert manifest.num_examples("train") == 10
    assert manifest.splits["val"].classes == {"jump": 1, "wave": 1}
    assert manifest.shard_sizes("train") == {
        "train-00000-of-00002.tfrecord": 5,
        "train-00001-of-00002.tfrecord": 5,
    }
    frames = sum(len(e["frames"]) for e in read_split(converted.output_dir, "train"))
    assert manifest.splits["train"].num_frames == frames
    for split in manifest.splits.values():
        sizes = [os.path.getsize(os.path.join(converted.output_dir, s.name)) for s in split.shards]
        assert sizes == [shard.bytes for shard in split.shards]
        assert split.bytes == sum(sizes)
    assert manifest.settings["short_side"] == 32
    assert manifest.settings["seed"] == 0
    assert set(manifest.versions) == {"video_zoo", "python", "tensorflow", "opencv", "numpy"}


def test_same_bytes_for_any_number_of_workers(converted, videos, tmp_path):
    config = ConversionConfig(
        str(videos), str(tmp_path / "again"), encoding=SMALL, num_shards=2, workers=1
    )
    convert(config, progress=False)
    for name in os.listdir(converted.output_dir):
        first = os.path.join(converted.output_dir, name)
        second = os.path.join(config.output_dir, name)
        with open(first, "rb") as one, open(second, "rb") as two:
            assert one.read() == two.read(), name


def test_a_finished_dataset_is_kept_unless_told(converted, videos, tmp_path, write_video):
    output = tmp_path / "out"
    write_video(tmp_path / "in" / "only" / "a.mp4", np.zeros((5, 32, 32, 3)))
    config = ConversionConfig(str(tmp_path / "in"), str(output), encoding=SMALL, workers=1)
    # An earlier run was killed: it left shards of another number and a half file, no manifest.
    output.mkdir()
    stale = ("train-00000-of-00009.tfrecord", ".train-00001-of-00009.tfrecord.tmp", "label_map.txt")
    for name in stale:
        (output / name).write_bytes(b"stale")
    (output / "notes.txt").write_text("the user's own")
    convert(config, progress=False)
    expected = {"train-00000-of-00001.tfrecord", "label_map.txt", "manifest.json", "notes.txt"}
    assert set(os.listdir(output)) == expected | {"skipped.csv", "missing.csv"}
    with pytest.raises(ValueError, match="`output_dir` must not hold a finished dataset"):
        convert(config, progress=False)
    convert(dataclasses.replace(config, overwrite=True), progress=False)


def test_unwritable_output_folder(videos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="`output_dir` must be a folder that can be written"):
        convert(ConversionConfig(str(videos), str(tmp_path / "file" / "out")), progress=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("num_shards", 0), ("max_skipped", -0.1), ("max_skipped", 5)],
)
def test_config_is_checked(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}={value}"):
        ConversionConfig("in", "out", **{name: value})


def make_annotations(**clips_of_split):
    clips = tuple(
        Clip(f"/{split}/{number}", "a", split)
        for split, count in clips_of_split.items()
        for number in range(count)
    )
    return Annotations(clips, ("a",))


@pytest.mark.parametrize(
    ("num_shards", "clips", "expected"),
    [
        (None, {"train": 120, "val": 51}, {"train": 3, "val": 1}),
        (8, {"train": 100, "val": 25, "test": 1}, {"train": 8, "val": 2, "test": 1}),
        (4, {"train": 2}, {"train": 4}),
        (None, {"val": 101}, {"val": 3}),
    ],
)
def test_plan(num_shards, clips, expected):
    plan = plan_shards(make_annotations(**clips), num_shards, seed=0)
    assert collections.Counter(shard.split for shard in plan) == expected
    planned = [clip for shard in plan for clip in shard.clips]
    assert sorted(planned, key=str) == sorted(make_annotations(**clips).clips, key=str)
    for split in clips:
        sizes = [len(shard.clips) for shard in plan if shard.split == split]
        assert max(sizes) - min(sizes) <= 1


def test_plan_depends_on_the_seed_only():
    annotations = make_annotations(train=60, val=10)
    assert plan_shards(annotations, 4, 1) == plan_shards(annotations, 4, 1)
    assert plan_shards(annotations, 4, 1) != plan_shards(annotations, 4, 2)


def test_kinetics(tmp_path, write_video, counter_frames, read_counter):
    """Ids that begin with "-" or "_"; one file is trimmed already, one is cut by the row."""
    folder = tmp_path / "in"
    write_video(folder / "train" / "-abcdefghij_000010_000020.mp4", counter_frames(30))
    write_video(folder / "val" / "_bcdefghijk.mp4", counter_frames(100))
    rows = [
        "label,youtube_id,time_start,time_end,split",
        '"playing, loudly",-abcdefghij,10,20,train',
        "run,_bcdefghijk,1,3,validate",
        "run,-gonegonego,0,10,train",
    ]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    config = ConversionConfig(
        str(folder),
        str(tmp_path / "out"),
        str(tmp_path / "list.csv"),
        encoding=SMALL,
        workers=1,
    )
    result = convert(config, progress=False)
    (train,) = read_split(config.output_dir, "train")
    (val,) = read_split(config.output_dir, "val")
    assert [read_counter(jpeg) for jpeg in train["frames"]] == list(range(30))
    assert [read_counter(jpeg) for jpeg in val["frames"]] == list(range(25, 75))
    assert result.manifest.num_missing == 1
    assert (tmp_path / "out" / "missing.csv").read_text() == "file\n-gonegonego_000000_000010\n"


# Every worker imports the script that started it. So this one can put real crashes, and a look
# around, into the real workers.
CRASHING_SCRIPT = """
import os, signal, sys
from video_zoo.data import video

encode_clip = video.encode_clip

def encode_or_crash(path, *arguments):
    name = os.path.basename(path)
    if name == "crash.mp4":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "once.mp4" and not os.path.exists(path + ".seen"):
        open(path + ".seen", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raise.mp4":
        raise RuntimeError("two\\nlines")
    if name == "modules.mp4":
        raise RuntimeError(sorted({"tensorflow", "keras"} & set(sys.modules)))
    return encode_clip(path, *arguments)

video.encode_clip = encode_or_crash

if __name__ == "__main__":
    from video_zoo.data import ConversionConfig, convert

    result = convert(ConversionConfig(sys.argv[1], sys.argv[2], workers=2, val_fraction=0))
    print(result.manifest.num_examples("train"), result.problem)
"""


def test_workers_that_crash(tmp_path, write_video):
    for name in ("a", "b", "c", "d", "crash", "once", "raise", "modules"):
        write_video(tmp_path / "in" / "label" / f"{name}.mp4", np.zeros((5, 32, 32, 3)))
    script = tmp_path / "script.py"
    script.write_text(CRASHING_SCRIPT)
    run = subprocess.run(
        [sys.executable, script, tmp_path / "in", tmp_path / "out"],
        capture_output=True,
        text=True,
        env=tool_env(),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("5 3 of 8 clips were skipped")
    assert read_skipped(tmp_path / "out") == {
        "label/crash.mp4": "the decoder crashed",
        "label/raise.mp4": "RuntimeError: two lines",
        "label/modules.mp4": "RuntimeError: []",
    }
    names = {os.path.basename(e["filename"]) for e in read_split(tmp_path / "out", "train")}
    assert names == {b"a.mp4", b"b.mp4", b"c.mp4", b"d.mp4", b"once.mp4"}


def test_a_script_without_a_main_guard(tmp_path, write_video):
    write_video(tmp_path / "in" / "label" / "a.mp4", np.zeros((5, 32, 32, 3)))
    script = tmp_path / "script.py"
    script.write_text(CRASHING_SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    run = subprocess.run(
        [sys.executable, script, tmp_path / "in", tmp_path / "out"],
        capture_output=True,
        text=True,
        env=tool_env(),
    )
    assert run.returncode == 1
    assert '`if __name__ == "__main__":`' in last_lines(run.stderr, 1)[0]


@pytest.fixture(scope="module")
def odd_run(shared_data, repository, tmp_path_factory):
    """All of `odd/` in one class folder, through the tool. Gives the run and its output folder."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "in").mkdir()
    (folder / "in" / "odd").symlink_to(shared_data / "odd")
    flags = ("--short_side", 64, "--workers", 2, "--val_fraction", 0)
    run = run_tool(repository, "--input", folder / "in", "--output_dir", folder / "out", *flags)
    return run, folder / "out"


def test_odd_videos_skip_and_convert(odd_run, shared_data):
    _, output = odd_run
    skipped = read_skipped(output)
    # OpenCV before 5 has no decoder for VVC.
    assert len(skipped) - ("odd/exo_sample_vvc.mp4" in skipped) == 12
    examples = read_split(output, "train")
    assert len(examples) + len(skipped) == 33
    for example in examples:
        path = shared_data / "odd" / os.path.basename(example["filename"].decode())
        own = encode_clip(path, EncodingConfig(fps=None, short_side=8))
        seconds = len(own.frames) / own.frame_rate
        assert len(example["frames"]) == pytest.approx(seconds * 25, abs=1), path
        assert tf.io.decode_jpeg(example["frames"][0]).shape[2] == 3


def test_too_many_skipped(odd_run):
    run, output = odd_run
    assert run.returncode == 1
    assert re.fullmatch(
        r"make_tfrecords: 1[23] of 33 clips were skipped, .*skipped\.csv has the reasons",
        last_lines(run.stderr, 1)[0],
    )
    assert tfrecord.load_manifest(output).num_skipped == len(read_skipped(output))
    assert "next:" not in run.stdout  # a problem comes first
    assert "clip/s" in run.stderr  # the progress bar


def test_tool_succeeds(videos, repository, tmp_path):
    (tmp_path / "in" / "wave").mkdir(parents=True)
    for number in range(3):
        os.symlink(videos / "wave" / f"{number}.mp4", tmp_path / "in" / "wave" / f"{number}.mp4")
    (tmp_path / "in" / "wave" / "bad.mp4").write_bytes(b"")
    flags = ("--fps", 0, "--short_side", 16, "--workers", 1, "--max_skipped", 0.25)
    run = run_tool(repository, "--input", tmp_path / "in", "--output_dir", tmp_path / "out", *flags)
    assert run.returncode == 0, run.stderr
    assert read_skipped(tmp_path / "out") == {"wave/bad.mp4": "empty: the file has 0 bytes"}
    manifest = tfrecord.load_manifest(tmp_path / "out")
    assert manifest.settings["fps"] is None
    assert sum(split.num_frames for split in manifest.splits.values()) == 10 + 11 + 12


def test_a_split_without_any_usable_clip(tmp_path, write_video):
    write_video(tmp_path / "in" / "train" / "a" / "1.mp4", np.zeros((5, 32, 32, 3)))
    (tmp_path / "in" / "val" / "a").mkdir(parents=True)
    (tmp_path / "in" / "val" / "a" / "2.mp4").write_bytes(b"")
    config = ConversionConfig(
        str(tmp_path / "in"), str(tmp_path / "out"), workers=1, max_skipped=1.0
    )
    result = convert(config, progress=False)
    assert result.problem.startswith("no clip of val could be used")
    assert result.manifest.shard_sizes("val") == {"val-00000-of-00001.tfrecord": 0}
    assert read_split(config.output_dir, "val") == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--input", "/nowhere"), "`input_dir` must be a folder of videos"),
        (("--input", ".", "--jpeg_quality", 0), "`jpeg_quality` must be from 1 to 100"),
    ],
)
def test_tool_says_what_is_wrong_in_one_line(repository, tmp_path, flags, message):
    run = run_tool(repository, *flags, "--output_dir", tmp_path / "out")
    assert run.returncode == 2
    assert f"make_tfrecords: {message}" in last_lines(run.stderr, 1)[0]
    assert "Traceback" not in run.stderr


def test_opencv_without_a_system_library(repository, tmp_path):
    """The real OpenCV, and an empty file in the place of a library that it loads."""
    (tmp_path / "libGL.so.1").touch()
    broken = {"LD_LIBRARY_PATH": str(tmp_path)}
    check = subprocess.run(
        [sys.executable, "-c", "import cv2"], capture_output=True, env=tool_env(**broken)
    )
    if check.returncode == 0:
        pytest.skip("this OpenCV does not use libGL (a headless one)")
    run = run_tool(repository, "--input", ".", "--output_dir", tmp_path / "out", **broken)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("make_tfrecords: OpenCV cannot be loaded (")
    assert "libGL.so.1" in line
    assert "opencv-python-headless" in line and "apt-get install libgl1" in line


def test_opencv_broken_by_a_second_package(repository, tmp_path):
    """What is left of cv2 when one of two OpenCV packages is uninstalled."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").touch()
    root = str(repository)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])}
    run = run_tool(repository, "--input", ".", "--output_dir", tmp_path / "out", **path)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "pip uninstall -y opencv" in line and "pip install opencv-python-headless" in line


def children_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return [int(child) for child in file.read().split()]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks into /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_run(repository, tmp_path, write_video, sent):
    """Ctrl-C, or a kill: the workers end too, and no file has a final name before it is whole."""
    noise = np.random.default_rng(0).integers(0, 255, (50, 240, 320, 3))
    video = write_video(tmp_path / "noise.mp4", noise)
    (tmp_path / "in" / "a").mkdir(parents=True)
    for number in range(200):
        (tmp_path / "in" / "a" / f"{number}.mp4").symlink_to(video)
    output = tmp_path / "out"
    tool = repository / "tools" / "make_tfrecords.py"
    flags = ["--input", tmp_path / "in", "--output_dir", output, "--num_shards=1", "--workers=2"]
    command = [sys.executable, tool, *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=tool_env()) as process:
        try:
            unfinished = output / ".train-00000-of-00001.tfrecord.tmp"
            # Two workers and the process that multiprocessing keeps for itself.
            wait_until(lambda: unfinished.exists() and len(children_of(process)) == 3, 60)
            workers = children_of(process)
            process.send_signal(sent)
            error = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    wait_until(lambda: not any(map(is_running, workers)), 15)
    left = {name for name in os.listdir(output) if not name.startswith(".")}
    assert left == {"label_map.txt"} | ({"val-00000-of-00001.tfrecord"} & left)
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert "make_tfrecords: interrupted" in last_lines(error, 1)[0]
        assert "Traceback" not in error
        assert not unfinished.exists()
