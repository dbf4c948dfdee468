"""The daemon's lifetime: everything is opened as a context manager and runs in one TaskGroup of named tasks.

A failing target never comes here. A store that died does: it ends the process, and systemd starts it anew. Stop: no
new ticks, what runs may end, everything is written, the broker hears goodbye (bounded), all is closed.
"""

import asyncio
import gc
import logging
import signal
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

from agent.about import about, agent_version
from agent.api.app import create_app
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.api.server import PortBusyError, Server, listen
from agent.boundary import Boundary
from agent.cli.exits import Exit
from agent.core import TOPOLOGY, Core
from agent.folds import Folds
from agent.live import AgentNow
from agent.logs import set_up
from agent.measuring import Measuring
from agent.notify import Notifier
from agent.profiles import load_library
from agent.publishing import Publishing
from agent.recorder import Recorder
from agent.resolve import Resolver
from agent.restating import Planned, Restating
from agent.scheduler import Scheduler
from agent.settings import Fault, Overrides, Settings, load
from agent.settings.convert import store_limits
from agent.settings.reload import Reloaded, reload
from agent.site import host_names, plan_site
from agent.store.errors import StoreError
from agent.store.store import Store
from agent.timeline import Timeline
from agent.topology import LOOK_S
from agent.traps import Traps
from agent.view import View
from agent.vitals import VitalsReader, who_listens
from agent.windows import ALIVE, ECHO, MINUTE_S
from collectors.clock import Clock, SystemClock, clock_trust
from collectors.icmp import EchoEngine, EchoSink, EchoTarget, IcmpEngine, Mode, permission_help
from collectors.link import Links, read_routes, read_surroundings, remembering
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector

log = logging.getLogger("sonda")

MakeEngine = Callable[[Clock, EchoSink], AbstractContextManager[EchoEngine]]

DRAIN_S = 3.0
"""How long polls under way may go on when the agent stops."""
WRITE_S = 15.0
ROUTES_S = 10.0
NOT_BEFORE_UTC = 1_767_225_600.0
"""2026-01-01: no clock that shows less was ever set."""
HISTORY_S = 3 * 3600.0


class StartError(Exception):
    """The agent cannot start; the text says what to do."""


def main_run(paths: list[Path], overrides: Overrides) -> int:
    """`sonda run`: until SIGTERM or Ctrl-C. Raises SettingsError; the return value is the exit code."""
    settings = load(paths, overrides)
    set_up(settings.log.level)
    return run_to_end(Agent(settings, paths, overrides).run())


