"""Tiles and sentence of Wi-Fi and power: where they are, what they count, what is said."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kpi.entry import Part, Words
from kpi.model import Role, State, Status
from kpi.seen import Gear, Read, Seen, Tone
from kpi.sentence import Known, sentence
from kpi.tiles import Tile, tiles

SINCE = Words("since 10:42 (14 min)", "dalle 10:42 (14 min)")
SUPPLY = Gear(battery=True, on_battery=False, runtime_min=38.0, charge_pct=100.0)


def device(role: Role, gear: Gear | None = None, name: str = "", state: State = State.UP) -> Seen:
    return Seen(name or role.value, name or role.value, role, state, gear=gear or Gear())


def wifi(clients: int | None) -> Gear:
    return Gear(wifi=True, clients=clients)


def tile(part: Part, devices: Sequence[Seen], *figures: Read) -> Tile:
    return next(t for t in tiles(devices, figures) if t.part is part)


def said(devices: Sequence[Seen], *figures: Read) -> tuple[Tone, str, str]:
    found = sentence(Known(devices, figures=figures))
    return found.tone, found.says.en, found.says.it


def test_what_nobody_has_is_not_there() -> None:
    assert [t.part for t in tiles([device(Role.SWITCH), device(Role.SERVER)])] == [Part.NETWORK, Part.SERVERS]


def test_a_router_with_wifi_is_part_of_both_also_while_it_is_away() -> None:
    router = device(Role.GATEWAY, wifi(7))
    assert [t.part for t in tiles([router])] == [Part.INTERNET, Part.WIFI]
    away = replace(router, state=State.DOWN, gear=wifi(None))
    assert tile(Part.WIFI, [away]).tone is Tone.PROBLEM
    assert tile(Part.WIFI, [away]).gear.clients is None


def test_a_server_that_tells_of_its_battery_is_part_of_power() -> None:
    assert tile(Part.POWER, [device(Role.SERVER, SUPPLY)]).gear.runtime_min == 38


def test_clients_add_and_those_of_a_controller_are_not_counted_twice() -> None:
    points = [device(Role.ACCESS_POINT, wifi(n), f"ap{n}") for n in (5, 9)]
    assert tile(Part.WIFI, points).gear.clients == 14
    assert tile(Part.WIFI, [*points, device(Role.CONTROLLER, wifi(14))]).gear.clients == 14
    assert tile(Part.WIFI, [*points, device(Role.CONTROLLER, wifi(31))]).gear.clients == 31


def test_the_battery_that_lasts_least_is_shown() -> None:
    other = replace(SUPPLY, runtime_min=12.0)
    assert tile(Part.POWER, [device(Role.UPS, SUPPLY, "a"), device(Role.UPS, other, "b")]).gear.runtime_min == 12


@pytest.mark.parametrize(
    ("gear", "state", "tone", "word"),
    [
        (SUPPLY, State.UP, Tone.GOOD, "Works"),
        (replace(SUPPLY, on_battery=True), State.UP, Tone.ATTENTION, "On battery"),
        (replace(SUPPLY, on_battery=True, battery_low=True), State.UP, Tone.PROBLEM, "Battery low"),
        (replace(SUPPLY, on_battery=True), State.MAINTENANCE, Tone.MAINTENANCE, "Maintenance"),
        (replace(SUPPLY, on_battery=None), State.DOWN, Tone.PROBLEM, "Not reachable"),
        (Gear(battery=True), State.UP, Tone.NONE, "Partly known"),
    ],
)
def test_the_power_tile(gear: Gear, state: State, tone: Tone, word: str) -> None:
    found = tile(Part.POWER, [device(Role.UPS, gear, state=state)])
    assert (found.tone, found.word.en) == (tone, word)


@pytest.mark.parametrize(
    ("role", "part"),
    [
        (Role.UPS, Part.POWER), (Role.SWITCH, Part.NETWORK), (Role.ACCESS_POINT, Part.WIFI),
        (Role.SERVER, Part.SERVERS),
    ],
)  # fmt: skip
def test_what_answers_while_its_snmp_is_silent_is_not_said_to_work(role: Role, part: Part) -> None:
    silent, other = replace(device(role, name="D1"), snmp_failed=True), device(Role.ENDPOINT, name="PC")
    found = tile(part, [silent])
    assert (found.tone, found.word.en, found.up) == (Tone.NONE, "Partly known", 1)
    assert said([silent]) == (
        Tone.NONE, "D1 answers, but its values are not known.", "D1 risponde, ma non dà i suoi valori."
    )  # fmt: skip
    assert said([silent, other])[1] == "D1 answers, but its values are not known; everything else works."
    assert said([silent, replace(other, state=State.MAINTENANCE)])[1:] == (
        "D1 answers, but its values are not known; planned work is going on with PC.",
        "D1 risponde, ma non dà i suoi valori; sono in corso lavori programmati su PC.",
    )
    assert said([silent, replace(other, state=State.UNKNOWN)])[1] == (
        "There is no information about PC, and not all is known of the others."
    )
    both = [silent, replace(silent, id="D2", name="D2")]
    assert said(both)[1:] == (
        "2 devices answer, but their values are not known.", "2 dispositivi rispondono, ma non danno i valori."
    )  # fmt: skip
    assert said([replace(silent, state=State.MAINTENANCE), other])[0] is Tone.MAINTENANCE
    assert tile(part, [device(role)]).tone is Tone.GOOD


def test_a_router_whose_snmp_is_silent_leaves_internet_as_its_addresses_say() -> None:
    devices = [replace(device(Role.GATEWAY, name="R"), snmp_failed=True), device(Role.INTERNET, name="I")]
    assert tile(Part.INTERNET, devices).tone is Tone.GOOD
    assert said(devices)[:2] == (Tone.NONE, "R answers, but its values are not known; everything else works.")


def test_a_battery_that_runs_is_said_though_another_supply_is_silent() -> None:
    devices = [
        device(Role.UPS, replace(SUPPLY, on_battery=True), "a"), replace(device(Role.UPS, name="b"), snmp_failed=True)
    ]  # fmt: skip
    assert tile(Part.POWER, devices).word.en == "On battery"


def test_a_power_failure_is_said_before_what_it_takes_with_it() -> None:
    running = replace(SUPPLY, on_battery=True, since=SINCE, runtime_min=31.4)
    ups = device(Role.UPS, running, "UPS")
    assert said([ups]) == (
        Tone.ATTENTION,
        "The mains power has failed: UPS has run on its battery since 10:42 (14 min). It lasts about 31 min more.",
        "Manca la corrente: UPS funziona a batteria dalle 10:42 (14 min). Dura ancora circa 31 min.",
    )
    tone, en, it = said([ups, device(Role.SWITCH, state=State.DOWN)])
    assert tone is Tone.PROBLEM
    assert en.endswith("more. 1 other device is not reachable either.")
    assert it.endswith("Un altro dispositivo non è raggiungibile.")
    tone, en, _ = said([device(Role.UPS, replace(running, battery_low=True), "UPS")])
    assert (tone, en) == (
        Tone.PROBLEM,
        "The mains power has failed: UPS has run on its battery since 10:42 (14 min), and that is nearly empty.",
    )
    assert said([replace(ups, state=State.MAINTENANCE)])[0] is Tone.MAINTENANCE


def test_a_weak_battery_is_said_while_everything_works() -> None:
    figure = Read("ups_runtime_min", 4.2, Status.BAD, {"worst_min": 4.2}, "UPS")
    devices = [device(Role.UPS, SUPPLY, "UPS")]
    assert said(devices, figure)[1] == "If the mains power fails, UPS will last only about 4 min."
    assert (
        said(devices, replace(figure, worst="gone"))[1]
        == "If the mains power fails, a device will last only about 4 min."
    )
    assert tile(Part.POWER, devices, figure).tone is Tone.ATTENTION
    assert said(devices, replace(figure, status=Status.GOOD))[1] == "Everything works."


@pytest.mark.parametrize(
    ("kpi", "en", "it"),
    [
        ("wifi_clients", "Wi-Fi may be slow at AP hall: 31 devices share one radio.",
         "Il Wi-Fi può essere lento presso AP hall: 31 dispositivi condividono la stessa radio."),
        ("wifi_interference_pct", "Wi-Fi may be slow at AP hall: its channel is busy most of the time.",
         "Il Wi-Fi può essere lento presso AP hall: il suo canale è quasi sempre occupato."),
        ("wifi_signal_dbm", "Wi-Fi reaches many devices only weakly at AP hall.",
         "Il Wi-Fi arriva debole a molti dispositivi presso AP hall."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_wifi_is_said_by_name(kpi: str, en: str, it: str) -> None:
    devices = [device(Role.ACCESS_POINT, wifi(40), "AP hall")]
    figure = Read(kpi, 40.0, Status.WARN, {"busiest": 31.0}, "AP hall")
    assert said(devices, figure) == (Tone.ATTENTION, en, it)
    assert tile(Part.WIFI, devices, figure).tone is Tone.ATTENTION


def test_a_crowd_that_has_gone_since_is_not_counted() -> None:
    devices = [device(Role.ACCESS_POINT, wifi(3), "AP hall")]
    _, en, it = said(devices, Read("wifi_clients", 3.0, Status.WARN, {"busiest": 3.0}, "AP hall"))
    assert "too many devices share one radio" in en
    assert "troppi dispositivi" in it


def test_a_hostile_name_turns_nothing_round() -> None:
    running = replace(SUPPLY, on_battery=True)
    assert "\u202e" not in said([device(Role.UPS, running, "evil\u202e")])[1]


@pytest.mark.parametrize("left", [float("nan"), float("inf"), None])
def test_a_runtime_that_is_no_number_is_not_said(left: float | None) -> None:
    running = replace(SUPPLY, on_battery=True, runtime_min=left)
    assert said([device(Role.UPS, running, "UPS")])[1] == "The mains power has failed: UPS has run on its battery."
