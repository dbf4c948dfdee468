"""The simulated wire behaves as the engine's seam demands, and as the site says."""

import random
import statistics
from dataclasses import replace

import pytest

from agent.demo.behaviour import Cycle
from agent.demo.site import GARDEN, GATEWAY, HICCUP, NO_POWER, PLANNED_WORK, PRINTER, SERVICED, SITE, Line
from agent.demo.wire import SimulatedWire, draw
from collectors.icmp.echo import EchoTarget, Mode
from kpi.model import Metric, Outcome, Sample
from tests.doubles import ManualClock

BEGAN = 1000.0


class Sink:
    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.overdues: list[tuple[str, float]] = []
        self.lates: list[tuple[str, float]] = []

    def take(self, sample: Sample) -> None:
        self.samples.append(sample)

    def overdue(self, target: str, sent_at: float) -> None:
        self.overdues.append((target, sent_at))

    def late(self, target: str, at: float) -> None:
        self.lates.append((target, at))


def wire(line: Line, *, seed: int = 1, away: Cycle | None = None) -> tuple[SimulatedWire, Sink, ManualClock]:
    clock, sink = ManualClock(monotonic=BEGAN), Sink()
    device = replace(GATEWAY, line=line, away=away)
    return SimulatedWire(clock, sink, {device.address: device}, seed=seed, began=BEGAN), sink, clock


TARGET = EchoTarget("gateway/icmp", GATEWAY.address)


async def sent(line: Line, echoes: int, *, seed: int = 1, away: Cycle | None = None) -> Sink:
    """So many echoes, one a second, and time enough for the last."""
    made, sink, clock = wire(line, seed=seed, away=away)
    for _ in range(echoes):
        made.send(TARGET)
        await clock.advance(1.0)
        made.sweep()
    await clock.advance(3.0)
    made.sweep()
    return sink


def test_delays_and_losses_are_those_of_the_line() -> None:
    line, chance = Line(10.0, 0.3, loss=0.02, spike=0.0), random.Random(5)
    drawn = [draw(line, 0.0, chance) for _ in range(40_000)]
    answered = [rtt for rtt in drawn if rtt is not None]
    assert 1 - len(answered) / len(drawn) == pytest.approx(0.02, abs=0.003)
    assert statistics.median(answered) == pytest.approx(10.0, rel=0.02)
    cuts = statistics.quantiles(answered, n=100)
    assert cuts[94] == pytest.approx(10.0 * 2.718281828 ** (0.3 * 1.645), rel=0.03)  # p95 of a lognormal
    assert cuts[4] == pytest.approx(10.0 / 2.718281828 ** (0.3 * 1.645), rel=0.03)


def test_spikes_are_as_frequent_as_said() -> None:
    line, chance = Line(10.0, 0.05, loss=0.0, spike=0.1), random.Random(6)
    drawn = [draw(line, 0.0, chance) or 0.0 for _ in range(20_000)]
    assert sum(rtt > 20.0 for rtt in drawn) / len(drawn) == pytest.approx(0.1 * 4 / 5, abs=0.01)
    assert max(drawn) < 75.0


def test_a_hiccup_loses_and_delays_while_it_lasts_alone() -> None:
    line = GATEWAY.line
    during, after = HICCUP.first_s + 1.0, HICCUP.first_s + HICCUP.lasts_s + 1.0
    chance = random.Random(7)
    bad = [draw(line, during, chance) for _ in range(5000)]
    good = [draw(line, after, chance) for _ in range(5000)]
    assert sum(rtt is None for rtt in bad) / 5000 == pytest.approx(0.2, abs=0.02)
    assert statistics.median(rtt for rtt in bad if rtt is not None) > 50.0
    assert sum(rtt is None for rtt in good) < 10
    assert statistics.median(rtt for rtt in good if rtt is not None) < 2.0


