"""The probe's own radio, read poll by poll: link and peers each time, channels and networks when asked for.

Nothing is sent: the networks are those that the kernel heard since somebody scanned (wpa_supplicant does, as it looks
for a better access point), unless ``scan`` asks for one, which takes air time and CAP_NET_ADMIN.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.clock import Clock
from collectors.radio import iw
from collectors.radio.child import SCAN_S, TIMEOUT_S, Said, Trouble, run_iw
from collectors.radio.model import Interface, Link, Network, Peer, Quality, Survey, channel_of
from collectors.radio.wireless import qualities
from kpi.gear import Kind, Reading, Readings

Run = Callable[[Sequence[str], float], Awaitable[Said]]
KEEP_HEARD_S = 3600.0
"""A network that nobody has heard for so long is not listed any more."""
KEEP_NOISE_S = 600.0
"""Two surveys."""
ACCESS_POINT = "AP"
"""The mode of an interface that others are connected to."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a channel was used between two surveys, in percent of the time the radio was on it. ``bss_rx_pct``: by
    frames of its own network that it received."""

    busy_pct: float
    tx_pct: float | None
    bss_rx_pct: float | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A network, and when it was heard last (monotonic seconds)."""

    network: Network
    at: float


@dataclass(frozen=True, slots=True)
class Radio:
    """One interface, read at ``at`` (monotonic seconds). ``trouble`` says why something of it is not known."""

    interface: Interface
    at: float
    link: Link | None = None
    peers: tuple[Peer, ...] = ()
    quality: Quality | None = None
    noise_dbm: float | None = None
    use: Use | None = None
    """Only where the channels were surveyed in this reading."""
    trouble: Trouble | None = None

    @property
    def signal_dbm(self) -> float | None:
        """What it receives of its access point; the kernel goes on telling the last one when it is not connected."""
        if self.link is None and self.trouble is None:
            return None
        if self.link is not None and self.link.signal_dbm is not None:
            return self.link.signal_dbm
        return self.quality.signal_dbm if self.quality is not None else None

    @property
    def frequency_mhz(self) -> float | None:
        """Where it is tuned to."""
        known = self.link.frequency_mhz if self.link is not None else None
        return known if known is not None else self.interface.frequency_mhz


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One channel as the last survey found it."""

    survey: Survey
    use: Use | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All radios of the probe, and what they hear around. ``channels`` and ``heard`` are of the last survey."""

    radios: tuple[Radio, ...]
    channels: tuple[Surveyed, ...] = ()
    heard: tuple[Heard, ...] = ()


