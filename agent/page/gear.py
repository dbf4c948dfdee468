"""What a device tells beyond its ports, on its page. A section has groups (a radio, a battery), each with values and a
state; where each thing has one value alone (sensors, disks), it has cells."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.live import DeviceDetail, PortNow
from agent.live_gear import BgpPeerNow, InventoryNow, NeighborNow, OspfNeighborNow, ReadingNow
from agent.page.gear_words import JUDGED, LABELS, NAMES, STATUS, TEXT, YES_NO
from agent.page.say import DASH, NB, Say
from kpi.gear import Kind
from kpi.model import Status
from kpi.seen import bare_name

MOST_SHOWN = 12
"""More of them are behind a tap, the worst and the fullest first."""
TONES = {Status.GOOD: "good", Status.WARN: "attention", Status.BAD: "problem", Status.NONE: ""}
_RANKS = {Status.BAD: 0, Status.WARN: 1, Status.GOOD: 2, Status.NONE: 2}
_SECTIONS: Mapping[str, frozenset[Kind]] = {
    "power": frozenset({
        Kind.BATTERY_CHARGE, Kind.BATTERY_RUNTIME, Kind.LOAD, Kind.ON_BATTERY, Kind.BATTERY_LOW,
        Kind.ON_BATTERY_SECONDS, Kind.SELF_TEST_FAILED, Kind.POE_NOMINAL, Kind.POE_USED,
    }),
    "sensors": frozenset({
        Kind.TEMPERATURE, Kind.HUMIDITY, Kind.FAN_SPEED, Kind.VOLTAGE, Kind.CURRENT, Kind.POWER,
    }),
    "resources": frozenset({Kind.CPU_USED, Kind.MEMORY_USED, Kind.STORAGE_USED, Kind.SUPPLY_LEVEL}),
}  # fmt: skip
"""Every other kind is wireless."""
SECTIONS = ("wireless", *_SECTIONS)
_CELLS = frozenset({"sensors", "resources"})
_ORDER = {kind: place for place, kind in enumerate(LABELS)}
_ELECTRIC = frozenset({Kind.VOLTAGE, Kind.CURRENT, Kind.POWER, Kind.TEMPERATURE})
_SUPPLY = frozenset({Kind.BATTERY_CHARGE, Kind.BATTERY_RUNTIME, Kind.ON_BATTERY, Kind.LOAD})
_NUMBERED = re.compile(r"(.*?)( ?\d*)")
_COMING = frozenset({"connect", "active", "opensent", "openconfirm", "init", "exchangeStart", "exchange", "loading"})
_UP = frozenset({"established", "full", "twoWay"})
_UNITS = {"1": "", "Cel": "°C"}


@dataclass(frozen=True, slots=True)
class Section:
    """``lead``: what is to be known of it at once, "" for nothing; ``shown`` are groups, or cells, ``more`` those
    behind a tap."""

    id: str
    title: str
    lead: str
    cells: bool
    shown: Sequence[dict[str, Any]]
    more: Sequence[dict[str, Any]]
    more_says: str


def sections(detail: DeviceDetail, say: Say) -> dict[str, Section]:
    """By id, those that this device has."""
    parted: dict[str, list[ReadingNow]] = {name: [] for name in SECTIONS}
    electric = _electric_names(detail.readings)
    for reading in detail.readings:
        parted[_section_of(reading, electric)].append(reading)
    return {name: _section(name, readings, detail, say) for name, readings in parted.items() if readings}


def model_says(inventory: InventoryNow | None, say: Say) -> list[str]:
    """Make and model, software, serial number: what of them is known."""
    if inventory is None:
        return []
    return [bare_name(text) for text in (
        _make(inventory),
        say.of(TEXT["software_is"]).format(version=inventory.firmware) if inventory.firmware else "",
        say.of(TEXT["serial_is"]).format(serial=inventory.serial) if inventory.serial else "",
    ) if text]  # fmt: skip


def model_facts(inventory: InventoryNow | None, say: Say) -> list[tuple[str, str]]:
    """The same as names and values."""
    if inventory is None:
        return []
    found = (("model", _make(inventory)), ("software", inventory.firmware), ("serial", inventory.serial))
    return [(say.of(TEXT[key]), bare_name(value)) for key, value in found if value]


def neighbour_rows(neighbors: Iterable[NeighborNow], names: Mapping[str, str], say: Say) -> list[dict[str, str]]:
    """Who is at the other end of which port."""
    return [
        {
            "port": bare_name(n.local_port),
            "device": n.device if n.device is not None and n.device in names else "",
            "name": bare_name(names.get(n.device or "", "") or n.remote_name or n.remote_address or n.remote_chassis)
            or say("no_figure"),
            "descr": bare_name(n.remote_descr),
            "its_port": bare_name(n.remote_port) or DASH,
            "by": n.protocol.upper(),
        }
        for n in neighbors
    ]


def session_rows(peers: Iterable[BgpPeerNow], neighbors: Iterable[OspfNeighborNow], say: Say) -> list[dict[str, str]]:
    """Routers that paths are exchanged with."""
    rows = []
    for peer in peers:
        tone, word = _session(peer.state, say) if peer.admin_up is not False else ("none", say.of(TEXT["session_off"]))
        what = "BGP" if peer.remote_as is None else say.of(TEXT["as"]).format(number=peer.remote_as)
        lasting = say.lasting(peer.established_s) if peer.established_s and peer.state == "established" else DASH
        rows.append({"tone": tone, "word": word, "what": what, "with": peer.remote_address, "for": lasting})
    for neighbor in neighbors:
        tone, word = _session(neighbor.state, say)
        rows.append({"tone": tone, "word": word, "what": "OSPF", "with": neighbor.address, "for": DASH})
    return rows


def stp_facts(detail: DeviceDetail, names: Mapping[str, str], say: Say) -> list[tuple[str, str]]:
    """The spanning tree, as names and values; nothing where the device takes no part in one."""
    stp = detail.stp
    if stp is None or not stp.designated_root.strip("0:"):
        return []
    root = bare_name(names.get(stp.device or "", "")) or stp.designated_root
    if stp.device == detail.device.id:
        root = say.of(TEXT["stp_self"])
    found = [(say.of(TEXT["stp_root"]), root)]
    if stp.topology_changes is not None:
        once = "times_one" if stp.topology_changes == 1 else "times"
        times = say.of(TEXT[once]).format(n=say.number(stp.topology_changes))
        found.append((say.of(TEXT["stp_changes"]), times))
    if stp.since_change_s is not None and stp.topology_changes:
        lasting = say.lasting(stp.since_change_s)
        found.append((say.of(TEXT["stp_since"]), say.of(TEXT["ago"]).format(lasting=lasting)))
    return found


def _make(inventory: InventoryNow) -> str:
    """Vendor and model; the vendor is not said twice."""
    vendor, model = inventory.vendor or "", inventory.model or ""
    return model if model.casefold().startswith(vendor.casefold()) and model else f"{vendor} {model}".strip()


def _session(state: str, say: Say) -> tuple[str, str]:
    if state in _UP:
        return "good", say.of(TEXT["session_up"])
    key, tone = ("session_coming", "attention") if state in _COMING else ("session_down", "problem")
    return tone, say.of(TEXT[key]).format(state=bare_name(state))


def _electric_names(readings: Iterable[ReadingNow]) -> frozenset[str]:
    """The names whose volts and degrees are the supply's: those of inputs, outputs and batteries of a UPS."""
    told = list(readings)
    if not any(Kind(r.kind) in _SUPPLY for r in told):
        return frozenset()
    own = {r.name for r in told if Kind(r.kind) in _SUPPLY}
    return frozenset(own | {r.name for r in told if r.kind in {Kind.VOLTAGE, Kind.CURRENT, Kind.POWER}})


