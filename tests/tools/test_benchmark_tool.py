"""The benchmarks run, and report what they measured."""

import functools
import re

import processes
import pytest

benchmark = functools.partial(processes.run_tool, "benchmark")


def test_input(motion_shards):
    flags = "--num_frames=8 --image_size=32 --clips=10 --steps=1 --repeats=1 --width_multiplier=0.1"
    done = benchmark("input", "--data_dir", motion_shards, "--model=r3d_18", *flags.split())
    assert done.returncode == 0, done.stderr
    rates = dict(re.findall(r"^(\w.*?)  +([\d.]+) clips/s", done.stdout, re.MULTILINE))
    assert list(rates) == ["bare decode and crop", "pipeline", "training step alone", "fit"]
    ratio = float(re.search(r"pipeline / bare decode: ([\d.]+)%", done.stdout)[1])
    assert ratio == pytest.approx(
        100 * float(rates["pipeline"]) / float(rates["bare decode and crop"]), rel=0.01
    )
    faster = float(rates["training step alone"]) > float(rates["pipeline"])
    verdict = "the input holds training back" if faster else "the network is the limit"
    assert done.stdout.strip().endswith(verdict)


def test_conversion(motion_shards):
    videos = motion_shards.parent / "videos" / "train"
    flags = ["--max_clips=4", "--repeats=1", "--workers=1", "--short_side=32"]
    done = benchmark("conversion", "--input", videos, *flags)
    assert done.returncode == 0, done.stderr
    bare, converted = re.search(
        r"bare ([\d.]+) clips/s, converted ([\d.]+) clips/s", done.stdout
    ).groups()
    ratio = float(re.search(r"conversion / bare: ([\d.]+)%", done.stdout)[1])
    assert ratio == pytest.approx(100 * float(converted) / float(bare), rel=0.02, abs=0.06)


def test_unknown_benchmarks_are_told():
    done = benchmark("speed")
    assert done.returncode == 2
    assert done.stderr == (
        "benchmark: the benchmark must be one of input, conversion, inflation. Received: 'speed'\n"
    )


def test_the_folder_is_called_by_its_flag():
    done = benchmark("conversion", "--input=/nowhere")
    assert done.returncode == 2
    assert "benchmark: `--input` must be a folder of videos" in done.stderr.splitlines()[-1]
