"""The sentence and the tiles: what is said for what is known, in both languages."""

from collections.abc import Sequence

import pytest

from kpi.entities import PROBE
from kpi.entry import Part, Words
from kpi.model import Role, State, Status
from kpi.seen import Read, Seen, Tone, plain_name
from kpi.sentence import Flapping, Known, Trouble, sentence
from kpi.tiles import tiles

SINCE = Words("since 10:42 (14 min)", "dalle 10:42 (14 min)")
NAMES = {
    Role.GATEWAY: "Fritz", Role.SWITCH: "Switch hall", Role.SERVER: "File server", Role.PRINTER: "Printer",
    Role.CAMERA: "Camera", Role.ACCESS_POINT: "AP hall",
}  # fmt: skip


def device(role: Role, state: State = State.UP, number: int = 1, reason: str = "answered") -> Seen:
    return Seen(f"{role}-{number}", NAMES.get(role, f"{role} {number}"), role, state, reason)


def site(**down: State) -> list[Seen]:
    """A small site; keywords give roles their state."""
    roles = (Role.GATEWAY, Role.SWITCH, Role.ACCESS_POINT, Role.SERVER, Role.PRINTER)
    inside = [device(role, down.get(role.name.lower(), State.UP)) for role in roles]
    return inside + [device(Role.INTERNET, down.get("internet", State.UP), n) for n in (1, 2, 3)]


def trouble(role: Role, *hides: str, number: int = 1, kind: str = "device.down") -> Trouble:
    return Trouble(kind, f"{role}-{number}", SINCE, hides)


def said(devices: Sequence[Seen], *troubles: Trouble, **more: object) -> tuple[Tone, str, str]:
    found = sentence(Known(devices, troubles, **more))  # type: ignore[arg-type]
    return found.tone, found.says.en, found.says.it