def _section_of(reading: ReadingNow, electric: frozenset[str]) -> str:
    kind = Kind(reading.kind)
    if kind in _ELECTRIC and reading.name in electric:
        return "power"
    return next((name for name, kinds in _SECTIONS.items() if kind in kinds), "wireless")


def _section(name: str, readings: Sequence[ReadingNow], detail: DeviceDetail, say: Say) -> Section:
    if name in _CELLS:
        shown = [_cell(reading, say) for reading in readings]
    else:
        shown = [_group(own, rows, detail.ports, say) for own, rows in _grouped(readings).items()]
    if len(shown) > MOST_SHOWN:
        shown.sort(key=lambda one: one["rank"])
    more = shown[MOST_SHOWN:]
    return Section(
        id=name,
        title=say.of(TEXT[name]),
        lead=_lead(name, detail, say),
        cells=name in _CELLS,
        shown=shown[:MOST_SHOWN],
        more=more,
        more_says=say.of(TEXT["more"]).format(n=len(more)) if more else "",
    )


def _grouped(readings: Sequence[ReadingNow]) -> dict[str, list[ReadingNow]]:
    """By name, in the order of the device. "Output" and "Output 1" are one where there is no second."""
    names = {reading.name for reading in readings}
    groups: dict[str, list[ReadingNow]] = {}
    for reading in readings:
        if reading.kind == Kind.ON_BATTERY_SECONDS and reading.value == 0:
            continue
        alone = reading.name.removesuffix(" 1")
        groups.setdefault(reading.name if f"{alone} 2" in names else alone, []).append(reading)
    return groups


