"""What the first screen says and shows, at its limits: none, one and several; every role, state and order of them."""

import itertools
from collections.abc import Sequence

import pytest

from kpi.catalogue import CATALOGUE, entry_of
from kpi.entry import Better, Mark, OnPage, Part, Rule, Scope, Threshold, Words
from kpi.findings import findings
from kpi.model import Role, State, Status
from kpi.seen import MAY_SLEEP, Gear, Read, Seen, Tone, battery_left, on_battery, parts_of
from kpi.sentence import Flapping, Known, Trouble, sentence
from kpi.status import Happened, Reading, fewest, level, read_on, status_of, status_of_day, votes
from kpi.tiles import tiles

SINCE = Words("since 9", "dalle 9")
UP, DOWN, UNKNOWN, MAINTENANCE = State.UP, State.DOWN, State.UNKNOWN, State.MAINTENANCE


def device(role: Role, state: State = UP, name: str = "", reason: str = "", gear: Gear | None = None) -> Seen:
    return Seen(name or role.value, name or role.value, role, state, reason, gear or Gear())


def said(devices: Sequence[Seen], *troubles: Trouble, **more: object) -> tuple[Tone, str, str]:
    found = sentence(Known(devices, troubles, **more))  # type: ignore[arg-type]
    return found.tone, found.says.en, found.says.it


INSIDE = [role for role in Role if role is not Role.INTERNET]


@pytest.mark.parametrize("role", INSIDE)
def test_one_device_that_is_down_is_named_whatever_it_is(role: Role) -> None:
    tone, en, it = said([device(role, DOWN), device(Role.INTERNET)], Trouble("device.down", role.value, SINCE))
    assert tone is (Tone.ATTENTION if role in MAY_SLEEP else Tone.PROBLEM)
    if role is Role.GATEWAY:
        assert en == "The internet router (gateway) has not been reachable since 9. Nothing outside can be reached."
    else:
        assert (en, it) == (f"{role} has not been reachable since 9.", f"{role} non è raggiungibile dalle 9.")


@pytest.mark.parametrize("role", INSIDE)
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_what_is_down_besides_the_line_is_counted(role: Role, n: int) -> None:
    if role is Role.GATEWAY and n:
        return
    inside = [device(role, DOWN, f"{role} {i}") for i in range(n)] + [device(Role.SWITCH, UP, "other")]
    _, en, it = said([device(Role.INTERNET, DOWN), *inside], Trouble("device.down", "internet", SINCE))
    assert en.startswith("Internet has been down since 9.")
    others = ["", " 1 other device is not reachable either.", " 2 other devices are", " 3 other devices are"][n]
    altri = ["", " Un altro dispositivo non è raggiungibile.", " Altri 2 dispositivi", " Altri 3 dispositivi"][n]
    assert others in en
    assert altri in it
    assert ("other device" in en) is (n > 0)


def test_of_several_that_are_down_infrastructure_is_named_first_and_sleepers_last() -> None:
    order = [
        (Role.SWITCH, Role.SERVER), (Role.ROUTER, Role.UPS), (Role.CONTROLLER, Role.PRINTER),
        (Role.ACCESS_POINT, Role.CAMERA), (Role.SERVER, Role.ENDPOINT), (Role.UPS, Role.PRINTER),
    ]  # fmt: skip
    for first, other in order:
        for both in itertools.permutations([device(first, DOWN), device(other, DOWN)]):
            tone, en, _ = said(both)
            assert (tone, en) == (
                Tone.PROBLEM, f"{first} has not been reachable. 1 other device is not reachable either.",
            )  # fmt: skip


