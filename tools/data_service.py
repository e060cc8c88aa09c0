r"""Runs one process of a tf.data service, which makes clips for training on other machines.

    python tools/data_service.py --role dispatcher --port 5050 --trusted_network
    python tools/data_service.py --role worker --dispatcher grpc://HOST:5050 --port 5051 \
        --address THIS_HOST:5051 --trusted_network

One dispatcher, any number of workers; then `tools/train.py --data_service grpc://HOST:5050`. All of
them, and the training, must see the shards under the same path. TensorFlow's service listens on all
interfaces, without passwords: --trusted_network says that nobody else reaches these ports.
docs/data.md tells the rest.

Exit codes: 2 something is wrong with the flags; 130 after Ctrl-C, which is how to end it.
"""

from absl import app, flags

from video_zoo import cli

_ROLE = flags.DEFINE_enum("role", None, ["dispatcher", "worker"], "What this process is.")
_PORT = flags.DEFINE_integer("port", 0, "Port to listen on. 0: a free one.")
_WORK_DIR = flags.DEFINE_string(
    "work_dir", None, "dispatcher: folder of its journal, so that it can be started again."
)
_DISPATCHER = flags.DEFINE_string("dispatcher", None, "worker: grpc://HOST:PORT of the dispatcher.")
_ADDRESS = flags.DEFINE_string(
    "address", None, "worker: HOST:PORT at which trainers reach it. Default: this machine only."
)
_TRUSTED_NETWORK = flags.DEFINE_bool(
    "trusted_network", False, "Whether only machines that you trust reach this port."
)


def main(argv: list[str]) -> int:
    return cli.run(_serve, argv)


def _serve() -> None:
    from video_zoo.data import service

    if _ROLE.value == "dispatcher":
        service.serve_dispatcher(
            _PORT.value, _WORK_DIR.value, trusted_network=_TRUSTED_NETWORK.value
        )
    else:
        service.serve_worker(
            _DISPATCHER.value,
            _PORT.value,
            _ADDRESS.value,
            trusted_network=_TRUSTED_NETWORK.value,
        )


if __name__ == "__main__":
    flags.mark_flag_as_required("role")
    app.run(main, flags_parser=cli.parse_flags)
