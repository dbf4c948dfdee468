"""The agent's own document: what it costs the box, what it could not measure, what still waits to be sent."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from agent.boundary import Boundary
from agent.live import AgentNow
from agent.messages import Backlog
from agent.monitor import Monitor
from agent.publisher_state import PublisherState
from agent.recorder import Recorder
from agent.scheduler import Scheduler
from agent.store.model import Report
from agent.timeline import Timeline
from agent.view import rfc3339
from agent.vitals import Vitals
from collectors.clock import Clock
from collectors.icmp.echo import EchoEngine
from collectors.snmp.contact import Tally


def agent_version() -> str:
    """Of the installed package."""
    try:
        return metadata.version("sonda")
    except metadata.PackageNotFoundError:
        return "0"


def about(
    *,
    version: str,
    boot: str,
    clock: Clock,
    timeline: Timeline,
    engine: EchoEngine,
    snmp_counters: Mapping[str, int],
    tally: Tally,
    scheduler: Scheduler,
    boundary: Boundary,
    recorder: Recorder,
    monitor: Monitor,
    report: Report,
    backlog: Backlog,
    publisher: PublisherState | None,
    vitals: Vitals,
    reload_faults: str | None,
    traps: Mapping[str, Any],
) -> AgentNow:
    """Everything as it is now."""
    uptime = clock.monotonic() - timeline.began
    counters = scheduler.counters
    return AgentNow(
        version=version,
        boot=boot,
        started=rfc3339(clock.utc() - uptime),
        uptime_s=round(uptime, 1),
        clock={
            "trust": timeline.trust.value,
            "dated": timeline.dated,
            "jumps": timeline.jumps,
            "last_jump_s": round(timeline.last_jump_s, 3),
        },
        icmp={"modes": {f"ipv{v}": m.value for v, m in engine.modes.items()}, **asdict(engine.counters)},
        snmp={**snmp_counters, "tally": asdict(tally)},
        scheduler={
            "runs": counters.runs,
            "overlaps": counters.overlaps,
            "deadlines": counters.deadlines,
            "missed": counters.missed,
            "unexpected_faults": dict(boundary.faults),
            "strays": monitor.strays,
        },
        store={
            "bytes_used": report.bytes_used,
            "bytes_limit": report.bytes_limit,
            "bytes_free_on_disk": report.bytes_free_on_disk,
            "days_left": report.days_left,
            "held": [asdict(h) for h in report.held],
            "dropped": [asdict(d) for d in report.dropped],
            "waiting_writes": recorder.waiting,
            "trouble": recorder.trouble,
        },
        broker=_broker(publisher, backlog),
        vitals=asdict(vitals),
        settings={"reload_faults": reload_faults},
        traps=traps,
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