def _lead(section: str, detail: DeviceDetail, say: Say) -> str:
    gear = detail.device.gear
    if gear is None:
        return ""
    if section == "wireless" and gear.wifi_clients is not None:
        key = "clients_one" if gear.wifi_clients == 1 else "clients_many"
        return say.of(TEXT[key]).format(n=say.number(gear.wifi_clients))
    if section == "power" and gear.on_battery is not None:
        said = say.of(TEXT["on_battery" if gear.on_battery else "on_mains"])
        if gear.battery_runtime_min is not None:
            lasting = say.lasting(60 * gear.battery_runtime_min)
            said += " " + say.of(TEXT["lasts_now" if gear.on_battery else "lasts_then"]).format(n=lasting)
        return said
    return ""


def _cell(reading: ReadingNow, say: Say) -> dict[str, Any]:
    status = Status(reading.status)
    row = _value_row(reading, None, say)
    beside = row["label"] if reading.kind in _SECTIONS["resources"] else row["limit"]
    word = row["word"] or (say.of(STATUS[status]) if status is not Status.NONE else "")
    return {
        "name": _name(reading.name, say),
        "value": row["value"],
        "beside": beside,
        "tone": TONES[status],
        "word": word[:1].upper() + word[1:],
        "rank": (_RANKS[status], -reading.value),
    }


def _group(name: str, readings: Sequence[ReadingNow], ports: Sequence[PortNow], say: Say) -> dict[str, Any]:
    worst = min((Status(r.status) for r in readings), key=lambda s: _RANKS[s])
    judged = any(Status(r.status) is not Status.NONE for r in readings)
    state = (Status.GOOD if judged else Status.NONE) if worst in {Status.GOOD, Status.NONE} else worst
    most = max((r.value for r in readings if r.kind == Kind.CLIENTS), default=0.0)
    budget = next((r for r in readings if r.kind == Kind.POE_NOMINAL), None)
    band = _band(readings, say)
    beside = [band, next((bare_name(p.alias) for p in ports if _is_at(p, name, readings) and p.alias != p.name), "")]
    return {
        "name": _name(name, say),
        "also": " · ".join(part for part in beside if part),
        "tone": TONES[state],
        "word": say.of(STATUS[state]) if state is not Status.NONE else "",
        "rank": (_RANKS[worst], -most),
        "values": [
            _value_row(r, budget, say)
            for r in sorted(_as_channels(readings) if band else readings, key=lambda r: _ORDER[Kind(r.kind)])
            if r is not budget or len(readings) == 1
        ],
    }


def _is_at(port: PortNow, name: str, readings: Sequence[ReadingNow]) -> bool:
    return port.name == name or any(r.port == port.index for r in readings)


