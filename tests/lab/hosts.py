"""A probe and hosts on one cable, for tests of what goes wrong around the agent; its clock ahead, its rights taken.

    probe 10.40.0.2 --- far 10.40.0.1, 10.40.0.10, 10.40.0.11, ...

The hosts are addresses of one namespace: ``silence`` makes some of them ignore echoes.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.mosquitto import Recorder
from tests.lab.network import Network

HEAD = '[site]\ntenant = "lab"\nsite = "hosts"\nprobe = "probe-1"\n'
ROOT = "sonda/v1/lab/hosts/probe-1"
FIVE_S = 300

UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Root without any capability: modes of files, low ports and raw sockets are refused as to any user, and wherever the
interpreter lies it can be read."""

_AHEAD = (
    "import sys, time\n"
    "from agent.cli import main\n"
    "import agent.app\n"  # most of what takes time before the agent begins
    "from collectors.clock import SystemClock\n"
    "ahead, left = float(sys.argv.pop(1)), float(sys.argv.pop(1))\n"
    f"ahead = ahead if left < 0 else ({FIVE_S} - left - time.time()) % {FIVE_S}\n"
    "SystemClock.utc = staticmethod(lambda: time.time() + ahead)\n"
    "main()\n"
)


class Hosts:
    """The network; ``probe`` may open ICMP sockets."""

    def __init__(self, network: Network, count: int) -> None:
        self.probe, self.far = network.namespace("probe"), network.namespace("far")
        self.probe.ping_group_range()
        self.uplink, device = network.veth(self.probe, self.far, addresses=(["10.40.0.2/24"], ["10.40.0.1/24"]))
        self.addresses = [f"10.40.0.{10 + i}" for i in range(count)]
        self.far.ip_batch([f"address add {address}/24 dev {device}" for address in self.addresses])

    def silence(self, *numbers: int) -> None:
        """These hosts ignore echoes from now on, all others answer."""
        elements = ", ".join(self.addresses[number] for number in numbers) or "10.40.0.9"
        self.far.nft(
            "table ip hosts\ndelete table ip hosts\ntable ip hosts {\n chain input {\n"
            "  type filter hook input priority 0;\n"
            f"  ip daddr {{ {elements} }} icmp type echo-request drop\n }}\n}}\n"
        )


def host(number: int, more: str = "") -> str:
    """[[device]] of one host, called "Host N"."""
    return f'[[device]]\nname = "Host {number}"\nrole = "server"\naddress = "10.40.0.{10 + number}"\n{more}'


def settings(numbers: Sequence[int], more: str = "", network: str = '[network]\ngateway = "none"\n') -> str:
    """A whole configuration with these hosts."""
    return HEAD + network + "".join(host(number) for number in numbers) + more


def states(sonda: SondaRun) -> dict[str, str]:
    """State by device id."""
    return {device["id"]: device["state"] for device in sonda.json("/api/v1/devices")}


def bodies(recorder: Recorder, topic_end: str) -> list[Any]:
    """What was said so far on topics that end so."""
    return [message.json() for message in recorder.of(topic_end)]


def numbers(recorder: Recorder) -> dict[str, list[int]]:
    """The numbers that came, by stream, each once."""
    seen: dict[str, set[int]] = {}
    for message in recorder.messages:
        if "seq" in (body := message.json()):
            seen.setdefault(body["stream"], set()).add(body["seq"])
    return {stream: sorted(of) for stream, of in seen.items()}


def until_five_end(left_s: float) -> float:
    """How far ahead a wall clock must be for the five minutes to end in ``left_s``: 0 to 300 s."""
    return (FIVE_S - left_s - time.time()) % FIVE_S


def sonda_ahead(ahead_s: float, config: Path) -> list[str]:
    """The command of `sonda run` with its wall clock ahead, so that no test waits for five minutes to end. Packet
    stamps and the monotonic clock are the machine's."""
    return _command(ahead_s, -1, config)


def sonda_before_five_end(left_s: float, config: Path) -> list[str]:
    """The same, by so much that five minutes end ``left_s`` after the program was loaded, however long that takes."""
    return _command(0, left_s, config)


def _command(ahead_s: float, left_s: float, config: Path) -> list[str]:
    return [sys.executable, "-P", "-c", _AHEAD, f"{ahead_s}", f"{left_s}", "run", "--config", str(config)]


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A real file system of that size (tmpfs), mounted in the block."""
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"needs the right to mount: {made.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@contextmanager
def listener(address: str, port: int) -> Iterator[int]:
    """Another program on this machine that holds a TCP port; its pid."""
    code = (
        "import socket, time\n"
        f"with socket.create_server(({address!r}, {port})):\n    print('listening', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
