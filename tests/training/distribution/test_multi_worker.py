"""`fit` on several workers: real processes that exchange gradients over the loopback."""

import json

import numpy as np
import pytest
import worker_runs

PLACES = {"build": "_maybe_symbolic_build", "reduce": "reduce_per_replica"}


@pytest.mark.parametrize("place", PLACES)
def test_keras_still_breaks(place):
    """With the other place mended, Keras's own code in this one still fails."""
    processes = worker_runs.start_workers(2, "plain_fit", mended=[p for p in PLACES if p != place])
    for output in worker_runs.outputs(processes):
        assert "BROKEN" in output, (
            f"Keras has mended `{PLACES[place]}` for several workers: remove its override from "
            "video_zoo/training/distribution/multi_worker.py. (Older versions of Keras that are "
            "supported may still need it.)"
        )


@pytest.mark.slow
def test_all_stop_where_one_asks_for_it():
    for output in worker_runs.outputs(worker_runs.start_workers(2, "agree")):
        assert [line for line in output.splitlines() if "STEPS" in line] == ["STEPS 3", "STEPS 12"]


def trained(processes, files):
    results = [json.loads(o.split("RESULT", 1)[1]) for o in worker_runs.outputs(processes)]
    return results, [dict(np.load(file)) for file in files]


def assert_equal_to_one_process(folder, motion_shards, tiny_run, count, replicas=1):
    config = {
        **tiny_run,
        "data_dir": str(motion_shards),
        "workdir": "-",
        "batch_size": 6,
        "learning_rate": 0.05,
    }
    settings = {"config": config, "steps": 4}  # an epoch is 3: some of the next are in it
    single = worker_runs.start("train", out=str(folder / "single.npz"), **settings)
    (expected,), (one,) = trained([single], [folder / "single.npz"])
    processes = worker_runs.start_workers(
        count, "train", folder, replicas=replicas if replicas > 1 else 0, **settings
    )
    files = [folder / f"{index}.npz" for index in range(count)]
    results, weights = trained(processes, files)
    for result, own in zip(results, weights, strict=True):
        assert result == results[0]
        assert own.keys() == one.keys()
        for name, value in own.items():
            np.testing.assert_array_equal(value, weights[0][name], err_msg=name)
            np.testing.assert_allclose(value, one[name], atol=1e-5, err_msg=name)
    for name, value in expected["epoch"].items():
        assert results[0]["epoch"][name] == pytest.approx(value, abs=1e-4), name


@pytest.mark.slow
def test_two_workers_train_as_one_process(tmp_path, motion_shards, tiny_run):
    assert_equal_to_one_process(tmp_path, motion_shards, tiny_run, 2)


@pytest.mark.slow
def test_three_workers_train_as_one_process(tmp_path, motion_shards, tiny_run):
    assert_equal_to_one_process(tmp_path, motion_shards, tiny_run, 3)


@pytest.mark.slow
def test_two_workers_of_three_devices_train_as_one_process(tmp_path, motion_shards, tiny_run):
    assert_equal_to_one_process(tmp_path, motion_shards, tiny_run, 2, replicas=3)
