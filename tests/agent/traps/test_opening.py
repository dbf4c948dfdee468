"""The socket: passed on by systemd, bound by ourselves, or a sentence why not."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agent.boundary import Boundary
from agent.settings import load
from agent.settings.models import TrapsSettings
from agent.traps import Traps
from agent.traps.opening import TrapsNotHeardError, bind, given
from agent.vitals import who_listens
from collectors.clock import SystemClock
from collectors.snmp.traps.inlet import Inlet
from tests.programs import need

PID = os.getpid()


@contextmanager
def passed(*sockets: socket.socket) -> Iterator[int]:
    """The sockets' descriptors at consecutive numbers, as systemd passes them; the first one's number."""
    first = 200
    for number, each in enumerate(sockets):
        os.dup2(each.fileno(), first + number, inheritable=True)
        each.close()
    try:
        yield first
    finally:
        for number in range(len(sockets)):
            with suppress(OSError):
                os.close(first + number)


def udp(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", port))
    return made


def word(count: int, names: str | None, pid: int = PID) -> dict[str, str]:
    told = {"LISTEN_PID": str(pid), "LISTEN_FDS": str(count), "OTHER": "stays"}
    return told if names is None else told | {"LISTEN_FDNAMES": names}


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("names", ["traps", None])
def test_systemds_socket_is_taken_and_its_word_of_it_with_it(names: str | None) -> None:
    with passed(udp()) as first:
        environ = word(1, names)
        taken = given(environ, PID, first)
        assert taken is not None
        with taken:
            assert taken.fileno() == first
            assert not os.get_inheritable(first)
            assert taken.type is socket.SOCK_DGRAM
        assert environ == {"OTHER": "stays"}


def test_the_one_of_that_name_is_taken_and_the_others_are_closed() -> None:
    with passed(socket.socket(), udp(), udp()) as first:
        taken = given(word(3, "web:traps:traps"), PID, first)
        assert taken is not None
        with taken:
            assert [is_open(first + n) for n in range(3)] == [False, True, False]
            assert taken.fileno() == first + 1


@pytest.mark.parametrize(
    ("names", "pid", "kind"),
    [("traps", PID + 1, socket.SOCK_DGRAM), ("web", PID, socket.SOCK_DGRAM), ("traps", PID, socket.SOCK_STREAM)],
    ids=["other process", "other name", "stream"],
)
def test_what_is_not_meant_for_us_is_not_taken(names: str, pid: int, kind: int) -> None:
    with passed(socket.socket(socket.AF_INET, kind)) as first:
        assert given(word(1, names, pid), PID, first) is None


@pytest.mark.parametrize("environ", [{}, {"LISTEN_PID": str(PID)}, {"LISTEN_PID": str(PID), "LISTEN_FDS": "x"}])
def test_without_systemd_there_is_none(environ: dict[str, str]) -> None:
    assert given(environ, PID) is None
    assert environ == {}


def test_a_busy_port_names_who_has_it() -> None:
    with udp() as other, pytest.raises(TrapsNotHeardError) as raised:
        bind("127.0.0.1", other.getsockname()[1], lambda port: who_listens(port, "udp"))
    assert f"is in use by {who_is_this()} (pid {PID}). Stop that" in str(raised.value)


def who_is_this() -> str:
    return Path(f"/proc/{PID}/comm").read_text().strip()


def test_an_address_of_another_machine() -> None:
    with pytest.raises(TrapsNotHeardError, match=r"192\.0\.2\.1 is no address of this machine"):
        bind("192.0.2.1", 0, lambda _port: None)


@pytest.mark.lab
def test_a_privileged_port_says_what_systemd_can_do() -> None:
    need("setpriv")
    code = (
        "from agent.traps.opening import *\n"
        "try: bind('127.0.0.1', 162, lambda port: None)\n"
        "except TrapsNotHeardError as error: print(error)"
    )
    drop = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    done = subprocess.run([*drop, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "systemctl enable sonda-traps.socket" in done.stdout


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1"])
def test_an_inform_is_answered_from_the_address_it_was_sent_to(host: str) -> None:
    inlet = Inlet(bind(host, 0, lambda _port: None))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asked = ("127.0.0.1" if host == "127.0.0.1" else "127.0.0.77", inlet.address[1])
        asker.settimeout(5)
        asker.bind(("127.0.0.9", 0))
        asker.sendto(b"inform", asked)
        asker.sendto(b"x" * 3000, asked)
        datagram, longer = inlet.read(), inlet.read()
        assert datagram is not None and longer is not None
        assert (datagram.octets, datagram.source, datagram.whole) == (b"inform", "127.0.0.9", True)
        assert not longer.whole
        assert inlet.read() is None
        assert inlet.answer(datagram, b"answer")
        assert asker.recvfrom(100) == (b"answer", asked)
    assert inlet.dropped == 0
    inlet.close()


def test_ipv6_is_heard_beside_ipv4() -> None:
    inlet = Inlet(bind("::", 0, lambda _port: None))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker:
        asked = ("::1", inlet.address[1])
        asker.settimeout(5)
        asker.sendto(b"inform", asked)
        datagram = inlet.read()
        assert datagram is not None
        assert datagram.source == "::1"
        assert inlet.answer(datagram, b"answer")
        assert asker.recvfrom(100)[1][:2] == asked
    inlet.close()


def traps(settings: TrapsSettings, folder: Path, environ: dict[str, str]) -> Traps:
    (folder / "s.toml").write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    site = load([folder / "s.toml"]).site
    nothing = lambda *_a, **_k: None  # noqa: E731 - stands for who is asked and what is said
    return Traps(
        settings, site, clock=SystemClock(), boundary=Boundary(), ask_again=nothing, event=nothing, environ=environ
    )


async def test_a_port_that_cannot_be_had_is_said_and_the_agent_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with udp() as other:
        wanted = TrapsSettings(enabled=True, host="127.0.0.1", port=other.getsockname()[1])
        with traps(wanted, tmp_path, {}) as heard:
            await heard.run()  # returns
            assert heard.now() == {"enabled": True, "trouble": heard.trouble, "listening": None}
    assert heard.trouble is not None and "is in use by" in heard.trouble
    assert [record.message for record in caplog.records] == [heard.trouble]


def test_nothing_is_loaded_where_traps_are_not_wanted() -> None:
    code = "import sys, agent.app\nassert not [name for name in sys.modules if name.startswith('pysnmp')]"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


async def test_nothing_is_opened_where_traps_are_not_wanted(tmp_path: Path) -> None:
    with traps(TrapsSettings(), tmp_path, {}) as heard:
        await heard.run()
        assert heard.now() == {"enabled": False, "trouble": None, "listening": None}
