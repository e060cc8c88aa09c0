"""Optical flow: from moving pictures through shards to clips."""

import dataclasses
import itertools
import os

import numpy as np
import pytest
import tensorflow as tf
from conversion_runs import contents

from video_zoo.data import ConversionConfig, EncodingConfig, convert
from video_zoo.data.format import manifests
from video_zoo.data.format.folder import list_shards
from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.videos import flow
from video_zoo.data.videos.readers import UnusableVideo, load_opencv
from video_zoo.data.videos.video import encode_clip

LENGTH, SIZE, SHIFT = 6, 96, (3, -2)  # pixels to the right and downwards, per frame
CONFIG = EncodingConfig(short_side=SIZE, modality="flow_dis")
CLIP = ClipConfig(num_frames=4, image_size=84)  # the crop of 96 pixels: nothing is resized
STEP = 20 / 127.5  # pixels of displacement between neighbouring values


def moving_texture(shift=SHIFT):
    """A smooth random texture that drifts; what leaves on one side comes in on the other."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(SIZE, SIZE)))
    low = np.hypot(*np.meshgrid(*[np.fft.fftfreq(SIZE)] * 2)) < 0.1
    texture = np.fft.ifft2(spectrum * low).real
    texture = 127 + 50 * texture / texture.std()
    moved = [np.roll(texture, (shift[1] * k, shift[0] * k), axis=(0, 1)) for k in range(LENGTH)]
    return np.repeat(np.clip(moved, 0, 255)[..., np.newaxis], 3, axis=-1)


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video):
    folder = tmp_path_factory.mktemp("flow")
    for split, count in (("train", 2), ("val", 2)):
        for number in range(count):
            write_video(folder / split / "drift" / f"{number}.mp4", moving_texture())
    return folder


def convert_flow(videos, output_dir, workers, **encoding):
    encoding = dataclasses.replace(CONFIG, **encoding)
    config = ConversionConfig(str(videos), str(output_dir), encoding=encoding, workers=workers)
    return convert(config, progress=False)


@pytest.fixture(scope="module")
def shards(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow_shards")
    assert convert_flow(videos, folder, workers=1).problem is None
    return folder


@pytest.fixture
def tvl1():
    if not hasattr(getattr(load_opencv(), "optflow", None), "DualTVL1OpticalFlow_create"):
        pytest.skip("this OpenCV has no TV-L1: it is in opencv-contrib-python-headless")


def medians(clips):
    """Median displacement to the right and downwards, in pixels."""
    return 20 * np.median(clips, axis=(0, 1, 2, 3))


def test_the_drift_comes_out_of_the_pipeline(shards):
    clips, _ = next(iter(pipeline.evaluation_dataset(shards, clip=CLIP, batch_size=2)))
    assert clips.shape == (2, 4, 84, 84, 2)
    np.testing.assert_allclose(medians(clips), SHIFT, atol=0.25)
    assert pipeline.Split.open(shards, "val").channels == 2


def test_a_mirrored_clip_moves_the_other_way(shards):
    spec, _ = pipeline.training_dataset(shards, clip=CLIP, batch_size=1).element_spec
    assert spec == tf.TensorSpec([1, 4, 84, 84, 2], tf.float32)
    batches = pipeline.training_dataset(shards, clip=CLIP, batch_size=1).take(12)
    found = np.array([medians(clips) for clips, _ in batches])
    np.testing.assert_allclose(np.abs(found), np.broadcast_to(np.abs(SHIFT), (12, 2)), atol=0.25)
    assert set(np.sign(found[:, 0])) == {-1, 1}  # flipped and not
    assert set(np.sign(found[:, 1])) == {-1}
    straight = pipeline.training_dataset(shards, clip=CLIP, batch_size=1, random_flip=False)
    assert all(medians(clips)[0] > 2.5 for clips, _ in straight.take(12))


def test_tvl1_sees_the_drift(videos, tmp_path, tvl1):
    convert_flow(videos, tmp_path, workers=1, modality="flow_tvl1")
    clips, _ = next(iter(pipeline.evaluation_dataset(tmp_path, clip=CLIP)))
    np.testing.assert_allclose(medians(clips), SHIFT, atol=0.25)


def test_without_the_contrib_modules_tvl1_names_them(videos, tmp_path):
    if hasattr(load_opencv(), "optflow"):
        pytest.skip("this OpenCV has TV-L1")
    with pytest.raises(ImportError, match="pip install opencv-contrib-python-headless"):
        convert_flow(videos, tmp_path / "out", workers=1, modality="flow_tvl1")
    assert not (tmp_path / "out").exists()


def test_pixels_of_known_displacements():
    known = [[-50, 0], [-20, 20], [0, 10], [20, -10], [STEP, 1e9]]
    picture = flow.to_picture(np.array([known], np.float32), bound=20)
    right, down = picture[0, :, 2], picture[0, :, 1]  # OpenCV's order: blue, green, red
    assert right.tolist() == [0, 0, 128, 255, 128]
    assert down.tolist() == [128, 255, 191, 64, 255]
    assert set(picture[..., 0].ravel()) == {128}


def test_pixels_hold_displacements_within_half_a_step():
    values = np.random.default_rng(0).uniform(-20, 20, (50, 50, 2)).astype(np.float32)
    pixels = flow.to_picture(values, bound=20)[..., 2:0:-1]
    assert np.abs((pixels / 127.5 - 1) * 20 - values).max() <= STEP / 2 + 1e-5
    narrow = flow.to_picture(values, bound=5)[..., 2:0:-1]
    assert np.abs((narrow / 127.5 - 1) * 5 - np.clip(values, -5, 5)).max() <= STEP / 8 + 1e-5


def test_the_bound_clips_and_is_the_unit(videos, tmp_path):
    convert_flow(videos, tmp_path, workers=1, flow_bound=2.5)
    clips, _ = next(iter(pipeline.evaluation_dataset(tmp_path, clip=CLIP)))
    right, down = medians(clips) / 20 * 2.5
    assert right == pytest.approx(2.5, abs=0.05)  # of 3
    assert down == pytest.approx(-2, abs=0.1)


def test_a_reader_of_dmvr_finds_displacements_in_the_first_two_channels(shards):
    """DMVR's rule, spelled out: three channels, 2 p / 255 - 1, the last one dropped."""
    (shard,) = list_shards(shards, "val")
    record = next(iter(tf.data.TFRecordDataset(shard)))
    _, lists = tf.io.parse_single_sequence_example(
        record, sequence_features={"image/encoded": tf.io.FixedLenSequenceFeature([], tf.string)}
    )
    pictures = [tf.image.decode_jpeg(jpeg, channels=3) for jpeg in lists["image/encoded"]]
    values = np.stack(pictures)[..., :2] * (2 / 255) - 1
    np.testing.assert_allclose(20 * np.median(values, axis=(0, 1, 2)), SHIFT, atol=0.25)


