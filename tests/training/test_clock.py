"""What a run of another duration does to the learning rate."""

import pytest

from video_zoo.training import TrainingConfig
from video_zoo.training.clock import Clock


def clock(step, epochs, schedule, **settings):
    config = TrainingConfig(
        model="s3d_v1",
        data_dir="shards",
        workdir="run",
        epochs=epochs,
        schedule=schedule,
        learning_rate=0.1,
        **settings,
    )
    return Clock(config, steps_per_epoch=10, step=step, seconds=0.0)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_a_longer_run_says_that_the_rate_rises_again(schedule):
    last = clock(99, 10, schedule).learning_rate
    told = clock(100, 30, schedule).rise(last)
    rate = {"cosine": "0.075", "step": "0.1"}[schedule]
    assert told.startswith(f"the learning rate rises again, from {last:.3g} to {rate}: the ")
    assert "33% of it are done" in told


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_the_same_run_says_nothing(schedule):
    last = clock(49, 10, schedule).learning_rate
    assert clock(50, 10, schedule).rise(last) is None


def test_a_warm_up_that_goes_on_says_nothing():
    last = clock(9, 10, "constant", warmup_steps=20).learning_rate
    assert clock(10, 10, "constant", warmup_steps=20).rise(last) is None
    assert clock(10, 10, "constant", warmup_steps=20).learning_rate > 1.01 * last
