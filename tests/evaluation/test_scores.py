"""Score files: read as they were written, counted again, and several of them as one."""

import json

import numpy as np
import processes
import pytest
from scipy import special

from video_zoo.evaluation import FusionConfig, VideoScores, describe, fuse, recompute
from video_zoo.evaluation.results import numbers_of, write_results
from video_zoo.evaluation.score_files import read_scores, write_scores

NAMES = ["run, fast", 'say "hi"', "跳舞"]
FILES = ["a.mp4", "b/c.mp4", "odd\udcff.mp4", "a.mp4"]  # one is no UTF-8, one is there twice


def scores_of(seed, several=False, labels=None):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(4, 3)) * 3
    scores = special.expit(logits) if several else special.softmax(logits, axis=1)
    one = np.array([0, 1, 2, 1])
    if labels is None:
        labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], np.float32)
        labels = labels if several else one
    return VideoScores(FILES, labels, scores)


@pytest.mark.parametrize("several", [False, True])
def test_scores_are_read_as_they_were_written(tmp_path, several):
    written = scores_of(0, several)
    write_scores(tmp_path / "scores.csv", written, NAMES)
    found, names = read_scores(tmp_path / "scores.csv")
    assert names == NAMES and found.filenames == FILES
    np.testing.assert_array_equal(found.labels, written.labels)
    assert found.labels.dtype == (np.float32 if several else np.int64)
    np.testing.assert_allclose(found.scores, written.scores, rtol=1e-8)


def test_scores_without_labels(tmp_path):
    written = scores_of(0, labels=np.full(4, -1))
    write_results(tmp_path, {}, written, NAMES)
    found, _ = read_scores(tmp_path / "scores.csv")
    np.testing.assert_array_equal(found.labels, written.labels)
    assert "top1" not in recompute(tmp_path)


@pytest.mark.parametrize("several", [False, True])
def test_the_file_alone_gives_the_numbers_of_the_evaluation(tmp_path, several):
    result = scores_of(1, several)
    numbers = numbers_of(result, NAMES)
    folder = tmp_path / "eval" / "val"
    write_results(folder, numbers, result, NAMES)
    for place in (tmp_path, folder, folder / "scores.csv"):
        found = recompute(place)
        del found["num_videos"], found["scores"]
        if not several:
            assert found.pop("calibration")["ece"] == pytest.approx(numbers["calibration"]["ece"])
        assert found == {name: numbers[name] for name in found}
    assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(numbers))


def test_the_views_are_told_where_the_evaluation_tells_them(tmp_path):
    views = {"num_clips": 3, "num_crops": 1, "num_frames": 16, "image_size": 64}
    views |= {"average": "logits", "frame_order": "sequential"}
    folder = tmp_path / "eval" / "val"
    write_results(folder, views | {"checkpoint": "best.keras"}, scores_of(1), NAMES)
    told = "over 4 videos, 3 clips x 1 crops of each, 16 x 64², mean of logits, frames sequential"
    assert describe(recompute(tmp_path)).endswith(told)
    config = FusionConfig(output_dir=str(tmp_path / "fused"))
    fused = fuse([folder, folder], config)
    assert describe(fused).endswith(told.replace("logits", "softmax"))
    (folder / "metrics.json").unlink()
    assert describe(recompute(tmp_path)).endswith("over 4 videos")


