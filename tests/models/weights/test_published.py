"""Names of weights, their files in the cache, and what a converted file goes on telling."""

import concurrent.futures
import hashlib
import http.server
import pathlib
import resource
import threading

import keras
import numpy as np
import pytest
import references
from test_checkpoints import write_safetensors, write_tf

import video_zoo
from video_zoo.files import full_disk
from video_zoo.models.convert_weights import convert_weights
from video_zoo.models.weights.download import cache_folder, fetch
from video_zoo.models.weights.labels import same_classes
from video_zoo.models.weights.load import find, load
from video_zoo.published import DEEPMIND, TORCHVISION, RemoteFile, WeightsEntry

CLASSES = 7


def row(*files: RemoteFile, model: str = "i3d", **kwargs) -> WeightsEntry:
    given = {"num_classes": CLASSES, "class_names": "kinetics400", "convention": DEEPMIND}
    return WeightsEntry(model, "made_up", files, **{**given, **kwargs})


def test_published_rows():
    entries = video_zoo.list_weights()
    assert len({(entry.model, entry.name) for entry in entries}) == len(entries) == 23
    resnets = {"r3d_18", "mc3_18", "r2plus1d_18"}
    assert {entry.model for entry in entries} == {"i3d", "s3d_v1", "s3d_milnce", *resnets}
    for entry in entries:
        info = video_zoo.weights_info(entry.model, entry.name)
        if entry.class_names is None:
            assert (info.class_names, info.num_classes) == (None, entry.num_classes)
        else:
            assert len(info.class_names) == entry.num_classes == info.num_classes
        assert info.convention == entry.convention
        assert info.multi_label == entry.name.startswith("charades")
        assert info.channels == (2 if "flow" in entry.name else 3)
        for file in entry.files:
            assert file.url.startswith("https://")
            assert file.url.endswith(file.name)
            assert file.sha256 is None or file.sha256 in file.name


def test_weights_print_as_a_table():
    entries = video_zoo.list_weights("s3d_v1")
    header, *rows = str(entries).splitlines()
    assert header.split()[:2] == ["model", "weights"]
    assert [row.split()[:2] for row in rows] == [[e.model, e.name] for e in entries]
    assert "68.368 / 88.05 %" in rows[0]
    assert "none: features" in rows[2]
    assert isinstance(entries, list) and repr(entries) == str(entries)


def test_class_names_of_a_run_and_of_shards(tmp_path):
    (tmp_path / "label_map.txt").write_text("a\nb\n", encoding="utf-8-sig")
    assert video_zoo.class_names(str(tmp_path)) == ["a", "b"]
    (tmp_path / "config.json").write_text('{"class_names": ["b", "c"]}')
    assert video_zoo.class_names(tmp_path) == ["b", "c"]
    (tmp_path / "config.json").write_text('{"class_names": "b"}')
    with pytest.raises(ValueError, match="`class_names` of .* must be a list. Received: 'b'"):
        video_zoo.class_names(tmp_path)
    with pytest.raises(ValueError, match="or the folder of a run or of shards. Received: name='no"):
        video_zoo.class_names("nowhere")


def test_class_names():
    """Of the 400 classes, 368 are among the 600 (Carreira et al. 2018, section 1)."""
    few, many = video_zoo.class_names("kinetics400"), video_zoo.class_names("kinetics600")
    assert (len(set(few)), len(set(many))) == (400, 600)
    assert few == sorted(few, key=str.lower)
    assert many == sorted(many, key=str.lower)
    assert len(set(few) & set(many)) == 368
    charades = video_zoo.class_names("charades")
    assert (len(charades), charades[0], charades[-1]) == (157, "c000", "c156")
    with pytest.raises(ValueError, match="`name` must be one of 'kinetics400', 'kinetics600'"):
        video_zoo.class_names("kinetics")


def test_the_codes_of_charades_stand_for_its_words():
    codes, words = video_zoo.class_names("charades"), [f"Doing {n}" for n in range(157)]
    assert same_classes(codes, words) and same_classes(words, codes)
    assert not same_classes(codes, words[1:])
    assert same_classes(words, tuple(words))
    assert not same_classes(words, words[::-1])