def test_the_one_that_is_down_longest_is_named_first() -> None:
    names = ["a", "b", "c"]
    for order in itertools.permutations(names):
        troubles = [Trouble("device.down", name, Words(f"since {name}", "")) for name in order[:2]]
        _, en, _ = said([device(Role.SERVER, DOWN, name) for name in ("a", "b")], *troubles)
        known = [name for name in order[:2] if name != "c"]
        rest = [name for name in ("a", "b") if name not in known]
        first, second = [*known, *rest]
        assert en == f"{first} and {second} are not reachable, the first since {known[0]}."
    gateways = [device(Role.GATEWAY, DOWN, name) for name in ("a", "b")]
    _, en, _ = said(gateways, Trouble("device.down", "b", SINCE), Trouble("device.down", "a", SINCE))
    assert en.startswith("The internet router (b) has not been reachable since 9.")
    _, en, _ = said(gateways)
    assert en.startswith("The internet router (a) has not been reachable now.")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_is_hidden_is_counted_once(n: int) -> None:
    devices = [device(Role.SWITCH, DOWN, f"s{i}") for i in range(n)]
    troubles = [Trouble("device.down", f"s{i}", SINCE, ("x", "y")) for i in range(n)]
    _, en, it = said(devices, *troubles)
    assert en.endswith(f" 2 devices behind {'it' if n == 1 else 'them'} cannot be seen.")
    assert it.endswith(" Non si sa nulla di 2 dispositivi a valle.")
    _, en, _ = said(devices[:1], Trouble("device.down", "s0", SINCE, ("x",)))
    assert en.endswith(" 1 device behind it cannot be seen.")


@pytest.mark.parametrize(
    ("hides", "inside"), [(("internet",), 0), (("gateway",), 0), (("a", "internet"), 1), (("a", "b"), 2)]
)
def test_behind_a_router_the_line_and_itself_are_not_counted(hides: tuple[str, ...], inside: int) -> None:
    devices = [device(Role.GATEWAY, DOWN), device(Role.INTERNET, UNKNOWN)]
    _, en, it = said(devices, Trouble("device.down", "gateway", SINCE, hides))
    if not inside:
        assert en.endswith(" Nothing outside can be reached.")
        assert it.endswith(" Non si raggiunge nulla all'esterno.")
    else:
        what = "1 device" if inside == 1 else "2 devices"
        assert en.endswith(f" Internet and {what} behind it are affected.")
        assert it.endswith(f" Ne risentono Internet e {'1 dispositivo' if inside == 1 else '2 dispositivi'}.")


@pytest.mark.parametrize("kind", ["aaa", "device.slow", "probe.faults", "probe.links", "zzz"])
def test_an_incident_of_another_kind_says_nothing(kind: str) -> None:
    assert said([device(Role.SERVER)], Trouble(kind, "server", SINCE))[1] == "Everything works."
    _, en, _ = said([device(Role.SERVER, DOWN)], Trouble(kind, "server", SINCE))
    assert en == "server has not been reachable."
    _, en, _ = said([device(Role.INTERNET, DOWN)], Trouble(kind, "internet", SINCE))
    assert en.startswith("Internet has been down. ")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_how_many_devices_the_probe_cannot_measure(n: int) -> None:
    _, en, it = said([device(Role.SERVER)], Trouble("probe.fault", "@probe", SINCE, tuple("ab"[:n])))
    assert en == f"The probe has not been able to measure {n} device{'' if n == 1 else 's'} since 9."
    assert it == f"La sonda non riesce a misurare {n} dispositiv{'o' if n == 1 else 'i'} dalle 9."


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_how_many_ports_flap(n: int) -> None:
    _, en, it = said([device(Role.SWITCH)], flapping=[Flapping("s", f"p{i}") for i in range(n)])
    more = ["", " 1 more does the same.", " 2 more do the same.", " 3 more do the same."][n - 1]
    anche = ["", " Lo stesso vale per un'altra.", " Lo stesso vale per altre 2.", " Lo stesso vale per altre 3."][n - 1]
    assert en == f"Port p0 of s keeps going on and off: check its cable.{more}"
    assert it == f"La porta p0 di s si scollega e si ricollega di continuo: controllare il cavo.{anche}"


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_how_many_addresses_outside_are_silent(gone: int) -> None:
    devices = [device(Role.INTERNET, DOWN if i < gone else UP, f"i{i}") for i in range(3)]
    tone, en, it = said(devices)
    if gone == 0:
        assert (tone, en) == (Tone.GOOD, "Everything works.")
    elif gone == 3:
        assert (tone, en[:27]) == (Tone.PROBLEM, "Internet has been down. Wha")
    else:
        verb, verbo = ("does", "risponde") if gone == 1 else ("do", "rispondono")
        assert en == f"Internet works, but {gone} of the 3 addresses it is tested with {verb} not answer."
        assert it == f"Internet funziona, ma {gone} dei 3 indirizzi con cui viene provato non {verbo}."
        assert tone is Tone.ATTENTION