def test_flow_is_as_long_as_the_video(videos):
    path = videos / "val" / "drift" / "0.mp4"
    rgb = encode_clip(path, EncodingConfig(short_side=SIZE))
    moved = encode_clip(path, CONFIG)
    assert len(moved.frames) == len(rgb.frames) == LENGTH
    assert moved.frames[-1] == moved.frames[-2]
    assert len(set(moved.frames)) == LENGTH - 1
    for field in ("timestamps_us", "height", "width", "frame_rate", "start_us", "end_us"):
        assert getattr(moved, field) == getattr(rgb, field), field


def test_a_repeated_frame_does_not_move(videos):
    """At twice the rate every second flow is from a frame to itself."""
    path = videos / "val" / "drift" / "0.mp4"
    moved = encode_clip(path, dataclasses.replace(CONFIG, fps=50)).frames
    still = [tf.io.decode_jpeg(jpeg).numpy() for jpeg in moved[::2]]
    assert all(np.all(picture == 128) for picture in still)
    assert np.median(tf.io.decode_jpeg(moved[1])[..., 0]) > 140


def test_one_frame_has_no_flow(tmp_path, write_video):
    path = write_video(tmp_path / "one.mp4", moving_texture()[:1])
    assert len(encode_clip(path, EncodingConfig()).frames) == 1
    with pytest.raises(UnusableVideo, match="too few frames: optical flow needs 2"):
        encode_clip(path, CONFIG)


def test_same_bytes_for_any_number_of_workers(videos, shards, tmp_path):
    convert_flow(videos, tmp_path, workers=2)
    assert contents(tmp_path) == contents(shards)


def test_the_manifest_tells_what_the_shards_hold(shards, videos, tmp_path):
    manifest = manifests.load_manifest(shards)
    assert manifest.modality == manifest.settings["modality"] == "flow_dis"
    assert manifest.settings["flow_bound"] == 20
    # Shards of elsewhere say nothing: they are taken for RGB.
    for name in os.listdir(shards):
        if name != "manifest.json":
            (tmp_path / name).write_bytes((shards / name).read_bytes())
    assert pipeline.Split.open(tmp_path, "val").channels == 3


def test_stored_flow_of_a_real_video_is_close_to_the_exact_one(shared_data):
    """Quantisation and JPEG together, where most of the picture stands still and people kick."""
    cv2 = load_opencv()
    path = shared_data / "ut_interaction" / "kick" / "set1_13_3_2.avi"
    capture = cv2.VideoCapture(str(path))
    greys = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(11)]
    estimate = flow.estimator(cv2, "flow_dis").calc
    exact = np.array([estimate(a, b, None) for a, b in itertools.pairwise(greys)])
    config = dataclasses.replace(CONFIG, fps=None, short_side=min(greys[0].shape))  # as it is
    jpegs = encode_clip(path, config).frames[:10]
    stored = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in jpegs])[..., :2]
    errors = np.abs((stored / 127.5 - 1) * 20 - exact)
    assert errors.mean() < 0.12
    assert np.percentile(errors, 99) < 0.5
