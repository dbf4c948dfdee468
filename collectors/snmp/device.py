"""One device as it is polled: what is known of it, and one poll of it from the first packet to the last sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from collectors.clock import Clock
from collectors.snmp import ber, system
from collectors.snmp.batch import Answer, Asker, Batch, Packing, Poisons, Size, batches, spans
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Contact, DeadlineReached
from collectors.snmp.credentials import Credential
from collectors.snmp.errors import SnmpError
from collectors.snmp.gear.rounds import Rounds, Said
from collectors.snmp.interfaces import column_of, identity_of, is_present, unsigned, with_keys_in_steps
from collectors.snmp.message import prepare
from collectors.snmp.plan import (
    WALKED,
    Lost,
    Port,
    Shared,
    counter_group,
    learn,
    outcome_of,
    read_counters,
    read_counters_plain,
    read_plain_status,
    read_status,
    read_statuses_plain,
    static_group,
    status_group,
    undecided,
)
from collectors.snmp.slices import by_and_by, in_slices
from collectors.snmp.walk import Walk, walk_ports
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Sample, Value

PORTS_AT_ONCE = 32
"""Ports that something is made of before the loop gets its turn: 1 to 2 ms."""
TOLD_AT_ONCE = 256
"""Identities compared before the loop gets its turn."""
SOONEST_RELEARN_S = 300.0
"""Ports that vanish make the device be walked again, but not more often."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How one device is asked. Times in seconds."""

    credential: Credential
    port: int = 161
    timeout_s: float = 2.0
    retries: int = 1
    status_s: float = 60.0
    counters_s: float = 300.0
    static_s: float = 3600.0
    wanted: Callable[[PortIdentity], bool] | None = None
    """Which ports are polled; None is all. Settings with another function count as other settings."""
    fast: Callable[[PortIdentity], bool] | None = None
    """Ports whose counters are read in every poll, however long ``counters_s`` is; None is none."""
    answers_from: str | None = None
    """The address its answers come from, where that is not the one it is asked at; numeric."""


