"""The network of a run, evaluated and asked about real files."""

import csv
import json
import os
import pathlib
import shutil

import keras
import numpy as np
import processes
import pytest

from video_zoo import models
from video_zoo.data.input import pipeline
from video_zoo.data.input.clips import ClipConfig
from video_zoo.evaluation import EvaluationConfig, describe, evaluate, predict
from video_zoo.evaluation.score_files import read_scores
from video_zoo.run.trained import load_network

CLASSES = ["down", "growing", "left", "right", "up"]


def scores_of(folder):
    with open(folder / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, np.array([[float(row[name]) for name in CLASSES] for row in rows])


@pytest.fixture(scope="module")
def evaluated(run):
    """The result of an evaluation of six views of each video, its rows and scores."""
    numbers = evaluate(EvaluationConfig(workdir=str(run), num_clips=2, num_crops=3, batch_size=4))
    return numbers, *scores_of(run / "eval" / "val")


def test_evaluation_covers_every_video_once(run, evaluated):
    numbers, rows, scores = evaluated
    folder = run / "eval" / "val"
    assert json.loads((folder / "metrics.json").read_text()) == numbers
    assert (numbers["num_videos"], numbers["num_clips"], numbers["num_crops"]) == (10, 2, 3)
    assert len({row["file"] for row in rows}) == 10
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    hits = [row["predicted"] == row["label"] for row in rows]
    assert numbers["top1"] == pytest.approx(np.mean(hits))
    assert all(row["predicted"] == CLASSES[s.argmax()] for row, s in zip(rows, scores, strict=True))
    assert list(numbers["per_class"]) == CLASSES
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def test_set(motion_shards, videos, make_shards, tmp_path):
    """Three videos of a list without labels, converted as docs/conversion.md says."""
    rows = ["youtube_id,time_start,time_end,split"]
    (tmp_path / "videos").mkdir()
    for number, video in enumerate(videos[:3]):
        name = f"{number:011d}"
        shutil.copy(video, tmp_path / "videos" / f"{name}_000000_000010.mp4")
        rows.append(f"{name},0,10,test")
    (tmp_path / "test.csv").write_text("\n".join(rows) + "\n")
    label_map = str(motion_shards / "label_map.txt")
    return make_shards(tmp_path, annotations=str(tmp_path / "test.csv"), label_map=label_map)


def test_a_split_without_labels_gets_predictions_and_no_accuracy(run, test_set, tmp_path):
    folder = tmp_path / "out"
    numbers = evaluate(
        EvaluationConfig(
            workdir=str(run), data_dir=str(test_set), split="test", output_dir=str(folder)
        )
    )
    assert numbers["num_videos"] == 3
    assert not {"top1", "top5", "per_class"} & numbers.keys()
    assert describe(numbers).startswith("no labels, so no accuracy over 3 videos")
    rows, scores = scores_of(folder)
    assert {row["label"] for row in rows} == {""}
    with open(folder / "predictions.csv", newline="") as file:
        predictions = list(csv.DictReader(file))
    for row, prediction, own in zip(rows, predictions, scores, strict=True):
        best = [CLASSES[c] for c in np.argsort(-own)]
        assert prediction == {"file": row["file"]} | {f"top{n + 1}": best[n] for n in range(5)}
    assert not (folder / "confusion_matrix.png").exists()


def test_scores_are_the_mean_probability_over_the_views(run, evaluated, motion_shards):
    model = keras.saving.load_model(run / "best.keras")
    views = pipeline.evaluation_dataset(
        motion_shards, clip=ClipConfig(8, 1, 32), num_clips=2, num_crops=3, batch_size=6
    )
    wanted = [keras.ops.softmax(model.predict(clips, verbose=0)).numpy() for clips, _ in views]
    np.testing.assert_allclose(evaluated[2], np.mean(wanted, axis=1), atol=1e-5)


def test_the_batch_size_changes_nothing(run):
    results = []
    for size in (3, 10):
        evaluate(EvaluationConfig(workdir=str(run), batch_size=size, output_dir=str(run / "b")))
        results.append(scores_of(run / "b")[1])
    np.testing.assert_allclose(*results, atol=1e-5)


def test_shuffled_frames_go_to_a_folder_of_their_own(run):
    numbers = evaluate(EvaluationConfig(workdir=str(run), frame_order="shuffled"))
    assert numbers["frame_order"] == "shuffled"
    assert (run / "eval" / "val_shuffled" / "metrics.json").exists()


def test_a_file_gets_the_scores_that_its_evaluation_gave_it(run, evaluated, motion_shards):
    _, rows, scores = evaluated
    files = [motion_shards.parent / "videos" / row["file"] for row in rows[:3]]
    found = list(predict(files, workdir=run, num_clips=2, num_crops=3, top=5))
    for prediction, expected in zip(found, scores, strict=False):
        by_name = dict(zip(prediction.classes, prediction.probabilities, strict=True))
        np.testing.assert_allclose([by_name[name] for name in CLASSES], expected, atol=2e-6)
        assert list(prediction.probabilities) == sorted(prediction.probabilities, reverse=True)


def test_an_unusable_file_is_told_and_the_others_go_on(run, videos, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    bad, fine = predict([tmp_path / "empty.mp4", videos[0]], workdir=run, top=2)
    assert "0 bytes" in bad.problem and not bad.classes
    assert fine.problem is None and len(fine.classes) == 2


def test_a_checkpoint_alone_is_evaluated_beside_itself(run, motion_shards, videos, tmp_path):
    model = keras.saving.load_model(run / "best.keras")
    model.save(tmp_path / "net.keras")
    config = EvaluationConfig(
        checkpoint=str(tmp_path / "net.keras"), data_dir=str(motion_shards), num_clips=2
    )
    numbers = evaluate(config)
    assert (tmp_path / "eval" / "val" / "metrics.json").exists()
    assert numbers["top1"] == evaluate(EvaluationConfig(workdir=str(run), num_clips=2))["top1"]
    (prediction,) = predict(videos[:1], checkpoint=tmp_path / "net.keras")
    assert set(prediction.classes) == {"0", "1", "2", "3", "4"}


def test_softmax_and_auxiliary_outputs_give_probabilities(tmp_path):
    shape, options = (
        (8, 32, 32, 3),
        {"width_multiplier": 0.0625, "classifier_activation": "softmax"},
    )
    model = models.r3d_18(3, input_shape=shape, **options)
    x = keras.layers.GlobalAveragePooling3D()(model.get_layer("layer3_1").output)
    auxiliary = keras.layers.Dense(3, activation="softmax", name="AuxLogits")(x)
    model = keras.Model(model.input, [model.output, auxiliary])
    model.save(tmp_path / "softmax.keras")
    network = load_network(checkpoint=tmp_path / "softmax.keras")
    clips = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype("float32")
    expected = model(clips)[0]
    np.testing.assert_allclose(
        network.scores(network.logits(clips)[:, np.newaxis]), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of `workdir` and `checkpoint` must be given"),
        ({"workdir": "nowhere"}, "`workdir` must be the folder of a training run"),
        ({"checkpoint": "no.keras"}, "`checkpoint` must lead to a saved network"),
    ],
)
def test_missing_runs_are_named(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_network(**arguments)


def test_other_classes_than_the_networks_are_refused(run, motion_shards, tmp_path):
    (tmp_path / "label_map.txt").write_text("a\nb\n")
    for shard in motion_shards.glob("val-*"):
        (tmp_path / shard.name).write_bytes(shard.read_bytes())
    config = EvaluationConfig(workdir=str(run), data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="`data_dir` must have the label map that the network was"):
        evaluate(config)
    bare = tmp_path / "bare.keras"  # saved by Keras alone, so without the names of its classes
    keras.saving.load_model(run / "best.keras", compile=False).save(bare)
    config = EvaluationConfig(checkpoint=str(bare), data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="`data_dir` must have as many classes as the network, 5"):
        evaluate(config)


def test_a_network_with_nan_gets_no_accuracy(run, tmp_path):
    model = keras.saving.load_model(run / "best.keras", compile=False)
    broken = next(layer for layer in model.layers if layer.weights)
    broken.set_weights([np.full_like(w, np.inf) for w in broken.get_weights()])
    model.save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="`weights` must be finite.*Received: checkpoint="):
        load_network(run, tmp_path / "a.keras")


def test_a_video_whose_scores_are_no_numbers_is_named(run, tmp_path):
    model = keras.saving.load_model(run / "best.keras", compile=False)
    for layer in model.layers:  # finite weights, whose products are not
        if isinstance(layer, keras.layers.Conv3D):
            layer.set_weights([np.full_like(w, 3e38) for w in layer.get_weights()])
    model.save(tmp_path / "a.keras")
    config = EvaluationConfig(workdir=str(run), checkpoint=str(tmp_path / "a.keras"))
    with pytest.raises(ValueError, match=r"scores must be finite, and those of '.*mp4' are not"):
        evaluate(config)


def test_a_single_file_is_no_list_of_letters(run, videos):
    for given in (videos[0], str(videos[0])):
        (prediction,) = predict(given, workdir=run)
        assert prediction.filename == str(videos[0]) and prediction.problem is None


def test_a_folder_is_searched_for_videos(run, videos, tmp_path):
    found = predict([videos[0].parents[1]], workdir=run)
    assert [each.filename for each in found] == list(map(str, videos))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"`filenames` must hold videos. Received: .*, without an"):
        predict(tmp_path, workdir=run)


