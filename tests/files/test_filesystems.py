"""A path whose file system TensorFlow cannot read is refused before anything is done."""

import importlib.util

import pytest
from processes import run_tool

from video_zoo import data
from video_zoo.data.format import manifests
from video_zoo.data.format.folder import list_shards
from video_zoo.data.inspect import inspection
from video_zoo.files import filesystems

without_tensorflow_io = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is not None, reason="tensorflow-io is installed"
)
SCHEMES = ("s3", "az", "hdfs", "viewfs", "har", "oss", "http", "https")


@without_tensorflow_io
@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes_of_tensorflow_io_are_refused_with_what_to_install(scheme):
    with pytest.raises(ValueError) as caught:
        filesystems.check(f"{scheme}://host/shards", "data_dir")
    message = str(caught.value)
    assert message.startswith("`data_dir` must be a local path or begin with one of ")
    assert (
        f"Received: data_dir='{scheme}://host/shards', and {scheme}:// needs tensorflow-io, which "
        "is not installed. Install what fits together: `pip install 'video_zoo[io]'`, which needs "
        "Python 3.10 to 3.12 and brings TensorFlow 2.16 or 2.17. Or copy the files to a local "
        "folder."
    ) in message


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="gs://") as caught:
        filesystems.check("gopher://host/shards", "output_dir")
    assert str(caught.value).endswith(
        "Received: output_dir='gopher://host/shards', and TensorFlow has no such file system. "
        "Copy the files to a local folder."
    )


@pytest.mark.parametrize("path", ["shards", "/shards", "gs://bucket/shards", "file:///shards"])
def test_what_tensorflow_reads_by_itself_passes(path):
    filesystems.check(path, "data_dir")


def test_schemes():
    assert filesystems.scheme_of("s3://bucket/folder") == "s3"
    assert filesystems.scheme_of("/shards/a:b") == ""
    assert filesystems.lists_files("s3://bucket") and filesystems.lists_files("shards")
    assert not filesystems.lists_files("https://host/shards")


REMOTE = "gopher://host/shards"


@pytest.mark.parametrize(
    "use",
    [
        lambda: data.training_dataset(REMOTE),
        lambda: data.evaluation_dataset(REMOTE),
        lambda: list_shards(REMOTE, "train"),
        lambda: manifests.load_manifest(REMOTE),
        lambda: manifests.load_label_map(REMOTE),
        lambda: inspection.inspect_dataset(inspection.InspectionConfig(REMOTE)),
    ],
)
def test_all_readers_refuse(use):
    with pytest.raises(ValueError, match="`data_dir` must be a local path or begin with one of"):
        use()


def test_the_conversion_refuses_before_it_looks_for_videos():
    config = data.ConversionConfig("nowhere", REMOTE)
    with pytest.raises(ValueError, match="`output_dir` must be a local path or begin with one of"):
        data.convert(config)
    with pytest.raises(ValueError, match="`output_dir` must be a local path or begin with one of"):
        data.merge(REMOTE)


@without_tensorflow_io
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ("--model=s3d_v1", "--data_dir=s3://bucket/shards", "--workdir=run")),
        ("make_tfrecords", ("--input=.", "--output_dir=s3://bucket/shards")),
    ],
)
def test_tools_end_with_2_and_one_line(name, arguments, tmp_path):
    done = run_tool(name, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    # TensorFlow may have logged something before.
    told = [line for line in done.stderr.splitlines() if line.startswith(f"{name}: ")]
    assert len(told) == 1 and done.stderr.endswith(f"{told[0]}\n")
    assert "s3:// needs tensorflow-io, which is not installed." in told[0]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
