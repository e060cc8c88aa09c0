"""Converting to S3 and training from it, by the real tools, against a real S3 server."""

import signal
import time

import pytest
from processes import start_tool

BUCKET = "zoo"
ABORTED = ("pure virtual", "terminate called", "Traceback")


@pytest.fixture(scope="module")
def objects(bucket):
    """A function (folder) -> name -> object, all that lie below the folder."""

    def read(folder):
        found = {
            summary.key.removeprefix(f"{folder}/"): summary
            for summary in bucket.objects.filter(Prefix=f"{folder}/")
        }
        return {name: summary for name, summary in found.items() if not name.endswith("/")}

    return read


@pytest.fixture(scope="module")
def contents(objects):
    """A function (folder) -> name -> bytes."""
    return lambda folder: {
        name: summary.get()["Body"].read() for name, summary in objects(folder).items()
    }


@pytest.fixture(scope="module")
def shards(run, conversion, bucket, s3_environment):
    """A folder in the bucket that a conversion has filled, and what the tool printed."""
    path = f"s3://{BUCKET}/shards"
    code, out, err = run("make_tfrecords", *conversion, f"--output_dir={path}", **s3_environment)
    assert code == 0, err
    return path, out, err


def test_a_conversion_makes_the_objects_of_a_local_one(shards, contents, local_files):
    path, out, err = shards
    assert f"next: python tools/train.py --model s3d_v1 --data_dir {path} " in out
    assert not any(word in err for word in ABORTED)
    assert sum(name.endswith(".tfrecord") for name in local_files) == 14
    assert contents("shards") == local_files


def test_the_second_call_changes_nothing(shards, run, conversion, objects, s3_environment):
    before = {name: summary.last_modified for name, summary in objects("shards").items()}
    arguments = (*conversion, f"--output_dir={shards[0]}")
    code, out, err = run("make_tfrecords", *arguments, **s3_environment)
    assert code == 0, err
    assert out == shards[1]
    assert not any(word in err for word in ABORTED)
    after = {name: summary.last_modified for name, summary in objects("shards").items()}
    assert after == before


@pytest.mark.parametrize(
    ("sent", "code", "folder"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -signal.SIGKILL, "killed")],
)
def test_an_ended_conversion_is_continued(
    sent, code, folder, run, conversion, objects, contents, local_files, s3_environment
):
    arguments = (*conversion, f"--output_dir=s3://{BUCKET}/{folder}")
    process = start_tool("make_tfrecords", *arguments, **s3_environment)
    record = ".conversion/train-00001-of-00012.tfrecord.json"
    try:
        deadline = time.monotonic() + 60
        while record not in objects(folder):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert not any(word in err for word in ABORTED)
    left = contents(folder)
    assert "manifest.json" not in left
    finished = {name: left[name] for name in left if name in local_files}
    assert len(finished) >= 2
    assert finished == {name: local_files[name] for name in finished}
    if sent == signal.SIGINT:
        assert not [name for name in left if name.endswith(".tmp")]

    code, _, err = run("make_tfrecords", *arguments, **s3_environment)
    assert code == 0, err
    assert contents(folder) == local_files


def test_training_and_evaluation(shards, run, tiny_flags, s3_environment, tmp_path):
    arguments = (*tiny_flags, f"--data_dir={shards[0]}", f"--workdir={tmp_path}")
    for epochs in (1, 2):
        code, out, err = run("train", *arguments, f"--epochs={epochs}", **s3_environment)
        assert code == 0, err
        assert not any(word in err for word in ABORTED)
        rows = (tmp_path / "history.csv").read_text().splitlines()[1:]
        assert len(rows) == epochs
    assert f"continuing {tmp_path} after step 4" in out
    code, out, err = run("evaluate", f"--workdir={tmp_path}", "--num_clips=2", **s3_environment)
    assert code == 0, err
    assert "over 4 videos, 2 clips x 1 crops of each, frames sequential" in out
    assert not any(word in err for word in ABORTED)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "make_tfrecords",
            ("--output_dir=s3://nobody/shards",),
            "`output_dir` must be a folder that can be written. Received: "
            "output_dir='s3://nobody/shards' (NoSuchBucket: ",
        ),
        (
            "train",
            ("--model=s3d_v1", "--data_dir=s3://nobody/shards", "--workdir=WORKDIR"),
            "`data_dir` must be a folder of TFRecord shards. Received: "
            "data_dir='s3://nobody/shards', which is no folder, or cannot be reached.",
        ),
    ],
)
def test_a_wrong_bucket_is_one_line(
    tool, arguments, message, run, conversion, s3_environment, tmp_path
):
    arguments = [argument.replace("WORKDIR", str(tmp_path)) for argument in arguments]
    if tool == "make_tfrecords":
        arguments += conversion
    begun = time.monotonic()
    code, out, err = run(tool, *arguments, **s3_environment)
    assert code == 2
    assert err.startswith(f"{tool}: {message}")
    assert (out, err.count("\n")) == ("", 1)
    assert time.monotonic() - begun < 60