def test_a_run_that_does_not_tell_its_shards_asks_for_them(run, tmp_path):
    shutil.copy(run / "best.keras", tmp_path)
    content = json.loads((run / "config.json").read_text())
    del content["training"]["data_dir"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"`data_dir` must be given, as config\.json of the run does"
    ):
        evaluate(EvaluationConfig(workdir=str(tmp_path)))


@keras.saving.register_keras_serializable("tests")
class Greedy(keras.layers.Layer):
    """Asks for more memory than there is."""

    def call(self, clips):
        return keras.ops.zeros((1, 5)) + keras.random.normal((10**6, 10**6, 10**3))[0, :1, :5]


def test_a_network_that_fits_no_memory_is_told_in_one_line(motion_shards, videos, tmp_path):
    clips = keras.Input((8, 32, 32, 3))
    keras.Model(clips, Greedy()(clips)).save(tmp_path / "greedy.keras")
    settings = {"checkpoint": str(tmp_path / "greedy.keras")}
    with pytest.raises(MemoryError, match="a device is out of memory. Lower `batch_size`"):
        evaluate(EvaluationConfig(**settings, data_dir=str(motion_shards)))
    with pytest.raises(MemoryError, match="a device is out of memory. The network takes one clip"):
        next(predict(videos[0], **settings))


