"""What `iw` prints, read: pure functions, one a command. Anything may stand in the text, and nothing here raises.

`iw` warns that its output may change. What is read are lines of "name: value" that versions 3.17 to 6.9 have in
common: the first that fits counts, what is missing is None. A network's own name comes with everything unusual as
\\xHH, so it cannot begin a line; some other elements (WPS) come as they are, so that whoever sends beacons can pretend
to be further networks in the list. The same beacons could do that in the air.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from collectors.radio.model import SSID_OCTETS, Interface, Link, Network, Peer, Survey

MOST_INTERFACES = 16
MOST_PEERS = 512
MOST_CHANNELS = 256
MOST_NETWORKS = 1000
"""cfg80211 keeps as many (bss_entries_limit)."""

_MAC = r"([0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_INTERFACE = re.compile(r"\s*Interface (\S{1,15})\s*")
_CHANNEL = re.compile(r"\s*channel \d+ \((\d+(?:\.\d+)?) MHz\)")
_LINK = re.compile(rf"(?:Connected to|Joined IBSS) {_MAC}", re.IGNORECASE)
_STATION = re.compile(rf"Station {_MAC}", re.IGNORECASE)
_BSS = re.compile(rf"BSS {_MAC}\s?\(on [^)]*\)(.*)", re.IGNORECASE)
_FIELD = re.compile(r"\t([A-Za-z][A-Za-z ]{1,40}): ?(.*)")
_NUMBER = re.compile(r"\s*(-?\d{1,18}(?:\.\d{1,6})?)")
_RATE = re.compile(r"\s*(\d{1,7}(?:\.\d{1,3})?) MBit/s")
_AGO = re.compile(r"\s*(\d{1,12}) ms ago")
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


def interfaces(text: str) -> tuple[Interface, ...]:
    """`iw dev`."""
    found: list[Interface] = []
    name: str | None = None
    mode, frequency = "", None
    for line in text.split("\n"):
        begins = _INTERFACE.fullmatch(line)
        if begins or line.startswith("phy#") or "Unnamed" in line:
            if name is not None:
                found.append(Interface(name, mode, frequency))
            name, mode, frequency = begins[1] if begins else None, "", None
        elif line.strip().startswith("type ") and not mode:
            mode = line.strip().removeprefix("type ")[:20]
        elif (channel := _CHANNEL.match(line)) and frequency is None:
            frequency = _frequency(channel[1])
    if name is not None:
        found.append(Interface(name, mode, frequency))
    return tuple(found[:MOST_INTERFACES])


def link(text: str) -> Link | None:
    """`iw dev NAME link`; None where it is not connected."""
    lines = text.split("\n")
    at = next((n for n, line in enumerate(lines) if _LINK.match(line)), None)
    if at is None:
        return None
    begins = _LINK.match(lines[at])
    fields = _fields(lines[at + 1 :])
    return Link(
        bssid=begins[1].lower() if begins else "",
        ssid=_ssid(fields.get("ssid", "")),
        frequency_mhz=_frequency(fields.get("freq", "")),
        signal_dbm=_dbm(fields.get("signal", "")),
        tx_bps=_rate(fields.get("tx bitrate", "")),
        rx_bps=_rate(fields.get("rx bitrate", "")),
    )


def peers(text: str) -> tuple[Peer, ...]:
    """`iw dev NAME station dump`."""
    found = []
    for begins, fields in _blocks(text, _STATION, MOST_PEERS):
        found.append(
            Peer(
                mac=begins[1].lower(),
                signal_dbm=_dbm(fields.get("signal", "")),
                tx_bps=_rate(fields.get("tx bitrate", "")),
                rx_bps=_rate(fields.get("rx bitrate", "")),
                tx_packets=_count(fields.get("tx packets", "")),
                tx_retries=_count(fields.get("tx retries", "")),
                tx_failed=_count(fields.get("tx failed", "")),
            )
        )
    return tuple(found)


def survey(text: str) -> tuple[Survey, ...]:
    """`iw dev NAME survey dump`."""
    found = []
    for _, fields in _blocks(text, re.compile(r"Survey data from "), MOST_CHANNELS):
        frequency = _frequency(fields.get("frequency", ""))
        if frequency is None:
            continue
        found.append(
            Survey(
                frequency_mhz=frequency,
                in_use="[in use]" in fields["frequency"],
                noise_dbm=_dbm(fields.get("noise", "")),
                active_ms=_count(fields.get("channel active time", "")),
                busy_ms=_count(fields.get("channel busy time", "")),
                tx_ms=_count(fields.get("channel transmit time", "")),
                bss_rx_ms=_count(fields.get("channel bss receive time", "")),
            )
        )
    return tuple(found)


def networks(text: str) -> tuple[Network, ...]:
    """`iw dev NAME scan dump`; an access point that is listed twice counts as it stands first."""
    found: dict[str, Network] = {}
    for begins, fields in _blocks(text, _BSS, MOST_NETWORKS):
        frequency = _frequency(fields.get("freq", ""))
        if frequency is None:
            continue
        ago = _AGO.match(fields.get("last seen", ""))
        network = Network(
            bssid=begins[1].lower(),
            frequency_mhz=frequency,
            ssid=_ssid(fields.get("ssid", "")),
            signal_dbm=_dbm(fields.get("signal", "")),
            seen_ms_ago=int(ago[1]) if ago else 0,
            associated="associated" in begins[2],
        )
        found.setdefault(network.bssid, network)
    return tuple(found.values())


def _blocks(text: str, begins: re.Pattern[str], most: int) -> Iterator[tuple[re.Match[str], Mapping[str, str]]]:
    """What stands below each line that ``begins``, up to the next."""
    lines = text.split("\n")
    starts = [(n, match) for n, line in enumerate(lines) if (match := begins.match(line))]
    ends = [*(n for n, _ in starts), len(lines)][1:]
    for (at, match), end in islice(zip(starts, ends, strict=False), most):
        yield match, _fields(lines[at + 1 : end])


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Values by name in small letters. Of "last seen" the one that says how long ago counts, of anything else the
    first: what is nested (the links of one multi-link connection) comes after the whole."""
    found: dict[str, str] = {}
    for line in lines:
        if field := _FIELD.fullmatch(line):
            name = field[1].lower()
            if name not in found or (name == "last seen" and _AGO.match(field[2])):
                found[name] = field[2]
    return found


def _number(text: str) -> float | None:
    match = _NUMBER.match(text)
    return float(match[1]) if match else None


def _count(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and value >= 0 else None


def _dbm(text: str) -> float | None:
    """Only what is said to be dBm, and can be: some drivers tell shares ("45/100"), or 0 for nothing."""
    value = _number(text)
    return value if value is not None and "dBm" in text and -128 <= value < 0 else None


def _frequency(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and 700 <= value <= 75_000 else None


def _rate(text: str) -> float | None:
    match = _RATE.match(text)
    return float(match[1]) * 1_000_000 if match else None


def _ssid(text: str) -> bytes:
    octets = text.encode("latin-1", "replace")
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), octets)[:SSID_OCTETS]
