"""The workers of a cluster: what is refused, and real workers that do not come, or die."""

import json
import signal

import pytest
import worker_runs

from video_zoo.training import TrainingConfig, train
from video_zoo.training.distribution.cluster import Cluster, WorkerLostError, meet


def tf_config(monkeypatch, cluster, kind="worker", index=0):
    settings = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(settings))


def test_the_cluster_of_the_arguments(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    found = Cluster.find("a:1,[::1]:2,c.d:65535", 1)
    assert found == Cluster(("a:1", "[::1]:2", "c.d:65535"), 1)
    assert Cluster.find("a:1,b:1", 0).index == 0
    assert Cluster.find() is None
    assert Cluster.find("a:1", 0) is None


def test_the_cluster_of_the_environment(monkeypatch):
    tf_config(monkeypatch, {"worker": ["a:1", "b:1"]}, index=1)
    assert Cluster.find() == Cluster(("a:1", "b:1"), 1)
    assert Cluster.find("a:1,b:1", 1) == Cluster(("a:1", "b:1"), 1)
    tf_config(monkeypatch, {"chief": ["c:1"], "worker": ["a:1", "b:1"]}, index=1)
    assert Cluster.find() == Cluster(("c:1", "a:1", "b:1"), 2)
    tf_config(monkeypatch, {"chief": ["c:1"], "worker": ["a:1"]}, kind="chief")
    assert Cluster.find().index == 0
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}, "task": {}}')
    assert Cluster.find("", 1) is None  # a flag that takes back a file's
    assert Cluster.find() is None


@pytest.mark.parametrize(
    ("hosts", "index", "message"),
    [
        ("a,b:1", 0, r"`worker_hosts` must be HOST:PORT.* Received: .* with 'a'"),
        ("a:1,b:70000", 0, r"with 'b:70000'"),
        ("a:1, b:1", 0, r"with ' b:1'"),
        ("a:1,", 0, r"with ''"),
        ("a:1,b:1,a:1", 0, r"name every worker once.* Received: a:1 more than once"),
        ("a:1,b:1", 2, r"`worker_index` must be from 0 to 1.* Received: worker_index=2"),
        ("a:1,b:1", -1, r"`worker_index` must be from 0 to 1"),
        ("a:1,b:1", None, r"must be given together"),
        (None, 0, r"must be given together"),
    ],
)
def test_clusters_that_cannot_be_are_refused(monkeypatch, hosts, index, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        Cluster.find(hosts, index)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cluster": {"worker": ["a:1", "b:1"]}}', '{"cluster": {"ps": ["a:1"]}}'],
)
def test_an_environment_that_cannot_be_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"TF_CONFIG must be JSON like .* Received: TF_CONFIG="):
        Cluster.find()


def test_arguments_that_contradict_the_environment_are_refused(monkeypatch):
    tf_config(monkeypatch, {"worker": ["a:1", "b:1"]})
    with pytest.raises(ValueError, match="must agree with TF_CONFIG"):
        Cluster.find("a:1,b:1", 1)


def test_workers_that_do_not_come_are_named():
    hosts = tuple(worker_runs.free_hosts(3).split(","))
    with pytest.raises(WorkerLostError, match=rf"2 of 3 workers .*: {hosts[0]}, {hosts[2]}\. "):
        meet(Cluster(hosts, 1), seconds=1)


def test_a_port_in_use_is_refused():
    import socket

    with socket.create_server(("", 0)) as server:
        own = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match=rf"a free port\. Received: '{own}'"):
            meet(Cluster((own, "127.0.0.1:1"), 0), seconds=1)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
@pytest.mark.parametrize("victim", [0, 2])
def test_the_others_stop_when_a_worker_is_lost(victim, sent):
    """They say so in one line, and their processes end, the chief's as well.

    A few seconds after a death, half a minute or more after a freeze; `communicate` waits longer.
    """
    processes = worker_runs.start_workers(3, "endless", limit=280)
    for process in processes:
        while "STEP 5" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()[-4000:]
    processes[victim].send_signal(sent)
    others = [process for index, process in enumerate(processes) if index != victim]
    try:
        for process in others:
            _, errors = process.communicate(timeout=120)
            lines = errors.strip().splitlines()
            assert process.returncode == 1, errors[-4000:]
            assert lines[-1].startswith("error: worker "), errors[-4000:]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_training_with_other_machines_wants_a_network_that_is_trusted(
    tiny_run, motion_shards, tmp_path
):
    hosts = {"worker_hosts": worker_runs.free_hosts(2), "worker_index": 0}
    config = TrainingConfig(
        **tiny_run | hosts, data_dir=str(motion_shards), workdir=str(tmp_path / "run")
    )
    with pytest.raises(ValueError, match="`trusted_network` must be True to serve"):
        train(config)
    assert not (tmp_path / "run").exists()
