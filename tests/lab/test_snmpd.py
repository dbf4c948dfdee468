"""The lab's snmpd answers in every version, restarts, forgets and falls silent as told."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import ber
from tests.lab.daemon import NotReadyError
from tests.lab.network import Network
from tests.lab.snmpd import ENGINE_BOOTS, SYS_NAME, SYS_UPTIME, USERS, Snmpd, user
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def _installed() -> None:
    need("snmpd", "snmpget")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Snmpd]:
    with Snmpd(tmp_path, name="core <b>1</b>", users=(user("SHA-256", "AES"),)) as made:
        yield made


def snmpget(agent: Snmpd, *words: str, name: str = SYS_NAME) -> str:
    command = ["snmpget", "-m", "", "-r0", "-t2", "-Oqv", *words, f"{agent.address}:{agent.port}", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def number(agent: Snmpd, name: str) -> int:
    content = agent.get(name)[0].content
    assert isinstance(content, int)
    return content


def test_our_ber_and_snmpget_agree(agent: Snmpd) -> None:
    assert agent.get(SYS_NAME) == [ber.octets("core <b>1</b>")]
    assert snmpget(agent, "-v2c", "-c", "public") == '"core <b>1</b>"'
    assert snmpget(agent, "-v1", "-c", "public") == '"core <b>1</b>"'
    assert snmpget(agent, "-v2c", "-c", "wrong") == ""


def test_every_user_is_let_in(tmp_path: Path) -> None:
    assert len(USERS) == 31
    with Snmpd(tmp_path, users=USERS) as agent:
        got = {known.name: snmpget(agent, *known.arguments()) for known in USERS}
    assert got == {known.name: '"lab-agent"' for known in USERS}


def test_restart_counts_boots_and_begins_anew(agent: Snmpd) -> None:
    words = user("SHA-256", "AES").arguments()
    assert (snmpget(agent, *words, name=ENGINE_BOOTS), agent.engine_boots) == ("1", 1)
    port = agent.port
    agent.restart()
    assert (snmpget(agent, *words, name=ENGINE_BOOTS), agent.port) == ("2", port)
    assert number(agent, SYS_UPTIME) < 500
    agent.kill()
    agent.start()
    assert snmpget(agent, *words, name=ENGINE_BOOTS) == "3"
    agent.stop()
    agent.engine_boots = 40
    agent.start()
    assert snmpget(agent, *words, name=ENGINE_BOOTS) == "41"
    agent.stop()
    agent.forget()
    agent.start()
    assert snmpget(agent, *words, name=ENGINE_BOOTS) == "1"


def test_engine_id_and_name_change_at_a_start(agent: Snmpd) -> None:
    agent.stop()
    agent.engine_id = b"\x80\x00\x1f\x88\x04replaced"
    agent.name = "replaced"
    agent.start()
    words = user("SHA-256", "AES").arguments()
    assert snmpget(agent, *words) == '"replaced"'
    assert b"replaced" in bytes.fromhex(snmpget(agent, *words, "-Ox", name="1.3.6.1.6.3.10.2.1.1.0").replace('"', ""))


def test_silence_and_speech(agent: Snmpd) -> None:
    with agent.paused(), pytest.raises(TimeoutError):
        agent.get(SYS_NAME, timeout_s=0.2)
    assert agent.get(SYS_NAME) == [ber.octets("core <b>1</b>")]
    agent.kill()
    with pytest.raises(ConnectionRefusedError):
        agent.get(SYS_NAME, timeout_s=0.2)


def test_writes_are_kept_or_refused(agent: Snmpd) -> None:
    agent.set_alias(1, 'uplink "à" <i>')
    assert agent.column("1.3.6.1.2.1.31.1.1.1.18")[1] == ber.octets('uplink "à" <i>')
    with pytest.raises(ValueError, match="error status"):
        agent.set("1.3.6.1.2.1.1.3.0", ber.ticks(1))


def test_shows_the_interfaces_of_its_namespace(tmp_path: Path) -> None:
    need_lab()
    with Network() as network:
        a, b = network.namespace("a"), network.namespace("b")
        network.veth(a, b, names=("uplink", "eth0"), addresses=(["fd00:1::1/64"], ["fd00:1::2/64"]))
        with Snmpd(tmp_path, place=a, address="fd00:1::1", port=161, cache_s=1) as agent:
            names = agent.column("1.3.6.1.2.1.31.1.1.1.1")
            assert sorted(str(value.content) for value in names.values()) == ["b'lo'", "b'uplink'"]
            index = next(i for i, value in names.items() if value.content == b"uplink")
            status = f"1.3.6.1.2.1.2.2.1.8.{index}"
            assert number(agent, status) == 1
            b.down("eth0")
            time.sleep(1.1)  # snmpd's cache of interfaces
            assert number(agent, status) == 2


def test_a_fault_in_its_settings_is_shown(tmp_path: Path) -> None:
    with (
        pytest.raises(NotReadyError, match="nosuchaddress"),
        Snmpd(tmp_path, address="127.0.0.1", extra=["agentAddress udp:nosuchaddress.invalid:1"]),
    ):
        pass
