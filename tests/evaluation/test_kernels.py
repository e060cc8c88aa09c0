"""The kernels of the first convolution as pictures: every weight where it belongs."""

import av
import cv2
import keras
import numpy as np
import pytest
from PIL import Image

import video_zoo
from video_zoo.models.maps import first_kernel

SHAPE = (8, 32, 32, 3)


def network(channels=3, kernel_size=(3, 2, 2), filters=3):
    x = inputs = keras.Input((*SHAPE[:3], channels))
    x = keras.layers.Conv3D(filters, kernel_size, use_bias=False, name="first")(x)
    return keras.Model(inputs, keras.layers.Conv3D(2, 3, name="second")(x))


def read_png(path):
    return cv2.imread(str(path))[..., ::-1].astype(int)


def test_a_row_has_each_weight_in_its_colour(tmp_path):
    model = network()
    kernel = np.zeros((3, 2, 2, 3, 3), np.float32)
    kernel[1, 0, 1, 2, 0] = 5  # moment, row, column, blue, the first kernel
    kernel[1, 1, 1, 0, 0] = -2.5
    kernel[2, 0, 0, :, 1] = -1
    model.set_weights([kernel, *model.get_weights()[1:]])
    told = video_zoo.save_kernels(model, tmp_path / "k.png")
    assert told == f"{tmp_path / 'k.png'}: 3 kernels 3x2x2 of 3 channels, first"
    row = read_png(tmp_path / "k.png")
    grid = 2 * 42 + 2  # pixels: two kernels of 2x2 weights, each 21 pixels wide, and their gap
    assert row.shape == (grid, 3 * grid + 2 * 4, 3)
    moments = [row[:, at : at + grid] for at in (0, grid + 4, 2 * (grid + 4))]
    assert set(moments[0][:20, :20].ravel()) == {128}
    assert moments[1][10, 31].tolist() == [128, 128, 255]
    assert moments[1][31, 31].tolist() == [64, 128, 128]
    assert moments[2][10, 44 + 10].tolist() == [0, 0, 0]
    assert moments[2][31, 44 + 31].tolist() == [128, 128, 128]
    assert not row[50:, 50:grid].any()  # three kernels leave a place


def test_moving_pictures_have_a_frame_for_each_moment(tmp_path):
    video_zoo.save_kernels(network(), tmp_path / "new" / "k.gif")
    with Image.open(tmp_path / "new" / "k.gif") as found:
        assert (found.n_frames, found.info["duration"], found.size) == (3, 250, (86, 86))
    video_zoo.save_kernels(network(), tmp_path / "k.mp4")
    with av.open(str(tmp_path / "k.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4 * 3


def test_kernels_of_factorised_networks_stand_still_and_it_is_said(tmp_path):
    model = video_zoo.s3d_v1(3, input_shape=SHAPE, width_multiplier=0.1)
    told = video_zoo.save_kernels(model, tmp_path / "k.gif")
    assert "1x7x7 of 3 channels, Conv3d_1a_7x7_spatial_conv, which see one frame at a" in told
    with Image.open(tmp_path / "k.gif") as found:
        assert found.n_frames == 1


@pytest.mark.parametrize(("channels", "grey"), [(1, True), (2, False), (5, True)])
def test_channels_that_are_no_colours(tmp_path, channels, grey):
    model = network(channels)
    model.set_weights([np.ones_like(model.get_weights()[0]), *model.get_weights()[1:]])
    video_zoo.save_kernels(model, tmp_path / "k.png")
    assert read_png(tmp_path / "k.png")[5, 5].tolist() == [255, 255, 255 if grey else 128]


def test_the_first_convolution_is_found_wherever_it_is():
    model = network()
    x = keras.Input(SHAPE)
    nested = keras.Sequential([x, keras.layers.Rescaling(2.0), model, keras.layers.Flatten()])
    np.testing.assert_array_equal(first_kernel(nested)[1], model.get_weights()[0])
    each = keras.layers.TimeDistributed(keras.layers.Conv2D(4, 5))
    name, kernel = first_kernel(keras.Model(x, each(x)))
    assert (name, kernel.shape) == (each.name, (1, 5, 5, 3, 4))
    np.testing.assert_array_equal(kernel[0], each.layer.kernel.numpy())


def test_refusals(tmp_path):
    inputs = keras.Input(SHAPE)
    flat = keras.Model(inputs, keras.layers.Flatten()(inputs))
    with pytest.raises(ValueError, match="`model` must be a functional .* with a convolution"):
        video_zoo.save_kernels(flat, tmp_path / "k.gif")
    with pytest.raises(ValueError, match="`path` must be a local file that ends with .gif"):
        video_zoo.save_kernels(network(), tmp_path / "k.jpg")
    assert not list(tmp_path.iterdir())
    (tmp_path / "k.png").mkdir()
    with pytest.raises(ValueError, match="`path` must be a file that can be written.*a folder"):
        video_zoo.save_kernels(network(), tmp_path / "k.png")
