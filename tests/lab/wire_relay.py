"""The relay of tests/lab/wire.py, a process of its own: packets in by one TUN descriptor, out by the other, later.

    python -m tests.lab.wire_relay FD_A FD_B LOG SEED

Reads commands from stdin, one JSON object a line, answers each with a line on stdout; ends when stdin does.
It runs at real-time priority, sleeps until 60 us before a packet is due and spins for the rest.
"""

import ctypes
import gc
import heapq
import json
import os
import random
import select
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, TextIO

SPIN_NS = 60_000
"""Waking from select takes 10 to 50 us here (measured); the rest is spun away."""
_BATCH = 64
_PR_SET_TIMERSLACK = 29  # linux/prctl.h
_ICMP, _ICMPV6 = 1, 58


@dataclass(slots=True)
class Way:
    """What one direction does to a packet; set while it runs. Percents are of packets."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Width of a uniform spread around delay_ms."""
    loss_percent: float = 0.0
    burst: float = 0.0
    """Mean length of a run of losses (Gilbert's two states, 1 or more); 0: each packet for itself."""
    duplicate_percent: float = 0.0
    reorder: bool = False
    """Whether jitter may let a packet overtake an earlier one between the same two addresses."""
    cut: bool = False
    losing: bool = False
    """The state of the two-state loss."""


@dataclass(slots=True)
class Packet:
    """On its way, or lost. Times in nanoseconds."""

    data: bytes
    way: str
    wall: int
    mono: int
    meant: int
    copy: bool


class Relay:
    def __init__(self, descriptor_a: int, descriptor_b: int, log: TextIO, seed: int) -> None:
        self._descriptors = {"ab": (descriptor_a, descriptor_b), "ba": (descriptor_b, descriptor_a)}
        self._ways = {"ab": Way(), "ba": Way()}
        self._log = log
        self._random = random.Random(seed)
        self._queue: list[tuple[int, int, Packet]] = []
        self._serial = 0
        self._last_due: dict[tuple[str, bytes], int] = {}
        self._names: dict[bytes, str] = {}

    def run(self) -> None:
        control = sys.stdin.fileno()
        inputs = {self._descriptors[way][0]: way for way in ("ab", "ba")}
        watched = [control, *inputs]
        print(json.dumps({"ready": True}), flush=True)
        while True:
            wait = max(0, self._queue[0][0] - time.monotonic_ns() - SPIN_NS) / 1e9 if self._queue else None
            ready, _, _ = select.select(watched, [], [], wait)
            if control in ready and not self._obey(control):
                break
            for descriptor in ready:
                if descriptor != control:
                    self._read(descriptor, inputs[descriptor])
            self._forward()
        for _, _, packet in sorted(self._queue):
            self._write(packet, None, "stopped")
        self._log.flush()

    def _obey(self, control: int) -> bool:
        text = os.read(control, 65536)
        for line in text.splitlines():
            command: dict[str, Any] = json.loads(line)
            if command.pop("flush", False):
                self._log.flush()
            for name in command.pop("ways", ()):
                for key, value in command.items():
                    setattr(self._ways[name], key, value)
            print(json.dumps({"waiting": len(self._queue)}), flush=True)
        return bool(text)

    def _read(self, descriptor: int, name: str) -> None:
        way = self._ways[name]
        for _ in range(_BATCH):
            try:
                data = os.read(descriptor, 65535)
            except BlockingIOError:
                return
            packet = Packet(data, name, time.time_ns(), time.monotonic_ns(), 0, copy=False)
            if way.cut or self._loses(way):
                self._write(packet, None, "cut" if way.cut else "loss")
                continue
            self._enqueue(way, packet)
            if way.duplicate_percent and self._random.random() * 100 < way.duplicate_percent:
                self._enqueue(way, Packet(data, name, packet.wall, packet.mono, 0, copy=True))

    def _loses(self, way: Way) -> bool:
        share = way.loss_percent / 100
        if share <= 0 or share >= 1:
            way.losing = share >= 1
        elif not way.burst:
            way.losing = self._random.random() < share
        elif way.losing:
            way.losing = self._random.random() < 1 - 1 / way.burst
        else:
            way.losing = self._random.random() < share / (way.burst * (1 - share))
        return way.losing

    def _enqueue(self, way: Way, packet: Packet) -> None:
        spread = (self._random.random() - 0.5) * way.jitter_ms if way.jitter_ms else 0.0
        packet.meant = max(0, round((way.delay_ms + spread) * 1e6))
        due = packet.mono + packet.meant
        if not way.reorder:
            flow = (packet.way, packet.data[12:20] if packet.data[0] >> 4 == 4 else packet.data[8:40])
            due = max(due, self._last_due.get(flow, 0))
            self._last_due[flow] = due
            packet.meant = due - packet.mono
        self._serial += 1
        heapq.heappush(self._queue, (due, self._serial, packet))

    def _forward(self) -> None:
        queue = self._queue
        for _ in range(_BATCH):
            if not queue or queue[0][0] - time.monotonic_ns() > SPIN_NS:
                return
            due, _, packet = heapq.heappop(queue)
            while time.monotonic_ns() < due:
                pass
            try:
                os.write(self._descriptors[packet.way][1], packet.data)
            except OSError as fault:  # the far device is down
                self._write(packet, None, f"not written: {fault.strerror}")
            else:
                self._write(packet, time.monotonic_ns(), None)

    def _write(self, packet: Packet, left: int | None, dropped: str | None) -> None:
        data = packet.data
        if data[0] >> 4 == 4:
            source, target, protocol, at = data[12:16], data[16:20], data[9], (data[0] & 0x0F) * 4
        else:
            source, target, protocol, at = data[8:24], data[24:40], data[6], 40
        icmp: list[int] | None = None
        if protocol in (_ICMP, _ICMPV6) and len(data) >= at + 8:
            icmp = [
                data[at],
                int.from_bytes(data[at + 4 : at + 6], "big"),
                int.from_bytes(data[at + 6 : at + 8], "big"),
            ]
        line = {
            "t": packet.wall,
            "mono": packet.mono,
            "left": left,
            "way": packet.way,
            "source": self._name(source),
            "target": self._name(target),
            "bytes": len(data),
            "dropped": dropped,
            "copy": packet.copy,
            "meant_ms": packet.meant / 1e6,
            "delay_ms": None if left is None else (left - packet.mono) / 1e6,
            "icmp": icmp,
        }
        self._log.write(json.dumps(line) + "\n")

    def _name(self, address: bytes) -> str:
        name = self._names.get(address)
        if name is None:
            family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
            name = self._names[address] = socket.inet_ntop(family, address)
        return name


def main(arguments: list[str]) -> None:
    descriptor_a, descriptor_b, log_path, seed = arguments
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        print("no real-time priority: delays will be less exact", file=sys.stderr)
    gc.disable()  # nothing here makes cycles (json.dump would)
    with open(log_path, "w", encoding="ascii", buffering=1 << 16) as log:  # noqa: PTH123 - a stream for the whole life
        Relay(int(descriptor_a), int(descriptor_b), log, int(seed)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