def test_a_checkpoint_of_two_files_is_fetched_and_loaded_once(home, server, capsys):
    folder, url = server
    tensors = references.random_i3d(CLASSES)
    write_tf(folder / "model.ckpt", tensors)
    names = ("model.ckpt.index", "model.ckpt.data-00000-of-00001")
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    entry = row(
        RemoteFile(f"made/{names[0]}", f"{url}/{names[0]}", hashes[0]),
        RemoteFile(f"made/{names[1]}", f"{url}/{names[1]}", hashes[1][:8]),
    )
    model = video_zoo.i3d(CLASSES, input_shape=(None, None, None, 3), weights=entry)
    kernel = model.get_layer("Conv3d_1a_7x7_conv").kernel
    np.testing.assert_array_equal(np.asarray(kernel), tensors["Conv3d_1a_7x7/conv_3d/w"])
    # Of the first all is known. Of the second the rest of its hash is told.
    told = capsys.readouterr().out
    assert hashes[0] not in told
    assert f"sha256 {hashes[1]}  {home}" in told
    for name in names:
        (folder / name).unlink()
    assert fetch(entry) == str(cache_folder("i3d") / "made" / names[0])  # now without the server
    assert str(home) in fetch(entry)


def test_a_cache_without_room_is_told_as_such(home, server):
    folder, url = server
    (folder / "a.h5").write_bytes(b"x" * 10_000)
    entry = row(RemoteFile("a.h5", f"{url}/a.h5"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(full_disk.DiskFullError) as caught:
            fetch(entry)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value).startswith(f"{cache_folder('i3d')} cannot be written: ")
    assert list(cache_folder("i3d").iterdir()) == []


def test_a_file_with_another_hash_is_not_kept(home, server):
    folder, url = server
    (folder / "a.pth").write_bytes(b"not the weights")
    entry = row(RemoteFile("a.pth", f"{url}/a.pth", "d76dad2f"), model="s3d_v1")
    with pytest.raises(ValueError, match="must begin with d76dad2f and is .* Nothing was kept"):
        fetch(entry)
    kept = cache_folder("s3d_v1")
    assert list(kept.iterdir()) == []
    (kept / "a.pth").write_bytes(b"put there by hand, and wrong")
    with pytest.raises(ValueError, match="is not the published file: .* Delete it"):
        fetch(entry)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.h5", b"\n<!DOCTYPE html><title>Please log in</title>", "gave a web page"),
        ("a.h5", b"", "gave an empty file"),
        ("a.pth", b"PK\x03\x04 the rest never came", "gave a part of the file"),
        ("a.h5", b"\x89HDF\r\n\x1a\n the rest never came", "gave a part of the file"),
    ],
)
def test_what_a_server_gives_in_place_of_the_file_is_not_kept(name, content, told, home, server):
    folder, url = server
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{told}.* Nothing was kept.*save {url}"):
        fetch(row(RemoteFile(name, f"{url}/{name}")))
    assert list(cache_folder("i3d").iterdir()) == []