class RadioCollector:
    """Remembers what the next reading is compared with."""

    def __init__(
        self,
        clock: Clock,
        run: Run = run_iw,
        *,
        sys_net: Path = Path("/sys/class/net"),
        proc: Path = Path("/proc/self/net/wireless"),
    ) -> None:
        """``run(arguments, timeout_s)`` is `iw`; ``sys_net`` and ``proc`` are the kernel's own lists."""
        self._clock = clock
        self._run = run
        self._sys_net = sys_net
        self._proc = proc
        self._surveys: dict[str, dict[float, Survey]] = {}
        self._noise: dict[str, tuple[float, float]] = {}
        self._channels: tuple[Surveyed, ...] = ()
        self._heard: dict[str, Heard] = {}

    def names(self) -> tuple[str, ...]:
        """The wireless interfaces that the kernel lists; reads memory only."""
        try:
            found = {p.name for p in self._sys_net.iterdir() if (p / "wireless").exists() or (p / "phy80211").exists()}
        except OSError:
            found = set()
        return tuple(sorted(found | self._qualities().keys()))[: iw.MOST_INTERFACES]

    async def read(self, *, wide: bool, scan: bool = False) -> Seen:
        """Each radio once; ``wide``: its channels and the networks around as well, after a ``scan`` where asked."""
        names = self.names()
        said = await self._run(["dev"], TIMEOUT_S)
        known = {found.name: found for found in iw.interfaces(said.text)}
        radios = [
            await self._radio(known.get(name, Interface(name)), said.reason, wide=wide, scan=scan) for name in names
        ]
        return Seen(tuple(radios), self._channels, self._still_heard())

    async def _radio(self, interface: Interface, trouble: Trouble | None, *, wide: bool, scan: bool) -> Radio:
        name, at = interface.name, self._clock.monotonic()
        quality = self._qualities().get(name)
        if trouble is not None:
            return Radio(interface, at, quality=quality, noise_dbm=_noise_in(quality), trouble=trouble)
        about = await self._ask(name, "link")
        stations = await self._ask(name, "station", "dump")
        link, peers = iw.link(about.text), iw.peers(stations.text)
        tuned = link.frequency_mhz if link is not None else interface.frequency_mhz
        troubles = [about.reason, stations.reason]
        use = None
        if wide:
            use, reasons = await self._look_around(name, tuned, scan=scan)
            troubles += reasons
        at_noise, noise = self._noise.get(name, (float("-inf"), 0.0))
        return Radio(
            interface=interface,
            at=at,
            link=link,
            peers=peers,
            quality=quality,
            noise_dbm=noise if at - at_noise <= KEEP_NOISE_S else _noise_in(quality),
            use=use,
            trouble=next((reason for reason in troubles if reason is not None), None),
        )

    async def _look_around(
        self, name: str, tuned: float | None, *, scan: bool
    ) -> tuple[Use | None, list[Trouble | None]]:
        """Channels and networks; how the channel in use was used, and what went wrong."""
        surveyed = await self._ask(name, "survey", "dump")
        scanned = await self._ask(name, "scan", timeout_s=SCAN_S) if scan else None
        dumped = scanned if scanned is not None and scanned.reason is None else await self._ask(name, "scan", "dump")
        now = self._clock.monotonic()
        for network in await asyncio.to_thread(iw.networks, dumped.text):  # 4 MB of a thousand take 0.14 s
            self._hear(Heard(network, now - network.seen_ms_ago / 1000))
        channels = []
        used: Surveyed | None = None
        before = self._surveys.get(name, {})
        for survey in iw.survey(surveyed.text):
            one = Surveyed(survey, use_between(before.get(survey.frequency_mhz), survey))
            channels.append(one)
            if survey.in_use or (used is None and survey.frequency_mhz == tuned):
                used = one
        self._surveys[name] = {c.survey.frequency_mhz: c.survey for c in channels}
        others = [c for c in self._channels if c.survey.frequency_mhz not in {x.survey.frequency_mhz for x in channels}]
        self._channels = tuple([*others, *channels][-iw.MOST_CHANNELS :])
        if used is not None and used.survey.noise_dbm is not None:
            self._noise[name] = now, used.survey.noise_dbm
        return used.use if used is not None else None, [
            surveyed.reason,
            scanned.reason if scanned else None,
            dumped.reason,
        ]

    async def _ask(self, name: str, *words: str, timeout_s: float = TIMEOUT_S) -> Said:
        return await self._run(["dev", name, *words], timeout_s)

    def _hear(self, heard: Heard) -> None:
        before = self._heard.pop(heard.network.bssid, None)
        newest = heard if before is None or heard.at >= before.at else before
        self._heard[heard.network.bssid] = newest

    def _still_heard(self) -> tuple[Heard, ...]:
        """The latest, and of too many those that were heard last."""
        since = self._clock.monotonic() - KEEP_HEARD_S
        kept = sorted((h for h in self._heard.values() if h.at >= since), key=lambda h: h.at)[-iw.MOST_NETWORKS :]
        self._heard = {heard.network.bssid: heard for heard in kept}
        return tuple(kept)

    def _qualities(self) -> Mapping[str, Quality]:
        try:
            return qualities(self._proc.read_text(encoding="latin-1"))
        except OSError:
            return {}


