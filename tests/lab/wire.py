"""A wire of known delay, jitter and loss between two namespaces, with a log of what it did to every packet.

    with Network() as network:
        probe, far = network.namespace("probe"), network.namespace("far")
        with Wire(network, probe, far, tmp_path, delay_ms=20, jitter_ms=4, loss_percent=7) as wire:
            probe.run("ping", "-c5", wire.far)
            for trip in wire.trips(): ...

Packets pass from one TUN device to the other through a process of its own (tests/lab/wire_relay.py), so it needs no
netem, which many small kernels lack. Layer 3: no ARP, no broadcast. ``hosts`` puts that many addresses behind the
far end.
"""

import fcntl
import itertools
import json
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.lab.daemon import end
from tests.lab.network import Namespace, Network

Side = Literal["ab", "ba"]
BOTH: tuple[Side, Side] = ("ab", "ba")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
_ECHO_REQUESTS, _ECHO_REPLIES = (8, 128), (0, 129)  # ICMP, ICMPv6
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Passage:
    """One packet's way over the wire. ``entered_ns`` and ``left_ns`` are monotonic, ``wall_ns`` is wall time of
    entering. ``delay_ms`` is what was really applied, None where it was dropped; ``dropped`` says why."""

    wall_ns: int
    entered_ns: int
    left_ns: int | None
    way: Side
    source: str
    target: str
    octets: int
    dropped: str | None
    copy: bool
    meant_ms: float
    delay_ms: float | None
    icmp_type: int | None
    icmp_id: int | None
    icmp_seq: int | None


@dataclass(frozen=True, slots=True)
class Trip:
    """An echo request from side a, and its reply where both passed."""

    request: Passage
    reply: Passage | None

    @property
    def lost(self) -> bool:
        return self.reply is None or self.reply.left_ns is None

    @property
    def rtt_ms(self) -> float | None:
        """From the request's entering to the reply's leaving, None where one of them was lost."""
        if self.reply is None or self.reply.left_ns is None:
            return None
        return (self.reply.left_ns - self.request.entered_ns) / 1e6


