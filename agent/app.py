"""The daemon's lifetime: everything is opened as a context manager and runs in one TaskGroup of named tasks.

A failing target never comes here, and a task that fails all the same begins anew (agent/boundary.py). A store that died
ends the process, and systemd starts it anew. Stop: no new ticks, what runs may end, everything is written, the broker
hears goodbye (bounded), all is closed.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.about import agent_version
from agent.api.address import own_url, page_urls
from agent.api.server import PortBusyError
from agent.cli.exits import Exit
from agent.logs import set_up
from agent.memory import settle
from agent.notify import Notifier
from agent.parts import Parts, StartError
from agent.reloading import Reloading
from agent.runtime import leave_url
from agent.settings import Overrides, Settings, load
from agent.site import devices_in_words
from agent.store.errors import ENDED, StoreClosed, StoreError
from agent.vitals import own_addresses
from collectors.icmp import Mode, permission_help

log = logging.getLogger("sonda")

PRIVATE = 0o077
"""What others may not do with the files that the agent makes; the unit says the same (UMask=)."""
DRAIN_S = 3.0
"""How long polls under way may go on when the agent stops."""
WRITE_S = 15.0
TASK = "task"
"""The boundary's name for what runs until the agent stops."""
PAUSE_S, PAUSE_MOST_S = 1.0, 60.0
"""Before a task that failed begins anew; longer each time."""
STEADY_S = 600.0
GOODBYE_S = 5.0
"""How long pages may take to close."""


def main_run(paths: list[Path], overrides: Overrides) -> int:
    """`sonda run`: until SIGTERM or Ctrl-C. Raises SettingsError; the return value is the exit code."""
    settings = load(paths, overrides)
    os.umask(PRIVATE)
    set_up(settings.log.level)
    return run_to_end(Agent(settings, paths, overrides, Parts()).run())


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
        log.error("%s The agent ends, to be started again.", known.exceptions[0])  # noqa: TRY400
        return Exit.WRONG
    return Exit.OK


