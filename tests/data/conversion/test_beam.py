"""Apache Beam makes the shards that the conversion's own processes make."""

import dataclasses
import os

import processes
import pytest
from conversion_runs import SHARDS, contents, last_lines, write_times

from video_zoo.data.conversion.convert import convert

SCRIPT = """
import sys
from video_zoo import data

if __name__ == "__main__":
    data.convert(data.ConversionConfig(
        sys.argv[1], sys.argv[2], encoding=data.EncodingConfig(short_side=32), num_shards=3,
        max_skipped=0.2, runner="DirectRunner", beam_options="--direct_num_workers=2",
    ))
"""


def test_the_direct_runner_makes_the_same_files(config, whole, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    part = dataclasses.replace(config, output_dir=str(tmp_path / "out"), shard_range="0:1")
    convert(part, progress=False)
    done = write_times(tmp_path / "out")[SHARDS[0]]
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = processes.run(script, config.input_dir, tmp_path / "out")
    assert run.returncode == 0, run.stderr
    assert contents(tmp_path / "out") == whole[1]
    assert write_times(tmp_path / "out")[SHARDS[0]] == done
    assert whole[0].manifest.num_skipped == 1


def test_an_unknown_runner(config, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    flags = ("--input", config.input_dir, "--output_dir", tmp_path, "--runner", "NoRunner")
    run = processes.run_tool("make_tfrecords", *flags)
    assert run.returncode == 2
    assert "NoRunner" in last_lines(run.stderr, 1)[0]


def test_without_beam_the_remedy_is_told_at_once(config, tmp_path):
    """A module that cannot be loaded, in the place of Apache Beam."""
    (tmp_path / "apache_beam.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), processes.environment()["PYTHONPATH"]])
    flags = ("--input", config.input_dir, "--output_dir", tmp_path / "out")
    run = processes.run_tool("make_tfrecords", *flags, "--runner=DirectRunner", PYTHONPATH=path)
    assert run.returncode == 2
    assert 'pip install "video-zoo[beam]"' in last_lines(run.stderr, 1)[0]
    assert not (tmp_path / "out").exists()
