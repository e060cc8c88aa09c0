r"""Runs one process of a tf.data service, which makes clips for training on other machines.

    video-zoo data-service --role dispatcher --port 5050 --trusted_network
    video-zoo data-service --role worker --dispatcher grpc://HOST:5050 --port 5051 \
        --address THIS_HOST:5051 --trusted_network

One dispatcher, any number of workers; then `video-zoo train --data_service grpc://HOST:5050`. All
of them, and the training, must see the shards under the same path. TensorFlow's service listens on
all interfaces, without passwords: --trusted_network says that nobody else reaches these ports.
docs/data.md tells the rest.

Exit codes: 2 something is wrong with the flags; 75 after SIGTERM, 130 after Ctrl-C, which is how to
end it.
"""

from video_zoo.data.input.service_config import ServiceConfig

from . import cli

_FLAGS = cli.define_flags(ServiceConfig)


def main() -> None:
    config = cli.from_flags(ServiceConfig, _FLAGS)
    with cli.loading():
        from video_zoo.data.input import service

    service.serve(config)
