"""The workers of a run on several machines: who they are, how they meet, and when one is lost.

Each worker is a process with all GPUs of its machine. TensorFlow's ``MultiWorkerMirroredStrategy``
waits without end for a worker that does not come, and does not say for which; here it is missed by
name, before TensorFlow starts.
"""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator

import tensorflow as tf

from video_zoo import errors

_ADDRESS = re.compile(r"(?P<host>[^:\s,]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
# How long workers wait for one another at the start: machines of a job do not start at once.
SECONDS_TO_MEET = 60
# A worker of which nothing was heard for so long is lost. A process that dies is noticed at once;
# this is for a machine that freezes, or is cut off.
SECONDS_OF_SILENCE = 30


class WorkerLostError(ConnectionError):
    """Another worker does not answer any more, or never did."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and which of them this process is.

    Args:
        hosts: "HOST:PORT" of every worker, in the same order for all.
        index: place of this process among them; the first is the chief, who alone writes.
    """

    hosts: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        for host in self.hosts:
            match = _ADDRESS.fullmatch(host)
            if not match or not 0 < int(match["port"]) < 2**16:
                allowed = (
                    "HOST:PORT,HOST:PORT,... with the port at which the workers reach one another"
                )
                place = f", with {host!r}"
                raise errors.refusal("worker_hosts", allowed, ",".join(self.hosts), place=place)
        twice = sorted({host for host in self.hosts if self.hosts.count(host) > 1})
        if twice:
            raise ValueError(
                "`worker_hosts` must name every worker once; several on one machine need a port "
                f"each. Received: {', '.join(twice)} more than once. Correct the list."
            )
        if not 0 <= self.index < len(self.hosts):
            allowed = f"from 0 to {len(self.hosts) - 1}, for {len(self.hosts)} workers"
            raise errors.refusal("worker_index", allowed, self.index)

    @classmethod
    def find(
        cls, worker_hosts: str | None = None, worker_index: int | None = None
    ) -> "Cluster | None":
        """The cluster of the arguments, or of the environment variable ``TF_CONFIG``.

        Args:
            worker_hosts: "HOST:PORT,HOST:PORT,...", the same for all workers; "" for none, whatever
                the index.
            worker_index: place of this process among them.

        Returns:
            A :class:`Cluster`; None for a single worker, or where neither says that there are any.

        Raises:
            ValueError: one argument without the other, an argument is out of range, ``TF_CONFIG``
                cannot be used, or says something else than the arguments.
        """
        given = None
        if worker_hosts == "":  # a flag that takes back what a file of settings says
            worker_hosts = worker_index = None
        if (worker_hosts is None) != (worker_index is None):
            raise ValueError(
                "`worker_hosts` and `worker_index` must be given together. Received: "
                f"worker_hosts={worker_hosts!r}, worker_index={worker_index!r}. Pass the other too."
            )
        if worker_hosts is not None:
            given = cls(tuple(worker_hosts.split(",")), worker_index)
        environment = _from_environment()
        if given and environment and given != environment:
            raise ValueError(
                "`worker_hosts` and `worker_index` must agree with TF_CONFIG, where it is set. "
                f"Received: {given}, and TF_CONFIG={os.environ['TF_CONFIG']}. Unset one of them."
            )
        found = given or environment
        return found if found and len(found.hosts) > 1 else None


def _from_environment() -> Cluster | None:
    """What ``TF_CONFIG`` says; a "chief" there comes before the "worker"s."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    try:
        settings = json.loads(text)
        jobs = settings.get("cluster") or {}
        if not jobs:
            return None
        if not set(jobs) <= {"chief", "worker"}:
            raise ValueError(f"jobs other than 'chief' and 'worker': {sorted(jobs)}")
        kind, index = settings["task"]["type"], int(settings["task"]["index"])
        if kind not in jobs:
            raise ValueError(f"task of type {kind!r}")
        chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            'TF_CONFIG must be JSON like {"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
            f'"task": {{"type": "worker", "index": 0}}}}. Received: TF_CONFIG={text} ({error!r})'
        ) from error
    return Cluster((*chiefs, *workers), index + (len(chiefs) if kind == "worker" else 0))


def make_cluster_strategy(cluster: Cluster) -> tf.distribute.MultiWorkerMirroredStrategy:
    """The strategy of all workers, when all of them are there: all GPUs of each, or its CPU.

    To be called before TensorFlow has started.

    Raises:
        WorkerLostError: some workers did not come; the message names them.
        ValueError: TensorFlow has already started, or the worker's own port is in use.
    """
    from tensorflow.python.eager import context  # what one process alone does not need

    if context.context()._context_handle is not None:
        raise ValueError(
            "`worker_hosts` needs a process in which TensorFlow has not started. Received: "
            f"worker_hosts={','.join(cluster.hosts)!r}. Make the strategy first."
        )
    meet(cluster)
    gpus = len(tf.config.list_physical_devices("GPU"))
    spec = tf.train.ClusterSpec({"worker": list(cluster.hosts)})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, task_type="worker", task_id=cluster.index, num_accelerators={"GPU": gpus}
    )
    job = context.coordination_config_pb2.CoordinatedJob(
        name="worker", num_tasks=len(cluster.hosts)
    )
    # As the strategy would do it, which has no argument for the times.
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=SECONDS_TO_MEET * 1000,
        heartbeat_timeout_in_ms=SECONDS_OF_SILENCE * 1000,
        shutdown_barrier_timeout_in_ms=10_000,
        coordinated_jobs=[job],
    )
    handler = signal.getsignal(signal.SIGTERM)
    with lost_worker(cluster):
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # the strategy has taken it for itself
    return strategy


def meet(cluster: Cluster, seconds: float = SECONDS_TO_MEET) -> None:
    """Waits until every worker listens at its address; this process does, meanwhile.

    A worker goes on as soon as it has seen all others once. Whoever comes later finds TensorFlow's
    server at the same address.

    Raises:
        WorkerLostError: some did not come within ``seconds``.
        ValueError: this worker's port is in use.
    """
    own = cluster.hosts[cluster.index]
    deadline = time.monotonic() + seconds
    missing = [host for host in cluster.hosts if host != own]
    with _listening(own):
        while missing and time.monotonic() < deadline:
            missing = [host for host in missing if not _answers(host)]
            if missing:
                time.sleep(0.2)
    if missing:
        raise WorkerLostError(
            f"{len(missing)} of {len(cluster.hosts)} workers did not come within {seconds:g} "
            f"seconds: {', '.join(missing)}. Start all of them, with the same `worker_hosts`, and "
            f"see that {own} is reached from there and they from here."
        )


def _address(host: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(host)
    return match["host"].strip("[]"), int(match["port"])


@contextlib.contextmanager
def _listening(host: str) -> Iterator[None]:
    port = _address(host)[1]
    try:
        server = socket.create_server(("", port), backlog=1024)
    except OSError as error:
        raise ValueError(
            f"`worker_hosts` must give this worker a free port. Received: {host!r} ({error}). "
            "Choose another port."
        ) from error
    with server:
        yield


def _answers(host: str) -> bool:
    try:
        socket.create_connection(_address(host), timeout=2).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def lost_worker(cluster: Cluster) -> Iterator[None]:
    """Turns the errors by which TensorFlow tells of a lost worker into a WorkerLostError.

    Workers that do different things at the same time, which is a fault of the program, fail with
    other errors; they pass.
    """
    try:
        yield
    except (
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
        tf.errors.UnavailableError,
    ) as error:
        found = _REASON.search(error.message or "")
        if not found:
            raise
        raise WorkerLostError(
            f"worker {cluster.index} of {len(cluster.hosts)} stops, as another does not answer any "
            f"more ({found[0]}{_which(error.message, cluster)}). The reason is in the output of "
            "the first that stopped. Start all again: they continue from the last checkpoint."
        ) from error


# TensorFlow's words for it: of a connection, or of its coordination service.
_REASON = re.compile(
    r"Connection (reset|refused)|Socket closed|failed to connect to all addresses|heartbeats?|"
    r"[Cc]oordination [Ss]ervice|CoordinationService|keepalive|Deadline Exceeded"
)


def _which(message: str, cluster: Cluster) -> str:
    """The worker of which an error speaks, if it does: the lost one, or one that it took along."""
    found = re.search(r"/job:worker/replica:0/task:(\d+)", message)
    return f", of {cluster.hosts[int(found[1])]}" if found else ""
