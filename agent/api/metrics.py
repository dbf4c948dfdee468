"""/metrics: Prometheus text exposition format 0.0.4. Base units (seconds, ratios, bytes), labels bounded by the number
of devices and of KPIs (whose units are the catalogue's); figures nobody knows are left out, as the format has it."""

from collections.abc import Iterable, Sequence

from agent.live import AgentNow, DeviceNow, KpiNow, SiteNow
from collectors.snmp.traps.model import Fate

_STATES = ("up", "down", "unknown", "maintenance")


def exposition(site: SiteNow, devices: Sequence[DeviceNow], kpis: Sequence[KpiNow], agent: AgentNow) -> str:
    """The whole page."""
    lines: list[str] = []

    def metric(name: str, kind: str, text: str, values: Iterable[tuple[dict[str, str], float | None]]) -> None:
        known = [(labels, value) for labels, value in values if value is not None]
        if known:
            lines.append(f"# HELP {name} {text}")
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{name}{_labels(labels)} {value:.10g}" for labels, value in known)

    metric(
        "sonda_device_state",
        "gauge",
        "1 for the state the device is in, 0 for the others.",
        (({"device": d.id, "state": s}, float(d.state == s)) for d in devices for s in _STATES),
    )
    metric(
        "sonda_device_rtt_seconds",
        "gauge",
        "Round trip of the last echo; left out where it was not answered.",
        (({"device": d.id}, d.rtt_ms / 1000 if d.rtt_ms is not None else None) for d in devices),
    )
    metric(
        "sonda_device_loss_ratio",
        "gauge",
        "Share of echoes lost in the last closed minute, 0 to 1.",
        (({"device": d.id}, d.loss_pct / 100 if d.loss_pct is not None else None) for d in devices),
    )
    ids = {d.id for d in devices}
    metric(
        "sonda_device_kpi",
        "gauge",
        "Figures of the last closed five minutes, in the unit that /api/v1/kpis names.",
        (
            ({"device": entity, "kpi": kpi.id}, figure.value)
            for kpi in kpis
            for entity, figure in kpi.values.items()
            if entity in ids
        ),
    )
    metric("sonda_incidents_open", "gauge", "Open incidents.", [({}, float(len(site.incidents)))])
    vitals, broker, store = agent.vitals, agent.broker, agent.store
    for name, kind, text, value in (
        ("sonda_uptime_seconds", "gauge", "Since the agent started.", agent.uptime_s),
        ("sonda_cpu_seconds_total", "counter", "CPU used by the agent.", vitals.get("cpu_s")),
        ("sonda_resident_memory_bytes", "gauge", "Resident memory of the agent.", vitals.get("rss_bytes")),
        ("sonda_written_bytes_total", "counter", "Bytes written to disk by the agent.", vitals.get("written_bytes")),
        ("sonda_disk_free_bytes", "gauge", "Free on the disk of the database.", vitals.get("disk_free_bytes")),
        ("sonda_store_bytes", "gauge", "Size of the database.", store.get("bytes_used")),
        ("sonda_backlog_messages", "gauge", "Messages without a PUBACK.", broker.get("backlog_messages")),
        ("sonda_broker_connected", "gauge", "1 while the broker is connected.", broker.get("connected")),
    ):
        metric(name, kind, text, [({}, float(value) if value is not None else None)])
    metric(
        "sonda_scheduler_events_total",
        "counter",
        "Runs, and what kept runs from being made.",
        (({"event": e}, float(agent.scheduler[e])) for e in ("runs", "overlaps", "deadlines", "missed")),
    )
    metric(
        "sonda_faults_total",
        "counter",
        "Faults of the agent's own, each of which cost one entity one figure, by place.",
        (({"place": place}, float(count)) for place, count in sorted(agent.faults.get("by_place", {}).items())),
    )
    if agent.traps.get("listening"):
        metric(
            "sonda_traps_total",
            "counter",
            "Datagrams on the port for traps by what became of them; kernel: dropped before they were read.",
            (({"fate": f}, float(agent.traps[k])) for f, k in _fates()),
        )
        metric(
            "sonda_traps_accepted_total",
            "counter",
            "Accepted traps by name.",
            (({"trap": name}, float(count)) for name, count in sorted(agent.traps["by_name"].items())),
        )
    return "\n".join(lines) + "\n"


def _fates() -> Iterable[tuple[str, str]]:
    """(label, key in the agent's document)."""
    return [*((fate.value, fate.value) for fate in Fate), ("kernel", "dropped_by_kernel")]


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
