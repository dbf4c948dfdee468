"""Names for clients: which addresses are found, what stands for them, and the key."""

import hashlib
import hmac
import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.privacy import FILE, Privacy, load_key
from kpi.gear import Neighbor
from tests.agent.macs import notations

KEY = bytes(range(32))
MAC = "00:11:22:aa:bb:cc"
HASH = hmac.new(KEY, bytes.fromhex("001122aabbcc"), hashlib.sha256).hexdigest()[:12]
PHONE = Neighbor("lldp", "ge4", "SEP001122AABBCC", MAC, MAC, "192.0.2.7", "phone", "", "x (001122aabbcc)")
SWITCH = Neighbor("lldp", "ge1", "switch", "ge24", "00:aa:bb:cc:dd:ee", remote_end="ge24 (00aabbccddee)")

hashed, silent = Privacy(KEY, lambda: "hash"), Privacy(KEY, lambda: "none")


@pytest.mark.parametrize("written", notations(MAC))
def test_in_every_notation_a_client_has_one_name(written: str) -> None:
    assert hashed.client(written) == HASH
    assert hashed.text(f"Link to {written}!") == f"Link to {HASH}!"
    assert silent.client(written) == ""
    assert silent.text(f"Link to {written}!") == "Link to …!"


@pytest.mark.parametrize(
    "text",
    ["", "wlan0", "1.2", "192.0.2.17", "Battery 12.5 V", "12:30:59", "2001:db8::1", "fe80::211:22ff:feaa:bbcc", "ge-0/0/1",
     "v1.2.3.4.5", "2026-01-31T12:00:00"],
)  # fmt: skip
def test_what_is_no_address_stays(text: str) -> None:
    assert hashed.text(text) == silent.text(text) == text


@pytest.mark.parametrize(
    "text",
    ["SEP001122aabbcc", "ap-001122AABBCC-x", "04:00:11:22:aa:bb:cc", "0400112233445566aabbcc", "6.0.17.34.170.187.204",
     "0.17.34.170.187.204.7"],
)  # fmt: skip
def test_what_may_hold_an_address_is_replaced_whole(text: str) -> None:
    shown = hashed.text(text)
    assert not any(part in shown.lower() for part in ("22aabbcc", "aa:bb", "170.187"))
    assert shown != silent.text(text)


@given(st.binary(min_size=6, max_size=6), st.text(max_size=20), st.text(max_size=20))
def test_no_text_around_an_address_lets_it_through(octets: bytes, before: str, after: str) -> None:
    for written in notations(octets.hex(":")):
        assert f" {written} " not in f" {hashed.text(f'{before} {written} {after}')} "


def test_the_key_matters() -> None:
    assert Privacy(bytes(32), lambda: "hash").client(MAC) != HASH


@pytest.mark.parametrize(
    ("oid", "shown"),
    [
        ("1.3.6.1.2.1.2.2.1.1.7", "1.3.6.1.2.1.2.2.1.1.7"),
        ("1.3.6.1.2.1.15.3.1.7.192.0.2.1", "1.3.6.1.2.1.15.3.1.7.192.0.2.1"),
        ("1.3.6.1.2.1.17.4.3.1.1.0.17.34.170.187.204", None),
        ("1.3.6.1.4.1.99999.1.2.1.5.0.17.34.170.187.204.7", None),
    ],
)
def test_an_index_that_may_be_an_address_does_not_leave_in_an_oid(oid: str, shown: str | None) -> None:
    told = hashed.oid(oid)
    assert told == shown if shown else "0.17.34" not in told
    assert told.startswith("1.3.6.1.")


def test_telephones_leave_under_their_hash_and_switches_as_they_are() -> None:
    assert hashed.neighbor(SWITCH) is SWITCH
    phone = hashed.neighbor(PHONE)
    assert phone is not None
    assert (phone.remote_name, phone.remote_port, phone.remote_chassis, phone.remote_end) == (
        f"SEP{HASH}",
        HASH,
        HASH,
        "",
    )
    assert phone.remote_address == "192.0.2.7"
    assert silent.neighbor(PHONE) is None
    assert silent.neighbor(SWITCH) is SWITCH


def test_a_telephone_that_cdp_tells_of_is_one() -> None:
    phone = hashed.neighbor(Neighbor("cdp", "ge4", "SEP001122AABBCC", "Port 1", "SEP001122AABBCC"))
    assert phone is not None
    assert (phone.remote_name, phone.remote_port, phone.remote_chassis) == (f"SEP{HASH}", "Port 1", f"SEP{HASH}")


def test_no_address_in_a_trap() -> None:
    told = {
        "device": "ap",
        "oid": "1.3.6.1.6.3.1.1.5.3",
        "varbinds": [
            {"oid": "1.3.6.1.4.1.99999.1.2.1.5.0.17.34.170.187.204", "value": "001122aabbcc"},
            {"oid": "1.3.6.1.2.1.2.2.1.1.7", "value": 7},
            {"oid": "1.3.6.1.4.1.99999.1.3.0", "value": "client 0011.22AA.BBCC left"},
            {"oid": "1.3.6.1.4.1.99999.1.4.0", "value": "1.3.6.1.2.1.17.4.3.1.1.0.17.34.170.187.204"},
            {"oid": "1.3.6.1.4.1.99999.1.5.0", "value": "192.0.2.1"},
        ],
    }
    for privacy in (hashed, silent):
        shown = privacy.trap(told)
        assert shown["device"] == "ap"
        assert [v["value"] for v in shown["varbinds"]][1::3] == [7, "192.0.2.1"]
        assert not any(written.lower() in repr(shown).lower() for written in notations(MAC))
    assert [v["value"] for v in hashed.trap(told)["varbinds"]][0::2][:2] == [HASH, f"client {HASH} left"]


# -- the key -------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_for_the_agent_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = load_key(tmp_path)
    finally:
        os.umask(before)
    assert load_key(tmp_path) == key
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [FILE]
    (tmp_path / "other").mkdir()
    assert load_key(tmp_path / "other") != key


def test_a_damaged_key_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(b"short")
    (tmp_path / f"{FILE}.new").write_bytes(b"left by a crash")
    key = load_key(tmp_path)
    assert load_key(tmp_path) == key
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


def test_where_the_key_cannot_be_kept_there_is_one_for_this_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).mkdir()
    assert len(load_key(tmp_path)) == 32
    assert len(load_key(tmp_path / "nowhere")) == 32
    assert len(caplog.records) == 2
