"""What one run of the agent is made of: everything is opened here, each part after those it is made with.

A part that others use is an attribute and a line of ``open``. What only has to run is a line of agent/app.py.
"""

import asyncio
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any

from agent.about import About, agent_version
from agent.api.app import create_app
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.api.server import Server, listen
from agent.boundary import Boundary
from agent.core import Core
from agent.folds import Folds
from agent.live_radio import RadioNow
from agent.measuring import Measuring
from agent.pace import Pace
from agent.planning import Planning
from agent.privacy import Privacy, load_key
from agent.profiles import load_library
from agent.publishing import Publishing
from agent.radio import RadioWatch
from agent.radio_view import radio_now
from agent.recorder import AGAIN_S, Recorder
from agent.restating import Restating
from agent.scheduler import Scheduler
from agent.settings import Settings
from agent.settings.convert import store_limits
from agent.site import SitePlan
from agent.storage_notice import storage_notice, storage_trouble
from agent.store.errors import StoreUnwritable
from agent.store.model import NOT_OPENED, CountersRow, Opened
from agent.store.store import Store
from agent.timeline import Timeline, counted_of, taken_of
from agent.topology import LOOK_S
from agent.traps import Traps
from agent.view import View, rfc3339
from agent.vitals import VitalsReader, who_listens
from agent.windows import STATE
from collectors.clock import Clock, SystemClock, clock_trust
from collectors.icmp import EchoEngine, EchoSink, EchoTarget, IcmpEngine
from collectors.link import Links, read_surroundings
from collectors.radio.radio import RadioCollector
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from kpi.entities import AGENT, NAMES, TOPOLOGY
from kpi.stored import table

log = logging.getLogger("sonda")

MakeEngine = Callable[[Clock, EchoSink], AbstractContextManager[EchoEngine]]
MakeClient = Callable[[Clock], SnmpClient]

NOT_BEFORE_UTC = 1_767_225_600.0
"""2026-01-01: no clock that shows less was ever set."""
HISTORY_S = 3 * 3600.0


class StartError(Exception):
    """The agent cannot start; the text says what to do."""


async def calendar_before(
    store: Store, agent: CountersRow | None, boundary: Boundary
) -> tuple[list[tuple[int, int, bool]], list[tuple[int, int]]]:
    """What the runs before have counted and what they have taken over (agent/timeline.py), out of the agent's own row.
    Where that does not say it, they have lived up to the newest thing that they wrote, and nobody knows for how much
    longer."""
    alive, plain = (agent.utc_at, agent.plain) if agent is not None else (None, {})
    try:
        counted, taken = counted_of(plain, alive), taken_of(plain)
    except ValueError as error:
        boundary.unread("counted time", AGENT, error)
        counted, taken = counted_of({}, alive), []
    return counted or counted_of({}, await store.newest_utc(STATE)), taken


