"""The catalogue's entries about a device's ports: traffic, errors, flaps."""

from kpi.entry import (
    AUTH,
    DAY_S,
    HOUR_S,
    NO_SNMP,
    THIRTY_DAYS_S,
    Better,
    Kpi,
    Mark,
    NotOnPage,
    OnPage,
    Rule,
    Threshold,
    Words,
)
from kpi.model import NullReason

__all__ = ["PORT_ENTRIES"]

_TRAFFIC_SOURCE = "RFC 2863 ifHCInOctets, ifHCOutOctets; 32-bit ifInOctets, ifOutOctets where those are absent"
_UNSUPPORTED = Words("This device does not count that.", "Questo dispositivo non lo conta.")
_NOT_CONTINUOUS = Words(
    "The counters were reset, or read too rarely: no difference between readings can be trusted.",
    "I contatori sono stati azzerati o letti troppo di rado: nessuna differenza tra le letture è affidabile.",
)
_NULLS = {
    NullReason.NO_DATA: NO_SNMP,
    NullReason.AUTH: AUTH,
    NullReason.UNSUPPORTED: _UNSUPPORTED,
    NullReason.INSUFFICIENT: _NOT_CONTINUOUS,
}
_FEW_PACKETS = {
    **_NULLS,
    NullReason.INSUFFICIENT: Words(
        "Fewer than 1000 packets passed: too few for a share that means anything.",
        "Sono passati meno di 1000 pacchetti: troppo pochi per una percentuale che significhi qualcosa.",
    ),
}


def _rate(kpi: str, en: str, it: str, verb_en: str, verb_it: str) -> Kpi:
    way = "in" if kpi == "if_in_bps" else "out"
    return Kpi(
        id=kpi,
        title=Words(en, it),
        unit="bit/s",
        formula=f"8 delta(octets {way}) / delta(sysUpTime)",
        says=Words(
            f"How much data the device {verb_en} on this port each second, averaged over the period.",
            f"Quanti dati il dispositivo {verb_it} su questa porta ogni secondo, in media nel periodo.",
        ),
        do=Words(
            "A figure to compare with other days: nothing to do as long as the port is not full.",
            "Un dato da confrontare con gli altri giorni: nulla da fare finché la porta non è piena.",
        ),
        merge="octets, seconds, max 5-min",
        source=_TRAFFIC_SOURCE,
        page=NotOnPage(
            "There is no good or bad in how much data passes; a link that is too full is said by if_util_pct."
        ),
        parts=("max_bps", "octets", "seconds", "gap_octets", "gap_s"),
        nulls=_NULLS,
    )


def _share(what: str, *, title: Words, says: Words, do: Words, page: OnPage, threshold: Threshold) -> Kpi:
    """``what``, "errors" or "discards", as a share of all packets."""
    one = what.removesuffix("s")
    return Kpi(
        id=f"if_{one}_pct",
        title=title,
        unit="%",
        formula=f"in: 100 {what} / (delivered + errors + discards); out: 100 {what} / requested; the greater one",
        says=says,
        do=do,
        merge=f"sums of packets and {what}",
        source=f"RFC 2863 ifIn{what.title()}, ifOut{what.title()}, packet counters [V]; thresholds [D]",
        page=page,
        better=Better.LOW,
        thresholds=(threshold,),
        rule=Rule.RATIO,
        status_window_s=HOUR_S,
        min_n=1000,
        parts=("in_pct", "out_pct", f"in_{what}", f"out_{what}", "in_packets", "out_packets"),
        nulls=_FEW_PACKETS,
    )