@pytest.mark.parametrize("reason", ["aaa", "not_checked", "zzz", "starting"])
@pytest.mark.parametrize(("n", "of"), [(1, 3), (2, 3), (3, 3)])
def test_what_is_not_known(reason: str, n: int, of: int) -> None:
    devices = [device(Role.SERVER, UNKNOWN if i < n else UP, f"d{i}", reason) for i in range(of)]
    tone, en, it = said(devices)
    assert tone is Tone.NONE
    if reason == "starting" and n == of:
        assert en == "No information yet: measuring has just begun."
    elif n == of:
        assert en == "There is no information about any device."
    elif reason == "starting":
        verb, fatto = ("has", "è ancora stato misurato") if n == 1 else ("have", "sono ancora stati misurati")
        assert en == f"Measuring has just begun: {n} of 3 devices {verb} not been measured yet."
        many = "dispositivo" if n == 1 else "dispositivi"
        assert it == f"Le misurazioni sono appena iniziate: {n} {many} su 3 non {fatto}."
    else:
        who, chi = ("d0", "d0") if n == 1 else ("2 devices", "2 dispositivi")
        assert en == f"There is no information about {who}; the others work."
        assert it == f"Non ci sono informazioni su {chi}; gli altri funzionano."


def test_what_is_not_known_beside_what_is_worked_on() -> None:
    devices = [
        device(Role.SERVER, UNKNOWN, "a"),
        device(Role.SERVER, MAINTENANCE, "b", "starting"),
        device(Role.SWITCH),
    ]
    tone, en, it = said(devices)
    assert en == "There is no information about a; planned work is going on with b."
    assert (tone, it) == (Tone.NONE, "Non ci sono informazioni su a; sono in corso lavori programmati su b.")
    mixed = [device(Role.SERVER, UNKNOWN, "a", "starting"), device(Role.SERVER, UNKNOWN, "b", "x"), device(Role.SWITCH)]
    assert said(mixed)[1] == "There is no information about 2 devices; the others work."
    up_but_starting = [device(Role.SERVER, UP, "a", "starting"), device(Role.SERVER, UNKNOWN, "b", "x")]
    assert said(up_but_starting)[1] == "There is no information about b; the others work."


@pytest.mark.parametrize("n", [1, 2])
def test_planned_work_on_some_and_on_all(n: int) -> None:
    devices = [device(Role.SERVER, MAINTENANCE if i < n else UP, f"d{i}") for i in range(2)]
    tone, en, it = said(devices)
    who, chi = (
        ("d0; everything else works", "d0; tutto il resto funziona") if n == 1 else ("2 devices", "2 dispositivi")
    )
    assert (tone, en) == (Tone.MAINTENANCE, f"Planned work is going on with {who}.")
    assert it == f"Sono in corso lavori programmati su {chi}."


BATTERY = Gear(battery=True, on_battery=True, runtime_min=14.6)


@pytest.mark.parametrize("state", list(State))
def test_a_supply_that_runs_on_its_battery(state: State) -> None:
    supply = device(Role.UPS, state, "u", gear=BATTERY)
    assert (on_battery([supply]) == [supply]) is (state is not MAINTENANCE)
    tone, en, _ = said([supply, device(Role.SERVER, UP)])
    if state is not MAINTENANCE:
        assert en.startswith("The mains power has failed: u has run on its battery. It lasts about 15 min more.")
        assert tone is (Tone.PROBLEM if state is DOWN else Tone.ATTENTION)