class Parts:
    """The parts of one run, wired to each other. ``open`` makes them; ``resume`` goes on where the last run stopped."""

    def __init__(
        self, engine: MakeEngine = IcmpEngine, snmp: MakeClient = SnmpClient, notice: Mapping[str, str] | None = None
    ) -> None:
        """``engine`` and ``snmp`` make what asks, and are where a simulation stands in; ``notice`` tells the page."""
        self._make_engine, self._make_client = engine, snmp
        self._notice = notice
        self._dated = False
        self._resumed = False
        self._date_known = asyncio.Event()
        self.boot = uuid.uuid4().hex[:16]
        self.boundary = Boundary()
        self.clock: Clock = SystemClock()

    async def open(self, settings: Settings, stack: AsyncExitStack) -> None:
        """Everything, to be closed by ``stack``. Raises StartError, PortBusyError, StoreError."""
        clock, web = self.clock, settings.http
        listening = listen(web.host, web.port, who_listens) if web.enabled else None
        self.store = store = await stack.enter_async_context(self._open_store(settings))
        self.timeline = await self._begin_timeline()
        self.recorder = recorder = Recorder(store, clock, self._committed, store.trouble)
        self.links = stack.enter_context(Links())
        self.planning = Planning(
            settings,
            clock,
            self._apply,
            lambda: self.core.topology.parents,
            keep_names=lambda addresses: self.core.keep(NAMES, {"addresses": dict(addresses)}),
            boundary=self.boundary,
        )
        key = await asyncio.to_thread(load_key, settings.store.path.parent)
        self.privacy = Privacy(key, lambda: self.planning.settings.privacy.clients)
        self.scheduler = Scheduler(clock, self.boundary)
        self.client = await stack.enter_async_context(self._make_client(clock))
        self.collector = SnmpCollector(self.client, clock, {}, await asyncio.to_thread(load_library))
        self.core = core = await self._make_core()
        self.traps = stack.enter_context(
            Traps(
                settings.traps,
                settings.site,
                clock=clock,
                boundary=self.boundary,
                ask_again=self._ask_again,
                event=lambda kind, **told: core.event(kind, **self.privacy.trap(told)),
            )
        )
        own, collector = core.monitor.own, RadioCollector(clock)
        self.radio = RadioWatch(collector, clock, self.boundary, own, lambda: self.planning.settings.radio)
        self.engine = stack.enter_context(self._make_engine(clock, core.monitor))
        self.measuring = Measuring(
            clock=clock,
            scheduler=self.scheduler,
            engine=self.engine,
            collector=self.collector,
            take=core.monitor.take,
            echo_target=lambda device: core.monitor[device].echo_target,
            unnamed=self.planning.resolver.lacking,
        )
        self.folds = Folds(
            store,
            recorder,
            zone=lambda: self.planning.settings.site.zone,
            folded=core.window_folded,
            site=core,
            planned=core.maintenance_of,
            kept=core.statuses_kept,
            closed_before=self.timeline.taken_over,
            not_yet=self.timeline.not_yet,
            clock=clock,
            boundary=self.boundary,
        )
        self.restating = Restating(
            store,
            recorder,
            self.folds,
            said=core.summaries.said,
            boundary=self.boundary,
            closing=core.windows.settled,
        )
        self.about = self._make_about(settings)
        self.publishing = Publishing(
            store, clock, boot=self.boot, info=self.about.info, event=core.event, boundary=self.boundary
        )
        self.view = self._make_view()
        self.events = Broadcaster(clock, self.view.now, self.boundary)
        self.server: Server | None = None
        if listening is not None:
            code = web.access_code.reveal() if web.access_code else None
            access = Access(frozenset(host.lower() for host in web.hosts), code)
            app = create_app(self.view, self.events, clock, agent_version(), access, boundary=self.boundary)
            self.server = Server(app, listening, clock, cert=web.cert, key=web.key)

    async def resume(self) -> None:
        """Plan the site, and go on where the run before has stopped."""
        self._say_opened()
        self._take_over(TOPOLOGY, self.core.topology.resume)
        self._take_over(NAMES, lambda plain: self.planning.resolver.resume(table(plain).get("addresses")))
        await self.planning.take(self.planning.settings)
        if self.planning.has_routes:
            self.core.forget_strangers()
        since, until = self.timeline.remembered(HISTORY_S)
        await self.core.resume(await self.store.state_changes(None, since, until), await self.store.all_counters())

    def _take_over(self, entity: str, resume: Callable[[Any], None]) -> None:
        """What the run before has kept of it, where it can be read."""
        if entity not in self._counters:
            return
        with self.boundary.around("resume", entity):
            try:
                resume(self._counters[entity].plain)
            except ValueError as error:
                self.boundary.unread("last counters", entity, error)

    async def follow_topology(self) -> None:
        """The links between devices, once a poll; other parents make another plan."""
        while True:
            await self.clock.sleep(LOOK_S)
            with self.boundary.around("topology"):
                await self._look_around()

    async def _look_around(self) -> None:
        if await self.core.topology.look(await asyncio.to_thread(read_surroundings)):
            await self.planning.replan()

    async def follow_first_date(self) -> None:
        """The clock is set for the first time: what was measured until then gets its dates, and is said."""
        await self._date_known.wait()
        await self.recorder.settled()
        while (windows := await self._relabel()) is None:
            await self.clock.sleep(AGAIN_S)
        log.info("The clock is set: %d windows got their dates.", windows)
        with self.boundary.around("recomputation"):
            await self.restating.follow(self.core.plan, self.clock.utc(), self.boot, anew=True)
        with self.boundary.around("first date"):
            self.folds.dated(self.clock.utc())

    async def _relabel(self) -> int | None:
        try:
            return await self.store.relabel(self.boot, self.timeline.offset_s, self.timeline.before_utc or 0.0)
        except StoreUnwritable:
            return None

    def _open_store(self, settings: Settings) -> AbstractAsyncContextManager[Store]:
        return Store.open(
            settings.store.path,
            store_limits(settings.store),
            self.clock,
            probe_id=settings.site.probe,
            boot_id=self.boot,
            synchronised=lambda: self._dated,
            heard=self._reopened,
        )

    async def _begin_timeline(self) -> Timeline:
        self._counters = counters = {row.entity: row for row in await self.store.all_counters()}
        agent = counters.get(AGENT)
        self.alive_utc = alive = agent.utc_at if agent is not None else None
        counted, taken_before = await calendar_before(self.store, agent, self.boundary)
        not_before = max(NOT_BEFORE_UTC, alive or 0.0)
        timeline = Timeline(
            self.clock,
            not_before_utc=not_before,
            trust=clock_trust,
            counted=counted,
            taken_before=taken_before,
        )
        self._dated = timeline.dated
        return timeline

    async def _make_core(self) -> Core:
        return Core(
            clock=self.clock,
            timeline=self.timeline,
            recorder=self.recorder,
            boot=self.boot,
            still_open=await self.store.incidents(0.0, math.inf, open_only=True),  # the clock may lie behind
            running=self.links.running,
            send_confirm=self._confirm,
            ask_again=self._ask_again,
            changed=self._tell_pages,
            five_closed=self._five_closed,
            in_pieces=self._in_pieces,
            late=self._closed_late,
            taken_over=self._taken_over,
            dated=self._first_date,
            boundary=self.boundary,
        )

    def _make_about(self, settings: Settings) -> About:
        return About(
            boot=self.boot,
            clock=self.clock,
            timeline=self.timeline,
            engine=self.engine,
            client=self.client,
            tally=self.collector.tally,
            scheduler=self.scheduler,
            boundary=self.boundary,
            recorder=self.recorder,
            monitor=self.core.monitor,
            store=self.store,
            vitals=VitalsReader(settings.store.path.parent),
            publisher=lambda: self.publishing.state,
            rejected=lambda: self.planning.rejected,
            traps=self.traps.now,
            radio=self._radio_now,
            names=self.planning.resolver.document,
        )

    def _radio_now(self) -> RadioNow | None:
        return radio_now(self.radio.latest, lambda at: rfc3339(self.timeline.utc(at)), self.privacy)

    def _site_notice(self) -> Mapping[str, str] | None:
        """Trouble with the database goes before what a demo says of itself."""
        return storage_notice(self.store.opened, self.store.rows_damaged) or self._notice

    def _site_trouble(self) -> Mapping[str, str] | None:
        unnoted = self.store.unnoted if self.publishing.state is not None else None
        return storage_trouble(self.recorder.trouble, unnoted)

    def _make_view(self) -> View:
        return View(
            clock=self.clock,
            timeline=self.timeline,
            monitor=self.core.monitor,
            incidents=self.core.incidents,
            figures=self.core.summaries,
            history=self.store,
            settings=lambda: self.planning.settings,
            plan=lambda: self.core.plan,
            agent=self.about.document,
            lacking=self.about.lacking,
            notice=self._site_notice,
            trouble=self._site_trouble,
            in_maintenance=self.core.in_maintenance,
            topology=self.core.topology,
            privacy=self.privacy,
            boundary=self.boundary,
        )

    def _reopened(self, opened: Opened) -> None:
        """The store was opened, now or after its disk was away."""
        if self._resumed:
            self._say_found(opened)
            self.publishing.committed()

    def _say_found(self, opened: Opened) -> None:
        """What the database was found to be, in the log and as an event."""
        if opened.set_aside is not None:
            log.error(
                "The database was damaged (%s). It is kept as %s; a new one was begun with what could be read: %s.",
                opened.reason,
                opened.set_aside,
                ", ".join(f"{count} {kind}" for kind, count in opened.carried.items()) or "nothing",
            )
            self.core.event(
                "probe.fault",
                cause="database_damaged",
                reason=opened.reason,
                clean_stop=opened.clean,
                carried=dict(opened.carried),
                lost_messages=sum(last - first + 1 for first, last in opened.lost),
            )
        elif opened.predecessor is not None and opened.reason is not None:
            log.error("The database is %s.", opened.reason)
            self.core.event("probe.fault", cause="database_rolled_back", clean_stop=opened.clean)
        elif opened.predecessor is not None:
            log.error("The database was gone; a new one was begun.")
            self.core.event("probe.fault", cause="database_lost", clean_stop=opened.clean)
        elif not opened.clean:
            log.warning("The agent was not stopped before: it was killed, or the power went (check: %s).", opened.check)

    def _say_opened(self) -> None:
        self._resumed = True
        if self.store.opened is not NOT_OPENED:
            self._say_found(self.store.opened)
        if not self.timeline.dated:
            log.warning("The clock is not set: measuring goes on, dates are given once it is.")

    # Core, recorder and planning call these; what they call is made after them.

    def _confirm(self, target: EchoTarget) -> None:
        if target.address:
            self.engine.send(target, confirm=True)

    def _ask_again(self, device: str) -> None:
        self.measuring.ask_again(device)

    def _tell_pages(self) -> None:
        self.events.changed()

    def _five_closed(self, label: int, following: int) -> None:
        self.folds.five_closed(label, following)

    def _in_pieces(self, label: int, following: int, flags: tuple[str, ...]) -> None:
        self.folds.in_pieces(label, following, flags)

    def _closed_late(self, label: int) -> None:
        self.folds.late(label)

    def _taken_over(self, start: int, end: int) -> None:
        self.folds.taken_over(start, end)

    def _committed(self) -> None:
        self.publishing.committed()

    def _first_date(self) -> None:
        self._dated = True
        self._date_known.set()

    async def _apply(self, plan: SitePlan) -> None:
        pace = Pace(self.clock)
        credentials = self.planning.settings.credentials
        for applying in (
            self.core.applying(plan),
            self.measuring.applying(plan),
            self.traps.applying(plan, credentials),
        ):
            for _ in applying:
                await pace.breathe()
