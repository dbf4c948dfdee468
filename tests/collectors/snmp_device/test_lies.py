"""An agent that answers anything: whatever comes, a poll ends with samples and what is said of ports is a reading."""

import json
import random

import pytest

from collectors.snmp.batch import POISONS_MOST, Poisons
from collectors.snmp.message import status_name
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Value
from tests.collectors.snmp_device.conftest import MakePoller
from tests.collectors.snmp_device.scripted import Arcs, ScriptedAgent, bind, serving, switch

ODD_VALUES = (
    b"\x02\x00",
    b"\x02\x01\xff",
    b"\x02\x09" + b"\x7f" * 9,
    b"\x02\x0a" + b"\x7f" * 10,
    b"\x04\x00",
    b"\x04\x03\xff\x00\x1b",
    b"\x04\x82\x10\x00" + b"\xc3" * 4096,
    b"\x05\x00",
    b"\x06\x02\x2b\x86",
    b"\x40\x01\x7f",
    b"\x41\x05\x00\xff\xff\xff\xff",
    b"\x41\x84\x00\x00\x00\x01\x07",
    b"\x44\x04\x9f\x78\x04\x3f",
    b"\x46\x08" + b"\xff" * 8,
    b"\x46\x09\x00" + b"\xff" * 8,
    b"\x80\x00",
    b"\x81\x00",
    b"\x82\x00",
    b"\x30\x00",
    b"\x99\x01\x00",
)


class Liar:
    """Spoils some varbinds of some answers, by a seed."""

    def __init__(self, seed: int, oids: list[Arcs]) -> None:
        self._dice = random.Random(seed)
        self._oids = oids

    def __call__(self, _pdu: int, binds: list[bytes]) -> list[bytes]:
        dice = self._dice
        if dice.random() < 0.3:
            return binds
        out = [self._odd() if dice.random() < 0.15 else kept for kept in binds if dice.random() > 0.1]
        if dice.random() < 0.3:
            dice.shuffle(out)
        return out + [self._odd() for _ in range(dice.choice((0, 0, 1, 40)))]

    def _odd(self) -> bytes:
        oid = self._dice.choice(self._oids)
        return bind(oid if self._dice.random() < 0.8 else (*oid, 2**32 - 1), self._dice.choice(ODD_VALUES))


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("seed", range(12))
async def test_a_poll_of_a_liar_ends_in_samples(poller: MakePoller, version: str, seed: int) -> None:
    agent = switch(5)
    agent.mangle = Liar(seed, list(agent.values))
    async with serving(agent):
        probe = poller(agent, version=version, timeout_s=0.05, deadline_s=5.0, counters_s=60.0)
        for _ in range(6):
            samples = await probe.poll(60)
            assert samples[0].metric == Metric.SNMP
            assert len(agent.log) < 4000
            for sample in samples:
                assert (sample.value is not None) == (sample.outcome is Outcome.OK)
                _readable(sample.value)
            agent.log.clear()


def _readable(value: Value | None) -> None:
    if isinstance(value, PortCounters):
        numbers = [getattr(value, name) for name in PortCounters.__slots__ if not name.endswith("_bits")]
        assert all(n is None or (isinstance(n, int) and 0 <= n < 2**64) for n in numbers)
    elif isinstance(value, PortStatus):
        assert value.admin in {None, "up", "down", "testing"}
        assert value.last_change_cs is None or 0 <= value.last_change_cs < 2**64
    elif isinstance(value, PortIdentity):
        assert value.key and len(value.name) <= 255 and len(value.descr) <= 255
        assert value.speed_bps is None or value.speed_bps > 0


async def test_a_mended_liar_is_read_whole_again(poller: MakePoller) -> None:
    agent = switch(3)
    agent.mangle = Liar(99, list(agent.values))
    async with serving(agent):
        probe = poller(agent, timeout_s=0.05, deadline_s=5.0, counters_s=60.0)
        for _ in range(3):
            await probe.poll(60)
        agent.mangle = ScriptedAgent({}).mangle
        for _ in range(3):
            await probe.poll(90_000)
        assert set(probe.of(Metric.PORT_COUNTERS)) == {"ge1", "ge2", "ge3"}
        found = probe.of(Metric.PORT_COUNTERS)["ge3"].value
        assert isinstance(found, PortCounters)
        assert (found.in_octets, found.out_discards, found.octet_bits) == (3000, 0, 64)


def test_an_error_status_has_one_of_nineteen_names_whatever_it_is() -> None:
    dice = random.Random(1)
    answered = [*range(-10, 1000), *(dice.randrange(-(2**31), 2**31) for _ in range(1000))]
    names = {status_name(status) for status in answered}
    assert len(names) == 19 and {"no_such_name", "gen_err", "error_status_18", "error_status_unknown"} <= names


async def test_a_device_chooses_no_name_of_what_is_counted_for_ever(poller: MakePoller) -> None:
    agent, dice = switch(5), random.Random(1)
    async with serving(agent):
        probe = poller(agent, counters_s=60.0)
        await probe.poll()
        for _ in range(12):
            agent.fails_on = {oid: dice.randrange(1000, 2**31) for oid in agent.values}
            agent.blames_nobody = dice.random() < 0.5
            await probe.poll(90_000)
    odd = probe.collector.tally.document()["odd"]
    assert isinstance(odd, dict) and "error_status_unknown" in odd
    assert not [name for name in odd if any(letter.isdigit() for letter in name)]
    assert probe.odd == odd == json.loads(json.dumps(odd)), "and each is shown with how often"


def test_no_more_instances_are_remembered_as_bad_than_a_device_has() -> None:
    poisons = Poisons()
    for number in range(POISONS_MOST + 100):
        poisons.add(b"%d" % number, "gen_err", 0.0)
    assert len(poisons.by_oid) == POISONS_MOST and poisons.holds(b"%d" % (POISONS_MOST + 99), 1.0)
