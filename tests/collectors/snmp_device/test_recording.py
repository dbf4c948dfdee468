"""A walk that is written down: what is walked, and that no name stays in it."""

import pytest

from collectors.clock import SystemClock
from collectors.snmp import ber
from collectors.snmp.ber import VarBind
from collectors.snmp.client import SnmpClient
from collectors.snmp.contact import Contact, Tally
from collectors.snmp.credentials import Community
from collectors.snmp.errors import Timeout
from collectors.snmp.gear.model import IdentitySpec, Profile
from collectors.snmp.oid import parse
from collectors.snmp.peer import Peer
from collectors.snmp.recording import Blanker, line, names_of, roots_of, walk
from tests.collectors.snmp_device.access_point import NEIGHBOUR, RADIO, TABLES, access_point
from tests.collectors.snmp_device.scripted import OCTETS, ScriptedAgent, arcs, serving

AP = Profile("acme-ap", (), IdentitySpec(), TABLES)
MAKE = "1.3.6.1.4.1.99999"


async def recorded(agent: ScriptedAgent, gaps: list[str] | None = None, version: str = "2c") -> list[str]:
    blanker, binds = Blanker(names_of(AP), [b"public"]), []
    missing: list[str] = [] if gaps is None else gaps
    async with serving(agent), SnmpClient(SystemClock()) as client:
        clock = SystemClock()
        peer = Peer("127.0.0.1", agent.port, Community(version, b"public"))
        contact = Contact(client, peer, clock, Tally(), ends_at=clock.monotonic() + 20, timeout_s=0.05, retries=0)
        async for bind in walk(contact, roots_of(f"{MAKE}.1", AP), missing):
            blanker.learn(bind)
            binds.append(bind)
    assert gaps is not None or not missing, missing
    return [line(blanker.blank(bind)) for bind in binds]


async def test_everything_is_written_once_and_in_order() -> None:
    agent = access_point()
    rows = await recorded(agent)
    names = [arcs(row.split("|")[0]) for row in rows]
    assert names == sorted(set(names))
    assert {name for name in agent.values if name[:7] == arcs(MAKE)[:7]} <= set(names)


async def test_no_name_stays_wherever_it_stands() -> None:
    agent = access_point()
    agent.values[*arcs(MAKE), 99, 1, 0] = (OCTETS, b"cell SW1 of noc@example.net, community public")
    text = "\n".join(await recorded(agent))
    for name in ("sw1", "SW1", "noc@example.net", "rack 1", "to desk 2", "core", "public"):
        assert name not in text
    assert f"{MAKE}.99.1.0|4|cell name of name, community name" in text
    assert f"{NEIGHBOUR}.2.2.7|4|name" in text, "a neighbour's name too"


def test_what_is_walked() -> None:
    roots = roots_of(f"{MAKE}.7.1", AP, ["1.3.6.1.2.1.1.9", "1.3.6.1.3.5"])
    assert MAKE in roots and "1.3.6.1.3.5" in roots
    assert "1.3.6.1.2.1.1.9" not in roots, "the system group is walked anyway"
    assert not any(root.startswith(MAKE + ".") for root in roots)
    assert roots_of(None, AP)[0] == "1.3.6.1.2.1.1"


def test_lines() -> None:
    name = parse("1.3.6.1.2.1.1.1.0")
    for tag, value, said in (
        (ber.OCTET_STRING, b"plain text", "4|plain text"),
        (ber.OCTET_STRING, b"a|b", "4x|617C62"),
        (ber.OCTET_STRING, b"\x00\xff", "4x|00FF"),
        (ber.OBJECT_IDENTIFIER, parse("1.3.6.1.4.1.9"), "6|1.3.6.1.4.1.9"),
        (ber.IP_ADDRESS, bytes((192, 0, 2, 1)), "64|192.0.2.1"),
        (ber.COUNTER64, 2**63, f"70|{2**63}"),
        (ber.INTEGER, -5, "2|-5"),
    ):
        assert line(VarBind(name, tag, value)) == f"1.3.6.1.2.1.1.1.0|{said}"


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_lost_answers_are_asked_for_again(version: str) -> None:
    whole = await recorded(access_point(), version=version)
    agent, lost = access_point(), iter(range(1000))
    agent.answered = lambda a: setattr(a, "silent", next(lost) % 5 == 3 and not a.silent)
    agent.unheard = lambda a: setattr(a, "silent", False)
    assert await recorded(agent, version=version) == whole


async def test_an_agent_that_bears_little_is_asked_for_little() -> None:
    whole = await recorded(access_point())
    for most in (20, 3, 1):
        agent = access_point()
        agent.most_rows = most
        assert await recorded(agent) == whole


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_what_spoils_answers_is_left_out_and_it_is_said_where(version: str) -> None:
    whole = await recorded(access_point(), version=version)
    agent, gaps = access_point(), list[str]()
    agent.silent_on.add((*arcs(RADIO), 3, 1))
    agent.most_rows = 1  # so that each instance is asked for by itself
    rows = await recorded(agent, gaps, version)
    assert gaps == [f"what lies between {RADIO}.3.1 and {RADIO}.3.2: timeout"]
    assert [row for row in whole if row not in rows] == [f"{RADIO}.3.2|66|90"]


async def test_a_device_that_falls_silent_is_said_with_the_place() -> None:
    agent, gaps = access_point(), list[str]()
    agent.answered = lambda a: setattr(a, "silent", a.silent or (*arcs(RADIO), 4, 1) in a.log[-1].oids)
    agent.most_rows = 1
    with pytest.raises(Timeout):
        await recorded(agent, gaps)
    assert gaps == [f"all after {RADIO}.4.2"]