def _cause(group: "ExceptionGroup[StoreError]") -> StoreError:
    """What ended the store: the others have only met one that is closed."""
    causes, closed = group.split(lambda error: isinstance(error, StoreError) and not isinstance(error, StoreClosed))
    error: StoreError | ExceptionGroup[StoreError] = causes or closed or group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class Agent:
    """One run of the daemon."""

    def __init__(self, settings: Settings, paths: Sequence[Path], overrides: Overrides, parts: Parts) -> None:
        """``paths`` and ``overrides`` are where ``settings`` come from, and are read again at a reload."""
        self._settings = settings
        self._paths = paths
        self._overrides = overrides
        self._parts = parts
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._notifier = Notifier()

    async def run(self) -> None:
        """Until a signal. Raises StartError, PortBusyError, StoreError; ExceptionGroup where a part died."""
        self._heed_signals()
        async with AsyncExitStack() as stack:
            await self._parts.open(self._settings, stack)
            await self._parts.resume()
            async with asyncio.TaskGroup() as group:
                await self._live(group)

    def _endless(self, group: asyncio.TaskGroup) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs until the agent has stopped, by the task's name, and begins anew where an error ends it.

        A further task is a line here: a coroutine that opens what it alone needs and takes from ``parts`` the rest.
        """
        parts, reloading = self._parts, self._make_reloading()
        return {
            "icmp": parts.engine.run,
            "watch": parts.core.watch.run,
            "windows": parts.core.windows.run,
            "folds": lambda: parts.folds.run(int(parts.clock.utc()) if parts.timeline.dated else None, parts.alive_utc),
            "resolver": parts.planning.resolver.run,
            "traps": parts.traps.run,
            "radio": parts.radio.run,
            "topology": parts.follow_topology,
            "routes": lambda: parts.planning.follow_routes(parts.publishing.network_changed),
            "first date": parts.follow_first_date,
            "restate": reloading.restate,
            "watchdog": lambda: self._notifier.watch(parts.clock, lambda: parts.scheduler.counters.progress_at),
            "reload": lambda: reloading.run(self._reload, group),
        }

    async def _live(self, group: asyncio.TaskGroup) -> None:
        """Start every task, wait for the end, stop them in order. The store's watch and its recorder alone may end the
        agent: without them nothing is kept."""
        make, parts = group.create_task, self._parts
        storing = make(parts.store.watch(), name="store")
        recording = make(parts.recorder.run(), name="recorder")
        scheduling = make(self._keep("scheduler", parts.scheduler.run), name="scheduler")
        endless = [make(self._keep(name, run), name=name) for name, run in self._endless(group).items()]
        serving = []
        if parts.server is not None:
            serving = [
                make(self._keep(name, run), name=name)
                for name, run in {"http": parts.server.run, "events": parts.events.run}.items()
            ]
        parts.publishing.start(parts.planning.settings, group)
        self._say_started()
        self._leave_url()
        settle()
        await self._stop.wait()
        self._notifier.say("STOPPING=1", "STATUS=Writing what is open, saying goodbye.")
        log.info("Stopping.")
        parts.scheduler.stop()
        await asyncio.wait([scheduling], timeout=DRAIN_S)
        scheduling.cancel()
        with parts.boundary.around("windows"):
            await parts.core.windows.finish()
        parts.recorder.stop()
        await asyncio.wait([recording], timeout=WRITE_S)
        await parts.publishing.stop()
        parts.events.close()
        if parts.server is not None:
            parts.server.stop()
            await asyncio.wait(serving, timeout=GOODBYE_S)
        for task in [storing, recording, *serving, *endless]:
            task.cancel()
        log.info("Stopped.")

    async def _keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run this until it returns. An error that leaves it is a fault of ours, and costs the time until it runs
        again. A store that has ended ends it."""
        clock, boundary, pause_s = self._parts.clock, self._parts.boundary, PAUSE_S
        while True:
            began = clock.monotonic()
            with boundary.around(TASK, name, passing=ENDED) as attempt:
                await run()
            if not attempt.failed:
                return
            if clock.monotonic() - began > STEADY_S:
                pause_s = PAUSE_S
                boundary.forget(name)  # it went well for so long that the next failure is another one
            log.error("The task %s starts again in %d s.", name, pause_s)
            await clock.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MOST_S)

    def _heed_signals(self) -> None:
        heed = asyncio.get_running_loop().add_signal_handler
        heed(signal.SIGTERM, self._stop.set)
        heed(signal.SIGINT, self._stop.set)
        heed(signal.SIGHUP, self._reload.set)

    def _make_reloading(self) -> Reloading:
        parts = self._parts
        return Reloading(
            self._paths,
            self._overrides,
            planning=parts.planning,
            plan=lambda: parts.core.plan,
            publishing=parts.publishing,
            restating=parts.restating,
            boot=parts.boot,
            timeline=parts.timeline,
            clock=parts.clock,
            boundary=parts.boundary,
        )

    def _leave_url(self) -> None:
        """For `sonda status` of users who may not read the settings."""
        web = self._settings.http
        try:
            leave_url(own_url(web) if web.enabled else None)
        except OSError as error:
            log.warning("The page's address cannot be left for `sonda status`: %s.", error)

    def _say_started(self) -> None:
        devices = devices_in_words(self._parts.core.plan, self._settings)
        web = self._settings.http
        page = f"page on {' and '.join(page_urls(web, own_addresses()))}" if web.enabled else "no page"
        log.info("Sonda %s watches %s; %s.", agent_version(), devices, page)
        if self._parts.engine.modes.get(4) in {Mode.TCP, Mode.NONE}:
            log.error("%s", permission_help())
        self._notifier.say("READY=1", f"STATUS=Watches {devices}.")