def _as_channels(readings: Sequence[ReadingNow]) -> list[ReadingNow]:
    """Of a radio with clients: its channel, as people know it, and not also its frequency."""
    if all(r.kind != Kind.CLIENTS for r in readings):
        return list(readings)
    known = any(r.kind == Kind.CHANNEL for r in readings)
    found = []
    for reading in readings:
        if reading.kind == Kind.FREQUENCY:
            channel = _channel_of(reading.value)
            if known or channel is None:
                continue
            found.append(replace(reading, kind=Kind.CHANNEL.value, unit="1", value=channel))
        else:
            found.append(reading)
    return found


def _channel_of(mhz: float) -> int | None:
    """IEEE 802.11-2020 17.3.8.4.2 and 15.4.4.3, annex E for 6 GHz: the channel with this centre."""
    if mhz == 2484:
        return 14
    start = 2407 if mhz < 5000 else 5000 if mhz < 5925 else 5950
    return round((mhz - start) / 5) if (mhz - start) % 5 == 0 else None


def _name(name: str, say: Say) -> str:
    found = _NUMBERED.fullmatch(name)
    known = NAMES.get(found[1]) if found is not None else None
    if found is None or known is None:
        return bare_name(name)
    return say.of(known) + (found[2] if found[2].strip() != "1" else "")


def _band(readings: Iterable[ReadingNow], say: Say) -> str:
    """Of a Wi-Fi radio, as people call it."""
    for reading in readings:
        mhz = reading.value if reading.kind == Kind.FREQUENCY else 0.0
        channel = reading.value if reading.kind == Kind.CHANNEL else 0.0
        if 2400 <= mhz < 2500 or 0 < channel <= 14:
            return say.of(TEXT["band"]).format(band=say.number(2.4, 1))
        if 5150 <= mhz < 5925 or 32 <= channel <= 177:
            return say.of(TEXT["band"]).format(band="5")
        if 5925 <= mhz < 7125:
            return say.of(TEXT["band"]).format(band="6")
    return ""


def _value_row(reading: ReadingNow, budget: ReadingNow | None, say: Say) -> dict[str, str]:
    kind, status = Kind(reading.kind), Status(reading.status)
    limit = ""
    if reading.limit is not None:
        limit = say.of(TEXT["limit"]).format(limit=value_says(reading, reading.limit, say))
    elif kind is Kind.POE_USED and budget is not None:
        limit = say.of(TEXT["of"]).format(whole=value_says(budget, budget.value, say))
    judged = JUDGED.get((kind, status))
    if judged is None and status in {Status.WARN, Status.BAD} and kind not in YES_NO:
        judged = STATUS[status]
    return {
        "label": say.of(LABELS[kind]),
        "value": value_says(reading, reading.value, say),
        "limit": limit,
        "tone": TONES[status] if status in {Status.WARN, Status.BAD} else "",
        "word": say.of(judged) if judged is not None else "",
    }


def value_says(reading: ReadingNow, value: float, say: Say) -> str:
    """A value in the unit of the reading, as the language writes it."""
    kind = Kind(reading.kind)
    if kind in YES_NO:
        return say.of(YES_NO[kind][value > 0])
    if reading.unit in {"min", "s"}:
        return say.lasting(value * (60 if reading.unit == "min" else 1))
    if reading.unit == "bit/s":
        return say.bps(value)
    if reading.unit == "MHz" and value >= 1000:
        return f"{_number(value / 1000, 3, say)}{NB}GHz"
    unit = _UNITS.get(reading.unit, reading.unit)
    digits = {"dBm": 0, "dB": 0, "%": 0, "rpm": 0, "W": 1, "Cel": 1}.get(reading.unit, 2)
    text = _number(value, 1 if reading.unit == "%" and 0 < value < 10 else digits, say)
    return f"{text}{NB}{unit}" if unit else text


def _number(value: float, digits: int, say: Say) -> str:
    """With at most so many decimals, and none that say nothing."""
    rounded = round(value, digits)
    needed = next((n for n in range(digits) if round(rounded, n) == rounded), digits)
    return say.number(rounded, needed)
