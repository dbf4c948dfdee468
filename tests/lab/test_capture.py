"""The capture sees every echo once, with the kernel's stamps, and nothing else."""

import re
import socket
import time

import pytest

from tests.lab.capture import Capture
from tests.lab.network import Network
from tests.programs import need_lab

pytestmark = pytest.mark.lab


def test_loopback_echoes_are_seen_once() -> None:
    need_lab("ping")
    with Network() as network:
        place = network.namespace("self")
        with Capture(place) as capture, place.socket() as noise:
            before = time.time_ns()
            noise.sendto(b"not icmp", ("127.0.0.1", 9))  # answered with an ICMP error, which is seen
            said = place.run("ping", "-n", "-c20", "-i0.005", "127.0.0.77")
            place.run("ping", "-n", "-c3", "-i0.005", "::1")
            after = time.time_ns()
    assert capture.dropped == 0
    trips = capture.trips()
    assert [trip.request.target for trip in trips] == ["127.0.0.77"] * 20 + ["::1"] * 3
    assert all(before < trip.request.at_ns < after for trip in trips)
    by_ping = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", said)]
    for trip, ms in zip(trips, by_ping, strict=False):
        assert trip.rtt_ms is not None
        assert 0 < trip.rtt_ms < ms + 0.01
    assert {packet.icmp_type for packet in capture.packets} == {0, 3, 8, 128, 129}


def test_a_dead_host_has_no_reply() -> None:
    need_lab("ping", "nft")
    with Network() as network:
        a, b = network.namespace("a"), network.namespace("b")
        device, _ = network.veth(a, b, addresses=(["10.1.0.1/24"], ["10.1.0.2/24"]))
        b.nft("table ip t { chain c { type filter hook input priority 0\n icmp type echo-request drop\n}\n}")
        with Capture(a, device) as capture:
            a.run("ping", "-n", "-c2", "-i0.01", "-W0.2", "10.1.0.2", check=False)
            with a.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as late:
                late.settimeout(0.01)  # and time for the capture to read
                with pytest.raises(TimeoutError):
                    late.recv(10)
    assert [trip.reply for trip in capture.trips()] == [None, None]
    assert [trip.rtt_ms for trip in capture.trips()] == [None, None]
    assert all(packet.outgoing and packet.device == device for packet in capture.packets)


def test_everything_when_asked() -> None:
    need_lab()
    with Network() as network:
        place = network.namespace("self")
        with Capture(place, "lo", icmp_only=False) as capture, place.socket() as client:
            client.bind(("127.0.0.1", 0))
            client.sendto(b"hello", client.getsockname())
    (packet,) = capture.packets
    assert (packet.protocol, packet.data[-5:], packet.source) == (socket.IPPROTO_UDP, b"hello", "127.0.0.1")
