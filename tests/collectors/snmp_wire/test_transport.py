import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.snmp import transport
from collectors.snmp.peer import Source
from collectors.snmp.transport import IcmpError, UdpSocket


@pytest.fixture
def errors() -> list[IcmpError]:
    return []


@pytest.fixture
def udp(errors: list[IcmpError]) -> Iterator[UdpSocket]:
    opened = UdpSocket(socket.AF_INET, errors.append)
    yield opened
    opened.close()


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


def test_the_receive_buffer_is_large(udp: UdpSocket) -> None:
    granted = udp._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
    assert granted >= 2 * min(transport.RECEIVE_BUFFER, limit)


def test_what_the_kernel_drops_is_known(udp: UdpSocket, other: socket.socket) -> None:
    udp._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    port = udp._socket.getsockname()[1]
    assert udp.dropped() == 0
    for _ in range(50):
        other.sendto(bytes(500), ("127.0.0.1", port))
    taken: list[bytes] = []
    udp.read(lambda octets, _source: taken.append(octets))
    assert 0 < len(taken) < 50
    assert udp.dropped() == 50 - len(taken)


def test_a_flood_is_read_in_parts(udp: UdpSocket, other: socket.socket) -> None:
    port = udp._socket.getsockname()[1]
    for number in range(transport.READS_MAX + 10):
        other.sendto(bytes((number,)), ("127.0.0.1", port))
    taken: list[tuple[bytes, Source]] = []
    udp.read(lambda octets, source: taken.append((octets, source)))
    assert len(taken) == transport.READS_MAX
    udp.read(lambda octets, source: taken.append((octets, source)))
    assert taken == [(bytes((number,)), other.getsockname()) for number in range(transport.READS_MAX + 10)]


def test_an_icmp_error_names_its_peer_and_lets_the_next_send_through(
    udp: UdpSocket, errors: list[IcmpError], other: socket.socket
) -> None:
    closed = ("127.0.0.3", 9)
    for number in range(5):
        assert udp.send(b"to nobody %d" % number, closed)
        assert udp.send(b"to somebody %d" % number, other.getsockname())
    udp.drain()
    assert [other.recv(100) for _ in range(5)] == [b"to somebody %d" % number for number in range(5)]
    assert errors == [IcmpError(closed, errno.ECONNREFUSED, b"to nobody %d" % number) for number in range(5)]


def test_reading_empties_the_error_queue_as_well(udp: UdpSocket, errors: list[IcmpError]) -> None:
    udp.send(b"to nobody", ("127.0.0.3", 9))
    udp.read(lambda octets, source: pytest.fail("nothing came"))
    assert [error.code for error in errors] == [errno.ECONNREFUSED]


def test_a_datagram_that_cannot_be_sent_raises(udp: UdpSocket) -> None:
    with pytest.raises(OSError, match="too long"):
        udp.send(bytes(70000), ("127.0.0.1", 9))
    with pytest.raises(OSError):
        udp.send(b"x", ("255.255.255.255", 9))  # a broadcast needs a permission of its own