def use_between(before: Survey | None, now: Survey) -> Use | None:
    """What the driver counted since ``before``; since it began to count where there is nothing before, or its counters
    went back (it was tuned away). None where it counts no time."""
    if now.active_ms is None or now.busy_ms is None:
        return None
    then = before
    if then is None or (then.active_ms or 0) > now.active_ms or (then.busy_ms or 0) > now.busy_ms:
        then = Survey(now.frequency_mhz)
    active = now.active_ms - (then.active_ms or 0)
    if active <= 0:
        return None

    def share(late: int | None, early: int | None) -> float | None:
        return None if late is None else min(100.0, max(0.0, 100 * (late - (early or 0)) / active))

    busy = share(now.busy_ms, then.busy_ms)
    assert busy is not None
    return Use(busy, share(now.tx_ms, then.tx_ms), share(now.bss_rx_ms, then.bss_rx_ms))


def foreign(seen: Seen, radio: Radio) -> tuple[int, float | None]:
    """How many networks that are not the radio's own share its channel, and the signal of the strongest, in dBm."""
    frequency, link = radio.frequency_mhz, radio.link
    if frequency is None:
        return 0, None
    others = [
        heard.network
        for heard in seen.heard
        if round(heard.network.frequency_mhz) == round(frequency)
        and not (link is not None and is_own(heard.network, link))
    ]
    return len(others), max((n.signal_dbm for n in others if n.signal_dbm is not None), default=None)


def is_own(network: Network, link: Link) -> bool:
    """Whether it is the access point itself, or another one of the same name."""
    return network.bssid == link.bssid or bool(link.ssid and network.ssid == link.ssid)


def readings_of(radios: Iterable[Radio]) -> Readings:
    """The radios as a device's readings, for kpi/gear_accumulator.py. The probe is one client of its access point, so
    that its signal counts as a client's; where it is an access point itself, its clients' signals do. Retries are none
    of them: the kernel counts every repetition, dot11RetryCount (and wifi_retry_pct with it) the frames that had any.
    """
    found: list[Reading] = []
    for radio in radios:
        found += _readings(radio)
    return Readings(None, tuple(found), {})


def _readings(radio: Radio) -> list[Reading]:
    name, link = radio.interface.name, radio.link
    values: list[tuple[Kind, float | None]] = [(Kind.NOISE_FLOOR, radio.noise_dbm)]
    if radio.use is not None:
        values += [
            (Kind.CHANNEL_UTILIZATION, radio.use.busy_pct),
            (Kind.CHANNEL_SELF_TX, radio.use.tx_pct),
            (Kind.CHANNEL_SELF_RX, radio.use.bss_rx_pct),
        ]
    if (frequency := radio.frequency_mhz) is not None:
        values += [(Kind.FREQUENCY, frequency), (Kind.CHANNEL, channel_of(frequency))]
    signal, noise = radio.signal_dbm, radio.noise_dbm
    if signal is not None:
        values += [(Kind.RSSI, signal), (Kind.CLIENT_RSSI, signal)]
        values.append((Kind.SNR, signal - noise if noise is not None else None))
    if link is not None:
        values += [(Kind.TX_BITRATE, link.tx_bps), (Kind.RX_BITRATE, link.rx_bps)]
    readings = [
        Reading(kind, f"radio.{kind}.{name}", name, float(value)) for kind, value in values if value is not None
    ]
    if radio.interface.mode == ACCESS_POINT:
        readings.append(Reading(Kind.CLIENTS, f"radio.{Kind.CLIENTS}.{name}", name, float(len(radio.peers))))
        readings += [
            Reading(Kind.CLIENT_RSSI, f"radio.{Kind.CLIENT_RSSI}.{name}:{n}", name, peer.signal_dbm)
            for n, peer in enumerate(radio.peers)
            if peer.signal_dbm is not None
        ]
    return readings


def _noise_in(quality: Quality | None) -> float | None:
    return quality.noise_dbm if quality is not None else None
