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
        allowed = "'error' with a data service, whose workers cannot keep a list of bad records"
        remedy = f"Find the records with {errors.INSPECT}."
        place = f" with data_service={data_service!r}"
        raise errors.refusal("on_bad_record", allowed, "skip", remedy, place)
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


def serve(config: ServiceConfig) -> None:
    """Runs the process that ``config`` describes, until it is ended.

    The port of a dispatcher is printed. With a ``work_dir``, one that is started again goes on
    where the one before was; without one it starts anew. Trainers reach a worker without an
    ``address`` at ``localhost:PORT``, which fits one machine only.

    Raises:
        ValueError: TensorFlow has no file system for ``work_dir``.
        ConnectionError: no dispatcher listens at the worker's ``dispatcher``.
    """
    service = tf.data.experimental.service
    if config.role == "dispatcher":
        folder = config.work_dir
        if folder is not None:
            filesystems.check(folder, "work_dir")
        server = service.DispatchServer(
            service.DispatcherConfig(
                config.port, work_dir=folder, fault_tolerant_mode=folder is not None
            )
        )
        print(f"dispatcher: {server.target}", flush=True)
    else:
        _check_running("dispatcher", config.dispatcher)
        address = config.dispatcher.removeprefix("grpc://")
        server = service.WorkerServer(
            service.WorkerConfig(address, worker_address=config.address, port=config.port)
        )
        print(f"worker of {config.dispatcher}", flush=True)
    try:
        threading.Event().wait()  # the server's own `join` would not see Ctrl-C
    finally:
        server._stop()
