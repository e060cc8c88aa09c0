"""tf.data service: other machines decode where the CPUs of the training machine hold it back.

One dispatcher knows the workers; each worker makes clips of the shards that it is given, and a
shard is given to one worker only. All of them must see the shards under the same path.
"""

import socket
import threading

import tensorflow as tf

from video_zoo import errors
from video_zoo.files import filesystems

from . import records
from .service_config import START, ServiceConfig, check_address

_SECONDS_TO_CONNECT = 10


def check(data_service: str | None, skipped: records.SkippedRecords | None) -> None:
    """Checks that ``data_service``, if any is given, can be used.

    Raises:
        ValueError: it is no address, or bad records are to be skipped.
        ConnectionError: nothing listens there. (TensorFlow would try for ever.)
    """
    if data_service is None:
        return
    if skipped is not None:
        raise ValueError(
            "`on_bad_record` must be 'error' with a data service, whose workers cannot keep a list "
            f"of bad records. Received: on_bad_record='skip' with data_service={data_service!r}. "
            f"Find the records with {errors.INSPECT}."
        )
    _check_running("data_service", data_service)


def _check_running(argument: str, address: str | None) -> None:
    match = check_address(argument, address)
    try:
        host = match["host"].strip("[]")
        socket.create_connection((host, int(match["port"])), _SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise ConnectionError(
            f"`{argument}` must be the address of a running dispatcher. Received: "
            f"{argument}={address!r} ({error}). {START}"
        ) from error


def distribute(dataset: tf.data.Dataset, data_service: str) -> tf.data.Dataset:
    """Lets the workers of ``data_service`` make the elements, each from shards of its own."""
    return dataset.apply(
        tf.data.experimental.service.distribute(
            processing_mode=tf.data.experimental.service.ShardingPolicy.DYNAMIC,
            service=data_service,
            compression=None,  # frames in bytes hardly compress, and it takes longer than decoding
        )
    )


def _wait(server: object) -> None:
    """Until a signal comes; the server's own `join` would not see Ctrl-C."""
    try:
        threading.Event().wait()
    finally:
        server._stop()


def serve(config: ServiceConfig) -> None:
    """Runs the process that ``config`` describes, until it is ended."""
    trusted = config.trusted_network
    if config.role == "dispatcher":
        serve_dispatcher(config.port, config.work_dir, trusted_network=trusted)
    else:
        serve_worker(config.dispatcher, config.port, config.address, trusted_network=trusted)


def serve_dispatcher(
    port: int, work_dir: str | None = None, *, trusted_network: bool = False
) -> None:
    """Runs a dispatcher until the process is ended.

    Args:
        port: to listen on; 0 chooses a free one, which is printed.
        work_dir: folder for its journal, local or remote, with which a dispatcher that is started
            again goes on where the one before was. Defaults to None: it starts anew.
        trusted_network: must be True: whoever reaches the port may do what the process may.

    Raises:
        ValueError: an argument is wrong.
    """
    ServiceConfig("dispatcher", port, work_dir, trusted_network=trusted_network)
    if work_dir is not None:
        filesystems.check(work_dir, "work_dir")
    config = tf.data.experimental.service.DispatcherConfig(
        port=port, work_dir=work_dir, fault_tolerant_mode=work_dir is not None
    )
    server = tf.data.experimental.service.DispatchServer(config)
    print(f"dispatcher: {server.target}", flush=True)
    _wait(server)


def serve_worker(
    dispatcher: str, port: int = 0, address: str | None = None, *, trusted_network: bool = False
) -> None:
    """Runs a worker until the process is ended.

    Args:
        dispatcher: its address, ``grpc://HOST:PORT``.
        port: to listen on; 0 chooses a free one.
        address: ``HOST:PORT`` at which trainers reach this worker. Defaults to
            ``localhost:PORT``, which fits one machine only.
        trusted_network: must be True: whoever reaches the port may do what the process may.

    Raises:
        ValueError: an argument is wrong.
        ConnectionError: no dispatcher listens there.
    """
    ServiceConfig("worker", port, None, dispatcher, address, trusted_network)
    _check_running("dispatcher", dispatcher)
    config = tf.data.experimental.service.WorkerConfig(
        dispatcher_address=dispatcher.removeprefix("grpc://"), port=port, worker_address=address
    )
    server = tf.data.experimental.service.WorkerServer(config)
    print(f"worker of {dispatcher}", flush=True)
    _wait(server)
