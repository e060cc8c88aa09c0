"""The names of shards, and which of them a folder holds."""

import collections
import os
import re

import tensorflow as tf

from video_zoo import errors
from video_zoo.files import filesystems

from . import manifests

_SHARD_NAME = re.compile(r"(?P<split>[^.].*)-(?P<index>\d{5,})-of-(?P<count>\d{5,})(\.tfrecord)?")


def shard_name(split: str, index: int, num_shards: int) -> str:
    """Name of one shard file, such as ``"train-00000-of-00008.tfrecord"``."""
    if not 0 <= index < num_shards:
        raise ValueError(
            "`index` must be at least 0 and below `num_shards`. "
            f"Received: index={index}, num_shards={num_shards}."
        )
    return f"{split}-{index:05d}-of-{num_shards:05d}.tfrecord"


def is_shard_name(name: str) -> bool:
    """Whether ``name`` is a shard's file name, of whatever split."""
    return _SHARD_NAME.fullmatch(name) is not None


def list_shards(data_dir: str | os.PathLike, split: str, argument: str = "split") -> list[str]:
    """Lists the shards of one split, and checks that none is missing.

    Args:
        data_dir: folder of shards, local or on any file system that TensorFlow reads. Their names
            may end in ``.tfrecord`` or not. A web server must have the manifest too.
        split: such as ``"train"`` or ``"val"``.
        argument: what the split was given as, for the messages. Defaults to ``"split"``.

    Returns:
        The shards' paths (absolute when local), sorted by index.

    Raises:
        FileNotFoundError: the folder does not exist, or a shard of the set is missing.
        ValueError: there are no shards of ``split``, shards of several conversions are mixed, or
            the folder's file system cannot be read here.
        OSError: a web server does not send what is needed.
    """
    data_dir = errors.at_home(data_dir)
    filesystems.check(data_dir, "data_dir")
    data_dir = data_dir if "://" in data_dir else os.path.abspath(data_dir)
    found = collections.defaultdict(dict)  # number of shards -> index -> names
    splits = set()
    for name in _list_files(data_dir):
        match = _SHARD_NAME.fullmatch(name)
        splits.update([match["split"]] if match else [])
        if match and match["split"] == split:
            found[int(match["count"])].setdefault(int(match["index"]), []).append(name)
    if not found:
        wanted = "`data_dir` must hold shards named like 'train-00000-of-00008.tfrecord'"
        wanted = f"`{argument}` must be one of {sorted(splits)}" if splits else wanted
        raise ValueError(
            f"{wanted}. Received: data_dir={data_dir!r}, {argument}={split!r}. "
            f"Choose another, or convert videos with {errors.CONVERT}."
        )
    return [os.path.join(data_dir, name) for name in _complete_set(found, data_dir, split)]


def _list_files(data_dir: str) -> list[str]:
    """Names of the files in the folder; those that the manifest tells where none can be listed."""
    if filesystems.lists_files(data_dir):
        if not tf.io.gfile.isdir(data_dir):
            raise errors.no_folder_of_shards(data_dir)
        return sorted(tf.io.gfile.listdir(data_dir))
    try:
        manifest = manifests.load_manifest(data_dir)
        if manifest is None:
            raise FileNotFoundError(
                f"`data_dir` must hold {manifests.MANIFEST_NAME} where it is read from a web "
                "server, which lists no files. Received: "
                f"data_dir={data_dir!r}. Put the whole folder there."
            )
        names = [shard.name for split in manifest.splits.values() for shard in split.shards]
        with tf.io.gfile.GFile(os.path.join(data_dir, names[0]), "rb") as file:
            file.read(1)  # fails too if the server cannot send parts of a file
    except tf.errors.OpError as error:
        raise OSError(
            "`data_dir` must be on a web server that sends shards, and parts of them. "
            f"Received: data_dir={data_dir!r} ({error.message or 'file not found'}). "
            "Copy the shards to a local folder."
        ) from error
    return names


def _complete_set(found: dict[int, dict[int, list[str]]], data_dir: str, split: str) -> list[str]:
    """The names in order of index, once the set is known to be one whole set."""
    doubled = [names for shards in found.values() for names in shards.values() if len(names) > 1]
    beyond = [names for n, shards in found.items() for i, names in shards.items() if i >= n]
    if len(found) > 1 or doubled or beyond:
        strange = doubled or beyond
        examples = strange[0] if strange else [min(shards.values())[0] for shards in found.values()]
        raise ValueError(
            f"`data_dir` must hold one set of {split!r} shards. Received: data_dir={data_dir!r}, "
            f"which mixes several, such as {sorted(examples)}. Remove those that do not belong."
        )
    ((count, shards),) = found.items()
    missing = [shard_name(split, index, count) for index in range(count) if index not in shards]
    if missing:
        raise FileNotFoundError(
            f"`data_dir` must hold all {count} {split!r} shards. Received: data_dir={data_dir!r}, "
            f"which lacks {', '.join(missing)}. Copy them there, or convert the videos again."
        )
    return [shards[index][0] for index in range(count)]
