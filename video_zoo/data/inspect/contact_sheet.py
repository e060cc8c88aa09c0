"""A picture of sampled clips, as a network will see them: one row per clip."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from video_zoo import errors
from video_zoo.files import whole_files
from video_zoo.lettering import lettered

from ..format import tfrecord
from ..format.modality import RGB, channels_of
from ..input.augmentation_config import AugmentationConfig
from ..input.clips import ClipConfig
from ..input.pipeline import Clips
from ..input.source import Split
from .config import InspectionConfig
from .report import DatasetReport

_GAP, _GAP_GREY = 4, 0.8  # pixels between the frames of a row
# Inches: the page, which fits a screen of 1920x1080 at 120 dots per inch, and what goes onto it.
_PAGE = (15.5, 8.5)
_FRAME, _LEAST_FRAME = 1.35, 0.6
_CAPTION, _TIMES, _TITLE = 0.22, 0.22, 0.6


def variants(
    config: InspectionConfig, augmentation: AugmentationConfig | None, modality: str
) -> dict[str, AugmentationConfig]:
    """The rows of each clip, one below the other: caption -> options.

    Args:
        config: ``augment`` asks for each option by itself, with its usual value.
        augmentation: options to show together instead.
        modality: what the frames are.

    Raises:
        ValueError: an option does not fit the clips.
        ImportError: the installed Keras lacks the layers of an option.
    """
    chosen = {"": AugmentationConfig()}
    if augmentation is not None and augmentation != AugmentationConfig():
        chosen["augmented"] = augmentation
    elif config.augment:
        options = {"random_resized_crop": True, "scale_jitter": 1.25}
        options |= {"max_frame_stride": 2 * config.frame_stride}
        options |= {"color_jitter": 0.4, "rand_augment": 2} if modality == RGB else {}
        options |= {"mixup_alpha": 0.8, "cutmix_alpha": 1.0}
        chosen |= {
            name if value is True else f"{name}={value}": AugmentationConfig(**{name: value})
            for name, value in options.items()
        }
    for options in chosen.values():
        options.check(channels_of(modality), config.frame_stride)
    return chosen


@dataclasses.dataclass(frozen=True)
class _Source:
    """The clip of one row: name of its class, and of its file; stored frames per second, or 0."""

    label: str
    filename: str
    frame_rate: float


def check(config: InspectionConfig, splits: Sequence[str]) -> None:
    """Raises ValueError or FileNotFoundError if the contact sheet could not be written."""
    if config.sheet_split is not None and config.sheet_split not in splits:
        raise errors.refusal("sheet_split", f"one of {list(splits)}", config.sheet_split)
    folder = os.path.dirname(os.path.abspath(config.contact_sheet))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            "`contact_sheet` must be a file in a local folder that exists. Received: "
            f"contact_sheet={config.contact_sheet!r}. Make the folder, or choose another."
        )


def save(
    config: InspectionConfig,
    report: DatasetReport,
    rows: dict[str, AugmentationConfig],
    split: str,
) -> None:
    """Writes the contact sheet; none if the split has no clip without a problem.

    The pictures come out of the input pipeline. Its batches tell labels alone, so the sampled
    examples are copied to a shard in which each is a class of its own.

    Args:
        config: what to show, and ``contact_sheet``, the PNG file.
        report: of the folder; its ``contact_sheet`` is set.
        rows: as :func:`variants` gives them.
        split: where the sample comes from.
    """
    usable = report.splits[split].usable
    if not usable:
        return
    rng = np.random.default_rng(config.seed)
    number = min(config.num_clips, len(usable))
    chosen = [usable[index] for index in rng.choice(len(usable), number, replace=False)]
    with tempfile.TemporaryDirectory() as folder:
        sources, copied = _copy_sample(sorted(chosen), report, folder)
        batches = {caption: _batch(config, copied, row) for caption, row in rows.items()}
    _draw(config, report, sources, batches)
    report.contact_sheet = config.contact_sheet


def _copy_sample(
    chosen: list[tuple[str, int]], report: DatasetReport, folder: str
) -> tuple[list[_Source], Split]:
    """Writes one shard of the chosen examples; each has its own line of the label map."""
    sources = []
    path = os.path.join(folder, "sample.tfrecord")
    with tf.io.TFRecordWriter(path) as file:
        for row, (shard, index) in enumerate(chosen):
            (record,) = tf.data.TFRecordDataset(shard).skip(index).take(1).as_numpy_iterator()
            example = tfrecord.parse_example(record, report.class_names, report.multi_label)
            found = [label for label, _ in tfrecord.labels_of(example) if label >= 0]
            filename = example["filename"].numpy().decode("utf-8", "replace")
            names = ", ".join(report.class_names[each] for each in found)
            label = names or ("(no class)" if report.multi_label else "(no label)")
            sources.append(_Source(label, filename, float(example["frame_rate"])))
            sequence = tf.train.SequenceExample.FromString(record)
            context = sequence.context.feature
            context[tfrecord.LABEL_INDEX].int64_list.value[:] = [row]
            for key in (tfrecord.LABEL_TEXT, tfrecord.LABEL_STRING):
                context[key].bytes_list.value[:] = [str(row).encode()]
            file.write(sequence.SerializeToString())
    labels = [str(row) for row in range(len(sources))]
    return sources, Split([path], [len(sources)], labels, channels_of(report.modality))


@dataclasses.dataclass(frozen=True)
class _Batch:
    """One clip of each row: its frames, and which share of it each of the sampled examples has.

    Frames are [rows, columns, height, width, channels] in [-1, 1], shares are [rows, rows].
    """

    frames: np.ndarray
    shares: np.ndarray


def _batch(config: InspectionConfig, sample: Split, augmentation: AugmentationConfig) -> _Batch:
    clip = ClipConfig(config.num_frames, config.frame_stride, config.image_size)
    batches = Clips(sample, clip, sample.num_examples, config.seed).training(
        random_flip=config.random_flip, augmentation=augmentation
    )
    clips, labels = next(iter(batches))
    shares = labels.numpy() if augmentation.mixes else np.eye(sample.num_examples)[labels.numpy()]
    return _Batch(tf.gather(clips, _columns(config), axis=1).numpy(), shares)


def _columns(config: InspectionConfig) -> np.ndarray:
    """Which frames of a clip are shown."""
    count = min(config.columns, config.num_frames)
    return np.rint(np.linspace(0, config.num_frames - 1, count)).astype(int)


def _draw(
    config: InspectionConfig,
    report: DatasetReport,
    sources: list[_Source],
    batches: dict[str, _Batch],
) -> None:
    columns = _columns(config)
    shown = _clips_on_a_page(len(sources), len(batches))
    count = shown * len(batches)
    fixed = _TITLE + count * _CAPTION + shown * _TIMES
    frame = min(_FRAME, _PAGE[0] / len(columns), (_PAGE[1] - fixed) / count)
    frame = max(frame, _LEAST_FRAME)
    figure = Figure(
        figsize=(max(frame * len(columns), 8) + 0.4, count * frame + fixed), layout="constrained"
    )
    figure.get_layout_engine().set(h_pad=0.03, hspace=0.0)
    figure.suptitle(lettered(_title(config, report), 160), fontsize=10, parse_math=False)
    axes = iter(figure.subplots(count, 1, squeeze=False)[:, 0])
    for row, source in enumerate(sources[:shown]):
        for number, (caption, batch) in enumerate(batches.items()):
            strip = next(axes)
            _draw_strip(strip, _strip(batch.frames[row]))
            text = lettered(_caption(caption, batch.shares[row], sources), 160)
            strip.set_title(
                text,
                loc="left",
                fontsize=8,
                pad=2,
                parse_math=False,
                fontweight="normal" if number else "bold",
            )
            if not number:
                _draw_times(strip, columns, config, source.frame_rate)
    with whole_files.atomic_write(config.contact_sheet) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _clips_on_a_page(clips: int, variants: int) -> int:
    """How many of the sampled clips are shown: without augmentation, all that were asked for."""
    if variants == 1:
        return clips
    fitting = (_PAGE[1] - _TITLE) / (variants * (_LEAST_FRAME + _CAPTION) + _TIMES)
    return max(1, min(clips, int(fitting)))


def _title(config: InspectionConfig, report: DatasetReport) -> str:
    title = f"{report.data_dir}: {config.num_frames} frames at stride {config.frame_stride}, "
    title += f"{config.image_size}x{config.image_size} pixels"
    if (shown := len(_columns(config))) < config.num_frames:
        title += f"; {shown} of the frames are shown"
    if report.modality != RGB:
        title += "; red moves right, cyan left, green up, violet down, white is at rest"
    return title


def _draw_strip(axes: Axes, strip: np.ndarray) -> None:
    axes.imshow(strip, interpolation="antialiased")
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _draw_times(
    axes: Axes, columns: np.ndarray, config: InspectionConfig, frame_rate: float
) -> None:
    """Below each frame its time in the clip, or its number where the rate is unknown."""
    labels = [f"frame {column}" for column in columns]
    if frame_rate > 0:
        labels = [f"{at:.2f} s" for at in columns * config.frame_stride / frame_rate]
    width = config.image_size + _GAP
    places = [(place + 0.5) * width for place in range(len(columns))]
    axes.set_xticks(places, labels, fontsize=7)
    axes.tick_params(pad=1)


def _caption(caption: str, shares: np.ndarray, sources: list[_Source]) -> str:
    order = [row for row in np.argsort(-shares, kind="stable") if shares[row] > 0]
    names = [f"{sources[row].label} ({sources[row].filename})" for row in order]
    if len(order) > 1:
        names = [f"{shares[row]:.0%} {name}" for row, name in zip(order, names, strict=True)]
    return f"{caption}: {' + '.join(names)}" if caption else names[0]


def _strip(frames: np.ndarray) -> np.ndarray:
    """Frames side by side, in [0, 1]."""
    pictures = _flow_colours(frames) if frames.shape[-1] == 2 else (frames + 1) / 2
    pictures = np.clip(pictures, 0, 1)
    pictures = np.pad(pictures, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=_GAP_GREY)
    return np.concatenate(pictures, axis=1)[:, :-_GAP]


def _flow_colours(flow_frames: np.ndarray) -> np.ndarray:
    """Direction as hue, speed as saturation: white is at rest. Relative to the clip's fastest."""
    right, down = flow_frames[..., 0], flow_frames[..., 1]
    speed = np.hypot(right, down)
    hue = (np.arctan2(-down, right) / (2 * np.pi)) % 1
    saturation = np.clip(speed / max(np.percentile(speed, 99.5), 0.05), 0, 1)
    return hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1))