class Wire:
    """Between namespaces a and b; passes packets from entering the block on. Settings hold for both ways; ``set``
    changes them, one way or both, while it runs."""

    def __init__(
        self,
        network: Network,
        a: Namespace,
        b: Namespace,
        folder: Path,
        *,
        delay_ms: float = 0.0,
        jitter_ms: float = 0.0,
        loss_percent: float = 0.0,
        burst: float = 0.0,
        hosts: int = 0,
        seed: int = 1,
    ) -> None:
        number = next(_numbers)
        net = number % 100 + 100
        self.a, self.b = a, b
        self.device = f"wire{number}"
        self.near, self.far = f"10.{net}.0.1", f"10.{net}.0.2"
        self.near6, self.far6 = f"fd00:{net}::1", f"fd00:{net}::2"
        self.hosts = [f"10.{net}.{1 + i // 250}.{1 + i % 250}" for i in range(hosts)]
        self.hosts6 = [f"fd00:{net}::1:{1 + i:x}" for i in range(hosts)]
        self.path = folder / f"wire-{number}.log"
        self._network = network
        self._seed = seed
        self._first = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "loss_percent": loss_percent, "burst": burst}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        tun_a = self._open(self.a)
        try:
            tun_b = self._open(self.b)
        except OSError:
            os.close(tun_a)
            raise
        try:
            self._address(self.a, self.near, self.near6, (), ())
            self._address(self.b, self.far, self.far6, self.hosts, self.hosts6)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.wire_relay", str(tun_a), str(tun_b), str(self.path), str(self._seed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(tun_a, tun_b),
                cwd=Path(__file__).parents[2],
            )
        finally:
            os.close(tun_a)
            os.close(tun_b)
        self._answer()
        self._command({"ways": BOTH, **self._first})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def set(
        self,
        ways: Sequence[Side] = BOTH,
        *,
        delay_ms: float | None = None,
        jitter_ms: float | None = None,
        loss_percent: float | None = None,
        burst: float | None = None,
        duplicate_percent: float | None = None,
        reorder: bool | None = None,
        cut: bool | None = None,
    ) -> None:
        """Changes what is named, at once for packets that enter from now on; returns once it holds.

        ``jitter_ms`` is the width of a uniform spread around ``delay_ms``; ``burst`` the mean length of a run of
        losses, 0 for losses independent of each other. Without ``reorder`` no packet overtakes another between the
        same two addresses.
        """
        given = {
            "delay_ms": delay_ms,
            "jitter_ms": jitter_ms,
            "loss_percent": loss_percent,
            "burst": burst,
            "duplicate_percent": duplicate_percent,
            "reorder": reorder,
            "cut": cut,
        }
        changed = {key: value for key, value in given.items() if value is not None}
        self._command({"ways": list(ways), **changed})

    def cut(self) -> None:
        """Nothing passes, either way; the devices stay up."""
        self.set(cut=True)

    def mend(self) -> None:
        self.set(cut=False)

    def log(self) -> list[Passage]:
        """Every packet that was forwarded or dropped so far, by time of entering. AssertionError where packets
        were lost before the relay could read them: then the log is not the truth."""
        if self._process is not None and self._process.poll() is None:
            self._command({"flush": True})
        overrun = sum(self._overrun(place) for place in (self.a, self.b) if place.path.exists())
        assert not overrun, f"{overrun} packets overran the wire's devices and are not in its log"
        with self.path.open(encoding="ascii") as lines:
            return sorted((_passage(line) for line in lines), key=lambda passage: passage.entered_ns)

    def trips(self) -> list[Trip]:
        """Every echo request from a with its first reply, by time of sending. One still waiting for its reply looks
        lost: ask a little after the last was sent."""
        log = [passage for passage in self.log() if passage.icmp_type is not None and not passage.copy]
        replies: dict[tuple[str, int | None, int | None], list[Passage]] = {}
        for passage in log:
            if passage.way == "ba" and passage.icmp_type in _ECHO_REPLIES:
                replies.setdefault((passage.source, passage.icmp_id, passage.icmp_seq), []).append(passage)
        trips = []
        for request in log:
            if request.way == "ab" and request.icmp_type in _ECHO_REQUESTS:
                reply = None
                if request.left_ns is not None:  # identifiers come round again: the first reply after it is its own
                    waiting = replies.get((request.target, request.icmp_id, request.icmp_seq), [])
                    found = (i for i, one in enumerate(waiting) if one.entered_ns >= request.entered_ns)
                    index = next(found, None)
                    reply = None if index is None else waiting.pop(index)
                trips.append(Trip(request, reply))
        return trips

    def stop(self) -> None:
        """Ends the relay; what was on its way is dropped. The log stays readable."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.stdin = None
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
            end(self._process)

    def _open(self, place: Namespace) -> int:
        with place.inside():
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", self.device.encode(), _IFF_TUN | _IFF_NO_PI))
        return descriptor

    def _address(self, place: Namespace, v4: str, v6: str, more: Sequence[str], more6: Sequence[str]) -> None:
        place.ip_batch(
            [
                f"link set {self.device} addrgenmode none txqueuelen 10000 up",
                f"address add {v4}/16 dev {self.device}",
                f"address add {v6}/64 dev {self.device} nodad",
                *(f"address add {address}/32 dev lo" for address in more),
                *(f"address add {address}/128 dev lo nodad" for address in more6),
            ]
        )

    def _overrun(self, place: Namespace) -> int:
        """tx_dropped of the device in /proc/net/dev: what the kernel could not queue for the relay."""
        with place.inside():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        for line in lines:
            name, _, figures = line.partition(":")
            if name.strip() == self.device:
                return int(figures.split()[11])
        return 0

    def _command(self, command: dict[str, object]) -> None:
        assert self._process is not None and self._process.stdin is not None, "the wire is not running"
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        assert self._process.stdout.readline(), f"the wire's relay ended with {self._process.wait()}"


def _passage(line: str) -> Passage:
    said = json.loads(line)
    kind, number, sequence = said["icmp"] or (None, None, None)
    return Passage(
        wall_ns=said["t"],
        entered_ns=said["mono"],
        left_ns=said["left"],
        way=said["way"],
        source=said["source"],
        target=said["target"],
        octets=said["bytes"],
        dropped=said["dropped"],
        copy=said["copy"],
        meant_ms=said["meant_ms"],
        delay_ms=said["delay_ms"],
        icmp_type=kind,
        icmp_id=number,
        icmp_seq=sequence,
    )
