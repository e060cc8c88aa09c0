"""What the zoo says of its networks, and that the documentation says the same."""

from pathlib import Path

import keras
import pytest

import video_zoo
from video_zoo.inflation_config import InflationConfig
from video_zoo.models.overview import models_table

DOCS = Path(__file__).parents[2] / "docs"


def between_marks(page: str, mark: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.split(f"<!-- {mark}", 1)[1].split("-->\n", 1)[1].split("\n<!-- end -->", 1)[0]


def test_the_tables_of_the_documentation_are_generated():
    assert between_marks("models.md", "models table") == models_table()


def test_a_summary_of_each_network():
    assert [video_zoo.summary(name).parameters for name in video_zoo.list_models()] == [
        12_689_984,
        11_695_440,
        31_505_325,
        33_371_472,
        9_545_456,
        8_309_440,
        29_574_384,
        28_718_704,
    ]
    summary = video_zoo.summary("s3d_v3")
    assert summary.smallest_input == (49, 49, 49)
    assert summary.gmacs == pytest.approx(46.82, abs=0.01)
    text = str(video_zoo.summary("i3d"))
    assert "Carreira & Zisserman 2017 https://arxiv.org/abs/1705.07750" in text
    assert "'kinetics400': 400 classes, top-1 71.1 %, top-5 89.3 % (" in text


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(ValueError, match="`name` must be one of i3d, mc3_18, r2plus1d_18, r3d_18"):
        video_zoo.summary("resnet")


def test_every_published_accuracy_has_a_source():
    assert [entry.name for entry in video_zoo.list_weights() if not entry.source] == []


def test_a_summary_of_networks_from_elsewhere(tmp_path):
    inflated = video_zoo.summary("inflate:MobileNetV2")
    assert (inflated.num_classes, inflated.clip) == (400, (64, 224, 224, 3))
    assert inflated.paper is None and inflated.weights == ()
    halved = InflationConfig(temporal_strides="Conv1=2")
    assert video_zoo.summary("inflate:MobileNetV2", halved).gmacs < 0.6 * inflated.gmacs
    path = str(tmp_path / "own.keras")
    clips = keras.Input((4, 16, 16, 3))
    hidden = keras.layers.Flatten()(keras.layers.Conv3D(2, 3, use_bias=False)(clips))
    keras.Model(clips, keras.layers.Dense(7, activation="sigmoid")(hidden)).save(path)
    saved = video_zoo.summary(path)
    weights = 27 * 3 * 2 + (2 * 14 * 14 * 2 + 1) * 7
    assert (saved.parameters, saved.num_classes, saved.clip) == (weights, 7, (4, 16, 16, 3))
    macs = 27 * 3 * 2 * 2 * 14 * 14 + 2 * 14 * 14 * 2 * 7
    assert saved.gmacs * 1e9 == pytest.approx(macs)
    assert f"{weights:,} (7 classes)" in str(saved)
    with pytest.raises(ValueError, match="`name` must be one of"):
        video_zoo.summary("i4d")
