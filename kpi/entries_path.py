"""The catalogue's entries about reaching a device: response time, losses, variation, availability, restarts."""

from kpi.entry import (
    DAY_S,
    HOUR_S,
    NO_DATA,
    NO_SNMP,
    THIRTY_DAYS_S,
    Better,
    Kpi,
    Mark,
    NotOnPage,
    OnPage,
    Rule,
    Scope,
    Threshold,
    Words,
)
from kpi.model import NullReason, Status

__all__ = ["PATH_ENTRIES"]

_UPTIME = (Threshold(99.9, 99.5, Mark.DEFAULT),)
_SECONDS = ("up_s", "down_s", "unknown_s", "maintenance_s", "lo_pct", "hi_pct")
_OUTAGES = ("outages_started", "outages_restored", "restored_s", "open_s")

PATH_ENTRIES = (
    Kpi(
        id="rtt_ms",
        title=Words("Response time", "Tempo di risposta"),
        unit="ms",
        formula="t_received - t_sent of each echo answered within 2 s; the value is the median",
        says=Words(
            "How long an answer takes to come back. Half of all answers were at least this fast.",
            "Quanto tempo passa prima che arrivi una risposta. Metà delle risposte è arrivata in questo tempo o "
            "in meno.",
        ),
        do=Words(
            "Find out whether only this device is slow or all behind the same link. On the local network look for a "
            "full link, weak Wi-Fi or a busy device; towards the internet compare with hours when the line is idle, "
            "then ask the provider.",
            "Verificare se è lento solo questo dispositivo o tutto ciò che sta dietro lo stesso collegamento. In rete "
            "locale cercare un collegamento saturo, un Wi-Fi debole o un dispositivo sovraccarico; verso Internet "
            "confrontare con le ore in cui la linea è libera, poi rivolgersi all'operatore.",
        ),
        merge="sketch, min, max",
        source="RFC 2681 [V]; thresholds: LAN [D], WAN twice Y.1541 class 0 IPTD [K]",
        page=OnPage(
            says=Words(
                "{who} is slow: answers take longer than they should.",
                "{who} va a rilento: le risposte tardano più del dovuto.",
            ),
            rank=21,
            word=Words("Slow", "Rallentamenti"),
            device_from=Status.BAD,
            endpoints=False,
        ),
        better=Better.LOW,
        thresholds=(
            Threshold(5, 20, Mark.DEFAULT, Scope.LAN),
            Threshold(100, 200, Mark.KNOWN, Scope.WAN),
        ),
        status_on="p95_ms",
        status_window_s=HOUR_S,
        parts=("min_ms", "p95_ms", "max_ms", "clock_flagged", "zero", "worst_p95_ms"),
        nulls={
            NullReason.NO_DATA: Words(
                "No echo was answered in this period, so there is no time to show.",
                "In questo periodo nessuna richiesta ha avuto risposta: non c'è un tempo da mostrare.",
            ),
        },
    ),
    Kpi(
        id="loss_ratio",
        title=Words("Lost packets", "Pacchetti persi"),
        unit="%",
        formula="100 lost / sent; what the probe failed to send is in neither",
        says=Words(
            "How many of the probe's requests got no answer within 2 seconds. Calls and video suffer from 1 % on.",
            "Quante richieste della sonda non hanno avuto risposta entro 2 secondi. Chiamate e video ne "
            "risentono già dall'1 %.",
        ),
        do=Words(
            "If everything behind one link loses packets, look at that link: cable, port errors, duplex, radio. "
            "If it is the internet line alone, write down when packets are lost and tell the provider.",
            "Se perde pacchetti tutto ciò che sta dietro un collegamento, controllare quel collegamento: cavo, "
            "errori sulla porta, duplex, radio. Se riguarda solo la linea Internet, annotare gli orari delle "
            "perdite e inviarli all'operatore.",
        ),
        merge="sums; longest run over the seam",
        source="RFC 6673 round trip [V]; thresholds: Y.1541 IPLR 10^-3 [K], Cisco voice 1 % [V]",
        page=OnPage(
            says=Words(
                "{who} loses packets: calls and video may stutter.",
                "{who} perde pacchetti: chiamate e video possono andare a scatti.",
            ),
            rank=20,
            word=Words("Losses", "Perdite"),
            device_from=Status.BAD,
            endpoints=False,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0.1, 1, Mark.KNOWN),),
        rule=Rule.RATIO,
        status_window_s=HOUR_S,
        min_n=300,
        parts=("lost", "longest_run", "faults", "skipped", "worst_pct"),
        nulls={
            NullReason.NO_DATA: Words(
                "The probe sent nothing to this device in this period.",
                "In questo periodo la sonda non ha inviato nulla a questo dispositivo.",
            ),
        },
    ),
    Kpi(
        id="jitter_ms",
        title=Words("Variation of response time", "Variazione del tempo di risposta"),
        unit="ms",
        formula="PDV = q99.9(RTT) - min(RTT), q99 below 1000 answers; beside it mean |D| and J of RFC 3550; round "
        "trip, so that both directions add",
        says=Words(
            "How unevenly answers arrive: the difference between the fastest answer and nearly the slowest one. "
            "Unevenness is what makes voices break up.",
            "Quanto è irregolare l'arrivo delle risposte: la differenza tra la più rapida e una delle più lente. "
            "È l'irregolarità a far andare a scatti le voci.",
        ),
        do=Words(
            "Look for a link that fills up now and then (a backup, an update, a video), or for a busy radio channel. "
            "Give voice and video priority on the router.",
            "Cercare un collegamento che ogni tanto si riempie (una copia di sicurezza, un aggiornamento, un video) o "
            "un canale radio affollato. Sul router dare la precedenza a voce e video.",
        ),
        merge="PDV from the merged sketch; sum |D| and its count; J is never merged",
        source="RFC 3550 [V], RFC 3393, RFC 5481 [K]; thresholds: Y.1541 IPDV 50 ms [K]",
        page=OnPage(
            says=Words(
                "{who} answers unevenly: voices may break up in calls.",
                "{who} risponde in modo irregolare: nelle chiamate la voce può andare a scatti.",
            ),
            rank=22,
            word=Words("Uneven", "Irregolare"),
            device_from=Status.BAD,
            endpoints=False,
        ),
        better=Better.LOW,
        thresholds=(Threshold(30, 50, Mark.KNOWN),),
        status_window_s=HOUR_S,
        parts=("mean_abs_d_ms", "j_ms", "n_d", "worst_ms"),
        nulls={
            NullReason.NO_DATA: NO_DATA,
            NullReason.INSUFFICIENT: Words(
                "One answer alone does not vary; at least two are needed.",
                "Una sola risposta non può variare: ne servono almeno due.",
            ),
        },
    ),
    Kpi(
        id="availability_pct",
        title=Words("Availability", "Disponibilità"),
        unit="%",
        formula="100 up_s / (up_s + down_s); bounds as if all that is unknown were down, or up",
        says=Words(
            "For how much of the measured time the device could be reached. Time of which nothing is known does "
            "not count.",
            "Per quanta parte del tempo misurato il dispositivo è stato raggiungibile. Il tempo di cui non si sa "
            "nulla non conta.",
        ),
        do=Words(
            "Look at the list of outages: many short ones point to power, cabling or a loose plug, one long one "
            "to a fault or to something switched off. Enter planned work as maintenance, so that it does not "
            "count.",
            "Guardare l'elenco delle interruzioni: se sono tante e brevi fanno pensare ad alimentazione, cavi o "
            "un connettore allentato, se è una sola e lunga a un guasto o a qualcosa di spento. Registrare i "
            "lavori programmati come manutenzione, così non vengono contati.",
        ),
        merge="sums of seconds",
        source="IEC 60050-192, A = MUT / (MUT + MDT) [V]; thresholds [D, contract]",
        page=NotOnPage(
            "What is down is said by its incident, what was down stands in the ribbon and in the list: a share of "
            "thirty days would keep one outage in the sentence for a month."
        ),
        better=Better.HIGH,
        thresholds=_UPTIME,
        rule=Rule.RATIO,
        status_window_s=THIRTY_DAYS_S,
        min_n=30,
        parts=(*_SECONDS, *_OUTAGES, "worst_pct"),
        nulls={
            NullReason.NO_DATA: Words(
                "In this whole period the probe could not tell whether the device was there, or it was under "
                "maintenance.",
                "Per tutto il periodo la sonda non ha potuto sapere se il dispositivo fosse raggiungibile, oppure il "
                "dispositivo era in manutenzione.",
            ),
        },
    ),
    Kpi(
        id="network_uptime_pct",
        title=Words("Network up", "Rete funzionante"),
        unit="%",
        formula="100 up_s / (up_s + down_s) of the site: up while the gateway and one of at least three internet "
        "targets answer, down while none does and the probe's own link is up, else unknown",
        says=Words(
            "For how much of the time this site had a working network and internet.",
            "Per quanta parte del tempo rete e Internet hanno funzionato in questa sede.",
        ),
        do=Words(
            "See in the incidents whether the line, the router or the power was the cause. For a line that fails again "
            "and again, ask the provider, and think of a second line.",
            "Vedere negli eventi se la causa è stata la linea, il router o la corrente. Se la linea cade spesso, "
            "rivolgersi all'operatore e valutare una seconda linea.",
        ),
        merge="sums of seconds",
        source="IEC 60050-192 [V]; thresholds [D, contract]",
        page=NotOnPage("As availability: the site's outages are said while they last, and listed afterwards."),
        better=Better.HIGH,
        thresholds=_UPTIME,
        rule=Rule.RATIO,
        status_window_s=THIRTY_DAYS_S,
        min_n=30,
        parts=(*_SECONDS, "weighted_pct", *_OUTAGES),
        nulls={
            NullReason.NO_DATA: Words(
                "The probe was off, or its own link was down, for the whole period.",
                "Per tutto il periodo la sonda era spenta o il suo collegamento era interrotto.",
            ),
            NullReason.INSUFFICIENT: Words(
                "Fewer than three internet targets are set up: a dead line cannot be told from a dead target. Add "
                "some under [network] internet.",
                "Sono configurate meno di tre destinazioni su Internet: non si può distinguere una linea caduta da "
                "una destinazione spenta. Aggiungerne in [network] internet.",
            ),
        },
    ),
    Kpi(
        id="monitoring_coverage_pct",
        title=Words("Measured time", "Tempo misurato"),
        unit="%",
        formula="100 sum(known_s) / sum(W - maintenance_s) over all expected devices",
        says=Words(
            "For how much of the time the probe knows how the devices were. The rest is neither good nor bad: it "
            "is not known.",
            "Per quanta parte del tempo la sonda sa come stavano i dispositivi. Il resto non è né buono né "
            "cattivo: non è noto.",
        ),
        do=Words(
            "Look for devices with no information and for the reason that stands beside them: the probe's power "
            "and cable, the path to the device, a missing permission. `sonda doctor` says how to fix it.",
            "Cercare i dispositivi senza informazioni e il motivo indicato accanto: alimentazione e cavo della "
            "sonda, percorso verso il dispositivo, permessi mancanti. `sonda doctor` dice come rimediare.",
        ),
        merge="sums of seconds",
        source="kpi/README.md R3; thresholds [D]",
        page=OnPage(
            says=Words(
                "Only part of the last hour was measured: nothing is known of the rest.",
                "Nell'ultima ora le misurazioni sono state incomplete: del tempo restante non si sa nulla.",
            ),
            rank=90,
            no_tile="It is no part of the site that was measured too little, but the probe that measured it.",
            device_from=None,
        ),
        better=Better.HIGH,
        thresholds=(Threshold(99, 95, Mark.DEFAULT),),
        rule=Rule.RATIO,
        status_window_s=HOUR_S,
        min_n=30,
        parts=("devices", "known_s", "expected_s"),
        nulls={
            NullReason.NO_DATA: Words(
                "No device is set up yet, or all of them are under maintenance.",
                "Non è ancora configurato nessun dispositivo, oppure sono tutti in manutenzione.",
            ),
        },
    ),
    Kpi(
        id="reboots",
        title=Words("Restarts", "Riavvii"),
        unit="1",
        formula="restarts of the device outside maintenance: sysUpTime began anew and hrSystemUptime did not run on",
        says=Words(
            "How often the device restarted without anybody having planned it.",
            "Quante volte il dispositivo si è riavviato senza che fosse programmato.",
        ),
        do=Words(
            "Check its power supply and socket, its temperature and its log. If they are fine, look for newer "
            "firmware.",
            "Controllare alimentatore e presa, temperatura e registro del dispositivo. Se è tutto a posto, "
            "cercare un firmware più recente.",
        ),
        merge="sums",
        source="RFC 3418 sysUpTime, RFC 2790 hrSystemUptime, RFC 3414 snmpEngineBoots; thresholds [D]",
        page=OnPage(
            says=Words(
                "{who} restarted without anybody having planned it: check its power supply.",
                "Riavvio imprevisto di {who}: controllare l'alimentazione.",
            ),
            rank=50,
            endpoints=False,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 1, Mark.DEFAULT),),
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        parts=("agent_restarts", "worst"),
        nulls={NullReason.NO_DATA: NO_SNMP},
    ),
)
