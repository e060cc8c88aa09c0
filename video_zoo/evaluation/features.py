"""extract_features(config): what a network sees in each video, one file per video."""

import collections
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from video_zoo.data.format.encoding import EncodingConfig
from video_zoo.data.input import records, sampling
from video_zoo.data.input.clips import NO_PLACE
from video_zoo.data.input.source import Split
from video_zoo.data.videos import video
from video_zoo.errors import changes
from video_zoo.files import file_content, whole_files
from video_zoo.models.transfer import feature_extractor
from video_zoo.run.files import FEATURE_SETTINGS
from video_zoo.run.room import enough_room
from video_zoo.run.trained import TrainedNetwork, for_inference, load_network

from .config import ExtractionConfig
from .feature_files import VideoFeatures, read_features, write_features
from .inputs import list_inputs
from .views import ViewsOfVideo, encoding_of


@dataclasses.dataclass(frozen=True)
class ExtractionResult:
    """What an extraction did.

    Args:
        output_dir: folder of the features.
        written: files that are new.
        kept: files that were there already.
        problems: video -> why it cannot be used.
    """

    output_dir: pathlib.Path
    written: list[pathlib.Path]
    kept: list[pathlib.Path]
    problems: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _Video:
    """A video whose frames are not read yet. ``read`` gives its JPEGs and their rate."""

    name: str  # of its features, without an ending
    filename: str
    read: Callable[[], tuple[Sequence[bytes], float]]
    label: int | tuple[int, ...] | None = None
    place: tuple[str, int] = NO_PLACE  # shard and record


def extract_features(
    config: ExtractionConfig, inputs: Sequence[str | os.PathLike] = ()
) -> ExtractionResult:
    """Writes the features of every video to a file of its own.

    The file of a video lies where the video lies in its folder, or in the shards' file names, with
    ".npz" or ".tfrecord" after its name. Files that are there already are kept, so the same call
    goes on where it was stopped; ``features.json`` remembers the settings.

    Args:
        config: which features.
        inputs: video files, and folders that are searched for them; none with ``data_dir``.

    Raises:
        ValueError: a setting is out of range, ``output_dir`` holds features of other settings, the
            shards are damaged, or a feature is NaN or infinite.
        FileNotFoundError: an input, the network or the shards are missing.
    """
    config.check_inputs(inputs)
    config.check_files()
    source = Split.open(config.data_dir, config.split) if config.data_dir else None
    if source is not None:
        records.check_shards(source, unlabelled=True)
    files = _find_files(inputs)
    if inputs:
        video.decoder_versions()  # fails before the network is loaded, if it does
    network = load_network(**config.network)
    pooling = None if config.pooling == "none" else config.pooling
    extractor = for_inference(feature_extractor(network.model, config.names, pooling=pooling))
    if source is None:
        encoding = encoding_of(network, "inputs", config.frames_fps)
        videos, count = _videos_of_files(files, encoding), len(files)
    else:
        encoding = None
        network.check_channels(source.channels, "`data_dir` must hold clips")
        videos, count = _videos_of_shards(source), source.num_examples
    folder = pathlib.Path(config.output_dir)
    _check_settings(folder, _settings(config, network, encoding))
    result = ExtractionResult(folder, [], [], {})
    sources = [] if source is None else [source]
    views = ViewsOfVideo(network, config.num_clips, config.num_crops, config.batch_size)
    with records.named_errors(*sources), enough_room("Lower `batch_size`."):
        for each in tqdm.tqdm(videos, total=count, desc="extracting", unit="video"):
            _extract(each, network, views, extractor, config, result)
    return result


def _extract(
    each: _Video,
    network: TrainedNetwork,
    views: ViewsOfVideo,
    extractor: keras.Model,
    config: ExtractionConfig,
    result: ExtractionResult,
) -> None:
    """Writes the features of one video, unless they are there."""
    path = result.output_dir / f"{each.name}.{config.format}"
    if path.exists():
        _check_same_video(path, each)
        result.kept.append(path)
        return
    try:
        frames, rate = each.read()
    except video.UnusableVideo as error:
        result.problems[each.filename] = str(error)
        return
    features = _features(views(frames, each.place), extractor)
    _check_finite(features, each.filename)
    start = _starts(len(frames), network, config)
    write_features(path, VideoFeatures(features, start, each.filename, rate, each.label))
    result.written.append(path)


def _features(views: Iterator[np.ndarray], extractor: keras.Model) -> dict[str, np.ndarray]:
    batches = [extractor.predict_on_batch(batch) for batch in views]
    return {
        name: np.concatenate([np.asarray(batch[name], np.float32) for batch in batches])
        for name in batches[0]
    }


