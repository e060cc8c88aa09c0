"""Training from a web server, and which file systems tensorflow-io brings."""

import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import served

# A server that sends parts of files, as those of the web do.
SERVER = pathlib.Path(__file__).with_name("file_server.py")


@pytest.fixture(scope="module")
def large_shards(run, videos, tmp_path_factory):
    """Shards that take several requests, as one takes 256 KiB."""
    folder = tmp_path_factory.mktemp("large") / "shards"
    arguments = (f"--input={videos}", f"--output_dir={folder}", "--num_shards=2", "--workers=1")
    code, _, err = run("make_tfrecords", *arguments, "--short_side=160")
    assert code == 0, err
    assert min(path.stat().st_size for path in folder.glob("train-*")) > 1_000_000
    return folder


@pytest.fixture(scope="module")
def workdir(large_shards, run, tiny_flags, tmp_path_factory):
    """The folder of a run on those shards, which came from a web server."""
    folder = tmp_path_factory.mktemp("run")
    with served(str(SERVER), str(large_shards)) as address:
        arguments = (f"--data_dir={address}/shards", f"--workdir={folder}", "--epochs=1")
        code, _, err = run("train", *tiny_flags, *arguments)
    assert code == 0, err
    return folder


def test_training(workdir):
    assert len((workdir / "history.csv").read_text().splitlines()) == 2


def test_small_shards_come_from_a_server_that_sends_whole_files(
    workdir, local_shards, run, tmp_path
):
    server = ("-m", "http.server", "--bind", "127.0.0.1", "--directory", str(local_shards))
    with served(*server) as address:
        arguments = (f"--workdir={workdir}", f"--data_dir={address}", f"--output_dir={tmp_path}")
        code, out, err = run("evaluate", *arguments)
    assert code == 0, err
    assert "over 4 videos" in out


def refusal(run, tiny_flags, data_dir, workdir):
    code, _, err = run("train", *tiny_flags, f"--data_dir={data_dir}", f"--workdir={workdir}")
    assert code == 2, err
    assert err.count("\n") == 1
    return err


def test_what_a_web_server_lacks_is_told(local_shards, large_shards, run, tiny_flags, tmp_path):
    bare = shutil.copytree(local_shards, tmp_path / "bare")
    (bare / "manifest.json").unlink()
    shardless = shutil.copytree(local_shards, tmp_path / "shardless")
    (shardless / "train-00000-of-00012.tfrecord").unlink()
    shutil.copytree(large_shards, tmp_path / "large")  # the server sends no parts of files
    server = ("-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path))
    with served(*server) as address:
        err = refusal(run, tiny_flags, f"{address}/bare", tmp_path / "run")
        assert "`data_dir` must hold manifest.json where it is read from a web server" in err
        parts = "`data_dir` must be on a web server that sends shards, and parts of them."
        for folder in ("shardless", "large"):
            assert parts in refusal(run, tiny_flags, f"{address}/{folder}", tmp_path / "run")
    err = refusal(run, tiny_flags, address, tmp_path / "run")
    assert "connect" in err.lower()


def test_the_file_systems_that_cannot_be_tried_here_are_known(repository):
    """No account and no cluster here: that TensorFlow has a file system for them is all."""
    code = (
        "import os, tensorflow as tf\n"
        "from video_zoo.files import filesystems\n"
        "filesystems.check('az://account/container/shards', 'data_dir')\n"
        "print(*tf.io.gfile.get_registered_schemes(), flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert {"s3", "az", "hdfs", "viewfs", "http", "https", "gs"} <= set(done.stdout.split())
