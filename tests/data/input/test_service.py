"""A real tf.data service: a dispatcher and two workers, each a process of its own."""

import collections
import re
import signal
import socket
import subprocess

import numpy as np
import pytest
from processes import start_tool

from video_zoo.data.input import pipeline, service
from video_zoo.data.input.clips import ClipConfig
from video_zoo.data.input.records import SkippedRecords
from video_zoo.data.input.service_config import ServiceConfig

CLIP = ClipConfig(num_frames=4, image_size=28)
NUM_TRAIN, NUM_VAL = 23, 10  # of `motion_shards`


class Server:
    """A process of tools/data_service.py, and what it prints."""

    def __init__(self, *arguments):
        arguments = ("--trusted_network", *arguments)
        self.process = start_tool("data_service", *arguments, stderr=subprocess.DEVNULL)
        with self.process.stdout as output:
            self.first_line = output.readline()

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def address():
    dispatcher = Server("--role", "dispatcher")
    servers = [dispatcher]
    try:
        found = re.fullmatch(r"dispatcher: (grpc://localhost:\d+)\n", dispatcher.first_line)
        for _ in range(2):
            servers.append(Server("--role", "worker", "--dispatcher", found[1]))
        yield found[1]
    finally:
        for server in servers:
            server.end()


def evaluated(shards, data_service, **arguments):
    dataset = pipeline.evaluation_dataset(
        shards, clip=CLIP, batch_size=4, num_clips=2, details=True, data_service=data_service
    )
    videos = collections.defaultdict(list)
    for clips, labels, about in dataset:
        for clip, label, video, name in zip(
            clips.numpy(),
            labels.numpy(),
            about["video"].numpy(),
            about["filename"].numpy(),
            strict=True,
        ):
            videos[int(video)].append((clip, label, name))
    return videos


def test_evaluation_sees_every_view_once(motion_shards, address):
    alone, served = evaluated(motion_shards, None), evaluated(motion_shards, address)
    assert sorted(served) == list(range(NUM_VAL))
    for video, views in alone.items():
        for (clip, *rest), (other, *other_rest) in zip(views, served[video], strict=True):
            np.testing.assert_array_equal(clip, other)
            assert rest == other_rest


def test_padded_batches_hold_every_video_once(motion_shards, address):
    dataset = pipeline.evaluation_dataset(
        motion_shards, clip=CLIP, batch_size=4, weights=True, data_service=address
    )
    weights = np.concatenate([batch[2] for batch in dataset])
    np.testing.assert_allclose(weights, [12 / 10] * 10 + [0] * 2)


def test_training_batches_keep_coming_and_differ(motion_shards, address):
    def batches(first_step):
        dataset = pipeline.training_dataset(
            motion_shards,
            clip=CLIP,
            batch_size=5,
            dtype="uint8",
            data_service=address,
            first_step=first_step,
        )
        return [(clips.numpy(), labels.numpy()) for clips, labels in dataset.take(14)]

    first = batches(0)
    assert len(first) == 14  # three epochs
    counts = np.bincount(np.concatenate([labels for _, labels in first]), minlength=5)
    assert counts.min() > 0
    other = batches(7)
    assert not any(np.array_equal(a[0], b[0]) for a in first for b in other)


def test_a_dispatcher_that_does_not_run_is_told_at_once(motion_shards):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError, match="`data_service` must be the address of a running"):
        pipeline.training_dataset(motion_shards, data_service=f"grpc://localhost:{port}")


@pytest.mark.parametrize("wrong", ["localhost:5050", "grpc://localhost", "http://localhost:1"])
def test_addresses_are_checked(motion_shards, wrong):
    with pytest.raises(ValueError, match="`data_service` must be the address of a dispatcher"):
        pipeline.training_dataset(motion_shards, data_service=wrong)


def test_bad_records_cannot_be_skipped_elsewhere(motion_shards):
    with pytest.raises(ValueError, match="`on_bad_record` must be 'error' with a data service"):
        pipeline.training_dataset(
            motion_shards, data_service="grpc://localhost:1", skipped=SkippedRecords()
        )


def test_ctrl_c_ends_a_server():
    server = Server("--role", "dispatcher")
    try:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait() == 130
    finally:
        server.end()


@pytest.mark.parametrize(
    "arguments",
    [{"role": "dispatcher", "port": 0}, {"role": "worker", "dispatcher": "grpc://localhost:1"}],
)
def test_nothing_is_served_to_a_network_that_nobody_vouched_for(arguments):
    with pytest.raises(ValueError, match="`trusted_network` must be True to serve"):
        service.serve(ServiceConfig(**arguments))
