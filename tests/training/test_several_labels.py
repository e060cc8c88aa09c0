"""From videos of several classes to a trained network, its evaluation and its predictions."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from video_zoo import data, evaluation
from video_zoo.data.input.source import Split
from video_zoo.run.history import read_history
from video_zoo.run.trained import load_network
from video_zoo.training import TrainingConfig, train
from video_zoo.training.mean_ap import MeanAveragePrecision
from video_zoo.training.workdir import check_workdir

# Class -> what is bright in a video that has it: rows, columns, colour. A name may hold any sign.
SQUARES = {"red; dark": (0, 0, 0), 'green "light"': (0, 16, 1), "blue, deep": (16, 0, 2)}


def picture(classes, rng):
    frames = rng.integers(0, 60, (12, 32, 32, 3))
    for name in classes:
        row, column, colour = SQUARES[name]
        frames[:, row : row + 16, column : column + 16, colour] = 230
    return frames


@pytest.fixture(scope="module")
def shards(tmp_path_factory, write_video, make_shards):
    """Shards of all combinations of three classes, none among them: 24 to train, 8 to validate."""
    folder, rng = tmp_path_factory.mktemp("several"), np.random.default_rng(0)
    rows = []
    for number in range(32):
        split = "train" if number < 24 else "val"
        classes = [name for bit, name in enumerate(SQUARES) if number >> bit & 1]
        path = write_video(folder / "videos" / f"{number:02}.mp4", picture(classes, rng))
        rows += [(path.name, name, split) for name in classes or [""]]
    with open(folder / "list.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return make_shards(folder, annotations=str(folder / "list.csv"), multi_label=True)


@pytest.fixture(scope="module")
def settings(tiny_run, shards, tmp_path_factory):
    workdir = str(tmp_path_factory.mktemp("several_run") / "run")
    return tiny_run | {"data_dir": str(shards), "workdir": workdir, "epochs": 4, "batch_size": 6}


@pytest.fixture(scope="module")
def result(settings):
    return train(TrainingConfig(**settings))


@pytest.fixture(scope="module")
def numbers(result):
    return evaluation.evaluate(evaluation.EvaluationConfig(workdir=str(result.workdir)))


def test_the_manifest_counts_clips_and_classes(shards):
    manifest = json.loads((shards / "manifest.json").read_text())
    assert manifest["settings"]["multi_label"] is True
    assert manifest["splits"]["train"]["num_examples"] == 24
    assert manifest["splits"]["train"]["classes"] == dict.fromkeys(sorted(SQUARES), 12)


def test_an_inspection_agrees_with_the_manifest(shards):
    report = data.inspect_dataset(data.InspectionConfig(str(shards)))
    assert report.problems == []
    assert report.splits["val"].num_unlabelled == 1


def test_the_pipeline_gives_a_one_for_each_class(shards):
    clip = data.ClipConfig(num_frames=4, image_size=32)
    dataset = data.evaluation_dataset(shards, clip=clip, batch_size=8, details=True)
    _, labels, about = next(iter(dataset))
    names = sorted(SQUARES)
    for label, filename in zip(labels.numpy(), about["filename"].numpy(), strict=True):
        number = int(filename[:2])
        expected = {name for bit, name in enumerate(SQUARES) if number >> bit & 1}
        assert {name for name, there in zip(names, label, strict=True) if there} == expected
        assert set(label.tolist()) <= {0.0, 1.0}


def test_the_network_learns(result, numbers):
    assert {"mean_ap", "val_mean_ap"} <= result.history[-1].keys()
    assert not any("top1" in name for name in result.history[-1])
    assert numbers["mean_ap"] > 0.9  # chance is about a half


def test_the_best_network_is_that_of_the_highest_mean_ap(result):
    rows = read_history(result.workdir / "history.csv")
    best = max(rows, key=lambda row: row["val_mean_ap"])
    with open(result.workdir / "best.keras", "rb"):
        network = load_network(result.workdir)
    assert network.multi_label
    # The bins of training round a score to a twentieth of a logit.
    found = evaluation.evaluate(
        evaluation.EvaluationConfig(
            workdir=str(result.workdir), output_dir=str(result.workdir / "again")
        )
    )
    assert found["mean_ap"] == pytest.approx(best["val_mean_ap"], abs=0.05)


def test_the_scores_give_the_numbers_of_the_evaluation(result, numbers):
    folder = result.workdir / "eval" / "val"
    with open(folder / "scores.csv", newline="") as file:
        header, *rows = csv.reader(file)
    names = header[3:]
    truth = np.array([[name in json.loads(row[1]) for name in names] for row in rows])
    scores = np.array([row[3:] for row in rows], float)
    expected = [average_precision_score(truth[:, c], scores[:, c]) for c in range(len(names))]
    np.testing.assert_allclose(list(numbers["per_class"].values()), expected, atol=1e-6)
    assert numbers["mean_ap"] == pytest.approx(np.mean(expected))
    assert (folder / "average_precision.png").stat().st_size > 1000
    assert not (folder / "confusion_matrix.png").exists()
    assert scores.sum(axis=1).max() > 1.2  # each class has a probability of its own


def test_a_prediction_names_all_classes_above_a_threshold(result, write_video, tmp_path):
    rng, classes = np.random.default_rng(1), ["red; dark", "blue, deep"]
    path = write_video(tmp_path / "both.mp4", picture(classes, rng))
    options = {"workdir": result.workdir}
    (all_of_them,) = evaluation.predict(path, **options)
    assert len(all_of_them.classes) == 3
    (above,) = evaluation.predict(path, **options, threshold=all_of_them.probabilities[1])
    assert above.classes == all_of_them.classes[:2]
    (none,) = evaluation.predict(path, **options, threshold=1.0)
    assert none.classes == () and none.problem is None


def test_a_run_in_two_parts_has_the_weights_and_the_numbers_of_one(settings, tmp_path):
    weights, numbers = [], []
    for durations in ((8,), (3, 8)):  # an epoch has four steps
        changed = {"workdir": str(tmp_path / str(len(durations))), "epochs": None}
        for steps in durations:
            result = train(TrainingConfig(**settings | changed | {"steps": steps}))
        last = result.workdir / "checkpoints" / "step_00000008.keras"
        weights.append(keras.saving.load_model(last).get_weights())
        numbers.append([result.history[-1][name] for name in ("mean_ap", "val_mean_ap")])
    for whole, parts in zip(*weights, strict=True):
        np.testing.assert_array_equal(whole, parts)
    assert numbers[0] == numbers[1]


def test_balanced_sampling_draws_what_is_rare_more_often(shards):
    split = Split.open(shards, "train")
    counts = (24, 12, 3)
    summary = dataclasses.replace(split, class_counts=counts)
    from video_zoo.data.input.balance import class_weights

    # A record's weights add up, so that those of all records sum to their number.
    np.testing.assert_allclose(class_weights(summary) * counts, [8, 8, 8])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"class_balance": "weights"}, "`class_balance` must be 'none' or 'sampling' where clips"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, changed, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(TrainingConfig(**settings | changed | {"workdir": str(tmp_path)}))


def test_mixed_clips_and_balanced_sampling_train(settings, tmp_path):
    mixed = data.AugmentationConfig(mixup_alpha=0.5)
    changed = {"workdir": str(tmp_path), "epochs": 1, "class_balance": "sampling"}
    found = train(TrainingConfig(**settings | changed | {"augmentation": mixed}))
    assert 0 <= found.history[0]["mean_ap"] <= 1


def test_a_network_of_one_class_a_clip_is_refused(result, motion_shards):
    config = evaluation.EvaluationConfig(
        workdir=str(result.workdir), data_dir=str(motion_shards), output_dir="unused"
    )
    with pytest.raises(ValueError, match="`data_dir` must hold clips of several classes each"):
        evaluation.evaluate(config)


def test_a_run_is_not_continued_on_data_of_one_class_a_clip(result, settings):
    config, split = TrainingConfig(**settings), Split.open(settings["data_dir"], "train")
    check_workdir(result.workdir, config, split)
    one = dataclasses.replace(split.manifest, settings={})
    with pytest.raises(ValueError, match="where a clip had several classes and has one class"):
        check_workdir(result.workdir, config, dataclasses.replace(split, manifest=one))


def test_mean_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 5)) < 0.3).astype(np.float32)
    truth[:, 3] = 0  # a class without a clip is left out
    # Apart by more than the bins of the metric.
    logits = rng.permuted(np.linspace(-9, 9, 60)[:, None].repeat(5, axis=1), axis=0)
    metric = MeanAveragePrecision(5)
    for begin in range(0, 60, 20):
        part = slice(begin, begin + 20)
        metric.update_state(truth[part], logits[part].astype(np.float32))
    expected = [average_precision_score(truth[:, c], logits[:, c]) for c in (0, 1, 2, 4)]
    assert float(metric.result()) == pytest.approx(np.mean(expected), abs=1e-5)
    blank = np.zeros((4, 5), np.float32)
    metric.update_state(blank + 1, blank + 8, sample_weight=np.zeros(4, np.float32))
    assert float(metric.result()) == pytest.approx(np.mean(expected), abs=1e-5)
