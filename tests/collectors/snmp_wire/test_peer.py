import socket

import pytest

from collectors.snmp.peer import Engine, Peer
from tests.collectors.snmp_wire.scripted import COMMUNITY


@pytest.mark.parametrize(
    ("address", "port"), [("device.example", 161), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("", 1)]
)
def test_a_peer_is_numeric(address: str, port: int) -> None:
    with pytest.raises(ValueError):
        Peer(address, port, COMMUNITY)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", ("192.0.2.1", 161)),
        ("::ffff:192.0.2.1", ("192.0.2.1", 161)),
        ("2001:DB8:0:0::1", ("2001:db8::1", 161, 0, 0)),
        ("fe80::1%lo", ("fe80::1", 161, 0, socket.if_nametoindex("lo"))),
        ("fe80::1%7", ("fe80::1", 161, 0, 7)),
    ],
)
def test_a_peer_knows_the_source_of_its_answers(address: str, source: tuple[object, ...]) -> None:
    assert Peer(address, 161, COMMUNITY).source() == source


def test_engine_time_runs_by_the_monotonic_clock_and_ends_at_31_bits() -> None:
    engine = Engine(b"id", boots=1, engine_time=100, at=50.0, authentic=True, found=True)
    assert engine.now(50.9) == 100
    assert engine.now(3650.0) == 3700
    assert engine.now(50.0 + 2**32) == 2**31 - 1
    engine.forget()
    assert engine == Engine(found=True)