def test_scores_have_the_bytes_of_the_names(run, motion_shards, make_shards, tmp_path):
    names = [f"{label}/é{number}.mp4".encode("latin-1") for label in CLASSES for number in (0, 1)]
    for name in names:
        path = pathlib.Path(os.fsdecode(os.path.join(os.fsencode(tmp_path / "videos"), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(
            next((motion_shards.parent / "videos" / "val" / path.parent.name).iterdir()), path
        )
    place = {"data_dir": str(make_shards(tmp_path)), "output_dir": str(tmp_path / "out")}
    evaluate(EvaluationConfig(workdir=str(run), **place))
    rows = (tmp_path / "out" / "scores.csv").read_bytes().splitlines()[1:]
    assert len(rows) == 5 and {row.split(b",")[0] for row in rows} < set(names)


_ON_DEVICES = """
import sys
from video_zoo.evaluation import EvaluationConfig, evaluate
for devices in (3, 0):  # the logical devices have to be asked for first
    evaluate(EvaluationConfig(
        workdir=sys.argv[1], num_clips=2, batch_size=7, virtual_devices=devices,
        output_dir=f"{sys.argv[2]}/{devices}",
    ))
"""


def test_over_several_devices_every_video_counts_once(run, tmp_path):
    # 20 views in batches of 7: parts of 2, 3 and 2, and last of 2, 2 and 2.
    done = processes.run("-c", _ON_DEVICES, str(run), str(tmp_path))
    assert done.returncode == 0, done.stderr
    several, one = (read_scores(tmp_path / name / "scores.csv")[0] for name in ("3", "0"))
    assert several.filenames == one.filenames and len(one.filenames) == 10
    np.testing.assert_allclose(several.scores, one.scores, atol=1e-6)
