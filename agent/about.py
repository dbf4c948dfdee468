"""The agent on itself: what it costs the box, what it could not measure, what still waits to be sent."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from agent.boundary import Boundary
from agent.live import AgentNow
from agent.live_radio import RadioNow
from agent.messages import Backlog
from agent.monitor import Monitor
from agent.notify import STALL_S
from agent.publisher_state import PublisherState
from agent.recorder import Recorder
from agent.scheduler import Scheduler
from agent.store.model import NOT_OPENED
from agent.store.store import Store
from agent.timeline import Timeline
from agent.view import rfc3339
from agent.vitals import VitalsReader
from collectors.clock import Clock
from collectors.icmp.echo import EchoEngine
from collectors.snmp.client import SnmpClient
from collectors.snmp.contact import Tally


def agent_version() -> str:
    """Of the installed package."""
    try:
        return metadata.version("sonda")
    except metadata.PackageNotFoundError:
        return "0"


class About:
    """What the agent knows of itself, for page, API and broker."""

    def __init__(
        self,
        *,
        boot: str,
        clock: Clock,
        timeline: Timeline,
        engine: EchoEngine,
        client: SnmpClient,
        tally: Tally,
        scheduler: Scheduler,
        boundary: Boundary,
        recorder: Recorder,
        monitor: Monitor,
        store: Store,
        vitals: VitalsReader,
        publisher: Callable[[], PublisherState | None],
        rejected: Callable[[], str | None],
        traps: Callable[[], Mapping[str, Any]],
        radio: Callable[[], RadioNow | None],
        names: Callable[[], Mapping[str, Any]],
    ) -> None:
        """``publisher()`` is None where nothing is published; ``rejected()`` says why the settings read last are not
        in force."""
        self._boot = boot
        self._clock = clock
        self._timeline = timeline
        self._engine = engine
        self._client = client
        self._tally = tally
        self._scheduler = scheduler
        self._boundary = boundary
        self._recorder = recorder
        self._monitor = monitor
        self._store = store
        self._vitals = vitals
        self._publisher = publisher
        self._rejected = rejected
        self._traps = traps
        self._radio = radio
        self._names = names

    def lacking(self) -> str | None:
        """What keeps the agent from being ready, as a sentence; None while all is well."""
        if self._recorder.trouble is not None:
            return self._recorder.trouble
        if self._clock.monotonic() - self._scheduler.counters.progress_at > STALL_S:
            return "The scheduler stands still."
        return None

    def info(self) -> dict[str, Any]:
        """For the retained ``info`` topic (agent/README.md)."""
        vitals = self._vitals.read()
        return {
            "version": agent_version(),
            "devices": len(self._monitor.tracks),
            "clock": {"trust": self._timeline.trust.value, "jumps": self._timeline.jumps},
            "storage": {"written_bytes": vitals.written_bytes, "free_bytes": vitals.disk_free_bytes},
            "rss_bytes": vitals.rss_bytes,
            "cpu_s": round(vitals.cpu_s, 1),
            "trouble": self._trouble(),
            "database": self._database(),
            "traps": self._traps(),
        }

    def _trouble(self) -> str | None:
        """What is wrong with the disk now: nothing is stored, or nothing new is published."""
        unnoted = self._store.unnoted if self._publisher() is not None else None
        return self._recorder.trouble or unnoted

    def _database(self) -> dict[str, Any]:
        """What was found when the database was opened, and what is left out of it since."""
        found: dict[str, Any] = {"rows_damaged": self._store.rows_damaged}
        opened = self._store.opened
        if opened is NOT_OPENED:
            return found
        found |= {"clean_stop": opened.clean, "check": opened.check}
        if opened.set_aside is not None or opened.predecessor is not None:
            found["replaced"] = {
                "reason": opened.reason,
                "set_aside": opened.set_aside.name if opened.set_aside is not None else None,
                "carried": dict(opened.carried),
                "lost_messages": sum(last - first + 1 for first, last in opened.lost),
            }
        return found

    async def document(self) -> AgentNow:
        """Everything as it is now."""
        report, backlog = await self._store.report(), await self._store.backlog()
        clock, timeline, recorder, counters = self._clock, self._timeline, self._recorder, self._scheduler.counters
        uptime = clock.monotonic() - timeline.began
        return AgentNow(
            version=agent_version(),
            boot=self._boot,
            started=rfc3339(clock.utc() - uptime),
            uptime_s=round(uptime, 1),
            clock={
                "trust": timeline.trust.value,
                "dated": timeline.dated,
                "jumps": timeline.jumps,
                "last_jump_s": round(timeline.last_jump_s, 3),
            },
            icmp={
                "modes": {f"ipv{v}": m.value for v, m in self._engine.modes.items()},
                **asdict(self._engine.counters),
            },
            snmp={**self._client.counters, "ports": self._monitor.ports(), "tally": self._tally.document()},
            scheduler={
                "runs": counters.runs,
                "overlaps": counters.overlaps,
                "deadlines": counters.deadlines,
                "missed": counters.missed,
                "strays": self._monitor.strays,
            },
            store={
                "bytes_used": report.bytes_used,
                "bytes_limit": report.bytes_limit,
                "bytes_free_on_disk": report.bytes_free_on_disk,
                "days_left": report.days_left,
                "held": [asdict(h) for h in report.held],
                "dropped": [asdict(d) for d in report.dropped],
                "waiting_writes": recorder.waiting,
                "trouble": self._trouble(),
                "rows_refused": report.rows_refused,
                **self._database(),
            },
            broker=_broker(self._publisher(), backlog),
            vitals=asdict(self._vitals.read()),
            settings={"reload_faults": self._rejected()},
            faults=self._boundary.document(),
            names=self._names(),
            traps=self._traps(),
            radio=self._radio(),
        )


def _broker(state: PublisherState | None, backlog: Backlog) -> dict[str, object]:
    known: dict[str, object] = {
        "configured": state is not None,
        "connected": state.connected if state is not None else None,
        "backlog_messages": backlog.messages,
        "backlog_bytes": backlog.bytes,
        "last_seq": backlog.last_seq,
        "acked_to": backlog.acked_to,
    }
    return known | {"state": asdict(state) if state is not None else None}
