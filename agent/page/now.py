"""The first screen as it is now: the sentence, the tiles, what is wrong, the devices. Plain data: the template renders
it, and the same travels with every event to pages that are open, so that a page says one thing by both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from statistics import median
from typing import Any

from agent.boundary import Boundary
from agent.history_view import DevicePast, Overview
from agent.live import DeviceNow, FigureNow, FlappingNow, IncidentNow, SiteNow, TroubledNow
from agent.page.say import DASH, DAY, HOUR, Say, since_words
from agent.page.words import REASONS, ROLES, STATES
from agent.view import PLACE, UNSHOWN
from kpi.catalogue import entry_of
from kpi.entry import Part, Words
from kpi.findings import Finding, findings
from kpi.model import Role, State, Status
from kpi.seen import Gear, Read, Seen, Tone, bare_name, on_battery, plain_name
from kpi.sentence import DEVICE_DOWN, OWN_FAULT, OWN_LINK, Flapping, Known, Sentence, Trouble, sentence
from kpi.tiles import PART_NAMES, Tile, tiles

TONES = {"up": Tone.GOOD, "down": Tone.PROBLEM, "unknown": Tone.NONE, "maintenance": Tone.MAINTENANCE}
_RANKS = {"down": 0, "unknown": 1, "maintenance": 2, "up": 3}
_KINDS = {DEVICE_DOWN: "down", OWN_LINK: "own_link", OWN_FAULT: "fault"}
MOST_NAMES = 5
WHOLE_MONTH_S = 29 * DAY
"""What is known for longer is not said to be known for less than 30 days."""


MOST_FIGURES = 12
"""More figures that are not good are counted."""
_WEIGHT = {Tone.PROBLEM.value: 0, Tone.NONE.value: 1}
"""In the list of what is wrong: problems, what keeps the probe from measuring, then what is worth attention."""
CANNOT_SAY = Sentence(
    Tone.NONE,
    Words(
        "How the site is cannot be put into words: a fault of this program. What is known stands below.",
        "Non è possibile riassumere lo stato della sede: è un errore di questo programma. Ciò che è noto è qui sotto.",
    ),
)
_RUNS_ON_BATTERY = frozenset({"on_battery_s", "ups_runtime_min"})


@dataclass(frozen=True, slots=True)
class SiteSeen:
    """What the running agent knows of its site at one moment."""

    site: SiteNow
    devices: Sequence[DeviceNow]
    flapping: Sequence[FlappingNow]
    troubled: Sequence[TroubledNow] = ()


def seconds(rfc3339: str) -> float:
    """Since the epoch."""
    return datetime.fromisoformat(rfc3339).timestamp()


def known(seen: SiteSeen, say: Say, boundary: Boundary) -> Known:
    """What the sentence is made of."""
    now = seconds(seen.site.time)
    oldest_first = sorted(seen.site.incidents, key=lambda i: i.opened)
    return Known(
        devices=[boundary.value(PLACE, d.id, partial(_seen, d, now, say), partial(_nobody, d)) for d in seen.devices],
        troubles=[
            boundary.value(PLACE, i.entity, partial(_trouble, i, now, say), partial(_undated, i)) for i in oldest_first
        ],
        figures=[_read(f) for f in seen.site.figures] + [_read(t.figure, t) for t in seen.troubled],
        flapping=[Flapping(f.name, f.port) for f in seen.flapping],
        own_trouble=_own_trouble(seen.site),
    )


def page_now(seen: SiteSeen, past: Overview, say: Say, boundary: Boundary) -> dict[str, Any]:
    """Everything on the first screen that changes from second to second, as it is shown. What fails of one device, of
    one tile or of one incident costs that one its text."""
    now = seconds(seen.site.time)
    what = known(seen, say, boundary)
    said = boundary.value(PLACE, "sentence", partial(sentence, what), lambda: CANNOT_SAY)
    flapping = {f.device for f in seen.flapping}
    found = boundary.value(PLACE, "tiles", partial(tiles, what.devices, what.figures, flapping), lambda: ())
    return {
        "tone": said.tone.value,
        "sentence": say.of(said.says),
        "time": seen.site.time,
        "clock": say.clock(now, seconds=True),
        "notice": notice_says(seen.site, say),
        "tiles": [
            boundary.value(PLACE, f"tile {t.part}", partial(_tile, t, seen.devices, say), partial(_blank_tile, t, say))
            for t in found
        ],
        "wrong": _wrong(seen, what, now, say, boundary),
        "devices": device_rows(seen.devices, past, now, say, boundary),
    }


def device_rows(
    devices: Sequence[DeviceNow], past: Overview, now: float, say: Say, boundary: Boundary
) -> list[dict[str, Any]]:
    """The table, worst first."""
    rows = [(rank(d, past.devices.get(d.id)), d) for d in devices]
    rows.sort(key=lambda pair: pair[0])
    return [
        boundary.value(
            PLACE, d.id, partial(_row, d, past.devices.get(d.id, DevicePast()), now, say), partial(_blank_row, d, say)
        )
        for _, d in rows
    ]


def rank(device: DeviceNow, past: DevicePast | None) -> tuple[int, float]:
    """Smaller is worse: gone, not known, planned, then by what was lost today."""
    lost = round(_lost_pct(past) or 0.0, 2) if past else 0.0
    return _RANKS.get(device.state, 1), -lost


def ended(
    incidents: Sequence[IncidentNow], names: Mapping[str, str], now: float, say: Say, boundary: Boundary
) -> list[dict[str, Any]]:
    """Incidents that are over, newest first."""
    over = [i for i in incidents if i.closed is not None]
    return [_shown_incident(i, names, now, say, boundary) for i in over]


def reason_says(reason: str | None, say: Say) -> str:
    """Why, as a sentence; "" where there is none that a person would want to read."""
    words = REASONS.get(reason or "")
    return say.of(words) if words is not None else ""


def detail_says(device: DeviceNow, now: float, say: Say) -> str:
    """Since when it is not there, and why; "" where it is."""
    if device.state == "up":
        return ""
    since = say.since(seconds(device.since), now) if device.since is not None else ""
    return ". ".join(part for part in (since[:1].upper() + since[1:], reason_says(device.reason, say)) if part)


def _seen(device: DeviceNow, now: float, say: Say) -> Seen:
    told, gear = device.gear, Gear()
    if told is not None:
        since = told.on_battery_since
        gear = Gear(
            wifi=told.has_wifi,
            battery=told.has_battery,
            clients=told.wifi_clients,
            on_battery=told.on_battery,
            battery_low=told.battery_low,
            runtime_min=told.battery_runtime_min,
            charge_pct=told.battery_charge_pct,
            since=since_words(seconds(since), now, say.zone) if since is not None else None,
        )
    failed = device.snmp is not None and device.snmp.state != "up" and device.snmp.reason is not None
    return Seen(device.id, device.name, Role(device.role), State(device.state), device.reason, gear, failed)


def notice_says(site: SiteNow, say: Say) -> str:
    """What whoever looks must know of this site; "" for nothing."""
    notice = site.notice or {}
    return notice.get(say.language) or notice.get("en") or ""


def _own_trouble(site: SiteNow) -> Words | None:
    trouble = site.trouble or {}
    return Words(trouble["en"], trouble.get("it", trouble["en"])) if "en" in trouble else None


def _nobody(device: DeviceNow) -> Seen:
    """A device that cannot be put into words: nothing is known of it."""
    role = Role(device.role) if device.role in set(Role) else Role.ENDPOINT
    return Seen(device.id, device.name, role, State.UNKNOWN, UNSHOWN)


def _trouble(incident: IncidentNow, now: float, say: Say) -> Trouble:
    since = since_words(seconds(incident.opened), now, say.zone)
    return Trouble(incident.kind, incident.entity, since, incident.hides)


def _undated(incident: IncidentNow) -> Trouble:
    return Trouble(incident.kind, incident.entity, Words("now", "in questo momento"), incident.hides)


def _read(figure: FigureNow, of: TroubledNow | None = None) -> Read:
    worst = next((flag.partition(":")[2] for flag in figure.flags if flag.startswith("worst:")), "")
    device, port = (of.device, of.port) if of is not None else ("", "")
    return Read(figure.kpi, figure.value, Status(figure.status), figure.parts, worst, device, port, tuple(figure.flags))


def _wrong(seen: SiteSeen, what: Known, now: float, say: Say, boundary: Boundary) -> list[dict[str, Any]]:
    """What is wrong now: problems first, else in the order batteries, incidents, ports that flap, figures."""
    names = {d.id: d.name for d in seen.devices}
    planned = {d.id for d in what.devices if d.state is State.MAINTENANCE}
    running = on_battery(what.devices)
    own = [_item("trouble", Tone.ATTENTION, says=say.of(what.own_trouble))] if what.own_trouble is not None else []
    found = own + [
        boundary.value(PLACE, d.id, partial(_battery, d, say), partial(_blank_item, d.id, say)) for d in running
    ]
    found += [_shown_incident(i, names, now, say, boundary) for i in seen.site.incidents if i.entity not in planned]
    found += [
        boundary.value(PLACE, f.device, partial(_flap, f, say), partial(_blank_item, f.device, say))
        for f in seen.flapping
        if f.device not in planned
    ]
    supplies, flapping = {d.id for d in running}, {f.device for f in seen.flapping}
    figures = [
        f
        for f in boundary.value(PLACE, "figures", partial(findings, what.devices, what.figures), lambda: ())
        if not (f.device in supplies and f.kpi in _RUNS_ON_BATTERY)
        and not (f.device in flapping and f.kpi == "link_flap")
    ]
    found += [
        boundary.value(PLACE, f.device, partial(_finding, f, say), partial(_blank_item, f.device, say))
        for f in figures[:MOST_FIGURES]
    ]
    if len(figures) > MOST_FIGURES:
        more = say("more_figures", n=len(figures) - MOST_FIGURES)
        found.append(_item("figures", Tone.ATTENTION, says=more))
    return sorted(found, key=lambda item: _WEIGHT.get(item["tone"], 2))


def _item(
    item: str, tone: Tone, *, says: str, name: str = "", device: str = "", when: str = "", more: str = ""
) -> dict[str, Any]:
    return {"id": item, "tone": tone.value, "name": name, "device": device, "says": says, "when": when, "more": more}


def _blank_item(entity: str, say: Say) -> dict[str, Any]:
    """What stands for something wrong that cannot be put into words."""
    return _item(f"unshown:{entity}", Tone.ATTENTION, says=say("some_trouble"), device=entity, more=say("unshown"))


def _shown_incident(
    incident: IncidentNow, names: Mapping[str, str], now: float, say: Say, boundary: Boundary
) -> dict[str, Any]:
    return boundary.value(
        PLACE,
        incident.entity,
        partial(_incident, incident, names, now, say),
        partial(_blank_item, incident.entity, say),
    )


def _finding(finding: Finding, say: Say) -> dict[str, Any]:
    """A figure that is not good, with what to do. Its sentence has the name in it."""
    return _item(
        f"figure:{finding.kpi}:{finding.device}:{finding.port}",
        finding.tone,
        says=say.of(finding.says),
        device=finding.device,
        more=say.of(entry_of(finding.kpi).do),
    )


def _blank_tile(tile: Tile, say: Say) -> dict[str, Any]:
    return {
        "id": tile.part.value,
        "name": say.of(PART_NAMES[tile.part]),
        "tone": tile.tone.value,
        "word": say.of(tile.word),
        "figure": DASH,
        "unit": "",
    }


def _tile(tile: Tile, devices: Sequence[DeviceNow], say: Say) -> dict[str, Any]:
    figure, unit = say("of", up=tile.up, total=tile.total), say("reachable" if tile.total != 1 else "reachable_one")
    if tile.tone in {Tone.NONE, Tone.MAINTENANCE} and not tile.up:
        figure, unit = DASH, ""  # "0 of 3 reachable" would say that they are not
    elif tile.part is Part.INTERNET:
        outside = [d for d in devices if d.role == Role.INTERNET]
        times = [d.rtt_ms for d in outside if d.rtt_ms is not None and d.state == "up"]
        if times and tile.tone is not Tone.PROBLEM:
            figure, unit = say.ms(median(times)), say("response_time")
        else:
            unit = say("answer") if outside else say("router_only")
    elif tile.gear.clients is not None:
        figure, unit = say.number(tile.gear.clients), say("clients_now" if tile.gear.clients != 1 else "client_now")
    elif tile.gear.runtime_min is not None:
        figure = say.lasting(60 * tile.gear.runtime_min)
        unit = say("left_now" if tile.gear.on_battery else "left_then")
    elif tile.gear.charge_pct is not None:
        figure, unit = say.pct(tile.gear.charge_pct), say("charge_now")
    return {
        "id": tile.part.value,
        "name": say.of(PART_NAMES[tile.part]),
        "tone": tile.tone.value,
        "word": say.of(tile.word),
        "figure": figure,
        "unit": unit,
    }


def _incident(incident: IncidentNow, names: Mapping[str, str], now: float, say: Say) -> dict[str, Any]:
    opened = seconds(incident.opened)
    kind = _KINDS.get(incident.kind, "other")
    over = incident.closed is not None
    when = say.since(opened, now)
    if over:
        when = f"{say.moment(opened, now)}, {say('for', lasting=say.lasting(incident.seconds))}"
    tone = Tone.NONE if kind == "fault" else Tone.PROBLEM
    if incident.maintenance:
        tone, when = Tone.MAINTENANCE, say("planned", when=when)
    more = [] if over else [reason_says(incident.cause, say)]
    if incident.hides:
        more.append(say("hides", names=_names([names.get(h, h) for h in incident.hides], say)))
    return _item(
        incident.id,
        tone,
        name=bare_name(incident.name) if kind in {"down", "other"} else "",
        device=incident.entity if incident.entity in names else "",
        says=say(f"{kind}_{'was' if over else 'now'}"),
        when=when,
        more=" ".join(m for m in more if m),
    )


def _flap(flap: FlappingNow, say: Say) -> dict[str, Any]:
    return _item(
        f"flap:{flap.device}:{flap.port}",
        Tone.ATTENTION,
        name=bare_name(flap.name),
        device=flap.device,
        says=say("flaps", port=plain_name(flap.port)),
        more=say("flaps_do"),
    )


def _battery(device: Seen, say: Say) -> dict[str, Any]:
    gear = device.gear
    left = say("battery_lasts", n=say.lasting(60 * gear.runtime_min)) if gear.runtime_min is not None else ""
    return _item(
        f"battery:{device.id}",
        Tone.PROBLEM if gear.battery_low else Tone.ATTENTION,
        name=bare_name(device.name),
        device=device.id,
        says=say("on_battery"),
        when=say.of(gear.since) if gear.since is not None else "",
        more=" ".join(m for m in (left, say("battery_do")) if m),
    )


def _names(names: Sequence[str], say: Say) -> str:
    shown = ", ".join(plain_name(n) for n in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else say("and_more", names=shown, n=len(names) - MOST_NAMES)


def _row(device: DeviceNow, past: DevicePast, now: float, say: Say) -> dict[str, Any]:
    enough = past.known_s >= HOUR and past.available_pct is not None  # "100 %" is not for minutes
    short = enough and past.known_s < WHOLE_MONTH_S
    return {
        "id": device.id,
        "name": bare_name(device.name),
        "role": say.of(ROLES[device.role]),
        "tone": TONES[device.state].value,
        "word": say.of(STATES[device.state]),
        "why": reason_says(device.reason, say) if device.state == "unknown" else "",
        "detail": detail_says(device, now, say),
        "rtt": say.ms(device.rtt_ms),
        "lost": say.pct(_lost_pct(past)),
        "available": say.pct(past.available_pct) if enough else DASH,
        "of": say("known_for", lasting=say.lasting(past.known_s)) if short else "",
        "seen": _last_seen(device, past, now, say),
        "told": device.gear.at if device.gear is not None else "",
    }


def _blank_row(device: DeviceNow, say: Say) -> dict[str, Any]:
    """A row that cannot be made: who it is, and why there is no more."""
    return {
        "id": device.id,
        "name": bare_name(device.name),
        "role": "",
        "tone": Tone.NONE.value,
        "word": say.of(STATES["unknown"]),
        "why": reason_says(UNSHOWN, say),
        "detail": "",
        "rtt": DASH,
        "lost": DASH,
        "available": DASH,
        "of": "",
        "seen": DASH,
        "told": "",
    }


def _lost_pct(past: DevicePast) -> float | None:
    return 100 * past.lost_today / past.sent_today if past.sent_today else None


def _last_seen(device: DeviceNow, past: DevicePast, now: float, say: Say) -> str:
    if device.state == "up":
        return say("seen_now")
    if device.state == "down" and device.since is not None and past.last_up_utc is not None:
        return say.moment(seconds(device.since), now)
    return say.moment(past.last_up_utc, now) if past.last_up_utc is not None else say("seen_never")