def test_who_lasts_least_comes_first() -> None:
    def gear(minutes: float | None, charge: float | None) -> Gear:
        return Gear(on_battery=True, runtime_min=minutes, charge_pct=charge)

    order = [
        gear(0.0, 90.0),
        gear(5.0, 10.0),
        gear(5.0, None),
        gear(9.0, 1.0),
        gear(None, 0.0),
        gear(None, 5.0),
        gear(None, None),
    ]
    assert sorted([*order[3:], *order[:3]], key=battery_left) == order
    assert [d.gear for d in on_battery([device(Role.UPS, gear=g) for g in order[::-1]])] == order


# tiles


def expected_tone(role: Role, states: Sequence[State]) -> Tone:
    """By the words of the documents: what is gone, what is worked on, what is not known, else good."""
    down, up = states.count(DOWN), states.count(UP)
    if down and (role not in MAY_SLEEP or not up):
        return Tone.PROBLEM
    if down:
        return Tone.ATTENTION
    if states.count(MAINTENANCE) == len(states):
        return Tone.MAINTENANCE
    return Tone.NONE if UNKNOWN in states else Tone.GOOD


@pytest.mark.parametrize("role", [r for r in Role if r not in {Role.INTERNET, Role.GATEWAY}])
def test_tiles_of_two_devices_in_all_their_states(role: Role) -> None:
    for states in itertools.product(State, repeat=2):
        members = [device(role, state, f"d{i}") for i, state in enumerate(states)]
        found = tiles(members)
        assert [t.part for t in found] == sorted(parts_of(members[0]), key=list(Part).index)
        tone = expected_tone(role, states)
        assert (found[0].tone, found[0].up, found[0].total) == (tone, states.count(UP), 2), states
        if states.count(DOWN) == 2:
            assert found[0].word.en == "Not reachable"
        elif tone is Tone.NONE and UP in states:
            assert found[0].word.en == "Partly known"


def test_the_tile_of_the_line_in_all_states() -> None:
    for line, gateway in itertools.product([None, *State], repeat=2):
        members = [device(role, state) for role, state in ((Role.INTERNET, line), (Role.GATEWAY, gateway)) if state]
        if not members:
            continue
        (found,) = tiles(members)
        counted = line or gateway
        if DOWN in {gateway, line}:
            tone = Tone.PROBLEM
        elif counted is MAINTENANCE:
            tone = Tone.MAINTENANCE
        else:
            tone = Tone.GOOD if counted is UP else Tone.NONE
        assert (found.tone, found.up, found.total) == (tone, int(counted is UP), 1), (line, gateway)


@pytest.mark.parametrize("state", list(State))
def test_a_figure_and_a_flapping_port_in_a_tile(state: State) -> None:
    devices = [device(Role.SWITCH, state, "a"), device(Role.SWITCH, UP, "b")]
    (quiet,) = tiles(devices)
    (flapping,) = tiles(devices, (), ["b"])
    (slow,) = tiles(devices, [Read("reboots", 1.0, Status.WARN, device="b")])
    (hot,) = tiles(devices, [Read("cooling_margin_c", -5.0, Status.BAD, device="b")])
    assert flapping.tone is slow.tone is (Tone.ATTENTION if quiet.tone is Tone.GOOD else quiet.tone)
    assert hot.tone is Tone.PROBLEM
    assert tiles(devices, (), ["c"]) == (quiet,)


def test_clients_and_batteries_in_their_tiles() -> None:
    def wifi(role: Role, n: int | None) -> Seen:
        return device(role, name=f"{role} {n}", gear=Gear(wifi=True, clients=n))

    for members, clients in (
        ([wifi(Role.ACCESS_POINT, 7), wifi(Role.ACCESS_POINT, 9), wifi(Role.CONTROLLER, 12)], 16),
        ([wifi(Role.ACCESS_POINT, 7), wifi(Role.CONTROLLER, 12), wifi(Role.ROUTER, None)], 12),
        ([wifi(Role.ACCESS_POINT, None)], None), ([wifi(Role.ACCESS_POINT, 0)], 0),
    ):  # fmt: skip
        found = next(t for t in tiles(members) if t.part is Part.WIFI)
        assert found.gear.clients == clients
    for low, on, tone, word in (
        (False, False, Tone.GOOD, "Works"), (False, True, Tone.ATTENTION, "On battery"),
        (True, True, Tone.PROBLEM, "Battery low"), (True, False, Tone.GOOD, "Works"),
    ):  # fmt: skip
        gear = Gear(battery=True, on_battery=on, battery_low=low, runtime_min=5.0)
        (power,) = tiles(
            [device(Role.UPS, gear=gear), device(Role.UPS, name="2", gear=Gear(battery=True, on_battery=False))]
        )
        assert (power.tone, power.word.en, power.gear.runtime_min) == (tone, word, 5)
    (gone,) = tiles([device(Role.UPS, DOWN, gear=BATTERY)])
    assert (gone.tone, gone.word.en) == (Tone.PROBLEM, "Not reachable")


