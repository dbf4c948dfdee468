"""The catalogue's entries about wireless networks and fixed radio links."""

from kpi.entry import AUTH, HOUR_S, NO_SNMP, Better, Kpi, Mark, OnPage, Part, Rule, Threshold, Words
from kpi.model import NullReason

__all__ = ["WIRELESS_ENTRIES"]

_NULLS = {
    NullReason.NO_DATA: NO_SNMP,
    NullReason.AUTH: AUTH,
    NullReason.UNSUPPORTED: Words("This device does not report it.", "Questo dispositivo non lo comunica."),
}

WIRELESS_ENTRIES = (
    Kpi(
        id="wifi_clients",
        title=Words("Wi-Fi clients", "Dispositivi collegati al Wi-Fi"),
        unit="1",
        formula="sum over radios or network names, not both; mean over the time known; a silent access point lowers "
        "known_s, not the count; the site: the greater of its controllers and of everything else, so that none is "
        "counted twice",
        says=Words(
            "How many phones, computers and other things used the wireless network on average, and at most.",
            "Quanti telefoni, computer e altri apparecchi hanno usato la rete senza fili, in media e al massimo.",
        ),
        do=Words(
            "Many devices on one radio slow each other down: add an access point there, or move some of them to "
            "the other band.",
            "Molti dispositivi sulla stessa radio si rallentano a vicenda: aggiungere un access point in quel "
            "punto o spostarne una parte sull'altra banda.",
        ),
        merge="sum of count times time, time, max",
        source="vendor MIBs; thresholds a radio [D]",
        page=OnPage(
            says=Words(
                "Wi-Fi may be slow{at}: too many devices share one radio.",
                "Il Wi-Fi può essere lento{at}: troppi dispositivi condividono la stessa radio.",
            ),
            rank=32,
            tile=Part.WIFI,
            now=Words(
                "Wi-Fi may be slow{at}: {n} devices share one radio.",
                "Il Wi-Fi può essere lento{at}: {n} dispositivi condividono la stessa radio.",
            ),
        ),
        better=Better.LOW,
        thresholds=(Threshold(25, 50, Mark.DEFAULT),),
        status_on="busiest",
        status_window_s=HOUR_S,
        parts=("peak", "busiest", "known_s", "worst"),
        nulls=_NULLS,
    ),
    Kpi(
        id="wifi_signal_dbm",
        title=Words("Wi-Fi signal", "Segnale Wi-Fi"),
        unit="dBm",
        formula="median of what access points hear of their clients; 0, positive and below -110 dBm is no reading",
        says=Words(
            "How well the access points hear the devices: half of them were at least this strong. -50 is "
            "excellent, -75 is weak.",
            "Quanto bene gli access point ricevono gli apparecchi: metà ha avuto almeno questo segnale. -50 è "
            "ottimo, -75 è debole.",
        ),
        do=Words(
            "Move the access point closer to where people are, or add one; thick walls and metal take most of it.",
            "Avvicinare l'access point alle persone o aggiungerne uno; muri spessi e metallo ne assorbono gran parte.",
        ),
        merge="counts a value; weak readings",
        source="vendor MIBs; Cisco cell edge -67 dBm [V]",
        page=OnPage(
            says=Words(
                "Wi-Fi reaches many devices only weakly{at}.", "Il Wi-Fi arriva debole a molti dispositivi{at}."
            ),
            rank=33,
            tile=Part.WIFI,
        ),
        better=Better.HIGH,
        thresholds=(Threshold(-67, -75, Mark.VERIFIED),),
        status_window_s=HOUR_S,
        parts=("weak_share_pct", "worst_dbm"),
        nulls=_NULLS,
    ),
    Kpi(
        id="wifi_snr_db",
        title=Words("Signal above noise", "Rapporto segnale/rumore"),
        unit="dB",
        formula="median of signal - noise, as the device tells it or out of both",
        says=Words(
            "How far the wireless signal stands out from the noise: half of the devices had at least this much.",
            "Di quanto il segnale senza fili supera il rumore: metà degli apparecchi ha avuto almeno questo valore.",
        ),
        do=Words(
            "Look for what makes noise (microwave ovens, cameras, other networks), change the channel, or bring the "
            "access point closer.",
            "Cercare che cosa disturba (forni a microonde, telecamere, altre reti), cambiare canale o avvicinare "
            "l'access point.",
        ),
        merge="counts a value",
        source="vendor MIBs; Cisco 25 dB [V], 15 dB [D]",
        page=OnPage(
            says=Words(
                "Wi-Fi is disturbed by noise{at}: it may be slow.", "Il Wi-Fi è disturbato{at}: può essere lento."
            ),
            rank=34,
            tile=Part.WIFI,
        ),
        better=Better.HIGH,
        thresholds=(Threshold(25, 15, Mark.VERIFIED),),
        status_window_s=HOUR_S,
        parts=("worst_db",),
        nulls=_NULLS,
    ),
    Kpi(
        id="wifi_link_drop_db",
        title=Words("Weakening of a radio link", "Calo di un ponte radio"),
        unit="dB",
        formula="median of 14 days - signal, each link on its own, the worst one; from 3 days on",
        says=Words(
            "How much weaker a fixed radio link is than it usually is.",
            "Di quanto un ponte radio fisso è più debole del solito.",
        ),
        do=Words(
            "See whether an antenna has moved in the wind, a tree or a crane stands in between, or water got into a "
            "connector.",
            "Verificare se il vento ha spostato un'antenna, se in mezzo c'è un albero o una gru, o se è entrata acqua "
            "in un connettore.",
        ),
        merge="readings and sum of differences a link",
        source="vendor MIBs; thresholds [D]",
        page=OnPage(
            says=Words(
                "The radio link{at} is weaker than usual: see whether its antenna has moved.",
                "Il ponte radio{at} è più debole del solito: verificare se l'antenna si è spostata.",
            ),
            rank=30,
        ),
        better=Better.LOW,
        thresholds=(Threshold(3, 6, Mark.DEFAULT),),
        status_window_s=HOUR_S,
        parts=("signal_dbm", "worst_db"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "What is usual for this link is known after three days.",
                "Il valore abituale di questo ponte si conosce dopo tre giorni.",
            ),
        },
    ),
    Kpi(
        id="wifi_interference_pct",
        title=Words("Wi-Fi interference", "Interferenze Wi-Fi"),
        unit="%",
        formula="max(0, total - own sending - own receiving) of each radio, mean over radios; all zero with clients: "
        "not measured",
        says=Words(
            "How much of the time other networks occupy the wireless channel. They and your own devices have to "
            "wait for each other.",
            "Per quanta parte del tempo il canale senza fili è occupato da altre reti. Queste e i propri "
            "apparecchi devono aspettarsi a vicenda.",
        ),
        do=Words(
            "Choose a channel that the neighbours do not use, a narrower one, or the 5 GHz band.",
            "Scegliere un canale che i vicini non usano, uno più stretto o la banda dei 5 GHz.",
        ),
        merge="sum of percent times time, time",
        source="vendor MIBs; thresholds on the busiest radio's total use, Cisco 40 and 50 % [V]",
        page=OnPage(
            says=Words(
                "Wi-Fi may be slow{at}: its channel is busy most of the time.",
                "Il Wi-Fi può essere lento{at}: il suo canale è quasi sempre occupato.",
            ),
            rank=31,
            tile=Part.WIFI,
        ),
        better=Better.LOW,
        thresholds=(Threshold(40, 50, Mark.VERIFIED),),
        status_on="busiest_pct",
        status_window_s=HOUR_S,
        parts=("total_pct", "busiest_pct", "worst_pct"),
        nulls=_NULLS,
    ),
    Kpi(
        id="wifi_noise_dbm",
        title=Words("Radio noise", "Rumore radio"),
        unit="dBm",
        formula="mean of the radios' noise floors over the time known",
        says=Words(
            "How loud the background is on the wireless channels: the lower the better, -95 is quiet.",
            "Quanto è forte il rumore di fondo sui canali senza fili: più è basso, meglio è; -95 è silenzioso.",
        ),
        do=Words(
            "Something near sends on these frequencies without being Wi-Fi: find it, or change channel or band.",
            "Qualcosa nelle vicinanze trasmette su queste frequenze senza essere Wi-Fi: individuarlo, oppure "
            "cambiare canale o banda.",
        ),
        merge="sum of dBm times time, time",
        source="vendor MIBs; thresholds on the noisiest radio: Cisco -92 dBm [V], -85 [D]",
        page=OnPage(
            says=Words(
                "Something disturbs the radio{at}: Wi-Fi may be slow.",
                "Qualcosa disturba le frequenze radio{at}: il Wi-Fi può essere lento.",
            ),
            rank=36,
            tile=Part.WIFI,
        ),
        better=Better.LOW,
        thresholds=(Threshold(-92, -85, Mark.VERIFIED),),
        status_on="worst_dbm",
        status_window_s=HOUR_S,
        parts=("worst_dbm", "worst"),
        nulls=_NULLS,
    ),
    Kpi(
        id="wifi_retry_pct",
        title=Words("Repeated Wi-Fi frames", "Trasmissioni Wi-Fi ripetute"),
        unit="%",
        formula="100 delta(retried) / delta(transmitted); fail_pct: failed / (transmitted + failed); fcs_pct: damaged "
        "/ (damaged + received)",
        says=Words(
            "How often something had to be sent again over the air before it arrived.",
            "Quante volte è stato necessario ripetere una trasmissione radio prima che arrivasse.",
        ),
        do=Words(
            "Weak signal, noise or too many devices on one channel: see those figures first, then change the channel "
            "or add an access point.",
            "Segnale debole, rumore o troppi apparecchi su un canale: guardare prima quei valori, poi cambiare canale "
            "o aggiungere un access point.",
        ),
        merge="sums of frames",
        source="IEEE802dot11-MIB dot11RetryCount, dot11TransmittedFrameCount, dot11FailedCount, dot11FCSErrorCount, "
        "dot11ReceivedFragmentCount; Cisco 20 % [V], 10 % [D]",
        page=OnPage(
            says=Words(
                "Wi-Fi is unsteady{at}: much has to be sent more than once.",
                "Il Wi-Fi è instabile{at}: molte trasmissioni vanno ripetute.",
            ),
            rank=35,
            tile=Part.WIFI,
        ),
        better=Better.LOW,
        thresholds=(Threshold(10, 20, Mark.VERIFIED, strict=True),),
        rule=Rule.RATIO,
        status_window_s=HOUR_S,
        min_n=100,
        parts=("fail_pct", "fcs_pct", "worst_pct"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "Fewer than 100 frames were sent, or the counters were reset.",
                "Sono state trasmesse meno di 100 trame, oppure i contatori sono stati azzerati.",
            ),
        },
    ),
    Kpi(
        id="wifi_ap_up_pct",
        title=Words("Access points connected", "Access point collegati"),
        unit="%",
        formula="100 connected / registered, as the controller tells; means over the time known",
        says=Words(
            "How many of the access points that the controller knows are connected to it.",
            "Quanti degli access point che il controller conosce sono collegati a esso.",
        ),
        do=Words(
            "See in the controller which one is missing; then its cable, and the switch port that gives it power.",
            "Vedere nel controller quale manca; poi controllare il suo cavo e la porta dello switch che lo alimenta.",
        ),
        merge="sums of count times time, time, min",
        source="vendor MIBs; thresholds [D]",
        page=OnPage(
            says=Words(
                "Some Wi-Fi access points are not connected to their controller: there may be no Wi-Fi in places.",
                "Alcuni access point Wi-Fi non sono collegati al loro controller: in certi punti il Wi-Fi può mancare.",
            ),
            rank=29,
            tile=Part.WIFI,
        ),
        better=Better.HIGH,
        thresholds=(Threshold(100, 90, Mark.DEFAULT),),
        status_window_s=HOUR_S,
        parts=("connected", "registered", "worst_pct"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words(
                "The controller does not report how many access points it knows.",
                "Il controller non comunica quanti access point conosce.",
            ),
            NullReason.INSUFFICIENT: Words(
                "The controller knows no access points.", "Il controller non conosce alcun access point."
            ),
        },
    ),
)
