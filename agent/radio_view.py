"""The probe's own radio, put into the documents of agent/live_radio.py."""

from collections.abc import Callable, Iterable

from agent.live_radio import ChannelNow, NetworkNow, RadioInterfaceNow, RadioNow
from agent.privacy import Privacy
from collectors.radio.model import Network, channel_of, ssid_text
from collectors.radio.radio import ACCESS_POINT, Heard, Radio, Seen, Surveyed, foreign, is_own

Stamp = Callable[[float], str]
"""RFC 3339 of a monotonic time."""


def radio_now(seen: Seen | None, stamp: Stamp, privacy: Privacy) -> RadioNow | None:
    """None where there is no radio."""
    if seen is None:
        return None
    heard = sorted(seen.heard, key=lambda h: h.network.signal_dbm or float("-inf"), reverse=True)
    return RadioNow(
        interfaces=[_interface(radio, seen, stamp, privacy) for radio in seen.radios],
        networks=[_network(one, seen, stamp, privacy) for one in heard],
        channels=_channels(seen.channels, [one.network for one in heard]),
    )


def _interface(radio: Radio, seen: Seen, stamp: Stamp, privacy: Privacy) -> RadioInterfaceNow:
    link, frequency, signal, noise = radio.link, radio.frequency_mhz, radio.signal_dbm, radio.noise_dbm
    peer = next((p for p in radio.peers if link is not None and p.mac == link.bssid), None)
    tuned = next((c for c in seen.channels if round(c.survey.frequency_mhz) == round(frequency or 0)), None)
    others, strongest = foreign(seen, radio)
    return RadioInterfaceNow(
        name=radio.interface.name,
        at=stamp(radio.at),
        mode=radio.interface.mode,
        connected=link is not None,
        ssid=ssid_text(link.ssid) if link is not None else "",
        bssid=(privacy.client(link.bssid) or None) if link is not None else None,
        frequency_mhz=frequency,
        channel=channel_of(frequency) if frequency is not None else None,
        signal_dbm=signal,
        noise_dbm=noise,
        snr_db=signal - noise if signal is not None and noise is not None else None,
        tx_bps=link.tx_bps if link is not None else None,
        rx_bps=link.rx_bps if link is not None else None,
        channel_busy_pct=_busy(tuned),
        tx_packets=peer.tx_packets if peer is not None else None,
        tx_retries=peer.tx_retries if peer is not None else None,
        tx_failed=peer.tx_failed if peer is not None else None,
        gave_up=radio.quality.retries if radio.quality is not None else None,
        clients=len(radio.peers) if radio.interface.mode == ACCESS_POINT else None,
        foreign_networks=others,
        strongest_foreign_dbm=strongest,
        trouble=radio.trouble,
    )


def _network(heard: Heard, seen: Seen, stamp: Stamp, privacy: Privacy) -> NetworkNow:
    network = heard.network
    return NetworkNow(
        ssid=ssid_text(network.ssid),
        bssid=privacy.client(network.bssid) or None,
        frequency_mhz=network.frequency_mhz,
        channel=channel_of(network.frequency_mhz),
        signal_dbm=network.signal_dbm,
        own=any(radio.link is not None and is_own(network, radio.link) for radio in seen.radios),
        heard=stamp(heard.at),
    )


def _channels(surveyed: Iterable[Surveyed], networks: Iterable[Network]) -> list[ChannelNow]:
    """Those on which anything is known, by frequency."""
    on: dict[int, list[Network]] = {}
    for network in networks:
        on.setdefault(round(network.frequency_mhz), []).append(network)
    found = {round(c.survey.frequency_mhz): c for c in surveyed if c.use or c.survey.noise_dbm is not None}
    return [
        ChannelNow(
            frequency_mhz=mhz,
            channel=channel_of(mhz),
            networks=len(on.get(mhz, ())),
            strongest_dbm=max((n.signal_dbm for n in on.get(mhz, ()) if n.signal_dbm is not None), default=None),
            noise_dbm=found[mhz].survey.noise_dbm if mhz in found else None,
            busy_pct=_busy(found.get(mhz)),
        )
        for mhz in sorted(on.keys() | found.keys())
    ]


def _busy(surveyed: Surveyed | None) -> float | None:
    return round(surveyed.use.busy_pct, 1) if surveyed is not None and surveyed.use is not None else None
