"""A split of a shard folder: which shards, how many examples in each, and of which classes."""

import collections
import concurrent.futures
import dataclasses
import functools
import os

import numpy as np
import tensorflow as tf

from video_zoo import errors
from video_zoo.files import filesystems

from ..format import manifests, tfrecord
from ..format.folder import list_shards
from ..format.modality import RGB, channels_of


@dataclasses.dataclass(frozen=True)
class Split:
    """The shards of one split.

    Args:
        shards: paths, in order.
        sizes: number of examples in each.
        class_names: the label map.
        channels: 3, or 2 where the manifest says that optical flow is stored.
        class_counts: examples of each class, where the manifest tells; None otherwise.
        num_bytes: size of all shards, likewise.
        name: of the split.
        manifest: of the folder; None where there is none.
    """

    shards: list[str]
    sizes: list[int]
    class_names: list[str]
    channels: int = 3
    class_counts: tuple[int, ...] | None = None
    num_bytes: int | None = None
    name: str = ""
    manifest: manifests.Manifest | None = None

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def multi_label(self) -> bool:
        """Whether a clip may have several classes, or none."""
        return self.manifest is not None and self.manifest.multi_label

    @property
    def num_examples(self) -> int:
        return sum(self.sizes)

    @classmethod
    def open(
        cls,
        data_dir: str | os.PathLike,
        split: str,
        argument: str = "split",
        *,
        check_sizes: bool = True,
    ) -> "Split":
        """Finds the shards of ``split``, all of them, and how many examples each must hold.

        Without a manifest (shards from elsewhere) they are counted, which reads them once.

        Args:
            data_dir: shard folder.
            split: name of the split.
            argument: what the split was given as, for the messages. Defaults to "split".
            check_sizes: whether the files must be as large as the manifest says. Defaults to True;
                False where bad records are passed over.

        Raises:
            FileNotFoundError: the folder, or a shard of it, is missing.
            ValueError: the folder's file system cannot be read here, the folder does not hold
                one whole set of shards, or a shard is not the one that the manifest tells of.
        """
        data_dir = errors.at_home(data_dir)
        shards = list_shards(data_dir, split, argument)
        manifest = manifests.load_manifest(data_dir)
        class_names = manifests.load_label_map(data_dir)
        summary = None if manifest is None else manifest.splits.get(split)
        counts = num_bytes = None
        if summary is None:
            sizes = [_count_records(shard) for shard in shards]
        else:
            check_sizes = check_sizes and filesystems.lists_files(data_dir)
            sizes = _sizes_of_manifest(summary, data_dir, shards, check_sizes)
            num_bytes = summary.bytes
            if set(summary.classes) <= set(class_names):
                counts = tuple(summary.classes.get(name, 0) for name in class_names)
        if sum(sizes) == 0:
            raise ValueError(
                f"`{argument}` must have examples. Received: {argument}={split!r} of "
                f"data_dir={data_dir!r}, whose shards are all empty."
            )
        channels = channels_of(RGB if manifest is None else manifest.modality)
        return cls(shards, sizes, class_names, channels, counts, num_bytes, split, manifest)

    def places(self, *columns: np.ndarray) -> tf.data.Dataset:
        """(path, number of examples), string and int64, of each shard, and its row of ``columns``.

        One source, which a data service deals out; those of a ``zip`` it would deal out apart.
        """
        sizes = np.array(self.sizes, np.int64)
        return tf.data.Dataset.from_tensor_slices((self.shards, sizes, *columns))

    def mean_bytes(self) -> float:
        """Mean size of an example in bytes."""
        # A web server sends the whole file when asked for its size.
        num_bytes = self.num_bytes or sum(tf.io.gfile.stat(s).length for s in self.shards)
        return num_bytes / self.num_examples

    def counts(self) -> np.ndarray:
        """Examples of each class (int64 [num_classes]); without a manifest, all are read once."""
        if self.class_counts is not None:
            return np.array(self.class_counts)
        with tf.init_scope():  # the graph of a pipeline may be in the making
            names = tuple(self.class_names)
            return sum(_count_labels(shard, names, self.multi_label) for shard in self.shards)


def _sizes_of_manifest(
    expected: manifests.SplitSummary, data_dir: str, shards: list[str], check_sizes: bool
) -> list[int]:
    """Examples of each shard; ValueError for shards of another conversion, or cut short."""
    known = {shard.name: shard for shard in expected.shards}
    found = {os.path.basename(shard): shard for shard in shards}
    if found.keys() != known.keys():
        raise ValueError(
            f"`data_dir` must hold the shards that its manifest lists: {', '.join(known)}. "
            f"Received: data_dir={data_dir!r} with {', '.join(found)}. Convert the videos again."
        )
    if check_sizes:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:  # remote ones take their time
            sizes = pool.map(lambda shard: tf.io.gfile.stat(shard).length, shards)
            wrong = [
                f"{name} of {size} bytes, where the manifest says {known[name].bytes}"
                for name, size in zip(found, sizes, strict=True)
                if size != known[name].bytes
            ]
        if wrong:
            more = f" and {len(wrong) - 3} more" * (len(wrong) > 3)
            raise ValueError(
                "`data_dir` must hold the shards that its manifest tells of. Received: data_dir="
                f"{data_dir!r} with {'; '.join(wrong[:3])}{more}. They are cut short, or of "
                "another conversion: copy the whole folder again, or convert the videos again."
            )
    return [known[name].num_examples for name in found]


@functools.cache  # a run opens its splits several times, and counting reads the whole shard
def _count_records(shard: str) -> int:
    count = 0
    try:
        for _ in tf.data.TFRecordDataset(shard):
            count += 1
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"shard {shard} is damaged at record {count}. Copy the shard again, or convert the "
            "videos again."
        ) from error
    return count


@functools.cache
def _count_labels(shard: str, class_names: tuple[str, ...], multi_label: bool) -> np.ndarray:
    found = tf.data.TFRecordDataset(shard)
    found = found.map(lambda record: tfrecord.parse_label(record, class_names, multi_label))
    labels = found.ignore_errors().as_numpy_iterator()
    counts = collections.Counter(int(label) for each in labels for label in np.ravel(each))
    return np.array([counts[index] for index in range(len(class_names))])
