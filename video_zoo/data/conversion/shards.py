"""Writes one shard, and keeps account of those that are finished.

Until a conversion is finished, the folder ``.conversion`` inside the output folder holds its plan
and a receipt for each finished shard. The receipt is written after the shard has its final name, so
what has a receipt is whole, whenever and however a run ends.
"""

import contextlib
import dataclasses
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf

from video_zoo.files import file_content, filesystems, whole_files

from ..annotations.clip import Clip
from ..format import tfrecord
from ..format.encoding import EncodedClip, EncodingConfig
from . import workers
from .plan import Plan, Shard, relative_name

_FOLDER = ".conversion"
_PLAN_NAME = "plan.json"
_LIST_NAME = "unfinished.jsonl"


@dataclasses.dataclass
class ShardReceipt:
    """What one shard holds.

    Args:
        split: of its clips.
        name: of its file.
        plan: fingerprint of the plan.
        num_clips: clips that should go into it.
        num_frames: of all its clips.
        bytes: size of its file.
        classes: class name -> examples that have it; ``""`` stands for clips without a label.
        skipped: ``(file, reason)`` of each clip that is not in it.
        incomplete: ``(file, note)``: what is missing of clips that went into it.
    """

    split: str
    name: str
    plan: str
    num_clips: int
    num_frames: int = 0
    bytes: int = 0
    classes: dict[str, int] = dataclasses.field(default_factory=dict)
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    incomplete: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    @property
    def num_examples(self) -> int:
        """Clips that went into it."""
        return self.num_clips - len(self.skipped)


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """What is the same for all shards of a conversion; small, so that it can be sent anywhere.

    Args:
        input_dir: folder of the videos.
        output_dir: folder of the shards.
        encoding: how the frames are stored.
        clip_timeout: seconds that a worker may take for a clip.
        labels: class names by label index.
        plan: fingerprint of the plan.
        multi_label: whether a clip may have several classes, or none.
    """

    input_dir: str
    output_dir: str
    encoding: EncodingConfig
    clip_timeout: float
    labels: tuple[str, ...]
    plan: str
    multi_label: bool = False

    def write(
        self,
        shard: Shard,
        results: Iterable[workers.Result],
        on_clip: Callable[[], object] = lambda: None,
    ) -> ShardReceipt:
        """Writes the shard, then its receipt.

        Args:
            shard: which, with its clips.
            results: what became of the shard's clips, in order.
            on_clip: called after each clip.

        Raises:
            OSError: a file cannot be written.
        """
        path = os.path.join(self.output_dir, shard.name)
        receipt = ShardReceipt(shard.split, shard.name, self.plan, len(shard.clips))
        try:
            # A shard without examples is written as well: the set of names must be complete.
            with (
                whole_files.atomic_write(path) as temporary,
                tf.io.TFRecordWriter(temporary) as file,
            ):
                for result in results:
                    self._add(file, receipt, result)
                    on_clip()
            receipt.bytes = tf.io.gfile.stat(path).length
            text = json.dumps(dataclasses.asdict(receipt), sort_keys=True) + "\n"
            whole_files.write_text(_receipt_path(self.output_dir, shard.name), text)
        except tf.errors.OpError as error:
            raise OSError(f"{path} cannot be written: {error.message}") from error
        return receipt

    def _add(
        self, file: tf.io.TFRecordWriter, receipt: ShardReceipt, result: workers.Result
    ) -> None:
        clip, outcome, _ = result
        name = relative_name(clip.path, self.input_dir)
        if isinstance(outcome, str):
            receipt.skipped.append((name, outcome))
            return
        file.write(encode_labelled(clip, outcome, name, self.labels, self.multi_label))
        if outcome.note:
            receipt.incomplete.append((name, outcome.note))
        receipt.num_frames += len(outcome.frames)
        for label in clip.labels or ("",):
            receipt.classes[label] = receipt.classes.get(label, 0) + 1

    def encode_and_write(self, shard: Shard) -> None:
        """Makes one shard in one worker process, unless it is finished."""
        filesystems.check(self.output_dir, "output_dir")  # this may be another machine
        if _load_receipt(self.output_dir, shard.name, self.plan):
            return
        results = workers.encode_clips(shard.clips, self.encoding, 1, self.clip_timeout)
        with contextlib.closing(results):
            self.write(shard, results)


