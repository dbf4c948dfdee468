"""A walk that is written down: what is walked, and that no name stays in it."""

from collectors.clock import SystemClock
from collectors.snmp import ber
from collectors.snmp.ber import VarBind
from collectors.snmp.client import SnmpClient
from collectors.snmp.contact import Contact, Tally
from collectors.snmp.credentials import Community
from collectors.snmp.gear.model import IdentitySpec, Profile
from collectors.snmp.oid import parse
from collectors.snmp.peer import Peer
from collectors.snmp.recording import Blanker, line, names_of, roots_of, walk
from tests.collectors.snmp_device.access_point import NEIGHBOUR, TABLES, access_point
from tests.collectors.snmp_device.scripted import OCTETS, ScriptedAgent, arcs, serving

AP = Profile("acme-ap", (), IdentitySpec(), TABLES)
MAKE = "1.3.6.1.4.1.99999"


async def recorded(agent: ScriptedAgent) -> list[str]:
    blanker, binds = Blanker(names_of(AP), [b"public"]), []
    async with serving(agent), SnmpClient(SystemClock()) as client:
        clock = SystemClock()
        peer = Peer("127.0.0.1", agent.port, Community("2c", b"public"))
        contact = Contact(client, peer, clock, Tally(), ends_at=clock.monotonic() + 20, timeout_s=0.5, retries=0)
        async for bind in walk(contact, roots_of(f"{MAKE}.1", AP)):
            blanker.learn(bind)
            binds.append(bind)
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
