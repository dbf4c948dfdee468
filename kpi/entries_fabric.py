"""The catalogue's entries about routing and switching: duplex, spanning tree, neighbours, OSPF, BGP."""

from kpi.entry import (
    AUTH,
    DAY_S,
    FIVE_MINUTES_S,
    HOUR_S,
    NO_SNMP,
    Better,
    Kpi,
    Mark,
    OnPage,
    Part,
    Rule,
    Threshold,
    Words,
)
from kpi.model import NullReason

__all__ = ["FABRIC_ENTRIES"]

_NULLS = {NullReason.NO_DATA: NO_SNMP, NullReason.AUTH: AUTH}


def _stability(kpi: str, title: Words, formula: str, says: Words, source: str) -> Kpi:
    return Kpi(
        id=kpi,
        title=title,
        unit="%",
        formula=formula,
        says=says,
        do=Words(
            "See which session is named, and the link and the device at its other end.",
            "Vedere quale sessione è indicata, poi controllare il suo collegamento e l'apparato all'altra estremità.",
        ),
        merge="sums of seconds a session",
        source=source,
        page=OnPage(
            says=Words(
                "{who} lost touch with another router for a while: connections through it were cut.",
                "Per un po' {who} ha perso il contatto con un altro router: le connessioni sono cadute.",
            ),
            rank=12,
            problem=Words(
                "{who} has lost touch with another router: connections through it may fail.",
                "{who} ha perso il contatto con un altro router: alcune connessioni possono non funzionare.",
            ),
        ),
        better=Better.HIGH,
        thresholds=(Threshold(100, 99.9, Mark.DEFAULT),),
        rule=Rule.RATIO,
        status_window_s=HOUR_S,
        min_n=10,
        parts=("sessions", "lost_s", "worst_session_pct", "two_way_s", "worst_pct"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "Nobody tells whether two-way is where these neighbours stay.",
                "Il router non dice se lo stato two-way è quello definitivo per questi vicini.",
            ),
        },
    )


def _resets(kpi: str, title: Words, formula: str, says: Words, source: str) -> Kpi:
    return Kpi(
        id=kpi,
        title=title,
        unit="1",
        formula=formula,
        says=says,
        do=Words(
            "Compare the times with changes of the configuration and with the state of the line. If it comes "
            "back every day, ask whoever runs the other router.",
            "Confrontare gli orari con le modifiche di configurazione e con lo stato della linea. Se si ripete "
            "ogni giorno, rivolgersi a chi gestisce l'altro router.",
        ),
        merge="sums a session",
        source=source,
        page=OnPage(
            says=Words(
                "{who} lost touch with another router in the last day.",
                "Nell'ultimo giorno {who} ha perso il contatto con un altro router.",
            ),
            rank=47,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 1, Mark.DEFAULT),),
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        parts=("unseen", "worst"),
        nulls=_NULLS,
    )


