"""The files that features are kept in: one per video, written and read here alone.

A ``.npz`` file holds an array per endpoint, and "start", "filename", "frame_rate" and, where it is
known, "label". A ``.tfrecord`` file holds one ``tf.train.SequenceExample`` with the same under the
keys below, and those of the shards for what these have too.
"""

import dataclasses
import os
import pathlib
import zipfile

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from video_zoo.data.format import tfrecord
from video_zoo.errors import at_home, refusal
from video_zoo.files import whole_files

# Feature lists, one value per view; and, in the context, the shape of an endpoint's features in
# one view. The first two are MediaSequence's keys.
FLOATS = "{endpoint}/feature/floats"
DIMENSIONS = "{endpoint}/feature/dimensions"
START = "view/start/index"
_OWN_ARRAYS = ("start", "filename", "frame_rate", "label")
# There where a clip may have several classes, and so none, or one, is a list too.
_SEVERAL = "clip/label/several"


@dataclasses.dataclass(frozen=True)
class VideoFeatures:
    """The features of one video. Views follow one another: clips, and the crops of each.

    Args:
        features: endpoint -> float32 [num_views, ...].
        start: int64 [num_views], number of the first frame of each view, at ``frame_rate``.
        filename: the video.
        frame_rate: frames per second of the stored frames; 0 if unknown.
        label: index of its class, None if unknown; of all of them, where it may have several.
    """

    features: dict[str, np.ndarray]
    start: np.ndarray
    filename: str
    frame_rate: float = 0.0
    label: int | tuple[int, ...] | None = None


def write_features(path: pathlib.Path, content: VideoFeatures) -> None:
    """Writes ``content`` to ``path``, whole or not at all, in the format of its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_files.atomic_write(path) as temporary:
        if path.suffix == ".npz":
            label = {} if content.label is None else {"label": np.array(content.label, np.int64)}
            with open(temporary, "wb") as file:
                np.savez(
                    file,
                    start=content.start,
                    filename=np.array(content.filename),
                    frame_rate=np.float32(content.frame_rate),
                    **label,
                    **content.features,
                )
        else:
            with tf.io.TFRecordWriter(os.fsencode(temporary)) as writer:
                writer.write(_serialize(content))


def _serialize(content: VideoFeatures) -> bytes:
    example = tf.train.SequenceExample()
    context, lists = example.context.feature, example.feature_lists.feature_list
    name = content.filename.encode("utf-8", "surrogateescape")
    context[tfrecord.FILENAME].bytes_list.value.append(name)
    context[tfrecord.FRAME_RATE].float_list.value.append(content.frame_rate)
    if content.label is not None:
        context[tfrecord.LABEL_INDEX].int64_list.value.extend(np.ravel(content.label).tolist())
        if isinstance(content.label, tuple):
            context[_SEVERAL].int64_list.value.append(1)
    for index in content.start:
        lists[START].feature.add().int64_list.value.append(int(index))
    for endpoint, values in content.features.items():
        dimensions = context[DIMENSIONS.format(endpoint=endpoint)].int64_list
        dimensions.value.extend(values.shape[1:])
        for view in values:
            floats = lists[FLOATS.format(endpoint=endpoint)].feature.add().float_list
            floats.value.extend(view.ravel())
    return example.SerializeToString(deterministic=True)


def read_features(path: str | os.PathLike) -> VideoFeatures:
    """Reads a file that :func:`video_zoo.evaluation.extract_features` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file.
    """
    path = pathlib.Path(at_home(path))
    if not path.is_file():
        raise FileNotFoundError(
            f"`path` must be a file of features. Received: path={str(path)!r}, which does not exist"
        )
    try:
        return _read_npz(path) if path.suffix == ".npz" else _read_tfrecord(path)
    except (
        ValueError,
        LookupError,  # a key, or the first value of a list
        TypeError,  # an array where several are expected
        OSError,
        StopIteration,
        DecodeError,
        tf.errors.OpError,
        zipfile.BadZipFile,
    ) as error:
        place = f" ({type(error).__name__}: {error})"
        raise refusal("path", "a file of features", path, place=place) from error


def _read_npz(path: pathlib.Path) -> VideoFeatures:
    # NumPy leaves a file open that it cannot read, if it is given the name.
    with open(path, "rb") as file, np.load(file) as arrays:
        features = {name: arrays[name] for name in arrays if name not in _OWN_ARRAYS}
        label = arrays["label"].tolist() if "label" in arrays else None
        label = tuple(label) if isinstance(label, list) else label
        rate = float(arrays["frame_rate"])
        return VideoFeatures(features, arrays["start"], str(arrays["filename"]), rate, label)


def _read_tfrecord(path: pathlib.Path) -> VideoFeatures:
    record = next(iter(tf.data.TFRecordDataset(os.fsencode(path)))).numpy()
    example = tf.train.SequenceExample.FromString(record)
    context, lists = example.context.feature, example.feature_lists.feature_list
    suffix = DIMENSIONS.format(endpoint="")
    features = {}
    for key in sorted(key for key in context if key.endswith(suffix)):
        endpoint = key.removesuffix(suffix)
        views = lists[FLOATS.format(endpoint=endpoint)].feature
        values = np.array([view.float_list.value for view in views], np.float32)
        features[endpoint] = values.reshape(len(views), *context[key].int64_list.value)
    labels = tuple(context[tfrecord.LABEL_INDEX].int64_list.value)
    several = _SEVERAL in context
    return VideoFeatures(
        features,
        np.array([view.int64_list.value[0] for view in lists[START].feature], np.int64),
        context[tfrecord.FILENAME].bytes_list.value[0].decode("utf-8", "surrogateescape"),
        context[tfrecord.FRAME_RATE].float_list.value[0],
        labels if several else (*labels, None)[0],
    )
