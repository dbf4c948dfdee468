"""One tap deeper: one device with its ports, figures and facts; the probe itself."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agent.boundary import Boundary
from agent.history_view import Overview
from agent.live import AgentNow, DeviceDetail, DeviceNow, FigureNow, PortNow, WindowNow
from agent.page.gear import model_facts
from agent.page.now import TONES, detail_says, reason_says
from agent.page.radio import Group, radio_groups
from agent.page.say import DASH, Say
from agent.page.words import ROLES, STATES
from agent.view import PLACE, UNSHOWN
from collectors.clock import ClockTrust
from kpi.catalogue import entry_of
from kpi.entry import Scope, scope_of
from kpi.model import NullReason, Role, Status
from kpi.seen import bare_name

TIME_SHARES = frozenset({"availability_pct", "network_uptime_pct"})
"""Figures that are a share of the time of their window."""
_STATUS_TONES = {"good": "good", "warn": "attention", "bad": "problem", "none": ""}


def scope(detail: DeviceDetail) -> Scope:
    """Which thresholds fit it."""
    return scope_of(Role(detail.device.role))


def device_head(device: DeviceNow, now: float, say: Say) -> dict[str, Any]:
    """What changes from second to second."""
    return {
        "id": device.id,
        "name": bare_name(device.name),
        "role": say.of(ROLES[device.role]),
        "tone": TONES[device.state].value,
        "word": say.of(STATES[device.state]),
        "detail": detail_says(device, now, say),
        "rtt": say.ms(device.rtt_ms),
        "lost": say.pct(device.loss_pct),
    }


def no_head(device: DeviceNow, say: Say) -> dict[str, Any]:
    """The head of a device that cannot be put into words."""
    says = {"role": "", "word": say.of(STATES["unknown"]), "detail": reason_says(UNSHOWN, say), "rtt": DASH}
    return {"id": device.id, "name": bare_name(device.name), "tone": "none", "lost": DASH, **says}


def figure_rows(figures: Sequence[FigureNow], say: Say, device: str, boundary: Boundary) -> list[dict[str, Any]]:
    """Each KPI with what it means and, where it is not good, what to do. One that cannot be put into words is left
    out."""
    rows = [boundary.value(PLACE, f"{device}/{f.kpi}", partial(_figure_row, f, say), _nothing) for f in figures]
    return [row for row in rows if row is not None]


def _no_rows() -> list[tuple[str, str]]:
    return []


def _no_groups() -> list[Group]:
    return []


def _nothing() -> dict[str, Any] | None:
    return None


def _figure_row(figure: FigureNow, say: Say) -> dict[str, Any] | None:
    """A status belongs to a value (kpi/README.md R10): where nothing is known, there is no tone and nothing to do."""
    entry = entry_of(figure.kpi)
    known = figure.value is not None
    bad = known and figure.status in {Status.WARN, Status.BAD}
    null = entry.nulls.get(NullReason(figure.null_reason)) if figure.null_reason else None
    return {
        "title": say.of(entry.title),
        "value": _value(figure, say) if known else say("no_figure"),
        "tone": _STATUS_TONES[figure.status] if known else "",
        "says": say.of(null) if null is not None else say.of(entry.says),
        "do": say.of(entry.do) if bad else "",
    }


def window_says(window: WindowNow | None, say: Say) -> str:
    """How much of the figures' window was measured."""
    return say("window_measured", pct=say.pct(100 * window.coverage)) if window is not None else ""


def port_rows(ports: Sequence[PortNow], say: Say, device: str, boundary: Boundary) -> list[dict[str, Any]]:
    """Ports with their rates of the last counter interval, those that flap first. One that cannot be put into words is
    left out."""
    ordered = sorted(ports, key=lambda port: not port.flapping)
    rows = [boundary.value(PLACE, f"{device}/{port.key}", partial(_port, port, say), _nothing) for port in ordered]
    return [row for row in rows if row is not None]


def facts(detail: DeviceDetail, names: Mapping[str, str], say: Say) -> list[tuple[str, str]]:
    """Name and value, of what is known."""
    device, system = detail.device, detail.system
    found = [(say("role"), say.of(ROLES[device.role])), *model_facts(detail.inventory, say)]
    found.append((say("address"), device.address))
    if device.parents:
        found.append((say("behind"), ", ".join(bare_name(names.get(p, p)) for p in device.parents)))
    for key in ("name", "descr", "location", "contact"):
        value = system.get(key)
        if value:
            found.append((say(f"sys_{key}"), bare_name(value)))
    if device.snmp is not None:
        if device.snmp.uptime_s is not None:
            found.append((say("uptime"), say.lasting(device.snmp.uptime_s)))
        why = reason_says(device.snmp.reason, say) or device.snmp.reason or DASH
        state = say(f"snmp_{device.snmp.state}", reason=why)
        found.append((say("snmp"), state))
    return found


