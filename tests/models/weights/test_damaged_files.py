"""Weight files that are damaged, or no such files: one line names the file and what is wrong."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from test_checkpoints import write_tf
from test_published import row

import video_zoo
from video_zoo.files import full_disk
from video_zoo.models.weights import network_files
from video_zoo.models.weights.download import cache_folder, fetch
from video_zoo.models.weights.saved import write_provenance
from video_zoo.published import RemoteFile

SHAPE = (2, 8, 8, 3)


def network(**kwargs) -> keras.Model:
    return video_zoo.r3d_18(5, input_shape=SHAPE, width_multiplier=0.0625, **kwargs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file whose network, classes and clips are all told."""
    path = tmp_path_factory.mktemp("whole") / "net.keras"
    network().save(path)
    write_provenance(str(path), {"class_names": list("abcde"), "convention": {"fps": 10.0}})
    return path


def with_members(source, target, **changes: bytes | None) -> str:
    """A copy of an archive with other members: ``config`` for config.json, None for none."""
    names = {
        "config": "config.json",
        "weights": "model.weights.h5",
        "notes": "video_zoo_weights.json",
    }
    changes = {names.get(name, name): content for name, content in changes.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = changes.pop(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in changes.items():
            new.writestr(name, content, zipfile.ZIP_DEFLATED)
    return str(target)


def notes(**kwargs) -> bytes:
    return json.dumps(kwargs).encode()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"config": b"{}"}, "config.json in it describes no network"),
        ({"config": b"[]"}, "config.json in it describes no network"),
        ({"config": b"null"}, "config.json in it describes no network"),
        ({"config": b"not JSON"}, "config.json in it is no JSON"),
        ({"config": None}, "it has no config.json"),
        ({"notes": b"[]"}, r"video_zoo_weights.json in it is \[\], and not a mapping"),
        ({"notes": notes(class_names=["a"])}, "class_names in it are 1, and its network has 5"),
        ({"notes": notes(class_names=[1, 2, 3, 4, 5])}, "and not a list of names"),
        ({"notes": notes(class_names="abcde")}, "and not a list of names"),
        ({"notes": notes(convention={"fps": "25"})}, "no clips are of fps='25'"),
        ({"notes": notes(convention={"modality": "x"})}, "no clips are of modality='x'"),
        (
            {"notes": notes(convention={"short_side": 10**9})},
            "no clips are of short_side=1000000000",
        ),
        ({"notes": notes(convention={"speed": 2})}, "speed, which this version does not know"),
    ],
    ids=str,
)
def test_an_archive_of_something_else_is_refused_before_a_network_is_built(
    changes, cause, whole, tmp_path
):
    path = with_members(whole, tmp_path / "a.keras", **changes)
    with pytest.raises(ValueError, match=f"^`weights` must be .*{path}.*{cause}") as error:
        video_zoo.weights_info("r3d_18", path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("weights", "cause"), [(None, "it has no model.weights.h5"), (b"\x89HDF", "file signature")]
)
def test_an_archive_without_its_weights_is_refused(weights, cause, whole, tmp_path):
    path = with_members(whole, tmp_path / "a.keras", weights=weights)
    with pytest.raises(ValueError, match=f"must be a whole '.keras' file.*{path}.*{cause}"):
        network_files.load(path)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda content: b"", "it is empty, 0 bytes"),
        (lambda content: content[: len(content) // 2], "it is cut short"),
        (lambda content: b"\x89HDF\r\n\x1a\n" + content, "it is an HDF5 file"),
        (lambda content: b"<!DOCTYPE html>", "it is no archive"),
    ],
    ids=["empty", "cut", "HDF5", "page"],
)
def test_a_file_that_is_no_archive_is_never_said_to_be_missing(damage, cause, whole, tmp_path):
    path = tmp_path / "a.keras"
    # Not even the end of an archive, by which `zipfile` knows one.
    path.write_bytes(damage(whole.read_bytes()[:-22]))
    with pytest.raises(ValueError, match=rf"must be a whole '\.keras' file.*\({cause}\)$") as error:
        network_files.load(path, "checkpoint")
    assert f"Received: checkpoint={str(path)!r}" in str(error.value)
    assert "not found" not in str(error.value)


