"""How English and Italian write figures, times and durations, and that no text lacks a language."""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.boundary import Boundary
from agent.history_view import DevicePast, Overview, Stretch
from agent.live import DeviceNow, FigureNow, WindowNow
from agent.page.details import agent_groups, figure_rows, window_says
from agent.page.now import device_rows
from agent.page.past import measured_says, ribbons
from agent.page.say import Say, since_words
from agent.page.words import REASONS, ROLES, STATES, TEXT
from kpi.entry import Part
from kpi.model import Role, State
from kpi.seen import Tone
from tests.agent.page.served import Site

ROME = ZoneInfo("Europe/Rome")
EN, IT = Say("en", ROME), Say("it", ROME)
NOON = 1_767_870_000.0  # 2026-01-08 12:00 in Rome


@pytest.mark.parametrize(
    ("value", "english", "italian"),
    [
        (0.0, "0 ms", "0 ms"), (0.024, "0.02 ms", "0,02 ms"), (0.994, "0.99 ms", "0,99 ms"), (0.996, "1.0 ms", "1,0 ms"),
        (9.94, "9.9 ms", "9,9 ms"), (14.4, "14 ms", "14 ms"), (1234.0, "1,234 ms", "1.234 ms"), (None, "–", "–"),
    ],
)  # fmt: skip
def test_milliseconds(value: float | None, english: str, italian: str) -> None:
    assert EN.ms(value).replace("\u00a0", " ") == english
    assert IT.ms(value).replace("\u00a0", " ") == italian


@pytest.mark.parametrize(
    ("value", "italian"),
    [
        (0.0, "0 %"), (0.0004, "0,01 %"), (0.5, "0,50 %"), (0.996, "1,0 %"), (1.3, "1,3 %"), (98.7, "98,7 %"), (99.0, "99,0 %"),
        (99.005, "99,0 %"), (99.5, "99,50 %"), (99.995, "99,995 %"),
        (99.9999, "99,9999 %"), (99.99996, "99,9999 %"), (99.99999999, "99,9999 %"), (99.99, "99,99 %"), (100.0, "100 %"), (None, "–"),
    ],
)  # fmt: skip
def test_percent_is_never_rounded_to_all_or_nothing(value: float | None, italian: str) -> None:
    assert IT.pct(value).replace("\u00a0", " ") == italian


def test_rates_sizes_and_axes() -> None:
    assert EN.bps(1e9).replace("\u00a0", " ") == "1 Gbit/s"
    assert IT.bps(2_500_000).replace("\u00a0", " ") == "2,5 Mbit/s"
    assert EN.bps(9_960_000).replace("\u00a0", " ") == "10 Mbit/s"
    assert EN.size(9_960_000).replace("\u00a0", " ") == "10 MB"
    assert EN.bps(900).replace("\u00a0", " ") == "900 bit/s"
    assert IT.size(8_100_000).replace("\u00a0", " ") == "8,1 MB"
    assert EN.scale(1.5).replace("\u00a0", " ") == "1.5 ms"
    assert EN.scale(2.0).replace("\u00a0", " ") == "2 ms"