def run_to_end(running: Coroutine[Any, Any, None]) -> int:
    """Run an agent; what ends it before its time is said as a sentence. The return value is the exit code."""
    try:
        asyncio.run(running)
    except (StartError, PortBusyError, StoreError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence for the technician
        return Exit.START
    except ExceptionGroup as group:
        known, unknown = group.split(StoreError)
        if unknown is not None or known is None:
            raise
        log.error("%s The agent ends, to be started anew.", known.exceptions[0])  # noqa: TRY400
        return Exit.WRONG
    return Exit.OK


class Agent:
    """One run of the daemon."""

    def __init__(
        self,
        settings: Settings,
        paths: Sequence[Path],
        overrides: Overrides,
        *,
        engine: MakeEngine = IcmpEngine,
        snmp: Callable[[Clock], SnmpClient] = SnmpClient,
        notice: Mapping[str, str] | None = None,
    ) -> None:
        """``engine`` and ``snmp`` make what asks, and are where a simulation stands in; ``notice`` tells the page."""
        self._make_engine, self._make_snmp = engine, snmp
        self._notice = notice
        self._settings = settings
        self._paths = paths
        self._overrides = overrides
        self._clock: Clock = SystemClock()
        self._boot = uuid.uuid4().hex[:16]
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._date_known = asyncio.Event()
        self._notifier = Notifier()
        self._last_reload: str | None = None

    async def run(self) -> None:
        """Until a signal. Raises StartError, PortBusyError, StoreError; ExceptionGroup where a part died."""
        loop = asyncio.get_running_loop()
        for number, call in (
            (signal.SIGTERM, self._stop.set),
            (signal.SIGINT, self._stop.set),
            (signal.SIGHUP, self._reload.set),
        ):
            loop.add_signal_handler(number, call)
        async with AsyncExitStack() as stack:
            await self._open(stack)
            await self._resume()
            async with asyncio.TaskGroup() as group:
                await self._live(group)

    async def _open(self, stack: AsyncExitStack) -> None:
        clock, settings = self._clock, self._settings
        web = settings.http
        listening = listen(web.host, web.port, who_listens) if web.enabled else None
        path = settings.store.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"The folder {path.parent} cannot be made ({error.strerror}): make it, give it to the agent's user, or "
                "set `path` in [store] elsewhere."
            ) from error
        self._dated = False
        self._store = store = await stack.enter_async_context(
            Store.open(
                path,
                store_limits(settings.store),
                clock,
                probe_id=settings.site.probe,
                boot_id=self._boot,
                synchronised=lambda: self._dated,
            )
        )
        counters = {row.entity: row for row in await store.all_counters()}
        alive = counters[ALIVE].utc_at if ALIVE in counters else None
        self._timeline = Timeline(clock, not_before_utc=max(NOT_BEFORE_UTC, alive or 0.0), trust=clock_trust)
        self._dated = self._timeline.dated
        self._recorder = Recorder(store, clock, self._committed)
        self._links = stack.enter_context(Links())
        self._routes = read_routes()
        self._boundary = Boundary()
        self._scheduler = Scheduler(clock, self._boundary)
        client = await stack.enter_async_context(self._make_snmp(clock))
        self._client, self._collector = client, SnmpCollector(client, clock, {}, load_library())
        self._core = Core(
            clock=clock,
            timeline=self._timeline,
            recorder=self._recorder,
            boot=self._boot,
            still_open=await store.incidents(0.0, clock.utc() + 1, open_only=True),
            running=self._links.running,
            send_confirm=self._confirm,
            ask_again=self._ask_again,
            changed=self._tell_pages,
            five_closed=self._five_closed,
            dated=self._first_date,
        )
        self._traps = stack.enter_context(
            Traps(
                settings.traps,
                settings.site,
                clock=clock,
                boundary=self._boundary,
                ask_again=self._ask_again,
                event=self._core.event,
            )
        )
        if TOPOLOGY in counters:
            self._core.topology.resume(counters[TOPOLOGY].plain)
        self._engine = stack.enter_context(self._make_engine(clock, self._core.monitor))
        self._measuring = Measuring(
            clock=clock,
            scheduler=self._scheduler,
            engine=self._engine,
            collector=self._collector,
            take=self._core.monitor.take,
            echo_target=lambda device: self._core.monitor[device].echo_target,
        )
        self._folds = Folds(
            store, self._recorder, zone=lambda: self._settings.site.zone, folded=self._core.window_folded
        )
        self._restating = Restating(store, self._recorder, self._folds)
        self._publishing = Publishing(store, clock, boot=self._boot, info=self._info, event=self._core.event)
        self._resolver = Resolver(clock, self._replan)
        self._vitals = VitalsReader(path.parent)
        self._view = View(
            clock=clock,
            timeline=self._timeline,
            monitor=self._core.monitor,
            incidents=self._core.incidents,
            figures=self._core.summaries,
            history=store,
            settings=lambda: self._settings,
            plan=lambda: self._core.plan,
            agent=self._about,
            lacking=self._lacking,
            notice=self._notice,
            in_maintenance=self._core.in_maintenance,
            topology=self._core.topology,
        )
        self._events = Broadcaster(clock, self._view.now)
        self._server: Server | None = None
        if listening is not None:
            access = Access(
                frozenset(h.lower() for h in web.hosts), web.access_code.reveal() if web.access_code else None
            )
            app = create_app(self._view, self._events, clock, agent_version(), access)
            self._server = Server(app, listening, web.cert, web.key)

    async def _resume(self) -> None:
        """Plan the site, and go on where the run before has stopped."""
        self._say_opened()
        await self._resolver.want(frozenset(host_names(self._settings)))
        self._replan()
        if self._routes:  # else the network is not there yet, and devices that go by its routes are missing
            self._core.forget_strangers()
        now = self._clock.utc()
        five = int(now) // 300 * 300
        self._core.resume(
            await self._store.state_changes(None, now - HISTORY_S, now),
            await self._store.windows(None, ECHO, MINUTE_S, five, five + 300),
            await self._store.all_counters(),
        )

    async def _live(self, group: asyncio.TaskGroup) -> None:
        """Start every task, wait for the end, stop them in order."""
        make = group.create_task
        now_utc = int(self._clock.utc()) if self._timeline.dated else None
        recording = make(self._recorder.run(), name="recorder")
        scheduling = make(self._scheduler.run(), name="scheduler")
        endless = [
            make(self._store.watch(), name="store"),
            make(self._engine.run(), name="icmp"),
            make(self._core.watch.run(), name="watch"),
            make(self._core.windows.run(), name="windows"),
            make(self._folds.run(now_utc), name="folds"),
            make(self._resolver.run(), name="resolver"),
            make(self._traps.run(), name="traps"),
            make(self._follow_routes(), name="routes"),
            make(self._follow_topology(), name="topology"),
            make(self._follow_first_date(), name="first date"),
            make(self._restate(()), name="restate"),
            make(self._notifier.watch(self._clock, lambda: self._scheduler.counters.progress_at), name="watchdog"),
            make(self._follow_signals(group), name="reload"),
        ]
        serving = []
        if self._server is not None:
            serving = [make(self._server.run(), name="http"), make(self._events.run(), name="events")]
        self._publishing.start(self._settings, group)
        self._say_started()
        self._notifier.say("READY=1", f"STATUS=Watches {len(self._core.plan.devices)} devices.")
        _settle_memory()
        await self._stop.wait()
        self._notifier.say("STOPPING=1", "STATUS=Writing what is open, saying goodbye.")
        log.info("Stopping.")
        self._scheduler.stop()
        await asyncio.wait([scheduling], timeout=DRAIN_S)
        scheduling.cancel()
        self._core.windows.finish()
        self._recorder.stop()
        await asyncio.wait([recording], timeout=WRITE_S)
        await self._publishing.stop()
        self._events.close()
        if self._server is not None:
            self._server.stop()
            await asyncio.wait(serving, timeout=5.0)
        for task in [recording, *serving, *endless]:
            task.cancel()
        log.info("Stopped.")

    # The core calls these; what they call is made after it.

    def _confirm(self, target: EchoTarget) -> None:
        if target.address:
            self._engine.send(target, confirm=True)

    def _ask_again(self, device: str) -> None:
        self._measuring.ask_again(device)

    def _tell_pages(self) -> None:
        self._events.changed()

    def _five_closed(self, label: int) -> None:
        self._folds.five_closed(label)

    def _committed(self) -> None:
        self._publishing.committed()

    def _first_date(self) -> None:
        self._dated = True
        self._date_known.set()

    async def _follow_first_date(self) -> None:
        """The clock is set for the first time: what was measured until then gets its dates, and is said."""
        await self._date_known.wait()
        await self._recorder.settled()
        windows = await self._store.relabel(self._boot, self._timeline.offset_s)
        log.info("The clock is set: %d windows got their dates.", windows)
        await self._folds.dated(self._timeline.utc(self._timeline.began), self._clock.utc())

    async def _follow_routes(self) -> None:
        while True:
            await self._clock.sleep(ROUTES_S)
            routes = remembering(self._routes, await asyncio.to_thread(read_routes))
            if routes != self._routes:
                self._routes = routes
                self._replan()
                self._publishing.network_changed()

    async def _follow_topology(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            await self._boundary.guard("topology", self._look_around)

    async def _look_around(self) -> None:
        if await self._core.topology.look(await asyncio.to_thread(read_surroundings)):
            self._replan()

    def _replan(self) -> None:
        plan = plan_site(self._settings, self._routes, self._resolver.addresses, self._core.topology.parents)
        self._core.apply(plan)
        self._measuring.apply(plan)
        self._traps.apply(plan, self._settings.credentials)

    async def _follow_signals(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            answer = await asyncio.to_thread(reload, self._settings, self._paths, self._overrides)
            if isinstance(answer, Reloaded):
                await self._take_over(answer, group)
            else:
                self._last_reload = "\n".join(str(fault) for fault in answer.faults)
                log.error("The settings are not taken over, the old ones stay in force:\n%s", self._last_reload)

    async def _take_over(self, answer: Reloaded, group: asyncio.TaskGroup) -> None:
        self._settings = answer.settings
        self._last_reload = None
        log.info("The settings are read anew. %s", answer.difference.sentence())
        _warn(answer.warnings)
        set_up(self._settings.log.level)
        await self._resolver.want(frozenset(host_names(self._settings)))
        planned = self._core.plan.maintenance
        self._replan()
        if planned != self._core.plan.maintenance:
            group.create_task(self._restate(planned), name="restate")
        if "mqtt" in answer.difference.sections:
            await self._publishing.stop()
            self._publishing.start(self._settings, group)

    async def _restate(self, planned: tuple[Planned, ...]) -> None:
        """What was planned until now is not what is planned: closed windows may come out differently (KPI.md R4)."""
        if self._timeline.dated:
            await self._restating.planned(planned, self._core.plan, self._clock.utc())

    def _say_opened(self) -> None:
        opened = self._store.opened
        if opened.set_aside is not None:
            log.error(
                "The database was damaged (%s). It is kept as %s; a new one was begun.", opened.reason, opened.set_aside
            )
            self._core.event("probe.fault", cause="database_damaged", reason=opened.reason)
        if not self._timeline.dated:
            log.warning("The clock is not set: measuring goes on, dates are given once it is.")

    def _say_started(self) -> None:
        devices = len(self._core.plan.devices)
        web = self._settings.http
        page = f"page on http://{web.host}:{web.port}/" if web.enabled else "no page"
        log.info("Sonda %s watches %d devices; %s.", agent_version(), devices, page)
        if self._engine.modes.get(4) in {Mode.TCP, Mode.NONE}:
            log.error("%s", permission_help())

    def _lacking(self) -> str | None:
        if self._recorder.trouble is not None:
            return self._recorder.trouble
        if self._clock.monotonic() - self._scheduler.counters.progress_at > 10.0:
            return "The scheduler stands still."
        return None

    def _info(self) -> dict[str, Any]:
        vitals = self._vitals.read()
        return {
            "version": agent_version(),
            "devices": len(self._core.plan.devices),
            "clock": {"trust": self._timeline.trust.value, "jumps": self._timeline.jumps},
            "storage": {"written_bytes": vitals.written_bytes, "free_bytes": vitals.disk_free_bytes},
            "rss_bytes": vitals.rss_bytes,
            "cpu_s": round(vitals.cpu_s, 1),
            "trouble": self._recorder.trouble,
            "traps": self._traps.now(),
        }

    async def _about(self) -> AgentNow:
        return about(
            version=agent_version(),
            boot=self._boot,
            clock=self._clock,
            timeline=self._timeline,
            engine=self._engine,
            snmp_counters=self._client.counters,
            tally=self._collector.tally,
            scheduler=self._scheduler,
            boundary=self._boundary,
            recorder=self._recorder,
            monitor=self._core.monitor,
            report=await self._store.report(),
            backlog=await self._store.backlog(),
            publisher=self._publishing.state,
            vitals=self._vitals.read(),
            reload_faults=self._last_reload,
            traps=self._traps.now(),
        )


def _settle_memory() -> None:
    """What was made for the start stays; full collections over it cost pauses of 80 ms and a tenth of the CPU of a
    site of 200 devices, and found nothing (measured)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _warn(faults: Sequence[Fault]) -> None:
    for fault in faults:
        log.warning("%s", fault)
