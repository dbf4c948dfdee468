"""The token bucket, addresses, and the names of traps that are shipped."""

import re
import tomllib
from pathlib import Path

import pytest

from agent.traps.service import load_kinds
from collectors.snmp import oid
from collectors.snmp.traps.bucket import Bucket
from collectors.snmp.traps.inlet import canonical
from collectors.snmp.traps.kinds import Kinds

FILE = Path(__file__).parents[3] / "config" / "traps.toml"


def test_a_bucket_gives_its_burst_then_its_rate_and_never_more_than_its_burst() -> None:
    bucket = Bucket(2.0, 5.0, 100.0)
    assert [bucket.take(100.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert not bucket.take(100.4)
    assert bucket.take(100.5)
    assert not bucket.take(100.6)
    assert sum(bucket.take(9999.0) for _ in range(20)) == 5


def test_the_same_address_is_written_one_way() -> None:
    assert canonical("::ffff:192.0.2.1") == "192.0.2.1"
    assert canonical("2001:DB8:0::1") == "2001:db8::1"
    assert canonical("fe80::1%eth0") == "fe80::1%eth0"


@pytest.mark.parametrize(
    ("received", "name"),
    [
        ("1.3.6.1.6.3.1.1.5.3", "linkDown"),
        ("1.3.6.1.2.1.33.2.1", "upsTrapOnBattery"),
        ("1.3.6.1.2.1.33.2.0.1", "upsTrapOnBattery"),
        ("1.3.6.1.2.1.17.0.2", "topologyChange"),
        ("1.3.6.1.2.1.17.2", "topologyChange"),
        ("1.3.6.1.4.1.318.0.5", "upsOnBattery"),
        ("1.3.6.1.6.3.1.1.5", None),
        ("1.3.6.1.6.3.1.1.5.30", None),
        ("0", None),
        ("", None),
    ],
)
def test_names_by_what_is_received(received: str, name: str | None) -> None:
    assert load_kinds().name(received) == name


def test_the_file_names_each_trap_once() -> None:
    listed = tomllib.loads(FILE.read_text())["trap"]
    for trap in listed:
        assert trap.keys() == {"name", "oid"}
        assert re.fullmatch(r"[a-z][A-Za-z0-9]{2,40}", trap["name"])
        assert oid.text(oid.parse(trap["oid"])) == trap["oid"]
    assert len(Kinds({trap["oid"]: trap["name"] for trap in listed})) == len(listed)
