"""What the first screen makes of figures that are not good: every KPI of the catalogue has a rule, or says why not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.catalogue import CATALOGUE
from kpi.entry import Better, Kpi, NotOnPage, OnPage, Part, Scope, Words
from kpi.findings import findings
from kpi.model import Role, State, Status
from kpi.seen import MAY_SLEEP, Gear, Read, Seen, Tone
from kpi.sentence import Known, Sentence, sentence
from kpi.tiles import Tile, tiles

SWITCH = Seen("sw", "Switch hall", Role.SWITCH, State.UP)
UPS = Seen("ups", "UPS cellar", Role.UPS, State.UP)
POINT = Seen("ap", "AP hall", Role.ACCESS_POINT, State.UP)
LINE = Seen("line", "9.9.9.9", Role.INTERNET, State.UP)
PRINTER = Seen("printer", "Printer", Role.PRINTER, State.UP)
SITE = (SWITCH, UPS, POINT, LINE, PRINTER)
EVERY = pytest.mark.parametrize("kpi", CATALOGUE.values(), ids=list(CATALOGUE))
SPEAKING = pytest.mark.parametrize(
    "kpi", [k for k in CATALOGUE.values() if isinstance(k.page, OnPage)], ids=lambda k: k.id
)


def names_of(kpi: Kpi) -> list[str]:
    """As they stand in a site's summary."""
    scopes = {threshold.scope for threshold in kpi.thresholds}
    by_scope = kpi.id in {"rtt_ms", "loss_ratio", "jitter_ms"} or Scope.WAN in scopes
    return [f"{kpi.id}@wan", f"{kpi.id}@lan"] if by_scope else [kpi.id]


def bad_value(kpi: Kpi) -> float:
    limit = kpi.thresholds[0]
    return limit.warn - 1 if kpi.better is Better.HIGH else limit.warn + 1


def read(kpi: Kpi, status: Status, *, name: str = "", worst: str = "", device: str = "", port: str = "") -> Read:
    value = bad_value(kpi)
    parts = {} if kpi.status_on == "value" else {kpi.status_on: value}
    return Read(name or kpi.id, value, status, parts, worst, device, port)


def said(*figures: Read, devices: Sequence[Seen] = SITE) -> Sentence:
    return sentence(Known(devices, figures=figures))


def tile(part: Part, *figures: Read, devices: Sequence[Seen] = SITE) -> Tile:
    return next(t for t in tiles(devices, figures) if t.part is part)


def test_all_is_well_without_figures() -> None:
    assert said().says.en == "Everything works."


@EVERY
def test_every_kpi_has_a_rule_or_says_why_not(kpi: Kpi) -> None:
    """What has a threshold but no rule needs a reason that a person can read; nothing is green by forgetting."""
    if isinstance(kpi.page, NotOnPage):
        assert len(kpi.page.because.split()) > 5
        if kpi.thresholds:
            assert said(read(kpi, Status.BAD, worst="sw")).says.en == "Everything works."
        return
    assert kpi.thresholds, "nothing without a threshold has a status"
    for name in names_of(kpi):
        for status in (Status.WARN, Status.BAD):
            found = said(read(kpi, status, name=name, worst="sw"))
            assert found.says.en != "Everything works."
            assert found.tone in {Tone.ATTENTION, Tone.PROBLEM}


@SPEAKING
def test_a_rule_is_whole_in_both_languages(kpi: Kpi) -> None:
    rule = kpi.page
    assert isinstance(rule, OnPage)
    for words in (rule.says, rule.now, rule.problem):
        if words is None:
            continue
        for text in (words.en, words.it):
            filled = text.format(who="X", at=" at X", n="4", port="ge1")
            assert filled[-1] == "."
            assert "{" not in filled
        for field in ("{who}", "{at}", "{n}", "{port}"):
            assert (field in words.en) == (field in words.it), field
    assert "{n}" not in rule.says.en, "the status may be that of an hour or a day that is over"


@SPEAKING
def test_a_figure_that_is_not_good_leaves_its_tile_not_green(kpi: Kpi) -> None:
    rule = kpi.page
    assert isinstance(rule, OnPage)
    for name in names_of(kpi):
        figure = read(kpi, Status.BAD, name=name, worst="sw")
        (found,) = findings(SITE, [figure])
        assert bool(found.parts) != bool(rule.no_tile)
        for part in found.parts:
            assert tile(part, figure).tone is found.tone
        for part in set(Part) - found.parts:
            assert tile(part, figure).tone is Tone.GOOD


@SPEAKING
def test_no_figure_speaks_without_a_value(kpi: Kpi) -> None:
    """kpi/README.md R10: a status belongs to a value."""
    for name in names_of(kpi):
        assert said(Read(name, None, Status.BAD, {}, "sw")).says.en == "Everything works."
    assert all(t.tone is Tone.GOOD for t in tiles(SITE, [Read(kpi.id, None, Status.BAD, {}, "sw", "sw")]))


