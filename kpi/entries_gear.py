"""The catalogue's entries about what networks stand on: power, cooling, resources, ports."""

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
    Part,
    Rule,
    Threshold,
    Words,
)
from kpi.model import NullReason

__all__ = ["GEAR_ENTRIES"]

_NULLS = {
    NullReason.NO_DATA: NO_SNMP,
    NullReason.AUTH: AUTH,
    NullReason.UNSUPPORTED: Words("This device does not report it.", "Questo dispositivo non lo comunica."),
}

GEAR_ENTRIES = (
    Kpi(
        id="power_events",
        title=Words("Power failures", "Interruzioni di corrente"),
        unit="1",
        formula="delta(upsInputLineBads); where that is absent, changes from mains to battery that polls saw",
        says=Words(
            "How often the mains failed or went out of bounds, outside planned maintenance.",
            "Quante volte la corrente è mancata o è uscita dai limiti, fuori dalla manutenzione programmata.",
        ),
        do=Words(
            "If they are many and short, have an electrician check the supply line and what else is connected to it.",
            "Se sono molte e brevi, far controllare da un elettricista la linea di alimentazione e che cos'altro "
            "vi è collegato.",
        ),
        merge="sum",
        source="RFC 1628 upsInputLineBads [V]",
        page=NotOnPage("The time on battery that comes with a power failure speaks for it."),
        parts=("worst",),
        nulls={
            **_NULLS,
            NullReason.INSUFFICIENT: Words(
                "The counter was read only once, or was reset, so that no difference can be trusted.",
                "Il contatore è stato letto una sola volta o è stato azzerato: nessuna differenza è affidabile.",
            ),
        },
    ),
    Kpi(
        id="on_battery_s",
        title=Words("Time on battery", "Tempo a batteria"),
        unit="s",
        formula="seconds of upsSecondsOnBattery, of each time on battery what was seen last; else the time in which "
        "upsOutputSource is battery",
        says=Words(
            "How long the power came from the battery because the mains power was gone.",
            "Per quanto tempo l'alimentazione è venuta dalla batteria perché mancava la corrente.",
        ),
        do=Words(
            "See whether the mains power is back and the battery is charging; if the failure lasts, shut servers "
            "down in order.",
            "Verificare che la corrente sia tornata e che la batteria si ricarichi; se la mancanza dura, "
            "spegnere i server in ordine.",
        ),
        merge="sum",
        source="RFC 1628 upsSecondsOnBattery, upsOutputSource [V]; thresholds [D]",
        page=OnPage(
            says=Words(
                "The mains power failed lately: {who} had to run on its battery.",
                "Di recente è mancata la corrente: {who} ha funzionato a batteria.",
            ),
            rank=15,
            tile=Part.POWER,
        ),
        better=Better.LOW,
        thresholds=(Threshold(0, 299, Mark.DEFAULT),),
        rule=Rule.EVENTS,
        status_window_s=DAY_S,
        bad_flags=("battery_low",),
        parts=("worst_s",),
        nulls=_NULLS,
    ),
    Kpi(
        id="ups_runtime_min",
        title=Words("Battery runtime", "Autonomia della batteria"),
        unit="min",
        formula="least estimated minutes at the present load; negative and 65535 are none; above 1440 the unit is "
        "doubted; load_pct: the most load in percent of what the supply is rated for, above 100 where it is overloaded",
        says=Words(
            "How long the battery would last if the mains failed now.",
            "Quanto durerebbe la batteria se mancasse la corrente adesso.",
        ),
        do=Words(
            "Change the battery if it is old (three to five years), or take load off the supply.",
            "Sostituire la batteria se è vecchia (da tre a cinque anni) o ridurre il carico sul gruppo di continuità.",
        ),
        merge="min",
        source="RFC 1628 upsEstimatedMinutesRemaining, upsBatteryStatus, upsOutputPercentLoad [V]; thresholds [D]",
        page=OnPage(
            says=Words("If the mains power fails, {who} will not last long.", "Se manca la corrente, {who} dura poco."),
            rank=60,
            tile=Part.POWER,
            now=Words(
                "If the mains power fails, {who} will last only about {n} min.",
                "Se manca la corrente, {who} dura solo circa {n} min.",
            ),
        ),
        better=Better.HIGH,
        thresholds=(Threshold(15, 5, Mark.DEFAULT),),
        rule=Rule.SAFETY,
        status_window_s=HOUR_S,
        min_n=1,
        bad_flags=("battery_low",),
        parts=("charge_pct", "load_pct", "worst_min"),
        nulls=_NULLS,
    ),
    Kpi(
        id="poe_headroom_pct",
        title=Words("Power left for devices (PoE)", "Potenza PoE disponibile"),
        unit="%",
        formula="100 (1 - used / nominal), over all groups that have a budget",
        says=Words(
            "How much power the switch can still give to phones, cameras and access points.",
            "Quanta potenza lo switch può ancora dare a telefoni, telecamere e access point.",
        ),
        do=Words(
            "Move some devices to another switch or give them their own supply before the next one is plugged in.",
            "Spostare alcuni apparecchi su un altro switch o dare loro un alimentatore prima di collegarne altri.",
        ),
        merge="sums of W times time",
        source="RFC 3621 pethMainPsePower, pethMainPseConsumptionPower [V]; thresholds [D]",
        page=OnPage(
            says=Words(
                "{who} can hardly power one more device (PoE).",
                "{who} non può quasi più alimentare altri apparecchi (PoE).",
            ),
            rank=66,
        ),
        better=Better.HIGH,
        thresholds=(Threshold(20, 10, Mark.DEFAULT),),
        status_window_s=HOUR_S,
        parts=("used_w", "nominal_w", "worst_pct"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words(
                "The device does not report how much power it can give.",
                "Il dispositivo non comunica quanta potenza può fornire.",
            ),
        },
    ),
    Kpi(
        id="cooling_margin_c",
        title=Words("Margin to overheating", "Margine prima del surriscaldamento"),
        unit="°C",
        formula="least of limit - temperature; the limit is the device's own, for the air that goes in at most 32 °C; "
        "a fan at 0 rpm in two polls is bad",
        says=Words(
            "How many degrees the hottest part was away from its limit.",
            "Quanti gradi mancavano alla parte più calda per raggiungere il suo limite.",
        ),
        do=Words(
            "See whether a fan has stopped or is full of dust, whether air can get in and out, and whether the "
            "room is cool enough.",
            "Verificare che nessuna ventola sia ferma o piena di polvere, che l'aria possa entrare e uscire e "
            "che il locale sia abbastanza fresco.",
        ),
        merge="min",
        source="RFC 3433 entPhySensor; ASHRAE inlet 18-27 °C [V], A1 15-32 °C [K]: 5 and 0 degrees below 32; "
        "the same for limits of the device [D]",
        page=OnPage(
            says=Words(
                "{who} is getting too warm: see that its fans turn and that air gets in and out.",
                "{who} si sta scaldando troppo: verificare che le ventole girino e che l'aria circoli.",
            ),
            rank=10,
            problem=Words(
                "{who} is too hot, or one of its fans has stopped: it may switch off or be damaged.",
                "{who}: temperatura troppo alta o ventola ferma. Rischia di spegnersi o di guastarsi.",
            ),
            word=Words("Too warm", "Troppo caldo"),
        ),
        better=Better.HIGH,
        thresholds=(Threshold(5, 0, Mark.KNOWN),),
        rule=Rule.SAFETY,
        status_window_s=HOUR_S,
        bad_flags=("fan_stopped",),
        parts=("hottest_c", "inlet_c", "worst_c"),
        nulls={
            **_NULLS,
            NullReason.UNSUPPORTED: Words(
                "The device does not report which temperature is too high.",
                "Il dispositivo non comunica quale temperatura è eccessiva.",
            ),
        },
    ),
    Kpi(
        id="resource_used_pct",
        title=Words("Use of processor, memory and disk", "Uso di processore, memoria e disco"),
        unit="%",
        formula="time means of the processors' mean load, the fullest memory, the fullest disk; the greatest of them",
        says=Words(
            "How busy the busiest of processor, memory and disk was on average.",
            "Quanto era occupato, in media, il più carico tra processore, memoria e disco.",
        ),
        do=Words(
            "See which of the three it is: free or add disk, restart what keeps growing, or spread the load.",
            "Vedere quale dei tre è: liberare o aggiungere spazio su disco, riavviare ciò che continua a "
            "crescere o distribuire il carico.",
        ),
        merge="sum of percent times time, time, max",
        source="RFC 2790 hrProcessorLoad, hrStorageUsed, hrStorageSize [V]; thresholds [D]",
        page=OnPage(
            says=Words(
                "{who} is near its limit: processor, memory or disk is nearly used up.",
                "{who} è quasi al limite: processore, memoria o disco quasi esauriti.",
            ),
            rank=65,
        ),
        better=Better.LOW,
        thresholds=(Threshold(70, 90, Mark.DEFAULT),),
        status_window_s=HOUR_S,
        parts=("cpu_pct", "memory_pct", "storage_pct", "max_pct", "worst_pct"),
        nulls=_NULLS,
    ),
    Kpi(
        id="port_used_pct",
        title=Words("Ports in use", "Porte in uso"),
        unit="%",
        formula="100 physical ports that were up at some time in the window / all physical ports; switches only",
        says=Words(
            "How many of the switch's ports had something connected.", "Quante porte dello switch erano in uso."
        ),
        do=Words(
            "Plan the next switch before the last port is taken; remove cables that lead nowhere.",
            "Prevedere un altro switch prima che finiscano le porte; togliere i cavi che non portano da nessuna parte.",
        ),
        merge="ports, each up at some time",
        source="RFC 2863 ifOperStatus, ifType; thresholds [D]",
        page=NotOnPage(
            "Free sockets are a matter of planning: nothing works worse for it. It stands on the switch's own page."
        ),
        better=Better.LOW,
        thresholds=(Threshold(80, 95, Mark.DEFAULT),),
        status_window_s=THIRTY_DAYS_S,
        parts=("up", "worst_pct"),
        nulls={NullReason.NO_DATA: NO_SNMP, NullReason.AUTH: AUTH},
    ),
)