def test_two_that_fetch_the_same_file_at_once_both_get_the_whole(home):
    content = b"weights" * 100_000
    meet = threading.Barrier(2, timeout=60)

    class Halting(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()  # no Content-Length: nothing tells that half is not all
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            meet.wait()  # both have begun before either goes on
            self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Halting) as halting:
        threading.Thread(target=halting.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{halting.server_address[1]}/a.bin"
        entry = row(RemoteFile("a.bin", url))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            paths = list(pool.map(fetch, [entry, entry]))
        halting.shutdown()
    assert [pathlib.Path(path).read_bytes() for path in paths] == [content, content]
    assert [path.name for path in cache_folder("i3d").iterdir()] == ["a.bin"]


def test_offline_says_what_to_fetch_and_where_to_put_it(home, server):
    _, url = server
    entry = row(RemoteFile("sub/a.h5", f"{url}/a.h5"))
    (cache_folder("i3d") / "sub").mkdir(parents=True)
    (cache_folder("i3d") / "sub" / "a.h5.part").write_bytes(b"of a process that was killed")
    target = cache_folder("i3d") / "sub" / "a.h5"
    with pytest.raises(OSError) as error:  # the server has no such file
        fetch(entry)
    assert f"save {url}/a.h5 as {target}" in str(error.value)
    assert "404" in str(error.value)
    unreachable = row(RemoteFile("sub/a.h5", "http://127.0.0.1:9/a.h5"))
    with pytest.raises(OSError, match="cannot be fetched .*save http://127.0.0.1:9/a.h5 as "):
        fetch(unreachable)
    assert list(target.parent.iterdir()) == []
    target.write_bytes(b"put there by hand")
    assert fetch(unreachable) == str(target)


def test_a_file_under_its_published_name_is_known(tmp_path):
    for folder, names in (("flow_imagenet", None), ("rgb_scratch", "kinetics400")):
        (tmp_path / folder).mkdir()
        write_tf(tmp_path / folder / "model.ckpt", references.random_i3d(400))
        info = video_zoo.weights_info("i3d", tmp_path / folder)
        assert info.class_names == video_zoo.class_names("kinetics400")
        assert info.name == ("kinetics400_flow" if names is None else "kinetics400_scratch")
    write_tf(tmp_path / "model.ckpt", references.random_i3d(400))
    assert video_zoo.weights_info("i3d", tmp_path / "model.ckpt").class_names is None


@pytest.fixture(scope="module")
def s3d_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "s3d.safetensors"
    return write_safetensors(path, references.random_s3d(CLASSES))


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_a_converted_file_gives_the_same_network(ending, s3d_file, small, tmp_path):
    output = tmp_path / f"new{ending}"
    done = convert_weights("s3d_v1", s3d_file, output)
    assert len(done.weights) == 77 * 4 + 2
    assert done.weights[0].origin == "features.0.0.0.weight * features.0.0.1.weight"
    assert done.num_parameters == 8_309_440 - (400 - CLASSES) * 1025
    info = video_zoo.weights_info("s3d_v1", output)
    assert (info.num_classes, info.channels, info.padding) == (CLASSES, 3, "symmetric")
    assert info.convention == TORCHVISION
    assert info.convention_known
    clips = references.clips()
    kwargs = {"input_shape": clips.shape[1:]}
    state = references.random_s3d(CLASSES)
    expected = references.s3d(state, references.for_torchvision(clips))
    tolerance = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
    model = video_zoo.s3d_v1(CLASSES, weights=output, **kwargs)
    np.testing.assert_allclose(np.asarray(model(clips)), expected, **tolerance)
    with pytest.raises(ValueError, match="with padding: symmetric, and it has same"):
        load(small("s3d_v1"), find(None, output))
    with pytest.raises(ValueError, match="a normalised input: True, and it has False"):
        load(small("s3d_v1", padding="symmetric"), find(None, output))
    # Saved again, by Keras alone, only the network itself is left to tell.
    again = tmp_path / f"again{ending}"
    if ending == ".keras":
        keras.saving.load_model(output).save(again)
        info = video_zoo.weights_info("s3d_v1", again)
        assert (info.padding, info.convention.mean) == ("symmetric", TORCHVISION.mean)
        assert info.convention.deviation == TORCHVISION.deviation
        assert not info.convention_known
        model = video_zoo.s3d_v1(CLASSES, weights=again, **kwargs)
        np.testing.assert_allclose(np.asarray(model(clips)), expected, **tolerance)
    else:
        model.save_weights(again)
        with pytest.raises(ValueError, match="normalises its input, .* does not tell how"):
            video_zoo.weights_info("s3d_v1", again)


def test_conversion_writes_a_whole_file_or_none(s3d_file, tmp_path):
    output = tmp_path / "new.keras"
    output.write_text("mine")
    with pytest.raises(FileExistsError, match="`output` must not exist"):
        convert_weights("s3d_v1", s3d_file, output)
    with pytest.raises(ValueError, match=r"`output` must end in '\.keras' or '\.weights\.h5'"):
        convert_weights("s3d_v1", s3d_file, tmp_path / "new.h5")
    with pytest.raises(ValueError, match="`weights` do not fit the network"):
        convert_weights("i3d", s3d_file, output, overwrite=True)
    assert output.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["new.keras"]


def test_symmetric_padding_keeps_names_weights_and_even_sizes(small):
    ours, theirs = (
        small("s3d_v1", input_shape=(32, 64, 64, 3), padding=p) for p in (None, "symmetric")
    )
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    pads = [layer.name for layer in theirs.layers if layer.name.endswith("_pad")]
    assert sorted(pads) == [
        "Conv3d_1a_7x7_spatial_pad",
        "Conv3d_1a_7x7_temporal_pad",
        "MaxPool3d_2a_3x3_pad",
        "MaxPool3d_3a_3x3_pad",
        "MaxPool3d_4a_3x3_pad",
    ]
    for name in ("MaxPool3d_4a_3x3", "MaxPool3d_5a_2x2", "Mixed_5c"):
        assert ours.get_layer(name).output.shape == theirs.get_layer(name).output.shape
    # The last pool rounds down where SAME rounds up: 17 pixels leave one position, 16 none.
    assert small("s3d_v1", input_shape=(5, 17, 17, 3), padding="symmetric").output.shape == (
        None,
        5,
    )
    with pytest.raises(ValueError, match="at least 5 frames, a height of at least 17"):
        small("s3d_v1", input_shape=(4, 17, 17, 3), padding="symmetric")
    with pytest.raises(ValueError, match="`padding` must be None, 'same' or 'symmetric'"):
        small("s3d_v1", padding="valid")
