"""What a radio tells, as the parsers give it: immutable, bounded, in the units that the names say.

MAC addresses here are as the kernel has them; they leave the box as keyed hashes only (agent/privacy.py).
"""

from dataclasses import dataclass

from collectors.snmp.text import clean_text

SSID_OCTETS = 32
"""IEEE 802.11-2020, 9.4.2.2."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One wireless interface. ``mode`` is "managed" (a client), "AP", "monitor", ..., "" where nobody says."""

    name: str
    mode: str = ""
    frequency_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to an access point."""

    bssid: str
    ssid: bytes = b""
    frequency_mhz: float | None = None
    signal_dbm: float | None = None
    tx_bps: float | None = None
    rx_bps: float | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the air: the access point of a client, or one client of an access point. Counters are
    those of the driver since the two met."""

    mac: str
    signal_dbm: float | None = None
    tx_bps: float | None = None
    rx_bps: float | None = None
    tx_packets: int | None = None
    tx_retries: int | None = None
    tx_failed: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the driver counts of one channel: milliseconds since it began to, how long it was there (``active``), found
    the channel taken (``busy``), sent, and received frames of its own network (``bss_rx``)."""

    frequency_mhz: float
    in_use: bool = False
    noise_dbm: float | None = None
    active_ms: int | None = None
    busy_ms: int | None = None
    tx_ms: int | None = None
    bss_rx_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """One access point that was heard."""

    bssid: str
    frequency_mhz: float
    ssid: bytes = b""
    signal_dbm: float | None = None
    seen_ms_ago: int = 0
    associated: bool = False


@dataclass(frozen=True, slots=True)
class Quality:
    """One line of /proc/net/wireless. ``link`` is the driver's own measure, of which nobody says how far it goes."""

    link: float
    signal_dbm: float | None
    noise_dbm: float | None
    retries: int
    """Packets given up after too many retries."""


def ssid_text(ssid: bytes) -> str:
    """For people: one line, UTF-8 or else Latin-1, what reorders or hides text made visible; "" for a hidden one."""
    octets = ssid[:SSID_OCTETS]
    if len(octets) < SSID_OCTETS:  # a whole one, in which no character can have been cut
        try:
            octets.decode()
        except UnicodeDecodeError:
            octets = octets.decode("latin-1").encode()
    return clean_text(octets, SSID_OCTETS)


def channel_of(frequency_mhz: float) -> int | None:
    """The number of the 802.11 channel of 20 MHz whose centre this is (IEEE 802.11-2020, annex E); None where there
    is none."""
    mhz = round(frequency_mhz)
    if mhz == 2484:
        return 14
    if mhz == 5935:
        return 2
    for first, last, zero in ((2412, 2472, 2407), (4910, 4980, 4000), (5035, 5905, 5000), (5955, 7115, 5950)):
        if first <= mhz <= last and (mhz - zero) % 5 == 0:
            return (mhz - zero) // 5
    return None