async def test_every_echo_ends_once_in_order_and_by_its_number() -> None:
    sink = await sent(Line(5.0, loss=0.2), 400)
    assert sorted(s.number for s in sink.samples) == list(range(400))
    assert {s.metric for s in sink.samples} == {Metric.ECHO}
    lost = [s for s in sink.samples if s.outcome is Outcome.NO_REPLY]
    assert {s.reason for s in lost} == {"timeout"}
    assert len(lost) / 400 == pytest.approx(0.2, abs=0.06)
    assert [at for _, at in sink.overdues] == [s.at for s in lost]
    assert all(s.at == BEGAN + s.number for s in sink.samples if s.number is not None)


async def test_the_seed_decides() -> None:
    first, same, other = [await sent(Line(5.0, loss=0.1), 100, seed=seed) for seed in (3, 3, 4)]
    assert first.samples == same.samples
    assert first.samples != other.samples


async def test_a_loss_is_told_after_two_seconds_and_not_before() -> None:
    made, sink, clock = wire(Line(5.0, loss=1.0))
    made.send(TARGET)
    await clock.advance(0.24)
    made.sweep()
    assert not sink.overdues
    await clock.advance(0.02)
    made.sweep()
    assert sink.overdues == [("gateway/icmp", BEGAN)]
    await clock.advance(1.73)
    made.sweep()
    assert not sink.samples
    await clock.advance(0.02)
    made.sweep()
    assert [s.outcome for s in sink.samples] == [Outcome.NO_REPLY]


async def test_an_answer_after_the_waiting_time_is_loss_and_life() -> None:
    made, sink, clock = wire(Line(2500.0, 0.0, loss=0.0, spike=0.0))
    made.send(TARGET)
    await clock.advance(2.1)
    made.sweep()
    assert [s.outcome for s in sink.samples] == [Outcome.NO_REPLY]
    assert not sink.lates
    await clock.advance(0.5)
    made.sweep()
    assert sink.lates == [("gateway/icmp", BEGAN + 2.5)]
    assert len(sink.samples) == 1


async def test_a_device_without_power_answers_nothing_until_it_is_back() -> None:
    away = Cycle(20.0, 1000.0, 40.0)
    sink = await sent(Line(1.0, loss=0.0), 100, away=away)
    lost = {s.number for s in sink.samples if s.outcome is Outcome.NO_REPLY}
    assert lost == set(range(20, 60))


async def test_confirmations_have_their_own_numbers_and_are_never_overdue() -> None:
    made, sink, clock = wire(Line(5.0, loss=1.0))
    made.send(TARGET)
    for _ in range(3):
        made.send(TARGET, confirm=True)
    await clock.advance(3)
    made.sweep()
    confirms = [s for s in sink.samples if s.metric is Metric.CONFIRM]
    assert [s.number for s in confirms] == [0, 1, 2]
    assert len(sink.overdues) == 1


async def test_a_stranger_never_answers_and_the_wire_says_what_it_is() -> None:
    made, sink, clock = wire(Line(5.0))
    made.send(EchoTarget("stranger/icmp", "127.20.0.99"))
    await clock.advance(3)
    made.sweep()
    assert [(s.target, s.outcome) for s in sink.samples] == [("stranger/icmp", Outcome.NO_REPLY)]
    assert set(made.modes.values()) == {Mode.SIMULATED}
    assert (made.counters.sent, made.counters.answered) == (1, 0)


def test_something_happens_within_the_first_two_minutes() -> None:
    assert GARDEN.away is NO_POWER
    assert 0 < NO_POWER.first_s < NO_POWER.first_s + NO_POWER.lasts_s < 120
    assert NO_POWER.lasts_s == pytest.approx(40)
    assert HICCUP.first_s > 120


def test_the_printers_service_lies_in_what_is_planned_of_it() -> None:
    start, end = PLANNED_WORK
    assert PRINTER.away is SERVICED
    assert start < SERVICED.first_s < SERVICED.first_s + SERVICED.lasts_s < end


def test_there_are_a_dozen_devices() -> None:
    assert len(SITE) >= 12
