"""The probe's own radio, as the API and the page show it: documents as in agent/live.py."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RadioInterfaceNow:
    """One wireless interface of the probe. ``trouble``: why something of it is not known (collectors/radio/child.py has
    the words); ``mode``: "managed" where it is a client, "AP" where it has ``clients``. The counters are the driver's,
    since it is connected; ``tx_retries`` counts every repetition, ``gave_up`` the frames lost after too many."""

    name: str
    at: str
    mode: str
    connected: bool
    ssid: str
    bssid: str | None
    """A keyed hash; null where [privacy] leaves clients out."""
    frequency_mhz: float | None
    channel: int | None
    signal_dbm: float | None
    noise_dbm: float | None
    snr_db: float | None
    tx_bps: float | None
    rx_bps: float | None
    channel_busy_pct: float | None
    """Since the survey before the last."""
    tx_packets: int | None
    tx_retries: int | None
    tx_failed: int | None
    gave_up: int | None
    clients: int | None
    foreign_networks: int
    """Networks of other names on the same channel."""
    strongest_foreign_dbm: float | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class NetworkNow:
    """One access point that was heard in the last hour. ``own``: of the network that the probe is connected to."""

    ssid: str
    """"" for one that hides its name."""
    bssid: str | None
    frequency_mhz: float
    channel: int | None
    signal_dbm: float | None
    own: bool
    heard: str


@dataclass(frozen=True, slots=True)
class ChannelNow:
    """One channel: how many networks were heard on it, and what the last survey found."""

    frequency_mhz: float
    channel: int | None
    networks: int
    strongest_dbm: float | None
    noise_dbm: float | None
    busy_pct: float | None


@dataclass(frozen=True, slots=True)
class RadioNow:
    """All of it."""

    interfaces: Sequence[RadioInterfaceNow]
    networks: Sequence[NetworkNow]
    """The strongest first."""
    channels: Sequence[ChannelNow]
