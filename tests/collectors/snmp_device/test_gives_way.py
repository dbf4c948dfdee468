"""A device of many ports, addresses and neighbours, and one seen for the first time, do not hold the loop.

What is compared is CPU time of the poll's own callbacks, the longest with all of them together: a busy or slow machine
makes both longer.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from agent.profiles import load_library
from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.document import PollTarget, poll_document
from collectors.snmp.gear.choose import ENTRIES_AT_ONCE, choose
from collectors.snmp.gear.library import Entry
from collectors.snmp.gear.model import IdentitySpec, Match, Profile, System
from kpi.gear import Facts
from kpi.model import Metric
from tests.agent.profiles.agent import AgentAtHand
from tests.collectors.snmp_device.access_point import OneProfile
from tests.collectors.snmp_device.conftest import MakePoller
from tests.collectors.snmp_device.scripted import INT, OCTETS, Arcs, Typed, arcs, port, serving, switch
from tests.collectors.snmp_device.test_long_tables import Bridge, address
from tests.doubles import ManualClock

LIBRARY = load_library()
PORTS, ADDRESSES, NEIGHBOURS = 600, 6_000, 200
LONGEST = 1 / 50
"""Of all the work, in one callback: 1/150 of a poll and 1/110 of a document (measured); in one piece what follows a walk
of 600 ports was 1/30, and a document's making 1/4."""


def large_switch() -> Bridge:
    values: dict[Arcs, Typed] = dict(switch(0).values)
    for index in range(1, PORTS + 1):
        values |= port(index)
        values[*arcs("1.3.6.1.2.1.17.1.4.1.2"), index] = (INT, index)
        values[*arcs("1.3.6.1.2.1.10.7.2.1.19"), index] = (INT, 3)
    ports, states = arcs("1.3.6.1.2.1.17.4.3.1.2"), arcs("1.3.6.1.2.1.17.4.3.1.3")
    for number in range(ADDRESSES):
        values[*ports, *address(number)] = (INT, 1 + number % PORTS)
        values[*states, *address(number)] = (INT, 3)
    remote = arcs("1.0.8802.1.1.2.1.4.1.1")
    for number in range(1, NEIGHBOURS + 1):
        cells: dict[int, Typed] = {4: (INT, 7), 6: (INT, 5), 5: (OCTETS, b"far"), 7: (OCTETS, b"p1"), 9: (OCTETS, b"n")}
        values |= {(*remote, column, 0, number, 1): cell for column, cell in cells.items()}
    return Bridge(values, ordered=sorted(values))


@dataclass
class Held:
    """CPU seconds of each callback of one task."""

    task: asyncio.Task[object] | None = None
    each: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """Of all of them together."""
        return max(self.each) / sum(self.each)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """What the current task does from now on; the garbage of the whole suite is not its doing."""
    held = Held(asyncio.current_task())
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.events.Handle) -> None:
        whose = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        began = time.thread_time()
        run(handle)
        if whose is held.task is not None:
            held.each.append(time.thread_time() - began)

    gc.disable()
    monkeypatch.setattr(asyncio.events.Handle, "_run", timed)
    try:
        yield held
    finally:
        held.task = None
        monkeypatch.undo()
        gc.enable()


async def test_polls_of_a_large_switch_give_way(poller: MakePoller, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = large_switch()
    async with serving(agent):
        probe = poller(agent, timeout_s=20.0, deadline_s=500.0, library=LIBRARY)
        with watched(monkeypatch) as held:
            await probe.poll()
            first = probe.samples
            await probe.poll(300)
            await probe.poll(3600)
    assert held.longest < LONGEST
    assert len([one for one in first if one.metric == Metric.PORT_COUNTERS]) == PORTS
    rows = {one.value.sort: len(one.value.rows) for one in first if isinstance(one.value, Facts)}
    assert (rows["forwarding"], rows["neighbors"], rows["duplex"]) == (ADDRESSES, NEIGHBOURS, PORTS)


async def test_a_poll_document_of_a_large_switch_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = large_switch()
    async with serving(agent), SnmpClient(SystemClock()) as client:
        target = PollTarget("here", "127.0.0.1", agent.port, Community("2c", b"public"))
        with watched(monkeypatch) as held:
            found = await poll_document(client, SystemClock(), target, LIBRARY, timeout_s=20.0, deadline_s=500.0)
    assert held.longest < LONGEST
    assert (len(found["interfaces"]), len(found["neighbors"])) == (PORTS, NEIGHBOURS)


class CountingClock(ManualClock):
    """Counts how often the loop had its turn."""

    turns = 0

    async def sleep(self, seconds: float) -> None:
        self.turns += 1
        await super().sleep(seconds)


async def test_a_choice_among_many_profiles_gives_way() -> None:
    clock = CountingClock()
    asker = AgentAtHand([]).asker()
    asker.contact.clock = clock
    await choose(asker, LIBRARY, {System.DESCR: "Acme", System.OBJECT_ID: "1.3.6.1.4.1.99999.1"})
    assert len(LIBRARY.entries()) > 300
    assert clock.turns >= len(LIBRARY.entries()) / ENTRIES_AT_ONCE
    assert ENTRIES_AT_ONCE <= 8


class Reading(OneProfile):
    """Remembers which thread reads a profile."""

    reader: int | None = None

    def entries(self) -> tuple[Entry, ...]:
        return (Entry("acme", 0, (Match(),)),)

    def profile(self, name: str | None) -> Profile:
        self.reader = threading.get_ident()
        return Profile(name or "standard", (), IdentitySpec(), ())


async def test_the_files_of_a_profile_are_read_beside_the_loop(poller: MakePoller) -> None:
    library = Reading()
    async with serving(switch(2)) as agent:
        probe = poller(agent, library=library)
        await probe.poll()
    assert probe.of(Metric.INVENTORY)[""].value.profile == "acme"  # type: ignore[union-attr]
    assert library.reader not in {None, threading.get_ident()}