@pytest.mark.parametrize(
    ("seconds", "english", "italian"),
    [
        (14, "14 s", "14 s"), (840, "14 min", "14 min"), (12_000, "3 h 20 min", "3 h 20 min"), (7200, "2 h", "2 h"),
        (190_000, "2 d 4 h", "2 g 4 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, english: str, italian: str) -> None:
    assert EN.lasting(seconds).replace("\u00a0", " ") == english
    assert IT.lasting(seconds).replace("\u00a0", " ") == italian


@pytest.mark.parametrize(
    ("ago", "english", "italian"),
    [
        (20, "since 11:59 (less than a minute)", "dalle 11:59 (meno di un minuto)"),
        (840, "since 11:46 (14 min)", "dalle 11:46 (14 min)"),
        (86_400, "since yesterday, 12:00 (1 d)", "da ieri alle 12:00 (1 g)"),
        (4 * 86_400, "since 4 Jan, 12:00 (4 d)", "dal 4 gen, ore 12:00 (4 g)"),
    ],
)
def test_since_when(ago: float, english: str, italian: str) -> None:
    words = since_words(NOON - ago, NOON, ROME)
    assert words.en.replace("\u00a0", " ") == english
    assert words.it.replace("\u00a0", " ") == italian


def test_every_text_is_written_twice() -> None:
    same = {"Internet", "Router", "Switch", "Server", "SNMP"}
    for key, words in {**TEXT, **ROLES, **STATES, **REASONS}.items():
        assert words.en and words.it, key
        assert words.en != words.it or words.en in same, key
        assert words.en.count("{") == words.it.count("{"), key
    assert set(ROLES) == set(Role)
    assert set(STATES) == set(State)


def test_rows_say_what_is_known_and_for_how_long() -> None:
    device = DeviceNow("d", "x\u202ey", "server", "192.0.2.1", (), "up", "answered", None, 1.25, 0.0, None)
    past = Overview(devices={"d": DevicePast(1000, 4, 99.5, 7200.0, NOON - 60)})
    row = device_rows([device], past, NOON, IT, Boundary())[0]
    shown = {key: str(row[key]).replace("\u00a0", " ") for key in ("name", "lost", "available", "of", "seen", "word")}
    assert shown == {
        "name": "xy", "lost": "0,40 %", "available": "99,50 %", "of": "su 2 h", "seen": "adesso", "word": "Raggiungibile",
    }  # fmt: skip
    hidden = replace(device, state="unknown", reason="parent", rtt_ms=None)
    row = device_rows([hidden], past, NOON, EN, Boundary())[0]
    assert (row["rtt"], row["seen"], row["why"]) == (
        "–",
        "11:59",
        "The device that it is reached through does not answer.",
    )
    assert device_rows([hidden], Overview(), NOON, EN, Boundary())[0]["seen"] == "not yet"


@pytest.mark.parametrize(
    ("clock", "says"),
    [
        ({"trust": "synchronised", "dated": True, "jumps": 0}, "set"),
        ({"trust": "unverified", "dated": True, "jumps": 0}, "set; no time server confirms it"),
        ({"trust": "unset", "dated": False, "jumps": 0}, "not set: figures get their date later"),
    ],
)
async def test_how_far_the_clock_is_believed(clock: dict[str, Any], says: str) -> None:
    now = await Site().agent()
    (_, rows), *_ = agent_groups(replace(now, clock=clock), Overview(), EN, Boundary())
    assert dict(rows)["Clock"] == says


async def test_another_box_of_the_same_name_is_said() -> None:
    now = await Site().agent()
    state = {"last_error": None, "clash": {"boot": "b", "how": "it publishes its info", "at_utc": NOON}}
    broker = {**now.broker, "connected": True, "state": state}
    rows = agent_groups(replace(now, broker=broker), Overview(), EN, Boundary())[2][1]
    assert ("Trouble", "another box speaks as this probe: each needs a name of its own") in rows


def test_a_share_names_what_it_is_of_and_is_not_said_of_minutes() -> None:
    """Twenty minutes after the first start nothing is "100 %" in seven days, or in thirty."""
    end = NOON
    stretches = [Stretch(end - 1200, end, Tone.GOOD)]
    young = Overview(end, end - 1200, ribbons={Part.NETWORK: stretches}, coverage=1200 / 86_400)
    (row,) = ribbons(young, EN, Boundary())["rows"]
    assert (row["good"], row["measured"].replace("\u00a0", " ")) == ("–", "0.20 %")
    assert measured_says(young, EN).replace("\u00a0", " ") == (
        "Measured 1.4 % of the last 24 hours. Measuring began: 11:40."
    )
    device = DeviceNow("d", "d", "server", "192.0.2.1", (), "up", "answered", None, 1.25, 0.0, None)
    past = replace(young, devices={"d": DevicePast(1000, 0, 100.0, 1200.0, None)})
    (shown,) = device_rows([device], past, NOON, EN, Boundary())
    assert (shown["available"], shown["of"]) == ("–", "")
    assert "100" not in row["says"]


def test_a_week_is_measured_as_a_whole_and_maintenance_is_left_out_of_it() -> None:
    week = 7 * 86_400
    planned, bad = Stretch(NOON - week, NOON - week / 2, Tone.MAINTENANCE), Stretch(NOON - 60, NOON, Tone.PROBLEM)
    good = Stretch(NOON - week / 4, NOON - 60, Tone.GOOD)
    past = Overview(NOON, NOON - week / 4, ribbons={Part.WIFI: [planned, good, bad]}, coverage=1.0)
    (row,) = ribbons(past, IT, Boundary())["rows"]
    assert row["good"].replace("\u00a0", " ") == "99,96 %"
    assert row["measured"].replace("\u00a0", " ") == "50,0 %"
    assert measured_says(past, IT).replace("\u00a0", " ") == "Tempo misurato nelle ultime 24 ore: 100 %."


def test_a_figure_without_a_value_has_no_status() -> None:
    """kpi/README.md R10: also where one comes with it."""
    null = FigureNow("loss_ratio", "%", None, "no_data", 0, "bad", {}, ())
    (row,) = figure_rows([null], EN, "d", Boundary())
    assert (row["tone"], row["do"], row["value"]) == ("", "", "no information")
    (row,) = figure_rows([replace(null, value=3.0, null_reason=None)], EN, "d", Boundary())
    assert row["tone"] == "problem"
    assert row["do"]


def test_five_minutes_that_were_good_are_not_100_percent() -> None:
    up = {"up_s": 300.0, "down_s": 0.0}
    good = FigureNow("availability_pct", "%", 100.0, None, 300, "good", up, ())
    half = replace(good, value=50.0, parts={"up_s": 90.0, "down_s": 90.0})
    rows = figure_rows([good, half, replace(good, parts={})], IT, "d", Boundary())
    shown = [row["value"].replace("\u00a0", " ") for row in rows]
    assert shown == ["5 min su 5 min", "50,0 % su 3 min", "100 %"]
    assert (
        window_says(WindowNow("", "", 0, 0.62, final=True), EN).replace("\u00a0", " ") == "Measured 62.0 % of the time."
    )
    assert window_says(None, EN) == ""