def _check_finite(features: dict[str, np.ndarray], filename: str) -> None:
    """Raises ValueError if a feature of the video ``filename`` is NaN or infinite."""
    for endpoint, values in features.items():
        if not (finite := np.isfinite(values)).all():
            raise ValueError(
                f"the features of a video must be finite, and those of {filename!r} at {endpoint} "
                f"are not. Received: {values.size - finite.sum()} values of {values.size} that are "
                "NaN or infinite. The network's weights are finite, so its values are too large "
                "for their type: take another checkpoint, or float32."
            )


def _starts(length: int, network: TrainedNetwork, config: ExtractionConfig) -> np.ndarray:
    clip = network.clip
    indices = sampling.even_clips(
        tf.constant(length), clip.num_frames, clip.frame_stride, config.num_clips
    )
    return np.repeat(indices[:, 0].numpy(), config.num_crops).astype(np.int64)


def _find_files(inputs: Sequence[str | os.PathLike]) -> list[tuple[str, str]]:
    """(name of the features, file) of every video."""
    found = {}
    for name, file in list_inputs(inputs, "inputs"):
        if not os.path.exists(file):
            raise FileNotFoundError(
                f"`inputs` must be video files, or folders of them. Received: {file!r}, which "
                "does not exist."
            )
        if name in found and os.path.abspath(found[name]) != os.path.abspath(file):
            raise ValueError(
                "`inputs` must be videos of different names in their folders, as their "
                f"features have these names. Received: {found[name]!r} and {file!r}. Pass "
                "the folder above both, or extract them into two folders."
            )
        found[name] = file
    return list(found.items())


def _videos_of_files(files: list[tuple[str, str]], encoding: EncodingConfig) -> Iterator[_Video]:
    for name, file in files:

        def read(file: str = file) -> tuple[Sequence[bytes], float]:
            encoded = video.encode_clip(file, encoding)
            return encoded.frames, encoded.frame_rate

        yield _Video(name, file, read)


def _videos_of_shards(source: Split) -> Iterator[_Video]:
    seen = collections.Counter()
    parse = records.parser(source.class_names, unlabelled=True, multi_label=source.multi_label)
    found = source.places().flat_map(records.read_shard)
    for shard, index, example in found.map(lambda *record: (*record[:2], parse(*record))):
        filename = example["filename"].numpy().decode("utf-8", "surrogateescape")
        # Names of shards from elsewhere may lead out of the folder, or be missing or repeated.
        parts = [part for part in pathlib.PurePath(filename).parts if part.strip("./\\")]
        name = os.path.join(*parts) if parts else "video"
        number = seen[name]
        seen[name] += 1

        def read(example: dict = example) -> tuple[Sequence[bytes], float]:
            return example["frames"].numpy().tolist(), float(example["frame_rate"])

        name = f"{name}-{number}" if number else name
        place = os.fsdecode(shard.numpy()), int(index)
        label = example["label"].numpy()
        several = tuple(np.flatnonzero(label).tolist()) if source.multi_label else int(label)
        yield _Video(name, filename, read, several, place)


def _settings(
    config: ExtractionConfig, network: TrainedNetwork, encoding: EncodingConfig | None
) -> dict:
    """All that decides what the features of a video are."""
    digest = hashlib.sha256()
    for weight in network.model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return {
        "network": {"name": network.model.name, "weights_sha256": digest.hexdigest()},
        "endpoints": config.names,
        "pooling": config.pooling,
        "num_clips": config.num_clips,
        "num_crops": config.num_crops,
        "clip": dataclasses.asdict(network.clip),
        "videos": None if encoding is None else _told(encoding),
        "data_dir": None if config.data_dir is None else os.path.abspath(config.data_dir),
        "split": None if config.data_dir is None else config.split,
        "format": config.format,
    }


def _told(encoding: EncodingConfig) -> dict:
    """Its settings. That of folders of frames came later: earlier features are of none."""
    settings = dataclasses.asdict(encoding)
    return {k: v for k, v in settings.items() if k != "frames_fps" or v is not None}


def _check_settings(folder: pathlib.Path, settings: dict) -> None:
    """Writes the settings into a new folder; refuses one that was made with others."""
    path = folder / FEATURE_SETTINGS
    if path.exists():
        remedy = "Choose another folder, or remove the file if the features are of these settings."
        earlier = file_content.read_json(path, Mapping[str, object], remedy)
        if differences := changes(earlier, settings):
            raise ValueError(
                "`output_dir` must be new, or hold features of the same settings. Received: "
                f"output_dir={str(folder)!r}, where {'; '.join(differences)}. Choose another."
            )
        return
    whole_files.make_folder(folder, "output_dir")
    whole_files.write_json(path, settings)


def _check_same_video(path: pathlib.Path, wanted: _Video) -> None:
    found = read_features(path).filename
    if found != wanted.filename:
        raise ValueError(
            "`output_dir` must not hold features of another video under the same name. Received: "
            f"{str(path)!r} is of {found!r}, and now it is {wanted.filename!r}. Choose another "
            "folder, or name the videos as in the first call."
        )
