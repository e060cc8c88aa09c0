"""Converts many videos to TFRecord shards, in parallel; what was ended half-way is continued.

A conversion is planned (``plan``) and then executed shard by shard: spawned workers decode and
encode the clips, the parent alone writes. Each finished shard gets a receipt (``shards``), and from
all the receipts come the manifest and the lists beside it (``finish``).
"""

import contextlib
import dataclasses
import itertools
import os
import sys
from collections.abc import Sequence

import tensorflow as tf
import tqdm

from video_zoo import errors
from video_zoo.files import filesystems
from video_zoo.files.ownership import sole_owner

from ..format import manifests
from ..format.folder import is_shard_name
from . import beam, finish, shards, workers
from .config import ConversionConfig, parse_range
from .finish import ConversionResult
from .plan import Plan, Shard, check_unchanged, make_plan
from .shards import ShardJob, ShardReceipt

__all__ = ["ConversionConfig", "ConversionResult", "convert", "merge"]


def convert(config: ConversionConfig, *, progress: bool = True) -> ConversionResult:
    """Converts videos to a folder of TFRecord shards.

    Writes ``train-00000-of-00008.tfrecord``, ..., ``label_map.txt``, ``manifest.json``,
    ``skipped.csv``, ``missing.csv`` and ``duplicates.csv`` (see ``docs/data_format.md``). Files
    appear under their names only when whole, the manifest last. A video that cannot be used is
    skipped with its reason, also where it crashes the process that decodes it or takes it for ever.

    However a run ended, the same call continues it: finished shards stand, and in the end the files
    are those of a run without a break. In a finished dataset it changes nothing.

    Worker processes are spawned, so a script that calls this needs the usual
    ``if __name__ == "__main__":``.

    Args:
        config: what to convert, and how.
        progress: whether to show a progress bar. Defaults to True.

    Returns:
        How it ended; look at its ``problem``.

    Raises:
        FileNotFoundError: the input does not exist.
        ValueError: the input cannot be read, or the output folder holds another conversion,
            finished or not, or another process is at work there.
        OSError: the output folder cannot be written.
        ImportError: OpenCV cannot be loaded, or lacks the flow that is asked for; or Apache Beam is
            asked for and cannot be loaded.
    """
    if config.runner:
        beam.load_beam()
    _checked_folder(config.output_dir)
    plan, planned, annotations = make_plan(config)  # first: it makes no folder
    if progress:
        for note in annotations.remarks:  # now, and not after hours
            tqdm.tqdm.write(f"note: {note}", file=sys.stderr)
    result = _make(plan, planned, config, progress)
    return dataclasses.replace(result, remarks=annotations.remarks)


def _make(
    plan: Plan, planned: Sequence[Shard], config: ConversionConfig, progress: bool
) -> ConversionResult:
    """Makes what is not finished of the plan, perhaps nothing."""
    output_dir = config.output_dir
    finished = _result_if_finished(config, plan)
    if finished is not None and not shards.is_begun(output_dir):
        return finished
    shards.check_writable(output_dir)
    chosen = _choose(planned, config.shard_range)
    with sole_owner(output_dir, "output_dir", shared=config.shard_range is not None):
        finished = _result_if_finished(config, plan)  # by another process, just now
        if finished is not None:
            shards.forget(output_dir)  # the last run was killed at its last step
            return finished
        plan = _begin(output_dir, plan, config)
        receipts = _execute(plan, chosen, config, progress)
        if config.shard_range is None:
            return finish.finish(output_dir, plan, receipts, config.max_skipped)
        receipts |= shards.load_receipts(output_dir, plan.shards, plan.fingerprint)
        return finish.partial_result(output_dir, plan, chosen, receipts, config.max_skipped)


def _result_if_finished(config: ConversionConfig, plan: Plan) -> ConversionResult | None:
    """The result of a conversion that is finished already; None if there is work to do."""
    output_dir = config.output_dir
    manifest = None if config.overwrite else manifests.load_manifest(output_dir)
    if manifest is None:
        return None
    check_unchanged(finish.plan_of_finished(output_dir, manifest), plan, output_dir)
    return finish.finished_result(output_dir, manifest, config.max_skipped)


