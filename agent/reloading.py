"""Settings that are read anew while the agent runs (SIGHUP), and what has to happen beyond a new plan."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.boundary import Boundary
from agent.logs import set_up
from agent.planning import Planning
from agent.publishing import Publishing
from agent.restating import Restating
from agent.settings import Overrides
from agent.settings.reload import Reloaded, reload
from agent.site import SitePlan
from agent.timeline import Timeline
from collectors.clock import Clock

log = logging.getLogger("sonda")

PLACE = "reload"
"""The boundary's name for what is done here."""
FAULTS_SAID = 50
"""In the log and on the page: a file of something else has thousands."""
UNEXPECTED = "The settings could not be taken over by a fault of the agent's own (the log has it); the old ones stay."


class Reloading:
    """Takes new settings over; a file with faults changes nothing."""

    def __init__(
        self,
        paths: Sequence[Path],
        overrides: Overrides,
        *,
        planning: Planning,
        plan: Callable[[], SitePlan],
        publishing: Publishing,
        restating: Restating,
        timeline: Timeline,
        clock: Clock,
        boot: str,
        boundary: Boundary,
    ) -> None:
        """``plan()`` is the one in force."""
        self._boot = boot
        self._paths, self._overrides = paths, overrides
        self._planning = planning
        self._plan = plan
        self._publishing = publishing
        self._restating = restating
        self._timeline = timeline
        self._clock = clock
        self._boundary = boundary
        self._started: set[asyncio.Task[None]] = set()
        """Recomputations under way."""

    async def run(self, asked: asyncio.Event, group: asyncio.TaskGroup) -> None:
        """Read the files at each ``asked``, until cancelled. ``group`` runs what a reload starts, which ends with this:
        a recomputation waits for the disk, and once nothing is written any more it would wait for ever."""
        try:
            while True:
                await asked.wait()
                asked.clear()
                await self._again(group)
        finally:
            for task in self._started:
                task.cancel()

    async def _again(self, group: asyncio.TaskGroup) -> None:
        before = self._planning.settings
        with self._boundary.around(PLACE) as attempt:
            await self._read(group)
        if attempt.failed:
            with self._boundary.around("going back to the old settings"):
                await self._planning.take(before)
            self._planning.rejected = UNEXPECTED

    async def _read(self, group: asyncio.TaskGroup) -> None:
        answer = await asyncio.to_thread(reload, self._planning.settings, self._paths, self._overrides)
        if isinstance(answer, Reloaded):
            await self._take_over(answer, group)
            return
        lines = [str(fault) for fault in answer.faults[:FAULTS_SAID]]
        if more := len(answer.faults) - len(lines):
            lines.append(f"And {more} more; sonda check lists them all.")
        self._planning.rejected = "\n".join(lines)
        log.error("The settings are not taken over, the old ones stay in force.")
        for line in lines:
            log.error("%s", line)

    async def restate(self) -> None:
        """What was planned until now may not be what is planned: closed windows come out differently (rule R4)."""
        if self._timeline.dated:
            with self._boundary.around("recomputation"):
                await self._restating.follow(self._plan(), self._clock.utc(), self._boot)

    async def _take_over(self, answer: Reloaded, group: asyncio.TaskGroup) -> None:
        settings, planned = answer.settings, self._plan().maintenance
        log.info("The settings have been read again. %s", answer.difference.sentence())
        for fault in answer.warnings:
            log.warning("%s", fault)
        set_up(settings.log.level)
        await self._planning.take(settings)
        if planned != self._plan().maintenance:
            task = group.create_task(self.restate(), name="restate")
            self._started.add(task)
            task.add_done_callback(self._started.discard)
        if "mqtt" in answer.difference.sections:
            await self._publishing.stop()
            self._publishing.start(settings, group)
