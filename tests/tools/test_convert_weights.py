"""tools/convert_weights.py as a user calls it."""

import functools

import h5py
import numpy as np
import processes

from video_zoo import models

convert = functools.partial(processes.run_tool, "convert_weights")


def test_weights_are_converted_and_listed(tmp_path):
    model = models.s3d_v1(5, input_shape=(8, 32, 32, 3))
    model.save(tmp_path / "old.keras")
    output = tmp_path / "new.weights.h5"
    flags = ("--model=s3d_v1", f"--weights={tmp_path / 'old.keras'}", f"--output={output}")
    done = convert(*flags)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.endswith("Mixed_5c_Branch_3_Conv3d_0b_1x1_bn/beta (128,)") for line in lines)
    assert "310 weights, 7,904,565 trainable parameters" in lines
    assert f"video_zoo.s3d_v1(5, input_shape=(8, 32, 32, 3), weights='{output}')" in lines[-1]
    again = models.s3d_v1(5, input_shape=(8, 32, 32, 3), weights=output)
    for weight, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    with h5py.File(output) as file:
        assert "video_zoo_weights" in file.attrs
    done = convert(*flags)
    assert done.returncode == 2
    assert "`output` must not exist" in done.stderr


def test_an_unknown_name_is_told_in_one_line(tmp_path):
    done = convert("--model=i3d", "--weights=imagenet", f"--output={tmp_path / 'a.keras'}")
    assert done.returncode == 2
    told = done.stderr.splitlines()[-1]
    assert told.startswith("convert_weights: `weights` must be None, a published name ('kinetics")