def merge(output_dir: str | os.PathLike, max_skipped: float = 0.05) -> ConversionResult:
    """Finishes a conversion whose shards were made in parts: writes the manifest and the lists.

    Args:
        output_dir: folder that holds all the shards, and the parts' folder ``.conversion``.
        max_skipped: as in ``ConversionConfig``. Defaults to 0.05.

    Raises:
        FileNotFoundError: shards are missing, or there is no conversion to finish.
        ValueError: another process is at work there.
    """
    errors.check("max_skipped", max_skipped)
    output_dir = _checked_folder(output_dir)
    manifest = manifests.load_manifest(output_dir)
    if manifest is not None:
        if shards.is_begun(output_dir):
            with sole_owner(output_dir, "output_dir"):
                shards.forget(output_dir)
        return finish.finished_result(output_dir, manifest, max_skipped)
    plan = shards.load_plan(output_dir)
    if plan is None:
        raise FileNotFoundError(
            "`output_dir` must hold the parts of a conversion. Received: output_dir="
            f"{output_dir!r}, which has none. Make them with shard_range, and copy their hidden "
            "folder .conversion as well."
        )
    with sole_owner(output_dir, "output_dir"):
        receipts = shards.load_receipts(output_dir, plan.shards, plan.fingerprint)
        return finish.finish(output_dir, plan, receipts, max_skipped)


def _checked_folder(output_dir: str | os.PathLike | None) -> str:
    """The folder for the shards as a string; ValueError if it cannot be one."""
    if output_dir is None:
        raise errors.refusal("output_dir", "the folder for the shards", output_dir)
    filesystems.check(output_dir, "output_dir")
    return errors.at_home(os.fspath(output_dir))


def _choose(planned: Sequence[Shard], shard_range: str | None) -> Sequence[Shard]:
    if shard_range is None:
        return planned
    first, end = parse_range(shard_range)
    if first >= len(planned):
        raise ValueError(
            f"`shard_range` must begin below {len(planned)}, the number of shards. "
            f"Received: shard_range={shard_range!r}."
        )
    return planned[first:end]


def _begin(output_dir: str, plan: Plan, config: ConversionConfig) -> Plan:
    """Makes the folder ready. Gives the plan that the conversion began with, perhaps long ago."""
    begun = None if config.overwrite else shards.load_plan(output_dir)
    if begun is not None:
        check_unchanged(begun, plan, output_dir)
        return begun
    if config.shard_range is None:
        _clear(output_dir)
    else:
        _check_no_other_shards(output_dir, plan)
    manifests.write_label_map(output_dir, plan.labels)
    shards.write_plan(output_dir, plan)
    return plan


def _clear(output_dir: str) -> None:
    """Removes what an earlier conversion left: mixed shards of two would be taken for one set."""
    # The manifest goes first, so that a run that is ended here leaves no finished-looking folder.
    for name in finish.own_files(output_dir):
        tf.io.gfile.remove(os.path.join(output_dir, name))
    shards.forget(output_dir)


def _check_no_other_shards(output_dir: str, plan: Plan) -> None:
    # Another machine may be at work in this folder: nothing may be removed.
    names = filter(is_shard_name, finish.own_files(output_dir))
    others = sorted(set(names) - set(plan.shards))
    if others:
        raise ValueError(
            "`output_dir` must hold no shards of another conversion. "
            f"Received: output_dir={output_dir!r}, which has {others[0]}. Empty the folder."
        )


def _execute(
    plan: Plan, chosen: Sequence[Shard], config: ConversionConfig, progress: bool
) -> dict[str, ShardReceipt]:
    """Makes those of the chosen shards that are not finished. Gives the receipts of all of them."""
    job = ShardJob(
        input_dir=os.path.abspath(config.input_dir),
        output_dir=config.output_dir,
        encoding=config.encoding,
        clip_timeout=config.clip_timeout,
        labels=plan.labels,
        plan=plan.fingerprint,
        multi_label=bool(plan.settings.get(manifests.MULTI_LABEL)),
    )
    names = [shard.name for shard in chosen]
    receipts = shards.load_receipts(job.output_dir, names, job.plan)
    unfinished = [shard for shard in chosen if shard.name not in receipts]
    if not unfinished:
        return receipts
    if config.runner:
        beam.make_shards(job, unfinished, config.runner, config.beam_options)
        return shards.load_receipts(job.output_dir, names, job.plan)
    clips = [clip for shard in unfinished for clip in shard.clips]
    num_workers = config.workers or os.cpu_count() or 1
    results = workers.encode_clips(clips, job.encoding, num_workers, job.clip_timeout)
    done = sum(receipt.num_clips for receipt in receipts.values())
    bar = tqdm.tqdm(
        initial=done,
        total=done + len(clips),
        unit="clip",
        disable=not progress,
        dynamic_ncols=True,
    )
    # Closing `results` ends the worker processes, also after Ctrl-C or a full disk.
    with bar, contextlib.closing(results):
        for shard in unfinished:
            own = itertools.islice(results, len(shard.clips))
            receipts[shard.name] = job.write(shard, own, bar.update)
    return receipts