# findings

ORDER = {
    10: "cooling_margin_c", 12: "bgp_stability ospf_stability", 15: "on_battery_s", 20: "loss_ratio", 21: "rtt_ms",
    22: "jitter_ms", 29: "wifi_ap_up_pct", 30: "wifi_link_drop_db", 31: "wifi_interference_pct", 32: "wifi_clients",
    33: "wifi_signal_dbm", 34: "wifi_snr_db", 35: "wifi_retry_pct", 36: "wifi_noise_dbm", 40: "link_flap",
    41: "if_error_pct", 42: "duplex_mismatch", 43: "if_discard_pct", 44: "if_util_pct", 45: "stp_changes",
    46: "neighbour_churn", 47: "bgp_resets ospf_resets", 50: "reboots", 60: "ups_runtime_min", 65: "resource_used_pct",
    66: "poe_headroom_pct", 90: "monitoring_coverage_pct",
}  # fmt: skip
"""What a person wants to hear first: heat and lost routes, power, losses, Wi-Fi, links, the rest; last, that little was
measured."""


def test_the_order_in_which_figures_speak() -> None:
    ranks = {kpi.id: kpi.page.rank for kpi in CATALOGUE.values() if isinstance(kpi.page, OnPage)}
    assert ranks == {kpi: rank for rank, names in ORDER.items() for kpi in names.split()}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("role", [Role.SWITCH, Role.PRINTER, Role.INTERNET])
def test_whose_figures_speak(role: Role, state: State, status: Status) -> None:
    devices = [device(role, state, "d")]
    own = findings(devices, [Read("loss_ratio", 5.0, status, device="d")])
    bad = status is Status.BAD or (status is Status.WARN and entry_of("loss_ratio").page.device_from is Status.WARN)  # type: ignore[union-attr]
    assert bool(own) is (bad and state is UP and role is Role.SWITCH)
    of_site = findings(devices, [Read("loss_ratio@lan", 5.0, status, worst="d")])
    assert bool(of_site) is (status in {Status.WARN, Status.BAD} and state is UP and role is not Role.PRINTER)
    nobody = findings(devices, [Read("loss_ratio@lan", 5.0, status)])
    assert bool(nobody) is (status in {Status.WARN, Status.BAD})
    assert findings(devices, [Read("loss_ratio", 5.0, status, device="stranger")]) == ()


def test_of_two_readings_of_one_thing_the_worse_one_is_left_and_the_devices_own() -> None:
    devices = [device(Role.SWITCH, name="d")]
    warn, bad = (
        Read("reboots", value, status, device="d") for value, status in ((1.0, Status.WARN), (5.0, Status.BAD))
    )
    for order in itertools.permutations([warn, bad]):
        assert len(findings(devices, order)) == 1
    ports = [Read("if_error_pct", 5.0, Status.BAD, device="d", port=name) for name in ("1", "2")]
    assert [f.port for f in findings(devices, ports)] == ["1", "2"]


# statuses


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("better", [Better.LOW, Better.HIGH])
def test_which_side_of_a_limit_a_value_is_on(strict: bool, better: Better) -> None:
    sign = 1 if better is Better.LOW else -1
    threshold = Threshold(10 * sign, 20 * sign, Mark.DEFAULT, strict=strict)
    for value, status in (
        (9.9, Status.GOOD), (10, Status.WARN if strict else Status.GOOD), (10.1, Status.WARN), (19.9, Status.WARN),
        (20, Status.BAD if strict else Status.WARN), (20.1, Status.BAD),
    ):  # fmt: skip
        assert level(threshold, better, sign * value) is status