@pytest.mark.parametrize("several", [False, True])
def test_the_file_alone_gives_all_that_an_evaluation_writes(tmp_path, several):
    result, first, again = scores_of(1, several), tmp_path / "first", tmp_path / "again"
    write_results(first, numbers_of(result, NAMES), result, NAMES)
    (first / "metrics.json").unlink()
    done = processes.run_tool("metrics", first / "scores.csv", "--output_dir", again)
    assert done.returncode == 0, done.stderr
    assert f"written to {again}" in done.stdout
    pictures = {path.name for path in first.glob("*.png")}
    assert pictures and {path.name for path in again.iterdir()} == {
        "metrics.json",
        "scores.csv",
        *pictures,
    }
    found = json.loads((again / "metrics.json").read_text())
    assert found["precision"] == numbers_of(result, NAMES)["precision"]
    assert several or found["calibration"]["bins"]
    with pytest.raises(ValueError, match="`output_dir` must be another folder than that of the sc"):
        recompute(first, output_dir=first)
    refused = processes.run_tool("metrics", first, first, "--output_dir", tmp_path)
    assert refused.returncode == 2 and "`output_dir` must be None where several" in refused.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("file,label", "name,label", "`line 1` of .* must be file,label,predicted and the classes"),
        (',"run, fast",', ",swim,", "`line 2, label` of .* must be a class of the header"),
        ("b/c.mp4,", "b/c.mp4,,", "`line 3` of .* must be 6 columns. Received: 7"),
        (",0.", ",x0.", "`line 2` of .* must be a number for each class"),
        (",0.", ",-0.", "`line 2` of .* must be probabilities from 0 to 1"),
        (",0.", ",20.", "`line 2` of .* must be probabilities from 0 to 1"),
        ("跳舞", '"run, fast"', "`line 1` of .* must be classes of different names"),
        ("b/c.mp4,", "b" * 200_000 + ",", "`line 3` of .* must be values with commas between"),
    ],
)
def test_what_is_no_file_of_scores_is_refused_with_its_line(tmp_path, old, new, message):
    path = tmp_path / "scores.csv"
    write_scores(path, scores_of(0), NAMES)
    text = path.read_bytes()
    assert old.encode() in text
    path.write_bytes(text.replace(old.encode(), new.encode(), 1))
    with pytest.raises(ValueError, match=message):
        read_scores(path)


def test_classes_that_are_no_list_are_refused(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text('file,labels,predicted,a,b\nx.mp4,"{""a"": 1}",a,0.9,0.1\n')
    with pytest.raises(ValueError, match=r"`line 2, label` of .* as a list in JSON"):
        read_scores(path)


def test_there_are_no_scores(tmp_path):
    with pytest.raises(FileNotFoundError, match="`FILE` must be a scores.csv"):
        recompute(tmp_path)


@pytest.fixture
def evaluations(tmp_path):
    """A function (*results) -> folders of their scores."""

    def write(*results):
        folders = [tmp_path / str(number) for number in range(len(results))]
        for folder, result in zip(folders, results, strict=True):
            folder.mkdir()
            write_scores(folder / "scores.csv", result, NAMES)
        return folders

    return write


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_fused_scores_are_the_mean_of_probabilities_or_of_logits(
    evaluations, tmp_path, average, several
):
    results = [scores_of(seed, several) for seed in range(3)]
    numbers = fuse(evaluations(*results), FusionConfig(str(tmp_path / "out"), average=average))
    found, _ = read_scores(tmp_path / "out" / "scores.csv")
    scores = np.array([result.scores for result in results])
    if average == "softmax":
        expected = scores.mean(axis=0)
    elif several:
        expected = special.expit(special.logit(scores).mean(axis=0))
    else:
        expected = special.softmax(np.log(scores).mean(axis=0), axis=1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)
    assert numbers["num_videos"] == 4 and len(numbers["fused"]) == 3
    assert (tmp_path / "out" / "metrics.json").exists()


def test_what_cannot_be_fused_is_refused(evaluations, tmp_path):
    config = FusionConfig(str(tmp_path / "out"))
    others = (
        scores_of(1, labels=np.array([0, 1, 2, 2])),
        VideoScores(FILES[::-1], np.array([1, 2, 1, 0]), scores_of(1).scores),
        scores_of(1, several=True),
    )
    first, *rest = evaluations(scores_of(0), *others)
    for folder, what in zip(rest, ("labels", "videos", "labels"), strict=True):
        with pytest.raises(ValueError, match=f"must be evaluations of the same {what}"):
            fuse([first, folder], config)
    with pytest.raises(ValueError, match="must be two or more evaluations"):
        fuse([first], config)
    before = (first / "scores.csv").read_bytes()
    with pytest.raises(ValueError, match="`output_dir` must be another folder than those"):
        fuse([first, first], FusionConfig(str(first)))
    assert (first / "scores.csv").read_bytes() == before
    assert not (tmp_path / "out").exists()
