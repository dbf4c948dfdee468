"""Turns a site plan into scheduled measurements: which collector asks whom, how often, and where samples go."""

import itertools
from collections.abc import Callable, Iterator

from agent.monitor import echo_id, snmp_id
from agent.pace import Pace
from agent.scheduler import DEADLINE, OVERLAP, Scheduler
from agent.settings.convert import snmp_credential
from agent.settings.models import PortsSettings
from agent.site import FastPorts, PortFilter, SitePlan, SnmpPlan, Watchable
from collectors.clock import Clock
from collectors.icmp.echo import EchoEngine, EchoTarget
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.device import DeviceSettings
from kpi.model import Metric, Outcome, Sample, Target

DEADLINE_SHARE = 0.9
"""A poll's deadline, as a share of its interval."""
DEADLINE_MAX_S = 45.0
FIRST_POLLS_S, FIRST_POLL_EACH_S = 4.0, 0.02
"""The first polls after the start are spread over so long, or over so long a device where that is more."""
CHECK_AGAIN_S = 5.0
"""A device that is watched by SNMP alone is asked again so soon after a failure (kpi/README.md R2: within 10 s)."""


class Measuring:
    """Holds the collectors' targets in step with the plan."""

    def __init__(
        self,
        *,
        clock: Clock,
        scheduler: Scheduler,
        engine: EchoEngine,
        collector: SnmpCollector,
        take: Callable[[Sample], None],
        echo_target: Callable[[str], EchoTarget],
        unnamed: Callable[[str], str],
    ) -> None:
        """``take`` gets every sample; ``echo_target(device)`` is the engine's target of a device; ``unnamed(name)`` is
        the reason why a name has no address."""
        self._clock = clock
        self._scheduler = scheduler
        self._engine = engine
        self._collector = collector
        self._take = take
        self._echo_target = echo_target
        self._unnamed = unnamed
        self._scheduled: dict[str, tuple[object, ...]] = {}
        self._unsent = itertools.count(1)

    def apply(self, plan: SitePlan) -> None:
        """Measure what the plan says from now on, at once."""
        for _ in self.applying(plan):
            pass

    def applying(self, plan: SitePlan) -> Iterator[None]:
        """Schedule what is new or changed, forget what is gone, a device at a time; the rest keeps its rhythm."""
        polled: dict[str, DeviceSettings] = {}
        wanted: dict[str, tuple[object, ...]] = {}
        for watchable in plan.devices:
            device = watchable.device.id
            if watchable.echo_s is not None:
                wanted[echo_id(device)] = (watchable.echo_s, bool(watchable.address))
            if watchable.snmp is not None:
                wanted[snmp_id(device)] = (watchable.snmp.status_s, watchable.address)
                polled[snmp_id(device)] = device_settings(watchable.snmp, watchable.ports)
            yield
        self._collector.configure(polled)
        yield
        for key in [k for k, how in self._scheduled.items() if wanted.get(k) != how]:
            self._scheduler.remove(key)
            del self._scheduled[key]
            if key not in wanted:
                self._engine.forget(key)
            yield
        polls = sum(key in polled and key not in self._scheduled for key in wanted)
        first_within_s = max(FIRST_POLLS_S, FIRST_POLL_EACH_S * polls)
        for watchable in plan.devices:
            self._schedule(watchable, wanted, first_within_s)
            yield

    def ask_again(self, device: str) -> None:
        """One extra SNMP poll of this device now."""
        self._scheduler.run_soon(snmp_id(device))

    def _schedule(self, watchable: Watchable, wanted: dict[str, tuple[object, ...]], first_within_s: float) -> None:
        device = watchable.device.id
        echo, poll = echo_id(device), snmp_id(device)
        if echo in wanted and echo not in self._scheduled and watchable.echo_s is not None:
            self._scheduled[echo] = wanted[echo]
            target = self._echo_target(device)
            no_address, name = not watchable.address, watchable.device.address
            unsent = lambda: self._fault(echo, self._unnamed(name))  # noqa: E731 - one of two
            tick = unsent if no_address else (lambda: self._engine.send(target))
            self._scheduler.add_tick(echo, watchable.echo_s, tick, lambda reason: self._fault(echo, reason))
        if poll in wanted and poll not in self._scheduled and watchable.snmp is not None:
            self._scheduled[poll] = wanted[poll]
            interval = watchable.snmp.status_s
            deadline = min(DEADLINE_SHARE * interval, DEADLINE_MAX_S)
            target_ = Target(poll, device, "snmp", watchable.address, interval, deadline)

            async def run() -> None:
                if not target_.address:
                    self._no_poll(target_, self._unnamed(watchable.device.address))
                    return
                samples = await self._collector.collect(target_)
                pace = Pace(self._clock)
                for sample in samples:
                    self._take(sample)
                    await pace.breathe()

            # the collector keeps its own deadline and its partial answers; the scheduler's is the net below it
            self._scheduler.add_job(
                poll,
                interval,
                1.05 * deadline,
                run,
                lambda reason: self._no_poll(target_, reason),
                first_within_s=first_within_s,
            )

    def _fault(self, target: str, reason: str) -> None:
        """An echo that was not sent. It has no number of the engine's; every one counts, so each has its own."""
        at, number = self._clock.monotonic(), -next(self._unsent)
        self._take(Sample(target, Metric.ECHO, "", at, None, Outcome.AGENT_FAULT, reason, number))

    def _no_poll(self, target: Target, reason: str) -> None:
        outcome = Outcome.SKIPPED if reason in {OVERLAP, DEADLINE} else Outcome.AGENT_FAULT
        self._take(Sample(target.id, Metric.SNMP, "", self._clock.monotonic(), None, outcome, reason))


def device_settings(plan: SnmpPlan, ports: PortsSettings) -> DeviceSettings:
    """How the collector asks one device."""
    return DeviceSettings(
        credential=snmp_credential(plan.credential),
        port=plan.port,
        timeout_s=plan.timeout_s,
        retries=plan.retries,
        status_s=plan.status_s,
        counters_s=plan.counters_s,
        wanted=PortFilter(ports.include, ports.exclude) if ports.include or ports.exclude else None,
        fast=FastPorts(ports.fast, plan.status_s, plan.counters_s),
        answers_from=plan.answers_from,
    )
