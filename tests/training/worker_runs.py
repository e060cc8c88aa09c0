"""Starts the workers of a run as processes on this machine."""

import json
import pathlib
import socket
import subprocess

import processes

SCRIPT = pathlib.Path(__file__).with_name("worker_script.py")


def free_hosts(count: int) -> str:
    """Addresses of this machine with ports that nobody uses, as `worker_hosts` takes them."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    hosts = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    for server in servers:
        server.close()
    return ",".join(hosts)


def start(scenario: str, **settings) -> subprocess.Popen:
    """One process; with `hosts` and `index` one of several workers."""
    return processes.start(SCRIPT, json.dumps({"scenario": scenario, **settings}))


def start_workers(count: int, scenario: str, out: pathlib.Path | None = None, **settings) -> list:
    """As many workers of one run; each writes what it writes into a file of its own in `out`."""
    hosts = free_hosts(count)
    files = [out and str(out / f"{index}.npz") for index in range(count)]
    return [
        start(scenario, hosts=hosts, index=index, out=files[index], **settings)
        for index in range(count)
    ]


def outputs(processes: list, timeout: float = 200) -> list[str]:
    """What they print, once all have ended well."""
    results = [process.communicate(timeout=timeout) for process in processes]
    for process, (output, errors) in zip(processes, results, strict=True):
        assert process.returncode == 0, output[-1000:] + errors[-4000:]
    return [output for output, _ in results]
