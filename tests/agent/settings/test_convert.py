"""Settings reach the rooms that use them whole."""

from pathlib import Path

import pytest

from agent.settings import load
from agent.settings.convert import broker, snmp_credential, store_limits
from agent.settings.models import ROLE_OF
from collectors.snmp.credentials import AuthProtocol, Community, PrivProtocol, UsmUser
from kpi.model import Role
from tests.agent.settings.writing import write
from tests.lab.certificates import Authority


def test_a_community(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C", "wald-und-wiese")
    settings = load([write(tmp_path, '[[credential]]\nname = "x"\nversion = 1\ncommunity = { env = "C" }\n')])
    assert snmp_credential(settings.credential("x")) == Community("1", b"wald-und-wiese")


def test_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "auth-secret")
    monkeypatch.setenv("P", "priv-secret")
    text = """
[[credential]]
name = "x"
version = "3"
user = "monitor"
auth = "sha256"
auth_secret = { env = "A" }
priv = "aes256c"
priv_secret = { env = "P" }
context = "vlan-7"
"""
    settings = load([write(tmp_path, text)])
    wanted = UsmUser(
        "monitor", AuthProtocol.SHA256, "auth-secret", PrivProtocol.AES256C, "priv-secret", context="vlan-7"
    )
    assert snmp_credential(settings.credential("x")) == wanted


def test_a_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "password-of-mqtt")
    Authority(tmp_path)
    text = """
[mqtt]
host = "broker.example"
transport = "websocket"
path = "/sonda"
protocol = 5
username = "probe"
password = { env = "P" }
keepalive_s = 20
[mqtt.tls]
ca = "ca.pem"
minimum_version = "1.3"
check_hostname = false
"""
    found = broker(load([write(tmp_path, text)]).mqtt)
    assert found is not None
    assert (found.host, found.port, found.transport, found.path) == ("broker.example", 443, "websocket", "/sonda")
    assert (found.protocol, found.username, found.keepalive_s) == ("5", "probe", 20)
    assert found.password is not None
    assert found.password.reveal() == "password-of-mqtt"
    assert found.tls is not None
    assert (found.tls.ca, found.tls.minimum_version) == (tmp_path / "ca.pem", "1.3")
    assert (found.tls.check_hostname, found.tls.insecure) == (False, False)
    assert "password-of-mqtt" not in repr(found)


def test_no_broker(tmp_path: Path) -> None:
    assert broker(load([write(tmp_path)]).mqtt) is None
    assert broker(load([write(tmp_path, '[mqtt]\nenabled = false\nhost = "x"\n')]).mqtt) is None


def test_the_store(tmp_path: Path) -> None:
    text = '[store]\nmax_bytes = "1 GB"\nkeep_minute_days = 3\nballast_bytes = 0\n'
    limits = store_limits(load([write(tmp_path, text)]).store)
    assert (limits.max_bytes, limits.keep_minute_days, limits.ballast_bytes) == (1_000_000_000, 3, 0)
    assert (limits.keep_five_minutes_days, limits.keep_hour_days) == (90, 731)


def test_words_that_stand_for_a_role_are_no_roles_and_are_written_as_people_would() -> None:
    assert not set(ROLE_OF) & set(Role)
    assert all(word == word.lower() and " " not in word for word in ROLE_OF)
    assert {ROLE_OF[word] for word in ("firewall", "nas", "phone", "pdu")} == {
        Role.ROUTER, Role.SERVER, Role.ENDPOINT, Role.UPS,
    }  # fmt: skip
