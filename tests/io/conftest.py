"""Fixtures of the tests of other file systems: servers on this machine, and the tools."""

import contextlib
import importlib.util
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from processes import run_tool

BUCKET = "zoo"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(*command):
    """Runs a server whose command line ends with its port. Gives its address."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, *command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session", autouse=True)
def needed_packages():
    for package in ("tensorflow_io", "moto", "flask", "boto3"):
        # Not imported: a process that has used tensorflow_io aborts at its end.
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `python3 tools/dev.py test_io` runs these")


@pytest.fixture(scope="session")
def s3_environment(needed_packages):
    """Environment variables that lead S3 clients to moto's server on this machine."""
    with served("-m", "moto.server", "-H", "127.0.0.1", "-p") as address:
        yield {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "S3_ENDPOINT": address,
            "S3_USE_HTTPS": "0",
            "S3_VERIFY_SSL": "0",
        }


@pytest.fixture(scope="session")
def bucket(s3_environment):
    """The bucket `zoo`, by boto3."""
    import boto3

    service = boto3.resource(
        "s3",
        endpoint_url=s3_environment["S3_ENDPOINT"],
        region_name=s3_environment["AWS_REGION"],
        aws_access_key_id=s3_environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=s3_environment["AWS_SECRET_ACCESS_KEY"],
    )
    return service.create_bucket(Bucket=BUCKET)


@pytest.fixture(scope="session")
def run():
    """A function (tool, *arguments, **environment) -> exit code, stdout, stderr."""

    def call(*arguments, **environment):
        done = run_tool(*arguments, **environment)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture(scope="session")
def videos(tmp_path_factory, write_video):
    """Two classes of twelve noisy training videos and two of validation, 64x64 pixels."""
    folder = tmp_path_factory.mktemp("videos")
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 2)):
        for label in ("jump", "wave"):
            for number in range(count):
                frames = random.integers(0, 255, (10, 64, 64, 3))
                write_video(folder / split / label / f"{number}.mp4", frames)
    return folder


@pytest.fixture(scope="session")
def conversion(videos):
    """The arguments of a conversion of the videos, but for the output folder."""
    return (f"--input={videos}", "--short_side=64", "--num_shards=12", "--workers=1")


@pytest.fixture(scope="session")
def local_shards(run, conversion, tmp_path_factory):
    """The folder of shards that the conversion makes on this machine."""
    folder = tmp_path_factory.mktemp("local") / "shards"
    code, _, err = run("make_tfrecords", *conversion, f"--output_dir={folder}")
    assert code == 0, err
    return folder


@pytest.fixture(scope="session")
def local_files(local_shards):
    """Name -> bytes of the files in that folder."""
    return {path.name: path.read_bytes() for path in pathlib.Path(local_shards).iterdir()}
