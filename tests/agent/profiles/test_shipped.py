"""Every shipped profile is chosen for the device that its own [[match]] describes, and not shadowed by another."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.profiles import SHIPPED, examine_library
from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.choose import choose
from collectors.snmp.gear.model import Match, Source, System
from collectors.snmp.gear.placed import placed
from tests.agent.profiles.agent import AgentAtHand
from tests.agent.profiles.samples import texts

LIBRARY = examine_library(SHIPPED, thorough=False)
RECOGNISED = {entry.name: entry for entry in LIBRARY.entries()}
SHARED: Mapping[tuple[str, str], str] = {
    ("cdata-olt", "gw-eydfa"): "17409.1 is the HFC MIBs' own branch of NSCRTV's number, OLTs are elsewhere below it",
    ("eaton-pdu", "eaton-ups"): "534.1 is XUPS-MIB: what answers with it is a UPS, whatever outlets it has",
    ("fs-centec", "ruijie"): "52642.1.1 are the switches that Ruijie makes for FS.com",
    ("saf-integra-e", "saf-integra-b"): "7571.100.1.1.7.1 is SAF-INTEGRAB-MIB itself",
    ("tplink-eap", "tplink-jetstream"): "11863.1 is the older branch of TP-Link's switches",
}
"""(the profile described, the one chosen) with the reason why that is right."""


@dataclass(frozen=True)
class Device:
    """What a match describes."""

    known: Mapping[System, str]
    agent: AgentAtHand


def devices(match: Match) -> Iterator[Device]:
    """One a sysObjectID, and for each one that begins with it."""
    for root in match.object_ids:
        for object_id in (root.strip("."), f"{root.strip('.')}.1"):
            yield device(match, object_id)
    if not match.object_ids:
        yield device(match, "0.0")


def device(match: Match, object_id: str) -> Device:
    known = {System.OBJECT_ID: object_id, System.DESCR: described(match)}
    own = placed(match, object_id)
    binds = []
    if own.present is not None:
        binds.append(VarBind(oid.parse(f"{own.present}.0"), ber.INTEGER, 1))
    if own.value is not None:
        binds.append(said(own.value, known))
    return Device(known, AgentAtHand(binds))


def described(match: Match) -> str:
    """A sysDescr that fits."""
    candidates = texts(match.descr) if match.descr is not None else iter(("A device", ""))
    return next(text for text in candidates if match.not_descr is None or not match.not_descr.search(text))


def said(source: Source, known: Mapping[System, str]) -> VarBind:
    assert source.oid is not None or source.first is not None, "no shipped profile looks at sysDescr by value"
    name = source.oid or f"{source.first}.1"
    text = next(texts(source.pattern)) if source.pattern is not None else "1"
    return VarBind(oid.parse(name), ber.OCTET_STRING, text.encode())


def test_there_are_profiles() -> None:
    assert len(RECOGNISED) > 300
    assert LIBRARY.faults == ()


async def test_a_profile_is_chosen_for_the_device_it_describes() -> None:
    wrong = []
    for name, head in RECOGNISED.items():
        await asyncio.sleep(0)  # a turn of the loop each, which all of them together would block
        for match in head.matches:
            for one in devices(match):
                chosen = await choose(one.agent.asker(), LIBRARY, one.known)
                if chosen != name and (name, chosen) not in SHARED:
                    wrong.append((name, chosen, one.known))
    assert wrong == []