@pytest.mark.parametrize("due", [300, 3600, 86_400, 30 * 86_400])
def test_windows_that_have_a_status(due: int) -> None:
    entry = next(e for e in CATALOGUE.values() if e.status_window_s == due)
    day = 86_400
    if due == 30 * day:
        for length, read in (
            (28 * day - 3601, False), (28 * day - 3600, True), (30 * day, True), (31 * day + 3600, True),
            (31 * day + 3601, False), (day, False),
        ):  # fmt: skip
            assert read_on(entry, length) is read
    else:
        assert [length for length in (60, 300, 3600, day, 30 * day, due - 1, due + 1) if read_on(entry, length)] == [
            due
        ]


def test_what_a_window_needs_to_vote() -> None:
    ratio, other = CATALOGUE["availability_pct"], CATALOGUE["wifi_clients"]
    assert [fewest(CATALOGUE[name]) for name in ("availability_pct", "loss_ratio", "if_error_pct")] == [30, 300, 1000]
    assert fewest(next(e for e in CATALOGUE.values() if e.rule is not Rule.RATIO and not e.min_n)) == 0
    for entry in (ratio, other):
        least = fewest(entry)
        for coverage, n, value, enough in (
            (0.5, least, 1.0, True), (0.49, least, 1.0, False), (None, least, 1.0, False), (1.0, least - 1, 1.0, False),
            (1.0, least, None, False), (1.0, least + 1, 0.0, True),
        ):  # fmt: skip
            assert votes(entry, Reading(value, n), coverage) is (enough and n >= least)
    assert status_of(ratio, Reading(100.0, 30), coverage=0.5) is Status.GOOD
    assert status_of(ratio, Reading(100.0, 30), coverage=0.49) is Status.NONE


DAY, HOUR = 86_400, 3600


def test_a_day_of_events_by_the_hour_and_the_hour_that_runs() -> None:
    flaps = CATALOGUE["link_flap"]
    now = 10 * DAY + 1800

    def day(
        *hours: float, running: Sequence[Happened] = (), coverage: float | None = 1.0
    ) -> tuple[Status, float | None]:
        first = 10 * DAY - len(hours) * HOUR
        return status_of_day(
            flaps,
            [*(Happened(first + i * HOUR, HOUR, w, coverage=coverage) for i, w in enumerate(hours)), *running],
            now,
        )

    assert day(*[0.0] * 23) == (Status.GOOD, 0)
    assert day(*[0.0] * 22, 3.0) == (Status.WARN, 3)
    assert day(4.0) == (Status.BAD, 4)  # what happened has happened, however little else is known
    assert day(*[0.0] * 12) == (Status.GOOD, 0)
    assert day(*[0.0] * 11) == (Status.NONE, None)
    assert day() == (Status.NONE, None)
    assert day(*[0.0] * 23, coverage=None) == (Status.NONE, None)
    assert day(*[0.0] * 23, running=[Happened(10 * DAY, 300, 1.0)]) == (Status.WARN, 1)
    assert day(*[0.0] * 23, running=[Happened(10 * DAY, 300, 0.0, 9.0)]) == (Status.BAD, 9)
    assert day(9.0, *[0.0] * 24) == (Status.GOOD, 0)  # ended more than 24 hours ago
    assert day(9.0, *[0.0] * 23)[1] == 9  # half of that hour is within them
    later = [Happened(now, 300, 9.0), Happened(now - DAY - 300, 300, 9.0)]
    assert day(*[0.0] * 23, running=later) == (Status.GOOD, 0)


@pytest.mark.parametrize("scope", list(Scope))
def test_thresholds_by_scope(scope: Scope) -> None:
    limits = CATALOGUE["rtt_ms"].threshold(scope)
    wanted = {Scope.LAN: (5, 20), Scope.WAN: (100, 200)}.get(scope)
    assert (limits and (limits.good, limits.warn)) == wanted
    same = CATALOGUE["loss_ratio"].threshold(scope)
    assert same is not None
    assert (same.good, same.warn) == (0.1, 1)