@SPEAKING
def test_what_is_worked_on_says_nothing(kpi: Kpi) -> None:
    planned = [Seen("sw", "Switch hall", Role.SWITCH, State.MAINTENANCE), *SITE[1:]]
    for device in ("sw", ""):
        figure = read(kpi, Status.BAD, worst="sw", device=device)
        assert said(figure, devices=planned).says.en == (
            "Planned work is going on with Switch hall; everything else works."
        )


@pytest.mark.parametrize(
    ("figure", "tone", "english"),
    [
        (Read("cooling_margin_c", -5.0, Status.BAD, {}, "sw"), Tone.PROBLEM,
         "Switch hall is too hot, or one of its fans has stopped: it may switch off or be damaged."),
        (Read("cooling_margin_c", 3.0, Status.WARN, {}, "sw"), Tone.ATTENTION,
         "Switch hall is getting too warm: see that its fans turn and that air gets in and out."),
        (Read("cooling_margin_c", 30.0, Status.BAD, {}, "sw", flags=("fan_stopped",)), Tone.PROBLEM,
         "Switch hall is too hot, or one of its fans has stopped: it may switch off or be damaged."),
        (Read("duplex_mismatch", 1.0, Status.BAD, {"grade": 2.0}, "sw"), Tone.ATTENTION,
         "A cable of Switch hall works only slowly: its two ends are set differently."),
        (Read("bgp_stability", 0.0, Status.BAD, {}, "sw"), Tone.PROBLEM,
         "Switch hall has lost touch with another router: connections through it may fail."),
        (Read("bgp_stability", 100.0, Status.BAD, {}, "sw"), Tone.ATTENTION,
         "Switch hall lost touch with another router for a while: connections through it were cut."),
        (Read("reboots", 0.0, Status.WARN, {}, "sw"), Tone.ATTENTION,
         "Switch hall restarted without anybody having planned it: check its power supply."),
        (Read("link_flap", 0.0, Status.WARN, {}, "sw"), Tone.ATTENTION,
         "A link of Switch hall went down and came back: check its cable."),
        (Read("on_battery_s", 0.0, Status.BAD, {}, "ups"), Tone.ATTENTION,
         "The mains power failed lately: UPS cellar had to run on its battery."),
        (Read("monitoring_coverage_pct", 49.0, Status.BAD), Tone.ATTENTION,
         "Only part of the last hour was measured: nothing is known of the rest."),
        (Read("if_error_pct", 2.0, Status.BAD, {}, "", "sw", "ge7"), Tone.ATTENTION,
         "Port ge7 of Switch hall gets damaged packets: check its cable."),
        (Read("resource_used_pct", 97.0, Status.BAD, {}, "", "ap"), Tone.ATTENTION,
         "AP hall is near its limit: processor, memory or disk is nearly used up."),
    ],
)  # fmt: skip
def test_what_was_green_before(figure: Read, tone: Tone, english: str) -> None:
    assert (said(figure).tone, said(figure).says.en) == (tone, english)


def test_a_problem_is_said_before_what_is_only_worth_attention() -> None:
    hot = Read("cooling_margin_c", -5.0, Status.BAD, {}, "sw")
    gone = [*SITE[:-1], Seen("printer", "Printer", Role.PRINTER, State.DOWN)]
    assert said(hot, devices=gone).says.en.startswith("Switch hall is too hot")
    lost = Read("loss_ratio@wan", 3.0, Status.BAD)
    assert said(lost, hot).says.en.startswith("Switch hall is too hot")
    assert [f.kpi for f in findings(SITE, [lost, hot])] == ["cooling_margin_c", "loss_ratio@wan"]


def test_of_the_sites_figure_and_the_devices_own_one_is_left() -> None:
    of_site = Read("ups_runtime_min", 4.0, Status.WARN, {}, "ups")
    of_device = Read("ups_runtime_min", 4.0, Status.BAD, {}, "", "ups")
    assert len(findings(SITE, [of_site, of_device])) == 1
    unnamed = Read("ups_runtime_min", 4.0, Status.WARN)
    assert [f.device for f in findings(SITE, [unnamed, of_device])] == ["ups"]
    assert [f.device for f in findings(SITE, [unnamed])] == [""]


def test_one_slow_device_speaks_where_it_is_bad_and_no_printer_does() -> None:
    lost = Read("loss_ratio", 20.0, Status.BAD, {}, "", "ap")
    assert said(lost).says.en == "AP hall loses packets: calls and video may stutter."
    assert tile(Part.WIFI, lost).word.en == "Losses"
    assert not findings(SITE, [Read("loss_ratio", 0.5, Status.WARN, {}, "", "ap")])
    assert not findings(SITE, [Read("loss_ratio", 20.0, Status.BAD, {}, "", "printer")])
    assert not findings(SITE, [Read("loss_ratio", 20.0, Status.BAD, {}, "", "line")])
    assert not findings(SITE, [Read("reboots", 1.0, Status.BAD, {}, "printer")])