FABRIC_ENTRIES = (
    Kpi(
        id="duplex_mismatch",
        title=Words("Cable ends with different duplex", "Estremità con duplex diverso"),
        unit="1",
        formula="both ends known, one half and one full: certain; one end known: half with late collisions, or full "
        "with damaged frames: suspected; an end that is unknown is not judged",
        says=Words(
            "Whether one end of a cable sends and receives at the same time while the other takes turns. Such a "
            "cable works, but slowly.",
            "Se a un'estremità di un cavo si trasmette e riceve insieme e all'altra a turno. Un collegamento "
            "così funziona, ma lentamente.",
        ),
        do=Words(
            "Set both ends of the port that is named to automatic; if that is not possible, both to the same values.",
            "Impostare su automatico le due estremità del collegamento indicato o, se non è possibile, gli "
            "stessi valori su entrambe.",
        ),
        merge="the worse verdict on each port",
        source="RFC 3635 dot3StatsDuplexStatus, dot3StatsLateCollisions, FCS and alignment errors [V]; thresholds [D]",
        page=OnPage(
            says=Words(
                "A cable of {who} works only slowly: its two ends are set differently.",
                "Un cavo di {who} va a rilento: le due estremità sono impostate in modo diverso.",
            ),
            rank=42,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 1, Mark.DEFAULT),),
        status_on="grade",
        status_window_s=FIVE_MINUTES_S,
        parts=("certain", "suspected", "grade", "worst"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "The device reports too little of its ports, or was asked for the first time.",
                "Il dispositivo comunica troppo poco delle sue porte, oppure è stato interrogato per la prima volta.",
            ),
        },
    ),
    Kpi(
        id="stp_changes",
        title=Words("Path changes between switches", "Cambi di percorso tra gli switch"),
        unit="1",
        formula="delta(dot1dStpTopChanges); 1 where it stayed and dot1dStpTimeSinceTopologyChange is less than the "
        "time between the polls; not over a restart",
        says=Words(
            "How often the switches had to find new paths among each other. Each time data stops for a moment.",
            "Quante volte gli switch hanno dovuto trovare nuovi percorsi tra loro. Ogni volta il traffico si "
            "ferma per un istante.",
        ),
        do=Words(
            "Look for a link that comes and goes, and set ports for computers as edge ports. Another root switch than "
            "before means that somebody added a switch, or that the main one was gone.",
            "Cercare un collegamento che va e viene e impostare come edge le porte dei computer. Se lo switch radice è "
            "cambiato, qualcuno ha aggiunto uno switch oppure quello principale è mancato.",
        ),
        merge="sums",
        source="RFC 4188 dot1dStpTopChanges, dot1dStpTimeSinceTopologyChange, dot1dStpDesignatedRoot; thresholds [D]",
        page=OnPage(
            says=Words(
                "The paths between the switches keep changing: look for a loose link or a switch that was added.",
                "I percorsi tra gli switch cambiano di continuo: cercare un collegamento instabile o un nuovo switch.",
            ),
            rank=45,
            tile=Part.NETWORK,
        ),
        better=Better.LOW,
        thresholds=(Threshold(2, 10, Mark.DEFAULT),),
        status_on="weight",
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        parts=("root_changes", "weight", "worst"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words("This device does not count them.", "Questo dispositivo non li conta."),
            NullReason.INSUFFICIENT: Words(
                "The device restarted, or was asked for the first time.",
                "Il dispositivo si è riavviato, oppure è stato interrogato per la prima volta.",
            ),
        },
    ),
    Kpi(
        id="neighbour_churn",
        title=Words("Neighbours that come and go", "Apparati vicini comparsi o spariti"),
        unit="1",
        formula="|added| + |removed| of (local port, chassis, remote port) between two walks; a walk that broke off "
        "compares with nothing",
        says=Words(
            "How often this device saw another one appear at the end of a cable, or disappear.",
            "Quante volte questo dispositivo ha visto comparire o sparire un altro apparato all'estremità di un cavo.",
        ),
        do=Words(
            "See in the events which neighbour it is, and check its cable and its power.",
            "Vedere negli eventi di quale vicino si tratta e controllarne il cavo e l'alimentazione.",
        ),
        merge="sums",
        source="802.1AB lldpRemTable; ANSI/TIA-1057 for what an end station is [K]; thresholds [D], on infrastructure",
        page=OnPage(
            says=Words(
                "Devices that are connected to {who} came and went: check their cables and their power.",
                "Apparati collegati a {who} sono spariti o comparsi: controllarne i cavi e l'alimentazione.",
            ),
            rank=46,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 2, Mark.DEFAULT),),
        status_on="infrastructure",
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        parts=("added", "removed", "infrastructure", "stability_pct", "worst"),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "The list of neighbours could not be read to its end.",
                "Non è stato possibile leggere l'elenco dei vicini fino in fondo.",
            ),
        },
    ),
    _stability(
        "ospf_stability",
        Words("Routing neighbours (OSPF) in place", "Sessioni di routing (OSPF) attive"),
        "100 seconds full / seconds known, over all neighbours; two-way is as good where the own interface is DROther, "
        "and stands apart where nobody tells",
        Words(
            "How much of the time the routers at this site agreed with each other on the paths.",
            "Per quanta parte del tempo i router della sede sono stati d'accordo tra loro sui percorsi.",
        ),
        "RFC 4750 ospfNbrState, ospfIfState; thresholds [D]",
    ),
    _resets(
        "ospf_resets",
        Words("Routing neighbours (OSPF) lost", "Sessioni di routing (OSPF) cadute"),
        "times a neighbour was no longer full or two-way; 1 where it still is and ospfNbrEvents went on",
        Words(
            "How often a router lost sight of a neighbour and had to find its paths anew.",
            "Quante volte un router ha perso il contatto con un vicino e ha dovuto ricalcolare i percorsi.",
        ),
        "RFC 4750 ospfNbrState, ospfNbrEvents; thresholds [D]",
    ),
    _stability(
        "bgp_stability",
        Words("Routing sessions (BGP) in place", "Sessioni di routing (BGP) attive"),
        "100 seconds established / seconds known, over all peers that are switched on",
        Words(
            "How much of the time the sessions were up by which routers, often the provider's too, exchange paths.",
            "Per quanta parte del tempo sono rimaste attive le sessioni con cui i router, spesso anche quello "
            "dell'operatore, si scambiano i percorsi.",
        ),
        "RFC 4273 bgpPeerState, bgpPeerAdminStatus; thresholds [D]",
    ),
    _resets(
        "bgp_resets",
        Words("Routing sessions (BGP) lost", "Sessioni di routing (BGP) cadute"),
        "delta(bgpPeerFsmEstablishedTransitions), counted when a session is lost; 1 where it is established for less "
        "time than lies between the polls",
        Words(
            "How often a session with another router, often the provider's, was lost.",
            "Quante volte è caduta una sessione con un altro router, spesso quello dell'operatore.",
        ),
        "RFC 4273 bgpPeerFsmEstablishedTransitions, bgpPeerFsmEstablishedTime; thresholds [D]",
    ),
)