DOWN = State.DOWN
SCENES: dict[str, tuple[tuple[Tone, str, str], tuple[Tone, str, str]]] = {
    "all well": (
        said(site()),
        (Tone.GOOD, "Everything works.", "Funziona tutto."),
    ),
    "nothing set up": (
        said([]),
        (
            Tone.NONE,
            "Nothing is watched yet: no device is set up.",
            "Non è ancora configurato nessun dispositivo.",
        ),
    ),
    "just begun": (
        said([device(Role.SERVER, State.UNKNOWN, reason="starting")]),
        (
            Tone.NONE,
            "No information yet: measuring has just begun.",
            "Ancora nessun dato: le misurazioni sono appena iniziate.",
        ),
    ),
    "own cable": (
        said(site(), Trouble("probe.link", PROBE, SINCE)),
        (
            Tone.PROBLEM,
            "The probe itself has had no network since 10:42 (14 min): check its cable.",
            "La sonda è senza rete dalle 10:42 (14 min): controllare il suo cavo.",
        ),
    ),
    "router gone": (
        said(site(gateway=DOWN), trouble(Role.GATEWAY, "internet-1", "server-1")),
        (
            Tone.PROBLEM,
            (
                "The internet router (Fritz) has not been reachable since 10:42 (14 min). Internet and 1 device behind it are "
                "affected."
            ),
            "Il router Internet (Fritz) non è raggiungibile dalle 10:42 (14 min). Ne risentono Internet e 1 dispositivo.",
        ),
    ),
    "line gone": (
        said(site(internet=DOWN), trouble(Role.INTERNET)),
        (
            Tone.PROBLEM,
            "Internet has been down since 10:42 (14 min). Whatever needs it, such as card payments and calls, is affected.",
            (
                "Internet non funziona dalle 10:42 (14 min). Ne risente tutto ciò che ne ha bisogno, come pagamenti con carta e "
                "telefonate."
            ),
        ),
    ),
    "switch gone": (
        said(site(switch=DOWN), trouble(Role.SWITCH, "server-1", "printer-1")),
        (
            Tone.PROBLEM,
            "Switch hall has not been reachable since 10:42 (14 min). 2 devices behind it cannot be seen.",
            "Switch hall non è raggiungibile dalle 10:42 (14 min). Non si sa nulla di 2 dispositivi a valle.",
        ),
    ),
    "switch and printer gone": (
        said(site(switch=DOWN, printer=DOWN), trouble(Role.SWITCH), trouble(Role.PRINTER)),
        (
            Tone.PROBLEM,
            "Switch hall has not been reachable since 10:42 (14 min). 1 other device is not reachable either.",
            "Switch hall non è raggiungibile dalle 10:42 (14 min). Un altro dispositivo non è raggiungibile.",
        ),
    ),
    "printer switched off": (
        said(site(printer=DOWN), trouble(Role.PRINTER)),
        (
            Tone.ATTENTION,
            "Printer has not been reachable since 10:42 (14 min).",
            "Printer non è raggiungibile dalle 10:42 (14 min).",
        ),
    ),
    "two servers gone": (
        said([*site(), device(Role.SERVER, DOWN, 2), device(Role.SERVER, DOWN, 3)], trouble(Role.SERVER, number=2)),
        (
            Tone.PROBLEM,
            "File server and File server are not reachable, the first since 10:42 (14 min).",
            "File server e File server non sono raggiungibili, il primo dalle 10:42 (14 min).",
        ),
    ),
    "three cameras gone": (
        said([*site(), *(device(Role.CAMERA, DOWN, n) for n in (1, 2, 3))]),
        (Tone.ATTENTION, "3 devices are not reachable.", "3 dispositivi non sono raggiungibili."),
    ),
    "a port flaps": (
        said(site(), flapping=[Flapping("Switch hall", "ge7"), Flapping("Switch hall", "ge8")]),
        (
            Tone.ATTENTION,
            "Port ge7 of Switch hall keeps going on and off: check its cable. 1 more does the same.",
            "La porta ge7 di Switch hall si scollega e si ricollega di continuo: controllare il cavo. Lo stesso vale per un'altra.",
        ),
    ),
    "losses on the line": (
        said(site(), figures=[Read("rtt_ms@wan", 300.0, Status.BAD), Read("loss_ratio@wan", 2.0, Status.WARN)]),
        (
            Tone.ATTENTION,
            "Internet loses packets: calls and video may stutter.",
            "Internet perde pacchetti: chiamate e video possono andare a scatti.",
        ),
    ),
    "slow inside": (
        said(site(), figures=[Read("rtt_ms@lan", 30.0, Status.BAD)]),
        (
            Tone.ATTENTION,
            "The network is slow: answers take longer than they should.",
            "La rete va a rilento: le risposte tardano più del dovuto.",
        ),
    ),
    "one address outside is silent": (
        said([*site()[:-1], device(Role.INTERNET, DOWN, 3)]),
        (
            Tone.ATTENTION,
            "Internet works, but 1 of the 3 addresses it is tested with does not answer.",
            "Internet funziona, ma 1 dei 3 indirizzi con cui viene provato non risponde.",
        ),
    ),
    "planned work": (
        said(site(server=State.MAINTENANCE)),
        (
            Tone.MAINTENANCE,
            "Planned work is going on with File server; everything else works.",
            "Sono in corso lavori programmati su File server; tutto il resto funziona.",
        ),
    ),
    "some not known": (
        said(site(server=State.UNKNOWN, printer=State.UNKNOWN)),
        (
            Tone.NONE,
            "There is no information about 2 devices; the others work.",
            "Non ci sono informazioni su 2 dispositivi; gli altri funzionano.",
        ),
    ),
    "the probe may not measure": (
        said(site(server=State.UNKNOWN), Trouble("probe.fault", PROBE, SINCE, ("server-1",))),
        (
            Tone.NONE,
            "The probe has not been able to measure 1 device since 10:42 (14 min).",
            "La sonda non riesce a misurare 1 dispositivo dalle 10:42 (14 min).",
        ),
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_said(scene: str) -> None:
    found, expected = SCENES[scene]
    assert found == expected


def test_a_hostile_name_turns_nothing_round() -> None:
    assert plain_name("Switch hall") == "Switch hall"
    assert plain_name("a\u202eb\u2069c") == "abc"
    assert plain_name("מדפסת") == "\u2068מדפסת\u2069"
    found = sentence(Known([Seen("x", "evil\u202e", Role.SERVER, DOWN)]))
    assert "\u202e" not in found.says.en


def tones(devices: Sequence[Seen], figures: Sequence[Read] = (), flapping: Sequence[str] = ()) -> dict[Part, Tone]:
    return {tile.part: tile.tone for tile in tiles(devices, figures, flapping)}


def test_a_site_has_only_the_tiles_of_what_it_has() -> None:
    assert tones([device(Role.SERVER)]) == {Part.SERVERS: Tone.GOOD}
    assert list(tones(site())) == [Part.INTERNET, Part.WIFI, Part.NETWORK, Part.SERVERS]
    assert tones([device(Role.GATEWAY)]) == {Part.INTERNET: Tone.GOOD}


def test_the_tone_of_a_tile_follows_what_matters_to_people() -> None:
    assert tones(site(gateway=DOWN))[Part.INTERNET] is Tone.PROBLEM
    assert tones(site(internet=DOWN))[Part.INTERNET] is Tone.PROBLEM
    assert tones([*site()[:-1], device(Role.INTERNET, DOWN, 3)])[Part.INTERNET] is Tone.GOOD
    assert tones(site(internet=State.UNKNOWN))[Part.INTERNET] is Tone.NONE
    assert tones(site(), [Read("rtt_ms@wan", 300.0, Status.BAD)])[Part.INTERNET] is Tone.ATTENTION
    assert tones(site(access_point=DOWN))[Part.WIFI] is Tone.PROBLEM
    assert tones(site(access_point=DOWN))[Part.NETWORK] is Tone.GOOD
    assert tones(site(), flapping=["switch-1"])[Part.NETWORK] is Tone.ATTENTION
    assert tones(site(printer=DOWN))[Part.SERVERS] is Tone.ATTENTION
    assert tones(site(server=DOWN))[Part.SERVERS] is Tone.PROBLEM
    assert tones(site(server=State.UNKNOWN))[Part.SERVERS] is Tone.NONE


def test_a_tile_counts_who_answers() -> None:
    network = next(t for t in tiles([*site(switch=DOWN), device(Role.ROUTER)]) if t.part is Part.NETWORK)
    assert (network.up, network.total, network.word.en) == (1, 2, "Problem")
    assert tiles([device(Role.SWITCH, DOWN)])[0].word.it == "Non raggiungibile"


def test_a_probe_that_cannot_keep_what_it_measures_is_said_after_everything_works() -> None:
    full = Words("The disk is full.", "Il disco è pieno.")
    assert said(site(), own_trouble=full) == (
        Tone.ATTENTION, "Everything works. The disk is full.", "Funziona tutto. Il disco è pieno.",
    )  # fmt: skip
    tone, en, _ = said(site(server=DOWN), trouble(Role.SERVER), own_trouble=full)
    assert (tone, en) == (Tone.PROBLEM, "File server has not been reachable since 10:42 (14 min).")
