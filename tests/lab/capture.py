"""A packet capture with the kernel's own time stamps, and the round trips of ICMP echoes read from it.

    with Capture(namespace, "veth0") as capture:
        ...
    for trip in capture.trips(): ...

AF_PACKET with SO_TIMESTAMPNS: the stamp is taken where tcpdump's is, on the way out just before the driver, on the way
in as the packet enters the stack. Wall clock, nanoseconds.
"""

import contextlib
import ctypes
import socket
import struct
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.lab.network import Namespace

_ETH_P_ALL = 0x0003
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_OUTGOING = 4  # linux/if_packet.h PACKET_OUTGOING
_SO_ATTACH_FILTER = 26
_ETHERTYPE_V4, _ETHERTYPE_V6 = 0x0800, 0x86DD
_REQUESTS, _REPLIES = (8, 128), (0, 129)
_SNAP = 128


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet. ``at_ns`` is the kernel's stamp on the wall clock; ``device`` where it was seen."""

    at_ns: int
    device: str
    outgoing: bool
    source: str
    target: str
    protocol: int
    icmp_type: int | None
    icmp_id: int | None
    icmp_seq: int | None
    data: bytes
    """From the network header on, at most 128 octets."""


@dataclass(frozen=True, slots=True)
class CapturedTrip:
    request: Seen
    reply: Seen | None

    @property
    def rtt_ms(self) -> float | None:
        return None if self.reply is None else (self.reply.at_ns - self.request.at_ns) / 1e6


class Capture:
    """Captures from entering to leaving the block, in a thread. ``device`` None is every device of the place.

    On lo the kernel shows each packet twice, outgoing and incoming; only the incoming is kept there, which is the
    later by some microseconds, the same for request and reply.

    ``quiet`` reads nothing until the end, so that the capture takes no time from what is measured in this process; its
    buffer holds some 40,000 packets.
    """

    def __init__(
        self,
        place: Namespace | None = None,
        device: str | None = None,
        *,
        icmp_only: bool = True,
        quiet: bool = False,
    ) -> None:
        self._quiet = quiet
        self._place = place
        self._device = device
        self._icmp_only = icmp_only
        self._raw: list[tuple[int, str, int, int, bytes]] = []
        self._thread = threading.Thread(target=self._run, name="capture")
        self._end_ns: int | None = None
        self._socket: socket.socket | None = None
        self.dropped = 0
        """Packets that the capture itself missed, known at the end. Anything but 0 makes it worthless as a truth."""

    def __enter__(self) -> Self:
        with self._place.inside() if self._place else contextlib.nullcontext():
            taken = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        taken.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        taken.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if self._icmp_only:
            _attach(taken)
        if self._device is not None:
            taken.bind((self._device, _ETH_P_ALL))
        taken.settimeout(0.1)
        self._socket = taken
        if not self._quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_ns = time.time_ns()
        if self._quiet:
            self._thread.start()
        self._thread.join()
        assert self._socket is not None
        _, self.dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._socket.close()

    @property
    def packets(self) -> list[Seen]:
        """All IP packets so far, by time."""
        found = [_seen(*raw) for raw in self._raw]
        return sorted((packet for packet in found if packet is not None), key=lambda packet: packet.at_ns)

    def trips(self) -> list[CapturedTrip]:
        """Every echo request with its first reply; None where none was seen."""
        replies: dict[tuple[str, int | None, int | None], list[Seen]] = {}
        packets = self.packets
        for packet in packets:
            if packet.icmp_type in _REPLIES:
                replies.setdefault((packet.source, packet.icmp_id, packet.icmp_seq), []).append(packet)
        trips = []
        for packet in packets:
            if packet.icmp_type in _REQUESTS:
                waiting = replies.get((packet.target, packet.icmp_id, packet.icmp_seq), [])
                index = next((i for i, reply in enumerate(waiting) if reply.at_ns >= packet.at_ns), None)
                trips.append(CapturedTrip(packet, None if index is None else waiting.pop(index)))
        return trips

    def _run(self) -> None:
        taken = self._socket
        assert taken is not None
        while True:
            try:
                data, notes, _, address = taken.recvmsg(_SNAP, 64)
            except TimeoutError:
                if self._end_ns is not None:
                    return
                continue
            device, ethertype, direction = address[0], address[1], address[2]
            if direction == _OUTGOING and device == "lo":
                continue
            seconds, nanoseconds = struct.unpack("qq", notes[0][2])
            at_ns = seconds * 10**9 + nanoseconds
            if self._end_ns is not None and at_ns > self._end_ns:
                return
            self._raw.append((at_ns, device, ethertype, direction, data))


def _seen(at_ns: int, device: str, ethertype: int, direction: int, data: bytes) -> Seen | None:
    if ethertype == _ETHERTYPE_V4 and len(data) >= 20:
        family, source, target, protocol, at = socket.AF_INET, data[12:16], data[16:20], data[9], (data[0] & 15) * 4
    elif ethertype == _ETHERTYPE_V6 and len(data) >= 40:
        family, source, target, protocol, at = socket.AF_INET6, data[8:24], data[24:40], data[6], 40
    else:
        return None
    icmp: tuple[int | None, int | None, int | None] = (None, None, None)
    if protocol in (1, 58) and len(data) >= at + 8:
        icmp = (data[at], *struct.unpack_from("!HH", data, at + 4))
    return Seen(
        at_ns=at_ns,
        device=device,
        outgoing=direction == _OUTGOING,
        source=socket.inet_ntop(family, source),
        target=socket.inet_ntop(family, target),
        protocol=protocol,
        icmp_type=icmp[0],
        icmp_id=icmp[1],
        icmp_seq=icmp[2],
        data=data,
    )


def _attach(taken: socket.socket) -> None:
    """Classic BPF on the packet from its network header: IPv4 with protocol 1, or IPv6 with next header 58."""
    program = (
        (0x30, 0, 0, 0),  # ldb [0]
        (0x54, 0, 0, 0xF0),  # and #0xf0
        (0x15, 0, 2, 0x40),  # jeq #0x40: IPv4
        (0x30, 0, 0, 9),  # ldb [9]
        (0x15, 3, 4, 1),  # jeq #1: take, else leave
        (0x15, 0, 3, 0x60),  # jeq #0x60: IPv6
        (0x30, 0, 0, 6),  # ldb [6]
        (0x15, 0, 1, 58),  # jeq #58
        (0x06, 0, 0, 0x40000),  # take
        (0x06, 0, 0, 0),  # leave
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    taken.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