def agent_groups(
    agent: AgentNow, past: Overview, say: Say, boundary: Boundary
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The probe itself, in groups of name and value."""
    groups: tuple[tuple[str, Callable[[], list[tuple[str, str]]]], ...] = (
        ("gb_measuring", partial(_measuring, agent, past, say)),
        ("gb_store", partial(_store, agent.store, say)),
        ("gb_broker", partial(_broker, agent.broker, say)),
        ("gb_box", partial(_box, agent.vitals, say)),
    )
    return [
        *((say(key), boundary.value(PLACE, key, make, _no_rows)) for key, make in groups),
        *boundary.value(PLACE, "radio", partial(radio_groups, agent.radio, say), _no_groups),
    ]


def _value(figure: FigureNow, say: Say) -> str:
    assert figure.value is not None
    up_s, down_s = figure.parts.get("up_s"), figure.parts.get("down_s")
    if figure.kpi in TIME_SHARES and up_s is not None and down_s is not None:
        known = say.lasting(up_s + down_s)
        share = say.pct(figure.value) if down_s else known  # "100 %" is not said of minutes
        return f"{share} {say('known_for', lasting=known)}"
    if figure.unit == "ms":
        return say.ms(figure.value)
    if figure.unit == "%":
        return say.pct(figure.value)
    if figure.unit == "bit/s":
        return say.bps(figure.value)
    whole = figure.value == int(figure.value)
    text = say.number(figure.value, 0 if whole else 1)
    return text if figure.unit == "1" else f"{text} {figure.unit}"


def _port(port: PortNow, say: Say) -> dict[str, Any] | None:
    value = {figure.kpi: figure.value for figure in port.figures}
    tone, word = "none", say("port_down")
    if port.admin is not None and port.admin != "up":
        word = say("port_off")
    elif port.oper == "up":
        tone, word = "good", say("port_up")
    if port.flapping:
        tone, word = "attention", say("flapping")
    return {
        "idle": tone == "none",
        "name": bare_name(port.name),
        "alias": bare_name(port.alias) if port.alias != port.name else "",
        "tone": tone,
        "word": word,
        "speed": say.bps(port.speed_bps) if port.speed_bps else DASH,
        "in": say.bps(value.get("if_in_bps")),
        "out": say.bps(value.get("if_out_bps")),
        "use": say.pct(value.get("if_util_pct")),
        "errors": say.pct(value.get("if_error_pct")),
        "p95": _p95(port, say),
        "discards": say.pct(value.get("if_discard_pct")),
    }


def _p95(port: PortNow, say: Say) -> str:
    """Of a port that is billed, what it is billed by; "" for others, and before the first day has passed."""
    found = [f.value for f in port.figures if f.kpi == "p95_rate_bps" and "window_s" in f.parts and f.value is not None]
    return say("p95_of_30_days", rate=say.bps(found[0])) if found else ""


def _measuring(agent: AgentNow, past: Overview, say: Say) -> list[tuple[str, str]]:
    jumps = agent.clock.get("jumps", 0)
    clock = say("clock_unset")
    if agent.clock.get("dated", True):
        clock = say("clock_jumps", n=jumps) if jumps else say("clock_trusted")
        if agent.clock.get("trust") == ClockTrust.UNVERIFIED:
            clock = say("clock_unverified")
    faults = agent.settings.get("reload_faults")
    missed = sum(int(agent.scheduler.get(key, 0)) for key in ("overlaps", "deadlines", "missed"))
    return [
        (say("coverage"), say.pct(100 * past.coverage) if past.coverage is not None else DASH),
        (say("missed"), say.number(missed)),
        (say("strays"), say.number(int(agent.scheduler.get("strays", 0)))),
        (say("clock"), clock),
        (say("settings"), say("settings_bad") if faults else say("settings_ok")),
        (say("running_for"), say.lasting(agent.uptime_s)),
        (say("version"), agent.version),
    ]


def _store(store: Mapping[str, Any], say: Say) -> list[tuple[str, str]]:
    used, limit, days = store.get("bytes_used"), store.get("bytes_limit"), store.get("days_left")
    taken = say.size(used) + (f" / {say.size(limit)}" if limit else "")
    dropped = sum(int(d.get("for_space") or 0) for d in store.get("dropped", ()))
    rows = [(say("store_used"), taken)]
    if days is not None:
        rows.append((say("store_left"), say("store_days", n=say.number(days))))
    rows.append((say("store_dropped"), say.number(dropped) if dropped else say("nothing")))
    if store.get("trouble"):
        rows.append((say("store_trouble"), str(store["trouble"])))
    if store.get("clean_stop") is not None:
        rows.append((say("store_stop"), say("store_clean" if store["clean_stop"] else "store_unclean")))
    left_out = int(store.get("rows_damaged") or 0) + int(store.get("rows_refused") or 0)
    if left_out:
        rows.append((say("store_rows"), say.number(left_out)))
    return rows


def _broker(broker: Mapping[str, Any], say: Say) -> list[tuple[str, str]]:
    if not broker.get("configured"):
        return [(say("broker_state"), say("broker_none"))]
    size = say.size(broker.get("backlog_bytes"))
    waiting = say("backlog_n", n=say.number(broker.get("backlog_messages") or 0), size=size)
    rows = [(say("broker_state"), say("broker_up" if broker.get("connected") else "broker_down"))]
    state = broker.get("state") or {}
    if state.get("last_error") and not broker.get("connected"):
        rows.append((say("store_trouble"), str(state["last_error"])))
    if state.get("clash"):
        rows.append((say("store_trouble"), say("clash")))
    return [*rows, (say("backlog"), waiting)]


def _box(vitals: Mapping[str, Any], say: Say) -> list[tuple[str, str]]:
    free, total = vitals.get("disk_free_bytes"), vitals.get("disk_total_bytes")
    rows = [
        (say("disk_free"), say.size(free) + (f" / {say.size(total)}" if total else "")),
        (say("memory_free"), say.size(vitals.get("memory_available_bytes"))),
        (say("memory"), say.size(vitals.get("rss_bytes"))),
    ]
    if vitals.get("load_1min") is not None:
        rows.append((say("load"), say.number(vitals["load_1min"], 2)))
    if vitals.get("temperature_c") is not None:
        rows.append((say("temperature"), f"{say.number(vitals['temperature_c'])} °C"))
    return rows
