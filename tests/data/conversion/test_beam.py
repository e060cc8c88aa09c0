"""Apache Beam makes the shards that the conversion's own processes make."""

import dataclasses
import os
import subprocess
import sys

import pytest
from conversion_runs import SMALL, contents, last_lines, run_tool, tool_env, write_times

from video_zoo.data.conversion.config import ConversionConfig
from video_zoo.data.conversion.convert import convert

SCRIPT = """
import sys
from video_zoo import data

if __name__ == "__main__":
    data.convert(data.ConversionConfig(
        sys.argv[1], sys.argv[2], encoding=data.EncodingConfig(short_side=32), num_shards=2,
        max_skipped=0.2, runner="DirectRunner", beam_options="--direct_num_workers=2",
    ))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory, write_video, counter_frames):
    folder = tmp_path_factory.mktemp("beam")
    for label in ("wave", "jump"):
        for number in range(3):
            write_video(folder / "in" / label / f"{number}.mp4", counter_frames(4 + number))
    (folder / "in" / "jump" / "empty.mp4").touch()
    return ConversionConfig(
        str(folder / "in"),
        str(folder / "out"),
        encoding=SMALL,
        num_shards=2,
        workers=1,
        max_skipped=0.2,
    )


def test_the_direct_runner_makes_the_same_files(config, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    whole = convert(config, progress=False)
    part = dataclasses.replace(config, output_dir=str(tmp_path / "out"), shard_range="0:1")
    convert(part, progress=False)
    done = write_times(tmp_path / "out")["train-00000-of-00002.tfrecord"]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run(
        [sys.executable, script, config.input_dir, tmp_path / "out"], env=tool_env(), check=True
    )
    assert contents(tmp_path / "out") == contents(config.output_dir)
    assert write_times(tmp_path / "out")["train-00000-of-00002.tfrecord"] == done
    assert whole.manifest.num_skipped == 1


def test_an_unknown_runner(config, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    run = run_tool("--input", config.input_dir, "--output_dir", tmp_path, "--runner", "NoRunner")
    assert run.returncode == 2
    assert "NoRunner" in last_lines(run.stderr, 1)[0]


def test_without_beam_the_remedy_is_told_at_once(config, tmp_path):
    """A module that cannot be loaded, in the place of Apache Beam."""
    (tmp_path / "apache_beam.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), tool_env()["PYTHONPATH"]])
    run = run_tool(
        *("--input", config.input_dir, "--output_dir", tmp_path / "out"),
        *("--runner", "DirectRunner"),
        PYTHONPATH=path,
    )
    assert run.returncode == 2
    assert 'pip install "video-zoo[beam]"' in last_lines(run.stderr, 1)[0]
    assert not (tmp_path / "out").exists()