def test_one_flipped_bit_is_found(whole, tmp_path):
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"\(model.weights.h5 in it is damaged\)$"):
        video_zoo.weights_info("r3d_18", tmp_path / "a.keras")


def test_where_there_is_no_room_to_unpack_it_a_file_is_not_called_damaged(whole):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(full_disk.DiskFullError, match="a temporary file in .*make room"):
            network_files.load(whole)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert network_files.load(whole)


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(whole, tmp_path):
    path = with_members(whole, tmp_path / "a.keras", zeros=bytes(65 << 20))
    with pytest.raises(ValueError, match="bytes that become .* when they are unpacked"):
        video_zoo.weights_info("r3d_18", path)


def test_arrays_that_would_fill_the_memory_are_not_read(tmp_path):
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:  # a gigabyte of zeros in a few kilobytes
        file.create_dataset("layers/x", (1 << 28,), "f4", chunks=True, compression="gzip")
    with pytest.raises(ValueError, match=r"bytes that become 1,073,741,824 when they are unpacked"):
        video_zoo.weights_info("r3d_18", path)


def test_the_limit_is_far_above_what_a_network_takes(whole):
    with zipfile.ZipFile(whole) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    assert unpacked < network_files.largest(whole.stat().st_size) / 10


def test_a_layer_is_no_network(tmp_path, whole):
    config = keras.saving.serialize_keras_object(keras.layers.ReLU())
    path = with_members(whole, tmp_path / "a.keras", config=json.dumps(config).encode())
    with pytest.raises(ValueError, match="must be a whole '.keras' file"):
        network_files.load(path)


def test_weights_alone_are_no_network(tmp_path):
    path = tmp_path / "a.weights.h5"
    network().save_weights(path)
    with pytest.raises(ValueError, match="file with that ending holds no network"):
        network_files.load(path)


def test_an_h5_file_of_the_network_gives_its_weights(tmp_path):
    model, path = network(), tmp_path / "a.h5"
    model.save(path)
    other = network(weights=path)
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)


def test_a_checkpoint_of_objects_is_told_from_one_of_names(tmp_path):
    tf.train.Checkpoint(model=network()).write(str(tmp_path / "model.ckpt"))
    with pytest.raises(ValueError, match=r"must be a TensorFlow checkpoint.*it is of objects"):
        video_zoo.weights_info("i3d", tmp_path / "model.ckpt")


def test_weights_that_do_not_fit_are_refused_before_they_are_fetched(home):
    entry = row(RemoteFile("a.h5", "http://127.0.0.1:9/a.h5"))
    with pytest.raises(ValueError, match="`num_classes` must be 7, as in the weights"):
        video_zoo.i3d(5, weights=entry)


@pytest.mark.parametrize("cut", ["a.h5", "model.ckpt.data-00000-of-00001", "model.ckpt.index"])
def test_a_published_file_that_came_in_part_is_not_kept(cut, home, server):
    """Where the server did not say how long it is."""
    folder, url = server
    kernel = np.zeros((7, 7, 7, 3, 64), "float32")
    write_tf(folder / "model.ckpt", {"Conv3d_1a_7x7/conv_3d/w": kernel})
    names = ["model.ckpt.index", "model.ckpt.data-00000-of-00001"]
    if cut == "a.h5":
        names = ["a.h5"]
        with h5py.File(folder / "a.h5", "w") as file:
            file["Conv3d_1a_7x7_conv/kernel"] = kernel
    content = (folder / cut).read_bytes()
    (folder / cut).write_bytes(content[: len(content) // 2])
    entry = row(*(RemoteFile(name, f"{url}/{name}") for name in names))
    with pytest.raises(ValueError, match="gave a part of the file, or a damaged one .*Nothing"):
        fetch(entry)
    assert list(cache_folder("i3d").iterdir()) == []
