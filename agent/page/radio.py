"""The probe's page: its own radio, in groups of names and values. Nothing where it has none."""

from collections.abc import Mapping

from agent.live_radio import NetworkNow, RadioInterfaceNow, RadioNow
from agent.page.say import DASH, NB, Say
from collectors.radio.child import Trouble
from kpi.entry import Words
from kpi.seen import bare_name

MOST_NETWORKS = 20
"""The strongest; more help nobody who looks for a free channel."""
Group = tuple[str, list[tuple[str, str]]]

TEXT: Mapping[str, Words] = {
    "radio": Words("The probe's own Wi-Fi, {name}", "Wi-Fi della sonda, {name}"),
    "network": Words("Connected to", "Collegata a"),
    "not_connected": Words("not connected", "non collegata"),
    "hidden": Words("a network without a name", "una rete senza nome"),
    "signal": Words("Signal", "Segnale"),
    "above_noise": Words("{signal}, {snr} above the noise", "{signal}, {snr} sopra il rumore"),
    "channel": Words("Channel", "Canale"),
    "band": Words("{channel} ({band}\u00a0GHz)", "{channel} ({band}\u00a0GHz)"),
    "speed": Words("Speed", "Velocità"),
    "both_ways": Words("{rx} in, {tx} out", "{rx} in entrata, {tx} in uscita"),
    "busy": Words("Channel busy", "Canale occupato"),
    "noise": Words("Noise", "Rumore"),
    "clients": Words("Devices connected to it", "Apparecchi collegati"),
    "repeated": Words("Repeated transmissions", "Trasmissioni ripetute"),
    "in_a_hundred": Words("{n} for 100 packets", "{n} ogni 100 pacchetti"),
    "foreign": Words("Other networks on this channel", "Altre reti su questo canale"),
    "strongest": Words("{n}, the strongest with {signal}", "{n}, la più forte a {signal}"),
    "trouble": Words("Incomplete", "Dati incompleti"),
    "networks": Words("Networks heard in the last hour: {n}", "Reti rilevate nell'ultima ora: {n}"),
    "heard_at": Words("channel {channel}, {signal}", "canale {channel}, {signal}"),
    "its_own": Words("{name} (this one)", "{name} (questa)"),
    "more": Words("Weaker ones", "Altre più deboli"),
}
TROUBLES: Mapping[str, Words] = {
    Trouble.NOT_INSTALLED: Words(
        "the program iw is not installed: only the signal can be read",
        "il programma iw non è installato: si legge solo il segnale",
    ),
    Trouble.NOT_STARTED: Words("the program iw cannot be started", "il programma iw non si avvia"),
    Trouble.TIMEOUT: Words("the program iw gave no answer", "il programma iw non ha risposto"),
    Trouble.TOO_MUCH: Words("the program iw printed too much", "il programma iw ha prodotto troppi dati"),
    Trouble.NO_NL80211: Words("the system has no nl80211", "il sistema non ha nl80211"),
    Trouble.NOT_PERMITTED: Words(
        "a scan is not permitted (CAP_NET_ADMIN)", "la scansione non è permessa (CAP_NET_ADMIN)"
    ),
    Trouble.BUSY: Words("the radio was busy", "la radio era occupata"),
    Trouble.NO_INTERFACE: Words("the interface has gone", "l'interfaccia non c'è più"),
    Trouble.UNSUPPORTED: Words("this driver does not tell it", "questo driver non lo comunica"),
    Trouble.SWITCHED_OFF: Words("the radio is switched off", "la radio è spenta"),
    Trouble.FAILED: Words("the program iw failed", "il programma iw ha dato un errore"),
}


def radio_groups(radio: RadioNow | None, say: Say) -> list[Group]:
    """A group for each interface, and one of the networks around."""
    if radio is None:
        return []
    groups = [(_of("radio", say, name=bare_name(one.name)), _interface(one, say)) for one in radio.interfaces]
    if radio.networks:
        shown = [_network(network, say) for network in radio.networks[:MOST_NETWORKS]]
        if (more := len(radio.networks) - len(shown)) > 0:
            shown.append((_of("more", say), say.number(more)))
        groups.append((_of("networks", say, n=say.number(len(radio.networks))), shown))
    return groups


def _interface(radio: RadioInterfaceNow, say: Say) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if radio.clients is not None:
        rows.append((_of("clients", say), say.number(radio.clients)))
    else:
        name = bare_name(radio.ssid) or _of("hidden", say)
        rows.append((_of("network", say), name if radio.connected else _of("not_connected", say)))
    if radio.signal_dbm is not None:
        rows.append((_of("signal", say), _signal(radio, say)))
    if radio.frequency_mhz is not None:
        rows.append((_of("channel", say), _channel(radio.channel, radio.frequency_mhz, say)))
    if radio.rx_bps is not None or radio.tx_bps is not None:
        rows.append((_of("speed", say), _of("both_ways", say, rx=say.bps(radio.rx_bps), tx=say.bps(radio.tx_bps))))
    if radio.channel_busy_pct is not None:
        rows.append((_of("busy", say), say.pct(radio.channel_busy_pct)))
    if radio.noise_dbm is not None:
        rows.append((_of("noise", say), _dbm(radio.noise_dbm, say)))
    if radio.tx_retries is not None and radio.tx_packets:
        share = say.number(100 * radio.tx_retries / radio.tx_packets)
        rows.append((_of("repeated", say), _of("in_a_hundred", say, n=share)))
    if radio.frequency_mhz is not None:
        rows.append((_of("foreign", say), _foreign(radio, say)))
    if radio.trouble is not None:
        rows.append((_of("trouble", say), say.of(TROUBLES[radio.trouble])))
    return rows


def _signal(radio: RadioInterfaceNow, say: Say) -> str:
    signal = _dbm(radio.signal_dbm, say)
    if radio.snr_db is None:
        return signal
    return _of("above_noise", say, signal=signal, snr=f"{say.number(radio.snr_db)}{NB}dB")


def _foreign(radio: RadioInterfaceNow, say: Say) -> str:
    number = say.number(radio.foreign_networks)
    if radio.strongest_foreign_dbm is None:
        return number
    return _of("strongest", say, n=number, signal=_dbm(radio.strongest_foreign_dbm, say))


def _network(network: NetworkNow, say: Say) -> tuple[str, str]:
    name = bare_name(network.ssid) or _of("hidden", say)
    channel = _channel(network.channel, network.frequency_mhz, say)
    where = _of("heard_at", say, channel=channel, signal=_dbm(network.signal_dbm, say))
    return _of("its_own", say, name=name) if network.own else name, where


def _channel(channel: int | None, mhz: float, say: Say) -> str:
    """Its number repeats from band to band."""
    band = "2.4" if mhz < 2500 else "5" if mhz < 5925 else "6" if mhz < 7200 else f"{mhz / 1000:.0f}"
    shown = band.replace(".", ",") if say.language == "it" else band
    return _of("band", say, channel=channel if channel is not None else DASH, band=shown)


def _dbm(value: float | None, say: Say) -> str:
    """With a minus that is as wide as a plus."""
    return DASH if value is None else f"{say.number(value)}{NB}dBm".replace("-", "−")


def _of(key: str, say: Say, **fields: object) -> str:
    text = say.of(TEXT[key])
    return text.format(**fields) if fields else text
