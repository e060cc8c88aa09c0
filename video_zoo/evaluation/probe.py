"""probe(config): what a network owes to motion, from clips whose frames stand otherwise."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.pipeline import Clips
from video_zoo.data.input.records import check_shards
from video_zoo.data.input.source import Split
from video_zoo.errors import refusal
from video_zoo.files import whole_files
from video_zoo.run import files, plots
from video_zoo.run.history import MEASURES, measure_of
from video_zoo.run.trained import load_network

from . import metrics
from .config import ProbeConfig
from .evaluate import check_data
from .results import numbers_of, protocol_of
from .score_files import write_scores
from .views import VideoScores, score_videos

_IN_ORDER = "in order"
_ORDERS = {
    _IN_ORDER: "sequential",
    "reversed": "reversed",
    "shuffled": "shuffled",
    "frozen": "frozen",
    "half speed": "half_speed",
}
_DOUBLE_SPEED = "double speed"
CONDITIONS = (*_ORDERS, _DOUBLE_SPEED)


def probe(config: ProbeConfig) -> dict:
    """Evaluates a network on the same videos with their frames in order, and otherwise.

    Reversed, shuffled, frozen at the middle frame of each clip, at half speed (the middle half of a
    clip, each frame twice) and at double speed (twice the stride). Writes ``probe.json``, a bar
    chart ``probe.png``, and the scores of each condition as ``CONDITION/scores.csv``.

    Args:
        config: the network, the videos, and where to write.

    Returns:
        What ``probe.json`` holds: "measure" ("top1", or "mean_ap" where videos have several
        classes), "conditions" (name -> dict of "value", its 95 % "interval", and of all but
        the first the "difference" from it, on the same videos, with its "difference_interval"),
        "sentence", "num_videos", "num_clips", "num_crops", "num_frames", "image_size",
        "average", "split", "checkpoint", "data_dir".

    Raises:
        ValueError: a setting is out of range, the data is damaged or has no labels, or the network
            and the data have different classes.
        FileNotFoundError: the run, the file or the shards are missing.
    """
    config.check_files()
    network = load_network(**config.network)
    data_dir = network.data_dir(config.data_dir)
    source = Split.open(data_dir, config.split)
    check_data(network, source, data_dir)
    check_shards(source, unlabelled=True)
    folder = config.folder()
    whole_files.make_folder(folder, "output_dir")
    results = {}
    for name in CONDITIONS:
        clip = clip_of(network.clip, name)
        clips = Clips(source, clip, config.batch_size, config.seed, dtype="uint8")
        dataset = clips.views(config.num_clips, config.num_crops, details=True, unlabelled=True)
        num_views = config.num_clips * config.num_crops
        results[name] = score_videos(network, dataset, num_views, [source])
        place = folder / name.replace(" ", "_")
        place.mkdir(exist_ok=True)
        write_scores(place / files.SCORES, results[name], source.class_names)
    numbers = compared(results, source.class_names) | {
        "num_videos": len(results[_IN_ORDER].filenames),
        "num_clips": config.num_clips,
        "num_crops": config.num_crops,
        "num_frames": network.clip.num_frames,
        "image_size": network.clip.image_size,
        "average": "softmax",
        "split": config.split,
        "checkpoint": network.checkpoint,
        "data_dir": str(data_dir),
    }
    whole_files.write_json(folder / files.PROBE, numbers)
    called = MEASURES[numbers["measure"]]
    plots.save_bars(numbers["conditions"], called, numbers["sentence"], folder / files.PROBE_CHART)
    return numbers


def clip_of(clip: ClipConfig, condition: str) -> ClipConfig:
    """The clips of a condition, where those of the network are ``clip``."""
    if condition == _DOUBLE_SPEED:
        return dataclasses.replace(clip, frame_stride=2 * clip.frame_stride)
    return dataclasses.replace(clip, frame_order=_ORDERS[condition])


def compared(results: Mapping[str, VideoScores], class_names: list[str]) -> dict:
    """The numbers of all conditions, and how far they are from the first.

    Args:
        results: condition -> scores of the same videos, in the same order.
        class_names: of their columns.

    Returns:
        "measure", "conditions" and "sentence", as :func:`probe` says.

    Raises:
        ValueError: the videos have no labels.
    """
    first = results[_IN_ORDER]
    conditions, measure = {}, ""
    for name, result in results.items():
        numbers = numbers_of(result, class_names)
        if not numbers:
            raise refusal("split", "one with labels, as there is no accuracy without", "none")
        measure = measure_of(numbers)
        found = {"value": numbers[measure], "interval": numbers["intervals"][measure]}
        if result is not first:
            found |= difference(first, result)
        conditions[name] = found
    return {
        "measure": measure,
        "conditions": conditions,
        "sentence": _sentence(conditions, MEASURES[measure], len(first.filenames)),
    }


def difference(first: VideoScores, other: VideoScores) -> dict:
    """How far the main number of ``other`` is from that of ``first``, on the same videos.

    Returns:
        "difference" and its 95 % "difference_interval": the same videos are drawn for both.
    """
    before, after = (metrics.main_statistic(each.scores, each.labels) for each in (first, other))

    def change(weights: np.ndarray) -> np.ndarray:
        return after(weights) - before(weights)

    number = len(first.filenames)
    found = float(change(np.ones((1, number)))[0])
    interval = metrics.bootstrap({"change": change}, number)["change"]
    return {"difference": found, "difference_interval": interval}


def _sentence(conditions: Mapping[str, Mapping], called: str, num_videos: int) -> str:
    whole = conditions[_IN_ORDER]["value"]
    shown = [
        (name, row)
        for name, row in conditions.items()
        if name in ("reversed", "shuffled", "frozen") and row["difference_interval"][1] < 0
    ]
    if not shown:
        return (
            f"On these {num_videos} videos it cannot be shown that the {called} of {whole:.1%} "
            "owes anything to motion: frames backwards, shuffled or frozen lose nothing that is "
            "beyond chance."
        )
    losses = [
        f"{-100 * row['difference']:.1f} points with frames {name} (95 % interval "
        f"{-100 * row['difference_interval'][1]:.1f} to {-100 * row['difference_interval'][0]:.1f})"
        for name, row in shown
    ]
    lost = " and ".join(filter(None, [", ".join(losses[:-1]), losses[-1]]))
    return f"The {called} of {whole:.1%} owes something to motion: it loses {lost}."


def describe_probe(numbers: Mapping) -> str:
    """What a probe found, as lines of text.

    Args:
        numbers: as :func:`probe` returns them.
    """
    called = MEASURES[numbers["measure"]]
    lines = []
    for name, row in numbers["conditions"].items():
        interval = row["interval"]
        told = "" if interval is None else " ({:.1%} to {:.1%})".format(*interval)
        lines.append(f"{name:>14}  {called} {row['value']:.1%}{told}")
    views = protocol_of({**numbers, numbers["measure"]: None}).values()
    return "\n".join([*lines, f"over {', '.join(views)}", numbers["sentence"]])
