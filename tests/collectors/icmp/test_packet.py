"""The codec: what we send is what RFC 792 says, and no bytes whatever upset the reader."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.icmp import EchoTarget, packet
from collectors.icmp.errqueue import IP_RECVERR, IPV6_RECVERR, read_error
from collectors.icmp.ledger import new_key
from collectors.icmp.peer import meet

TOKENS = st.binary(min_size=8, max_size=8)
COUNTS = st.integers(0, 2**64 - 1)


def words_sum(data: bytes) -> int:
    """RFC 1071 by the book: 16-bit words, carries folded in."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=200))
def test_checksum_is_the_one_of_rfc_1071(data: bytes) -> None:
    assert packet.checksum(data) == ~words_sum(data) & 0xFFFF


def test_checksum_of_the_example_in_rfc_1071() -> None:
    # section 3: 0001 f203 f4f5 f6f7 sums to ddf2
    assert packet.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.integers(0, 0xFFFF), TOKENS, COUNTS)
def test_echo_request_reads_back_and_sums_to_zero(identifier: int, token: bytes, count: int) -> None:
    key = packet.KEY.pack(count & 0xFFFF, token, count)
    request = packet.echo_request(identifier, key)
    assert len(request) == 64
    assert words_sum(request) == 0xFFFF
    assert request[:2] == b"\x08\0"
    assert struct.unpack("!HH", request[4:8]) == (identifier, count & 0xFFFF)
    assert request[packet.KEY_START : packet.KEY_END] == key
    assert packet.KEY.unpack(key)[1:] == (token, count)


@given(st.integers(0, 0xFFFF), TOKENS, COUNTS, st.integers(0, 63), st.integers(1, 255))
def test_one_changed_octet_breaks_the_checksum(ident: int, token: bytes, count: int, at: int, by: int) -> None:
    request = bytearray(packet.echo_request(ident, packet.KEY.pack(count & 0xFFFF, token, count)))
    request[at] ^= by
    assert packet.checksum(bytes(request)) != 0


@given(st.sampled_from([4, 6]), st.binary(max_size=200))
def test_hostile_bytes_are_no_error_of_ours_or_a_whole_one(version: int, data: bytes) -> None:
    error = packet.quoted_error(version, data)
    if error is not None:
        assert data[0] in ({3, 11, 12} if version == 4 else {1, 2, 3, 4})
        assert len(data) >= 8 + (20 if version == 4 else 40) + 8
        assert error.reason and 0 <= error.sequence <= 0xFFFF
        socket.inet_pton(socket.AF_INET if version == 4 else socket.AF_INET6, error.destination)


@given(st.binary(max_size=80))
def test_ip_header_length_is_within_the_packet(data: bytes) -> None:
    octets = packet.header_length(data)
    assert octets is None or 20 <= octets <= len(data)


def quote_v4(destination: str, identifier: int, sequence: int, *, options: bytes = b"", protocol: int = 1) -> bytes:
    head = bytes([0x40 + 5 + len(options) // 4, 0, 0, 84]) + bytes(5) + bytes([protocol]) + bytes(6)
    return head + socket.inet_aton(destination) + options + struct.pack("!BBHHH", 8, 0, 0, identifier, sequence)


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (3, 0, "net_unreachable"),
        (3, 1, "host_unreachable"),
        (3, 3, "port_unreachable"),
        (3, 10, "admin_prohibited"),
        (3, 13, "admin_prohibited"),
        (3, 77, "unreachable"),
        (11, 0, "ttl_exceeded"),
        (11, 1, "reassembly_timeout"),
        (12, 0, "parameter_problem"),
    ],
)
def test_error_names_its_reason_and_our_echo(kind: int, code: int, reason: str) -> None:
    message = bytes([kind, code]) + bytes(6) + quote_v4("192.0.2.9", 7, 4711, options=bytes(8))
    assert packet.quoted_error(4, message) == packet.IcmpError("192.0.2.9", 4711, reason, 7)


@pytest.mark.parametrize(
    "message",
    [
        bytes([5, 1]) + bytes(6) + quote_v4("192.0.2.9", 7, 1),  # a redirect ends nothing
        bytes([4, 0]) + bytes(6) + quote_v4("192.0.2.9", 7, 1),  # nor does a source quench
        bytes([3, 1]) + bytes(6) + quote_v4("192.0.2.9", 7, 1, protocol=17),  # somebody's UDP
        bytes([3, 1]) + bytes(6) + quote_v4("192.0.2.9", 7, 1)[:-1],  # quote cut short
        bytes([3, 1]) + bytes(6),
    ],
)
def test_what_is_not_an_error_about_an_echo(message: bytes) -> None:
    assert packet.quoted_error(4, message) is None


def test_icmpv6_error_quotes_an_ipv6_echo() -> None:
    inner = b"\x60" + bytes(5) + bytes([58, 64]) + bytes(16) + socket.inet_pton(socket.AF_INET6, "fd00::9")
    message = bytes([1, 3]) + bytes(6) + inner + struct.pack("!BBHHH", 128, 0, 0, 7, 4711)
    assert packet.quoted_error(6, message) == packet.IcmpError("fd00::9", 4711, "host_unreachable", 7)


@given(st.binary(max_size=40), st.sampled_from([IP_RECVERR, IPV6_RECVERR, 8]), st.binary(max_size=40))
def test_hostile_error_queue(quote: bytes, option: int, extended: bytes) -> None:
    error = read_error(quote, [(0, option, extended)], "192.0.2.1")
    if error is not None:
        assert option == IP_RECVERR
        assert len(extended) >= 16 and extended[4] in (2, 3) and quote[0] in (8, 128)


@given(st.integers(0, 2**40))
def test_sequence_wraps_and_count_does_not(start: int) -> None:
    peer = meet(EchoTarget("t", "192.0.2.1"))
    peer.count = start
    first, second = packet.KEY.unpack(new_key(peer)), packet.KEY.unpack(new_key(peer))
    assert (second[0] - first[0]) % 0x10000 == 1
    assert second[2] - first[2] == 1 and second[2] == start + 2


@pytest.mark.parametrize(
    ("address", "host", "zone"),
    [
        ("192.0.2.1", "192.0.2.1", ""),
        ("FD00:0:0::0001", "fd00::1", ""),
        ("fe80::1%eth0", "fe80::1", "eth0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", ""),
    ],
)
def test_addresses_are_kept_as_the_kernel_writes_them(address: str, host: str, zone: str) -> None:
    peer = meet(EchoTarget("t", address))
    assert (peer.host, peer.zone) == (host, zone)


@pytest.mark.parametrize("address", ["", "router", "192.0.2.256", "192.0.2.1/24", "fe80::1%"])
def test_names_are_no_addresses(address: str) -> None:
    with pytest.raises(ValueError):
        meet(EchoTarget("t", address))