PORT_ENTRIES = (
    _rate("if_in_bps", "Data received", "Dati ricevuti", "received", "ha ricevuto"),
    _rate("if_out_bps", "Data sent", "Dati inviati", "sent", "ha inviato"),
    Kpi(
        id="if_util_pct",
        title=Words("Use of the link", "Uso del collegamento"),
        unit="%",
        formula="800 delta(octets) / (speed_bps seconds), in and out apart, the greater one, both together in half "
        "duplex, each over its own time; speed 0 or changed, or in half duplex one of them not known: null",
        says=Words(
            "How full the link is in its busier direction.",
            "Quanto è pieno il collegamento nella sua direzione più trafficata.",
        ),
        do=Words(
            "See which device fills it and when. Move backups and updates into the night, or give the link more speed.",
            "Vedere quale dispositivo lo riempie e quando. Spostare alla notte copie di sicurezza e "
            "aggiornamenti, oppure aumentare la velocità del collegamento.",
        ),
        merge="octets and capacity over intervals of known speed; 5-min bins",
        source="RFC 2863 ifHighSpeed, ifSpeed; RFC 3635 dot3StatsDuplexStatus; thresholds [D]",
        page=OnPage(
            says=Words(
                "Port {port} of {who} was nearly full: what passes it may be slow.",
                "La porta {port} di {who} è stata quasi satura: ciò che vi passa può rallentare.",
            ),
            rank=44,
            now=Words(
                "Port {port} of {who} is nearly full ({n} %): what passes it may be slow.",
                "La porta {port} di {who} è quasi satura ({n} %): ciò che vi passa può rallentare.",
            ),
        ),
        better=Better.LOW,
        thresholds=(Threshold(70, 90, Mark.DEFAULT),),
        status_on="p95_pct",
        status_window_s=HOUR_S,
        parts=("in_pct", "out_pct", "p95_pct", "speed_bps", "half_duplex_pct"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words(
                "The device does not say how fast this port is, or does not count one direction of a port where both "
                "take turns.",
                "Il dispositivo non dice quanto è veloce questa porta, oppure non conta una delle direzioni di una "
                "porta in cui si alternano.",
            ),
            NullReason.INSUFFICIENT: Words(
                "The port's speed changed meanwhile, or its counters were reset.",
                "Nel frattempo è cambiata la velocità della porta, oppure i contatori sono stati azzerati.",
            ),
        },
    ),
    Kpi(
        id="p95_rate_bps",
        title=Words("Peak traffic (95th percentile)", "Traffico di punta (95º percentile)"),
        unit="bit/s",
        formula="element ceil(0.95 n) of the ascending 5-min averages, in and out apart, the greater one; missing bins "
        "are left out",
        says=Words(
            "The traffic that was exceeded in only one of twenty five-minute periods. Many providers charge by it.",
            "Il traffico superato solo in un periodo di cinque minuti su venti. Molti operatori fatturano in base a "
            "questo valore.",
        ),
        do=Words(
            "Compare it with the rate agreed with the provider before the month ends.",
            "Confrontarlo con la banda concordata con l'operatore prima che finisca il mese.",
        ),
        merge="bins of 30 days and of the month for ports that are billed, for others `max_bps` of if_in_bps and "
        "if_out_bps; fewer than 90 % of the bins: flagged `p95_partial`; sum bins across links before ranking",
        source="burstable-billing practice [V]",
        page=NotOnPage(
            "It is a figure for the bill of the line, without a limit of its own: what was agreed on is known "
            "to the contract alone."
        ),
        status_window_s=THIRTY_DAYS_S,
        parts=("in_bps", "out_bps", "bins", "window_s"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "Over days the five-minute averages are kept of ports that are billed alone (`billed` in the settings "
                "of the device), or no difference between readings can be trusted.",
                "Su più giorni le medie di cinque minuti si conservano solo per le porte a consumo (`billed` nelle "
                "impostazioni del dispositivo), oppure nessuna differenza tra le letture è affidabile.",
            ),
        },
    ),
    _share(
        "errors",
        title=Words("Damaged packets", "Pacchetti danneggiati"),
        says=Words(
            "How many packets arrived damaged at this port or could not be sent. On a good cable there are none.",
            "Quanti pacchetti sono arrivati danneggiati su questa porta o non si sono potuti inviare. Con un "
            "buon cavo non ce ne sono.",
        ),
        do=Words(
            "Change the cable, clean or change the optic, and see that both ends agree on speed and duplex.",
            "Cambiare il cavo, pulire o sostituire l'ottica e verificare che velocità e duplex coincidano alle "
            "due estremità.",
        ),
        page=OnPage(
            says=Words(
                "Port {port} of {who} gets damaged packets: check its cable.",
                "La porta {port} di {who} riceve pacchetti danneggiati: controllare il cavo.",
            ),
            rank=41,
        ),
        threshold=Threshold(0.01, 0.1, Mark.DEFAULT),
    ),
    _share(
        "discards",
        title=Words("Dropped packets", "Pacchetti scartati"),
        says=Words(
            "How many undamaged packets the device dropped because it had no room for them.",
            "Quanti pacchetti integri il dispositivo ha scartato perché non aveva spazio.",
        ),
        do=Words(
            "The port is too full at times: see its use, and where a fast link runs into a slow one. Give the "
            "important traffic priority, or the port more speed.",
            "A tratti la porta è troppo piena: verificarne l'uso e dove un collegamento veloce sbocca in uno "
            "lento. Dare la precedenza al traffico importante o più velocità alla porta.",
        ),
        page=OnPage(
            says=Words(
                "Port {port} of {who} is too full at times and drops packets.",
                "La porta {port} di {who} a tratti è troppo piena e scarta pacchetti.",
            ),
            rank=43,
        ),
        threshold=Threshold(0.1, 1, Mark.DEFAULT),
    ),
    Kpi(
        id="link_flap",
        title=Words("Link changes", "Cambi di stato del collegamento"),
        unit="1",
        formula="changes of ifOperStatus between up and not up; ifLastChange moved at equal status: +2; not after a "
        "restart, not on ports switched off, not on access ports",
        says=Words(
            "How often a link between network devices went down or came back.",
            "Quante volte un collegamento tra apparati di rete è caduto o si è ripristinato.",
        ),
        do=Words(
            "Reseat or change the cable and the optic, then try another port. If all links of one device change "
            "at once, it is that device or its power.",
            "Ricollegare o cambiare cavo e ottica, poi provare un'altra porta. Se cambiano insieme tutti i "
            "collegamenti di un dispositivo, la causa è il dispositivo stesso o la sua alimentazione.",
        ),
        merge="sums; figures of merit at equal time add",
        source="RFC 2863 ifOperStatus, ifLastChange; RFC 2439 figure of merit [V]; thresholds [D]",
        page=OnPage(
            says=Words(
                "A link of {who} went down and came back: check its cable.",
                "Un collegamento di {who} è caduto e poi tornato: controllare il cavo.",
            ),
            rank=40,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 3, Mark.DEFAULT),),
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        parts=("downs", "merit", "worst"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words(
                "Access ports are left out: there, switching a computer off is no fault.",
                "Le porte di accesso sono escluse: lì spegnere un computer non è un guasto.",
            ),
        },
    ),
)
