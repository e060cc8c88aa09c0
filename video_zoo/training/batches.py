"""The datasets of a run as ``fit`` wants them."""

import dataclasses
import pathlib
from collections.abc import Mapping

import tensorflow as tf

from video_zoo.data.input.balance import class_weights
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.records import SkippedRecords
from video_zoo.data.input.source import Split
from video_zoo.data.input.stream import ALL, Share
from video_zoo.files import file_content, whole_files
from video_zoo.run.files import SKIPPED_RECORDS

from .config import TrainingConfig
from .distribution.strategy import example_weights
from .initial import has_auxiliary_loss

_COLUMNS = ("shard", "record", "reason")


@dataclasses.dataclass(frozen=True)
class Batches:
    """The datasets of a run as ``fit`` wants them: one-hot labels, weights, labels per output.

    Args:
        config: of the run.
        splits: those to train and to validate on, by name, open.
        num_replicas: of all workers together.
        skipped: where bad records are passed over, keeps which they were.
        share: what this worker gets of each batch.
    """

    config: TrainingConfig
    splits: Mapping[str, Split]
    num_replicas: int
    skipped: SkippedRecords | None = None
    share: Share = ALL

    @property
    def source(self) -> Split:
        """The split to train on."""
        return self.splits[self.config.train_split]

    def _clips(self, split: str, batch_size: int) -> Clips:
        config = self.config
        clip = ClipConfig(
            config.num_frames, config.frame_stride, config.image_size, config.frame_order
        )
        return Clips(
            self.splits[split],
            clip,
            batch_size,
            config.seed,
            self.skipped,
            config.data_service,
            "uint8",
            self.share,
        )

    def training(self, first_step: int) -> tf.data.Dataset:
        """Endless batches from ``first_step`` on."""
        config = self.config
        dataset = self._clips(config.train_split, config.batch_size).training(
            first_step,
            random_flip=config.random_flip,
            augmentation=config.augmentation,
            balanced=config.class_balance == "sampling",
        )
        shares = tf.constant(self._shares())
        by_class = None
        if config.class_balance == "weights":
            by_class = tf.constant(class_weights(self.source))

        def weighted(clips: tf.Tensor, labels: tf.Tensor):
            targets = self._one_hot(labels)
            weights = shares if by_class is None else shares * tf.linalg.matvec(targets, by_class)
            return self._for_fit(clips, targets, weights)

        return dataset.map(weighted)

    def validation(self) -> tf.data.Dataset:
        """The middle clip of every validation video, in batches that all replicas can share."""
        batch_size = -(-self.config.batch_size // self.num_replicas) * self.num_replicas
        dataset = self._clips(self.config.val_split, batch_size).views(weights=True)
        return dataset.map(
            lambda clips, labels, weights: self._for_fit(clips, self._one_hot(labels), weights)
        )

    def _shares(self) -> list[float]:
        """The weight of each clip of a batch, which are 1 where several workers share it."""
        index, count = self.share
        size = self.config.batch_size // count
        weights = example_weights(self.config.batch_size, self.num_replicas)
        return weights[index * size : (index + 1) * size]

    def _one_hot(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels that are shares of classes already, where clips are mixed, stay as they are."""
        return labels if labels.dtype.is_floating else tf.one_hot(labels, self.source.num_classes)

    def _for_fit(self, clips: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor):
        if has_auxiliary_loss(self.config):
            return clips, (targets, targets), (weights, weights)
        return clips, targets, weights


def read_skipped(workdir: pathlib.Path) -> list[dict[str, str]]:
    """The rows of ``skipped_records.csv``; none if there is no such file.

    Raises:
        ValueError: it is not what :func:`write_skipped` wrote.
    """
    path = workdir / SKIPPED_RECORDS
    if not path.exists():
        return []
    remedy = "Put the file back as the run wrote it, or remove it."
    rows = file_content.read_rows(path, _COLUMNS, remedy, "surrogateescape")
    return [{name: row[name] for name in _COLUMNS} for _, row in rows]


def write_skipped(
    workdir: pathlib.Path, skipped: SkippedRecords, earlier: list[dict[str, str]]
) -> None:
    """Writes ``skipped_records.csv``: what this call passed over, and the rows of ``earlier``."""
    path = workdir / SKIPPED_RECORDS
    rows = skipped.rows()
    rows += [row for row in earlier if row not in rows]
    values = ([row[name] for name in _COLUMNS] for row in rows)
    whole_files.write_rows(path, _COLUMNS, sorted(values, key=lambda row: row[:2]))
    print(f"{len(skipped)} bad records were skipped; {path} lists them.")