@dataclass(slots=True)
class Device:
    """Memory of one device between polls."""

    target: str
    settings: DeviceSettings
    rounds: Rounds | None = None
    """None where only ports are asked."""
    silent: bool = False
    polls: int = 0
    known: bool = False
    """First contact is complete."""
    scalars: dict[str, VarBind] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)
    identities: dict[int, PortIdentity] = field(default_factory=dict)
    """Every port the device has, by ifIndex, those left out too."""
    told: dict[str, PortIdentity] = field(default_factory=dict)
    """The identities that were given as samples, by key."""
    cut: dict[str, str] = field(default_factory=dict)
    """Columns that could not be walked to their end, with the reason."""
    size: Size = field(default_factory=Size)
    poisons: Poisons = field(default_factory=Poisons)
    walk: Walk[int] | None = None
    renumbered: bool = False
    """What is known of the ports may be wrong: nothing is said of them before they were walked again."""
    static_at: float = 0.0
    counters_at: float | None = None
    learned_at: float = 0.0
    uptimes: system.Uptimes = field(default_factory=system.Uptimes)
    _status: tuple[Batch, ...] | None = None
    _counters: tuple[Batch, ...] = ()
    _fast: tuple[Batch, ...] = ()
    """The counters of fast ports alone, for the polls in which the others' are not due."""
    _planned: tuple[int, int] = (0, 0)
    _uptime: int = 0
    """sysUpTime at the beginning of this poll."""
    _by_index: dict[int, Port] = field(default_factory=dict)

    async def poll(self, contact: Contact) -> list[Sample]:
        """One poll. Expected failures are samples; the first sample is Metric.SNMP."""
        self.polls += 1
        began = contact.clock.monotonic()
        samples: list[Sample] = []
        outcome, reason = Outcome.OK, None
        try:
            await self._poll(Asker(contact, self.size, self.poisons), samples)
        except DeadlineReached:
            reason = "deadline"
            contact.tally.odd["deadline"] += 1
        except SnmpError as error:
            reason = error.reason
        self.silent = not contact.replies
        if not contact.replies:
            reason = reason or "timeout"
            outcome = outcome_of(reason)
        seconds = contact.clock.monotonic() - began
        value = seconds if outcome is Outcome.OK else None
        samples.insert(0, self._sample(Metric.SNMP, "", began, value, outcome=outcome, reason=reason))
        return samples

    async def _poll(self, asker: Asker, samples: list[Sample]) -> None:
        now = asker.contact.clock.monotonic()
        if self.silent or not self.scalars:
            await asker.contact.get(
                prepare(asker.contact.version, [system.SCALARS[name] for name in system.HELLO]),
                retries=0 if self.silent else None,
            )
        restarted = await self._system(asker, samples)
        if restarted or not self.known or self.renumbered:
            self.renumbered = self.renumbered or restarted
            if restarted:
                self.walk = None
                self.poisons.clear()
            await self._learn(asker, samples)
        await self._statuses(asker, samples)
        due = self._counters_due(now)
        if due or self.settings.fast is not None:
            await self._read_counters(asker, samples, every=due)
        if self.rounds is not None:
            await self._gear(self.rounds, asker, samples, counters=due, restarted=restarted)
        if now >= self.static_at or self.walk is not None:
            await self._learn(asker, samples)

    async def _gear(
        self, rounds: Rounds, asker: Asker, samples: list[Sample], *, counters: bool, restarted: bool
    ) -> None:
        """What the device has beyond its ports."""
        if restarted:
            rounds.forget()
        at, said = asker.contact.clock.monotonic(), list[Said]()
        try:
            await rounds.poll(asker, system.read_system(self.scalars), said, counters=counters)
        finally:
            samples += (self._sample(metric, "", at, value) for metric, value in said)

    def _counters_due(self, now: float) -> bool:
        """Whether every port's counters are read now: at fixed steps from the first poll, taken at the nearest one."""
        step = self.settings.counters_s
        early = min(self.settings.status_s, step) / 2
        if self.counters_at is None:
            self.counters_at = now + step
            return True
        if now < self.counters_at - early:
            return False
        self.counters_at += step * ((now + early - self.counters_at) // step + 1)
        return True

    # -- the device itself --------------------------------------------------------------------------------------

    async def _system(self, asker: Asker, samples: list[Sample]) -> bool:
        """Read the scalars; whether the ports must be learnt anew."""
        whole = not self.scalars or asker.contact.clock.monotonic() >= self.static_at
        names = tuple(system.SCALARS) if whole else tuple(n for n in system.WATCHED if n in self.scalars)
        skip = self._skip(asker.contact.clock)
        asked = tuple(name for name in names if not skip(system.SCALARS[name]))
        before, now = self.scalars, {} if whole else dict(self.scalars)
        at = asker.contact.clock.monotonic()
        for batch in batches(asker.contact.version, system.groups(asked), self.size.limit, with_uptime=False):
            answer = await asker.ask(batch)
            for position, name in enumerate(batch.request.oids):
                bind = VarBind(name, answer.tags[position], answer.values[position])
                if bind.tag != ber.MISSING and is_present(bind):
                    now[system.NAMES[name]] = bind
                elif bind.tag != ber.MISSING or position not in answer.missing:
                    now.pop(system.NAMES[name], None)
        self.scalars = now
        self._uptime = unsigned(now.get("sysUpTime")) or 0
        samples.append(self._sample(Metric.SYSTEM, "", at, system.read_system(now)))
        anew = self.uptimes.restarted(before, now, at, silent=self.silent)
        if anew and self.rounds is not None:
            self.rounds.forget(anew=True)
        return bool(before) and (anew or system.table_changed(before, now))

    async def _learn(self, asker: Asker, samples: list[Sample]) -> None:
        """Walk what the device has, or go on with it. Raises DeadlineReached where that takes another poll."""
        clock = asker.contact.clock
        if self.walk is None:
            self.walk = walk_ports(WALKED)
            self.learned_at = clock.monotonic()
        await self.walk.run(asker.contact)
        rows, cut = self.walk.rows, dict(self.walk.cut)
        past = {port.identity.key: port for port in self.ports}
        identities: dict[int, PortIdentity] = {}
        async for some in in_slices(clock, list(rows.items()), PORTS_AT_ONCE):
            identities |= {index: identity_of(index, row) for index, row in some}
        identities = await by_and_by(with_keys_in_steps(identities), clock, 1)
        wanted = self.settings.wanted
        shared: Shared = {}
        ports: list[Port] = []
        async for each in in_slices(clock, list(identities.items()), PORTS_AT_ONCE):
            ports += (
                learn(identity, rows[index], past.get(identity.key), shared)
                for index, identity in each
                if wanted is None or wanted(identity)
            )
        self.identities, self.ports, self.cut, self.walk = identities, ports, cut, None
        self.known, self.renumbered, self._status = True, False, None
        self.static_at = clock.monotonic() + self.settings.static_s
        await self._tell(samples, clock)
        while rows:  # to free the rows of 2,000 ports takes 10 ms
            for index in list(islice(rows, PORTS_AT_ONCE)):
                del rows[index]
            await clock.sleep(0)

    async def _tell(self, samples: list[Sample], clock: Clock) -> None:
        """Samples for the identities that are new or changed, and for the ports that went."""
        at = clock.monotonic()
        now = {port.identity.key: port.identity for port in self.ports}
        async for some in in_slices(clock, list(now.items()), TOLD_AT_ONCE):
            samples += (
                self._sample(Metric.PORT_IDENTITY, key, at, identity)
                for key, identity in some
                if self.told.get(key) != identity
            )
        samples += (
            self._sample(Metric.PORT_IDENTITY, key, at, None, outcome=Outcome.REFUSED, reason="no_such_instance")
            for key in self.told
            if key not in now
        )
        self.told = now

    # -- the ports ----------------------------------------------------------------------------------------------

    async def _plan(self, asker: Asker) -> None:
        """Encode the GETs of the steady state anew where ports, widths, poison or the fitting size changed."""
        fits = (self.size.limit, self.poisons.changes)
        if self._status is not None and self._planned == fits:
            return
        clock, version, skip = asker.contact.clock, asker.contact.version, self._skip(asker.contact.clock)
        uptime = "sysUpTime" in self.scalars
        shared: Shared = {}
        is_fast = self.settings.fast or _never
        states, counts, fasts = (Packing(version, self.size.limit, with_uptime=uptime) for _ in range(3))
        status: list[Batch] = []
        counters: list[Batch] = []
        fast: list[Batch] = []
        async for some in in_slices(clock, self.ports, PORTS_AT_ONCE):
            status += states.add(status_group(port, skip, shared) for port in some)
            groups = [counter_group(port, skip, shared) for port in some]
            counters += counts.add(groups)
            fast += fasts.add(group for port, group in zip(some, groups, strict=True) if is_fast(port.identity))
        self._status, self._counters = (*status, *states.rest()), (*counters, *counts.rest())
        self._fast, self._planned = (*fast, *fasts.rest()), fits
        self._by_index = {port.index: port for port in self.ports}

    async def _statuses(self, asker: Asker, samples: list[Sample]) -> None:
        await self._plan(asker)
        moved: list[Port] = []
        gone: list[Port] = []

        def take(batch: Batch, answer: Answer) -> None:
            plain = read_statuses_plain(answer, batch.lead)
            for group, start, at, uptime in spans(batch, answer):
                port = self._by_index[group.key]
                found: PortStatus | Lost
                if uptime is not None and uptime < self._uptime:
                    found = self._restarted()
                elif plain:
                    found = read_plain_status(port, answer.values, start, uptime)
                else:
                    found = read_status(port, answer, start, len(group.oids), uptime)
                samples.append(self._port_sample(Metric.PORT_STATUS, port, at, found))
                if isinstance(found, Lost):
                    if found.reason in {"no_such_instance", "no_such_name"}:
                        gone.append(port)
                elif found.last_change_cs != port.last_change_cs and found.last_change_cs is not None:
                    port.last_change_cs = found.last_change_cs
                    moved.append(port)

        assert self._status is not None
        await self._ask_all(asker, self._status, samples, Metric.PORT_STATUS, take)
        if gone:
            self.static_at = min(self.static_at, self.learned_at + SOONEST_RELEARN_S)
        if moved:
            await self._refresh(asker, moved, samples)

    async def _refresh(self, asker: Asker, ports: Sequence[Port], samples: list[Sample]) -> None:
        """Read the static columns of ports whose ifLastChange moved: speed and name may have changed with it."""
        skip = self._skip(asker.contact.clock)
        groups = [static_group(port, skip) for port in ports]
        found: dict[int, dict[str, VarBind]] = {}
        for batch in batches(asker.contact.version, groups, self.size.limit, with_uptime=False):
            answer = await asker.ask(batch)
            for group, start in zip(batch.groups, batch.starts, strict=True):
                for at, name in enumerate(group.oids, start):
                    bind = VarBind(name, answer.tags[at], answer.values[at])
                    column = column_of(name)
                    if column is not None and bind.tag != ber.MISSING and is_present(bind):
                        found.setdefault(group.key, {})[column.name] = bind
        async for some in in_slices(asker.contact.clock, groups, PORTS_AT_ONCE):
            for group in some:
                if len(found.get(group.key, {})) == len(group.oids):
                    self.identities[group.key] = identity_of(group.key, found[group.key])
        self.identities = await by_and_by(with_keys_in_steps(self.identities), asker.contact.clock, 1)
        is_fast = self.settings.fast or _never
        for port in self.ports:
            before, port.identity = port.identity, self.identities[port.index]
            if before != port.identity and is_fast(before) != is_fast(port.identity):
                self._status = None
        await self._tell(samples, asker.contact.clock)

    async def _read_counters(self, asker: Asker, samples: list[Sample], *, every: bool) -> None:
        """The counters of every port, or of the fast ones alone."""
        await self._plan(asker)
        odd = asker.contact.tally.odd

        def count(name: str) -> None:
            odd[name] += 1

        decided: list[Port] = []

        def take(batch: Batch, answer: Answer) -> None:
            plain = read_counters_plain(answer, batch.lead)
            for group, start, at, uptime in spans(batch, answer):
                port = self._by_index[group.key]
                found: PortCounters | Lost
                if uptime is not None and uptime < self._uptime:
                    found = self._restarted()
                else:
                    found = read_counters(port, answer, start, len(group.oids), uptime, odd=count, plain=plain)
                samples.append(self._port_sample(Metric.PORT_COUNTERS, port, at, found))
                if port.short_at and not undecided(port):
                    decided.append(port)

        todo = self._counters if every else self._fast
        await self._ask_all(asker, todo, samples, Metric.PORT_COUNTERS, take)
        if decided:
            self._status = None

    async def _ask_all(
        self,
        asker: Asker,
        todo: Sequence[Batch],
        samples: list[Sample],
        metric: str,
        take: Callable[[Batch, Answer], None],
    ) -> None:
        """Ask batch by batch; where that ends early, what is left over is lost with the reason, and the error goes
        on."""
        for done, batch in enumerate(todo):
            try:
                answer = await asker.ask(batch)
            except (DeadlineReached, SnmpError) as error:
                lost = Lost("deadline" if isinstance(error, DeadlineReached) else error.reason)
                at = asker.contact.clock.monotonic()
                samples += (
                    self._port_sample(metric, self._by_index[group.key], at, lost)
                    for left in todo[done:]
                    for group in left.groups
                )
                raise
            take(batch, answer)

    def _restarted(self) -> Lost:
        """The agent began anew within this poll: an index may be another port by now."""
        self.renumbered = True
        return Lost("restarted")

    # -- small things -------------------------------------------------------------------------------------------

    def _skip(self, clock: Clock) -> Callable[[bytes], bool]:
        now, poisons = clock.monotonic(), self.poisons
        return lambda name: poisons.holds(name, now)

    def _port_sample(self, metric: str, port: Port, at: float, found: Value | Lost) -> Sample:
        if isinstance(found, Lost):
            return self._sample(
                metric, port.identity.key, at, None, outcome=outcome_of(found.reason), reason=found.reason
            )
        return Sample(self.target, metric, port.identity.key, at, found, Outcome.OK, None, self.polls)

    def _sample(
        self,
        metric: str,
        instance: str,
        at: float,
        value: Value | None,
        *,
        outcome: Outcome = Outcome.OK,
        reason: str | None = None,
    ) -> Sample:
        return Sample(self.target, metric, instance, at, value, outcome, reason, self.polls)


def _never(_port: PortIdentity) -> bool:
    return False
