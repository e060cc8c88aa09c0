"""Workers that crash, hang, or are ended."""

import os
import signal
import time

import numpy as np
import processes
import pytest
from conversion_runs import last_lines, read_skipped, read_split, wait_until

from video_zoo.data.annotations.clip import Clip
from video_zoo.data.conversion import workers
from video_zoo.data.format.encoding import EncodedClip, EncodingConfig
from video_zoo.files.whole_files import temporary_name

# Every worker imports the script that started it. So this one can put real crashes, and a look
# around, into the real workers.
CRASHING_SCRIPT = """
import os, signal, sys
from video_zoo.data.videos import video

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
    run = processes.run(script, tmp_path / "in", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("5 3 of 8 clips were skipped")
    assert read_skipped(tmp_path / "out") == {
        "label/crash.mp4": "the decoder crashed, or the system ended it for want of memory",
        "label/raise.mp4": "RuntimeError: two lines",
        "label/modules.mp4": "RuntimeError: []",
    }
    names = {os.path.basename(e["filename"]) for e in read_split(tmp_path / "out", "train")}
    assert names == {b"a.mp4", b"b.mp4", b"c.mp4", b"d.mp4", b"once.mp4"}


def test_a_script_without_a_main_guard(tmp_path, write_video):
    write_video(tmp_path / "in" / "label" / "a.mp4", np.zeros((5, 32, 32, 3)))
    script = tmp_path / "script.py"
    script.write_text(CRASHING_SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    run = processes.run(script, tmp_path / "in", tmp_path / "out")
    assert run.returncode == 1
    assert '`if __name__ == "__main__":`' in last_lines(run.stderr, 1)[0]


def test_a_decoder_that_takes_too_long(tmp_path, write_video):
    """A video of many large frames, and little time; the others come through, in order."""
    frame = np.zeros((480, 640, 3), np.uint8)
    long = write_video(tmp_path / "long.mp4", np.broadcast_to(frame, (600, *frame.shape)))
    short = write_video(tmp_path / "short.mp4", np.zeros((3, 32, 32, 3)))
    clips = [Clip(str(path), "a", "train") for path in (short, long, short, short)]
    started = time.monotonic()
    results = list(workers.encode_clips(clips, EncodingConfig(short_side=2160), 2, timeout=2))
    assert time.monotonic() - started < 60
    assert [result.clip for result in results] == clips
    assert results[1].outcome == "took more than 2 s, which `clip_timeout` allows"
    assert all(isinstance(results[index].outcome, EncodedClip) for index in (0, 2, 3))
    assert all(0 < results[index].seconds < 2 for index in (0, 2, 3))


def test_a_decoder_that_took_too_long_without_an_alarm(tmp_path, write_video, monkeypatch):
    """Where the system has no such alarm, the clip is refused when it is done."""
    path = write_video(tmp_path / "a.mp4", np.zeros((50, 240, 320, 3)))
    monkeypatch.delattr(signal, "setitimer")
    workers._outside_encoding.acquire()
    try:
        clip = Clip(str(path), "a", "train")
        result = workers._encode(clip, EncodingConfig(short_side=240), timeout=0.01)
    finally:
        workers._outside_encoding.release()
    assert result.outcome == "took more than 0.01 s, which `clip_timeout` allows"
    assert result.seconds > 0.01


def children_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return [int(child) for child in file.read().split()]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks into /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_run(tmp_path, write_video, sent):
    """Ctrl-C, or a kill: the workers end too, and no file has a final name before it is whole."""
    noise = np.random.default_rng(0).integers(0, 255, (50, 240, 320, 3))
    write_video(tmp_path / "in" / "noise.mp4", noise)
    rows = (f"noise.mp4,a,{number / 1000},\n" for number in range(200))
    (tmp_path / "list.csv").write_text("".join(rows))
    output = tmp_path / "out"
    flags = ["--input", tmp_path / "in", "--output_dir", output, "--num_shards=1", "--workers=2"]
    flags += ["--annotations", tmp_path / "list.csv", "--val_fraction=0"]
    with processes.start_tool("make_tfrecords", *flags) as process:
        try:
            unfinished = output / temporary_name("train-00000-of-00001.tfrecord", process.pid)
            # Two workers and the process that multiprocessing keeps for itself.
            wait_until(lambda: unfinished.exists() and len(children_of(process)) == 3, 60)
            workers = children_of(process)
            process.send_signal(sent)
            error = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    wait_until(lambda: not any(map(is_running, workers)), 15)
    left = {name for name in os.listdir(output) if not name.startswith(".")}
    assert left == {"label_map.txt"}
    if sent == signal.SIGINT:
        assert process.returncode == 130
        kept = "make_tfrecords: interrupted. Finished shards are kept; the same command continues."
        assert kept in last_lines(error, 1)[0]
        assert "Traceback" not in error
        assert not unfinished.exists()