def test_a_bad_figure_shows_where_its_device_is() -> None:
    hot = Read("cooling_margin_c", -5.0, Status.BAD, {}, "ups")
    assert (tile(Part.POWER, hot).tone, tile(Part.POWER, hot).word.en) == (Tone.PROBLEM, "Problem")
    assert tile(Part.NETWORK, hot).tone is Tone.GOOD


def test_six_seconds_after_the_start() -> None:
    """Five devices of which nothing is known are not "everything works", nor is their tile green."""
    quiet = [Seen(f"d{n}", f"d{n}", Role.SERVER, State.UNKNOWN, "starting") for n in range(5)]
    site = [SWITCH, LINE, *quiet]
    found = sentence(Known(site))
    assert found.tone is Tone.NONE
    assert found.says.en == "Measuring has just begun: 5 of 7 devices have not been measured yet."
    assert found.says.it == "Le misurazioni sono appena iniziate: 5 dispositivi su 7 non sono ancora stati misurati."
    assert sentence(Known([SWITCH, quiet[0]])).says.en.endswith("1 of 2 devices has not been measured yet.")
    assert tile(Part.SERVERS, devices=[SWITCH, Seen("s", "s", Role.SERVER, State.UP), *quiet]).tone is Tone.NONE


def test_planned_work_does_not_hide_what_is_not_known() -> None:
    site = [
        Seen("sw", "Switch hall", Role.SWITCH, State.MAINTENANCE),
        Seen("s", "s", Role.SERVER, State.UNKNOWN),
        POINT,
    ]
    found = sentence(Known(site))
    assert found.tone is Tone.NONE
    assert found.says.en == "There is no information about s; planned work is going on with Switch hall."


NAMES = st.text(max_size=12)
DEVICES = st.builds(
    Seen, st.sampled_from([f"d{n}" for n in range(6)]), NAMES, st.sampled_from(list(Role)), st.sampled_from(list(State)),
    st.sampled_from(["", "starting", "parent", "own_link"]),
    st.builds(
        Gear, st.booleans(), st.booleans(), st.none() | st.integers(), st.none() | st.booleans(), st.booleans(),
        st.none() | st.floats(), st.none() | st.floats(), st.none() | st.just(Words("since", "da")),
    ),
)  # fmt: skip
FIGURES = st.builds(
    Read,
    st.sampled_from([name for kpi in CATALOGUE.values() for name in {kpi.id, *names_of(kpi)}]),
    st.none() | st.floats(),
    st.sampled_from(list(Status)),
    st.dictionaries(st.sampled_from(["busiest", "p95_pct", "p95_ms", "grade", "weight"]), st.none() | st.floats()),
    st.sampled_from(["", "d0", "d1", "gone"]),
    st.sampled_from(["", "d0", "d2", "gone"]),
    NAMES,
    st.lists(st.sampled_from(["fan_stopped", "battery_low", "now"])).map(tuple),
)


@given(st.lists(DEVICES, max_size=6), st.lists(FIGURES, max_size=8))
def test_whatever_is_known_there_is_a_sentence_and_it_is_green_only_where_all_is_well(
    devices: list[Seen], figures: list[Read]
) -> None:
    found = sentence(Known(devices, figures=figures))
    assert found.says.en.strip()
    assert found.says.it.strip()
    for shown in tiles(devices, figures):
        assert 0 <= shown.up <= shown.total
    spoken = findings(devices, figures)
    assert all(f.says.en and f.says.it for f in spoken)
    if found.tone is Tone.GOOD:
        assert {d.state for d in devices} == {State.UP}
        assert not spoken
        assert all(t.tone is Tone.GOOD for t in tiles(devices, figures))


@pytest.mark.parametrize("role", sorted(MAY_SLEEP))
@pytest.mark.parametrize("kpi", ["rtt_ms", "loss_ratio", "jitter_ms"])
def test_a_worse_device_that_may_sleep_silences_no_figure_that_is_not_good_without_it(kpi: str, role: Role) -> None:
    """Two servers that lose a little: the network loses packets, with a printer that loses more as well."""
    one, other = (Seen(name, name, Role.SERVER, State.UP) for name in ("s1", "s2"))
    sleeper = Seen("prn", "Printer", role, State.UP)
    own = [Read(kpi, 90.0, Status.WARN, device=device) for device in ("s1", "s2")]
    without = said(Read(f"{kpi}@lan", 90.0, Status.WARN, {}, "s2"), *own, devices=[one, other])
    worse = [Read(f"{kpi}@lan", 100.0, Status.WARN, {}, "prn"), Read(kpi, 500.0, Status.BAD, device="prn")]
    assert without.tone is not Tone.GOOD
    assert said(*worse, *own, devices=[one, other, sleeper]) == without
    assert tile(Part.NETWORK, *worse, *own, devices=[SWITCH, one, other, sleeper]).tone is Tone.ATTENTION
    assert said(*worse, devices=[one, other, sleeper]).tone is Tone.GOOD, "the others are well"
