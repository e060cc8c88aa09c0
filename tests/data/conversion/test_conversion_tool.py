"""The tool's own words where flags, input or OpenCV are wrong."""

import functools
import os

import processes
import pytest
from conversion_runs import last_lines

run_tool = functools.partial(processes.run_tool, "make_tfrecords")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--input", "/nowhere"), "`--input` must be a folder of videos. Received: --input="),
        (("--input", ".", "--jpeg_quality", 0), "`jpeg_quality` must be an integer from 1 to 100"),
    ],
)
def test_tool_says_what_is_wrong_in_one_line(tmp_path, flags, message):
    run = run_tool(*flags, "--output_dir", tmp_path / "out")
    assert run.returncode == 2
    assert f"make_tfrecords: {message}" in last_lines(run.stderr, 1)[0]
    assert "Traceback" not in run.stderr


def test_opencv_without_a_system_library(tmp_path):
    """The real OpenCV, and an empty file in the place of a library that it loads."""
    (tmp_path / "libGL.so.1").touch()
    broken = {"LD_LIBRARY_PATH": str(tmp_path)}
    if processes.run("-c", "import cv2", **broken).returncode == 0:
        pytest.skip("this OpenCV does not use libGL (a headless one)")
    run = run_tool("--input", ".", "--output_dir", tmp_path / "out", **broken)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("make_tfrecords: OpenCV cannot be loaded (")
    assert "libGL.so.1" in line
    assert "opencv-python-headless" in line and "apt-get install libgl1" in line


def test_opencv_broken_by_a_second_package(tmp_path):
    """What is left of cv2 when one of two OpenCV packages is uninstalled."""
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), processes.environment()["PYTHONPATH"]])
    run = run_tool("--input", ".", "--output_dir", tmp_path / "out", PYTHONPATH=path)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "pip uninstall -y opencv" in line and "pip install opencv-python-headless" in line