def encode_labelled(
    clip: Clip,
    encoded: EncodedClip,
    name: str,
    labels: Sequence[str],
    multi_label: bool = False,
) -> bytes:
    """The clip as it is stored, ``name`` being its path relative to the input folder."""
    index = [labels.index(label) for label in clip.labels]
    one = {"label_index": index[0] if index else tfrecord.UNLABELLED, "label": clip.label}
    return tfrecord.encode_example(
        encoded,
        **({"label_index": index, "label": clip.labels} if multi_label else one),
        filename=name,
        media_id=clip.clip_id,
    )


def load_receipts(output_dir: str, names: Sequence[str], plan: str) -> dict[str, ShardReceipt]:
    """The receipts of the finished shards among ``names``, by name.

    Args:
        output_dir: folder of the shards.
        names: file names of shards.
        plan: fingerprint of the plan. A shard of another plan does not count.
    """
    folder = os.path.join(output_dir, _FOLDER)
    there = set(tf.io.gfile.listdir(folder)) if tf.io.gfile.isdir(folder) else set()
    receipts = (_load_receipt(output_dir, name, plan) for name in names if f"{name}.json" in there)
    return {receipt.name: receipt for receipt in receipts if receipt}


def _load_receipt(output_dir: str, name: str, plan: str) -> ShardReceipt | None:
    """The shard's receipt; None if the shard is not finished, or its receipt is none."""
    try:
        receipt = file_content.read_json(_receipt_path(output_dir, name), ShardReceipt, "")
        size = tf.io.gfile.stat(os.path.join(output_dir, name)).length
    except (tf.errors.NotFoundError, FileNotFoundError, ValueError):
        return None
    same = (receipt.name, receipt.plan, receipt.bytes) == (name, plan, size)
    return receipt if same else None


def _receipt_path(output_dir: str, name: str) -> str:
    return os.path.join(output_dir, _FOLDER, f"{name}.json")


def list_path(output_dir: str) -> str:
    """Where a list of shards to make may be put until the conversion is finished."""
    return os.path.join(output_dir, _FOLDER, _LIST_NAME)


def check_writable(output_dir: str) -> None:
    """Makes the folder. OSError if nothing can be written there."""
    # Other machines may be at the same check.
    probe = os.path.join(output_dir, _FOLDER, f"test-{platform.node()}-{os.getpid()}")
    try:
        tf.io.gfile.makedirs(os.path.dirname(probe))
        with tf.io.gfile.GFile(probe, "w") as file:
            file.write("")  # the file is made at the first write
        tf.io.gfile.remove(probe)
    except tf.errors.OpError as error:
        raise OSError(
            "`output_dir` must be a folder that can be written. "
            f"Received: output_dir={output_dir!r} ({error.message}). Choose another folder."
        ) from error


@dataclasses.dataclass(frozen=True)
class _ClipList:
    num_clips: int
    sha256: str


def load_plan(output_dir: str) -> Plan | None:
    """The plan of an unfinished conversion; None if there is none.

    Raises:
        ValueError: it is damaged.
    """
    path = os.path.join(output_dir, _FOLDER, _PLAN_NAME)
    if not tf.io.gfile.exists(path):
        return None
    remedy = "Pass overwrite to start anew."
    plan = file_content.read_json(path, Plan, remedy)
    # Only the plan that is made of the files of an older dataset lacks these.
    for field in ("duplicates", "clips"):
        if getattr(plan, field) is None:
            file_content.refuse(path, field, "there", None, remedy)
    clips = Mapping[str, Mapping[str, _ClipList]]
    file_content.check({"clips": plan.clips}, clips, path, remedy)
    return plan


def write_plan(output_dir: str, plan: Plan) -> None:
    """Begins a conversion."""
    tf.io.gfile.makedirs(os.path.join(output_dir, _FOLDER))
    whole_files.write_text(os.path.join(output_dir, _FOLDER, _PLAN_NAME), plan.to_json())


def is_begun(output_dir: str) -> bool:
    """Whether there is a plan, or what is left of one."""
    return tf.io.gfile.isdir(os.path.join(output_dir, _FOLDER))


def forget(output_dir: str) -> None:
    """Removes the plan and the receipts, if there are any."""
    folder = os.path.join(output_dir, _FOLDER)
    plan = os.path.join(folder, _PLAN_NAME)
    if tf.io.gfile.exists(plan):
        tf.io.gfile.remove(plan)  # first: receipts without a plan count for nothing
    if tf.io.gfile.isdir(folder):
        tf.io.gfile.rmtree(folder)
