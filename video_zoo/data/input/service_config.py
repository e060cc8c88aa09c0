"""Processes of a tf.data service, as settings. Loads no framework, for the tool's flags."""

import dataclasses
import re

from video_zoo import errors

ADDRESS = re.compile(r"grpc://(?P<host>[^/\s:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)")
ROLES = ("dispatcher", "worker")
START = "Start one with `video-zoo data-service`."


@dataclasses.dataclass(frozen=True)
class ServiceConfig:
    """One process of a tf.data service.

    Args:
        role: "dispatcher" or "worker": what this process is.
        port: port to listen on; 0 chooses a free one.
        work_dir: of a dispatcher: folder of its journal, so that it can be started again.
        dispatcher: of a worker: grpc://HOST:PORT of the dispatcher.
        address: of a worker: HOST:PORT at which trainers reach it. Defaults to this machine only.
        trusted_network: whether only machines that you trust reach this port.
    """

    role: str
    port: int = 0
    work_dir: str | None = None
    dispatcher: str | None = None
    address: str | None = None
    trusted_network: bool = False

    def __post_init__(self) -> None:
        errors.check_settings(self, role=ROLES)
        check_trust(self.trusted_network)
        if self.role == "worker":
            check_address("dispatcher", self.dispatcher)


def check_trust(trusted_network: bool) -> None:
    """Refuses to serve unless the user has said that everyone on the network may be trusted.

    TensorFlow's servers, of the data service and of training on several machines, bind to every
    interface of the machine, and offer no other choice.

    Raises:
        ValueError: it has not been said.
    """
    if not trusted_network:
        raise ValueError(
            "`trusted_network` must be True to serve: TensorFlow's servers listen on all "
            "interfaces of this machine, without passwords, and whoever reaches a port can make "
            "them read and write files. Received: trusted_network=False. Where a firewall or a "
            "private network keeps others out, pass --trusted_network."
        )


def check_address(argument: str, address: str | None) -> re.Match:
    """The host and the port of a dispatcher's address.

    Raises:
        ValueError: it is no address.
    """
    match = ADDRESS.fullmatch(address or "")
    if not match or int(match["port"]) > 65_535:
        allowed = "the address of a dispatcher, grpc://HOST:PORT"
        raise errors.refusal(argument, allowed, address, START)
    return match
