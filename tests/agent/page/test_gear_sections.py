"""What a device's page makes of readings, neighbours and sessions, in both languages, without a browser."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.live import DeviceDetail, DeviceNow, PortNow
from agent.live_gear import (
    BgpPeerNow,
    GearNow,
    InventoryNow,
    NeighborNow,
    OspfNeighborNow,
    ReadingNow,
    StpNow,
)
from agent.page.gear import (
    MOST_SHOWN,
    SECTIONS,
    Section,
    model_says,
    neighbour_rows,
    sections,
    session_rows,
    stp_facts,
)
from agent.page.gear_words import JUDGED, LABELS, NAMES, STATUS, TEXT, YES_NO
from agent.page.say import Say
from kpi.entry import Words
from kpi.gear import UNITS, Kind
from kpi.model import Status
from tests.agent.page.served import HOSTILE

EN, IT = (Say(language, ZoneInfo("Europe/Rome")) for language in ("en", "it"))
HIDDEN = {
    Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED,
    Kind.LINE_BADS,
}  # fmt: skip


def reading(kind: Kind, value: float, name: str = "x", status: str = "none", limit: float | None = None) -> ReadingNow:
    return ReadingNow(kind.value, name, value, UNITS[kind], limit, None, "2026-01-01T12:00:00.000Z", status)


def detail(*readings: ReadingNow, gear: GearNow | None = None, ports: Sequence[PortNow] = ()) -> DeviceDetail:
    device = DeviceNow("d", "D", "server", "192.0.2.1", (), "up", "answered", None, 1.0, 0.0, None, None, gear)
    return DeviceDetail(device, {}, None, (), ports, None, readings)


def made(section: str, *readings: ReadingNow, say: Say = EN, **more: Any) -> Section:
    found = sections(detail(*readings, **more), say)
    assert list(found) == [section]
    return found[section]


def shown(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("one", "english", "italian"),
    [
        (reading(Kind.CLIENT_RSSI, -67.5), "−68 dBm", "−68 dBm"),
        (reading(Kind.TEMPERATURE, 41.52), "41.5 °C", "41,5 °C"),
        (reading(Kind.TEMPERATURE, 41.0), "41 °C", "41 °C"),
        (reading(Kind.FAN_SPEED, 4200), "4,200 rpm", "4.200 rpm"),
        (reading(Kind.STORAGE_USED, 81.02), "81 %", "81 %"),
        (reading(Kind.STORAGE_USED, 1.26), "1.3 %", "1,3 %"),
        (reading(Kind.VOLTAGE, 27.35), "27.35 V", "27,35 V"),
        (reading(Kind.BATTERY_RUNTIME, 95), "1 h 35 min", "1 h 35 min"),
        (reading(Kind.BITRATE, 866.7e6), "867 Mbit/s", "867 Mbit/s"),
        (reading(Kind.FREQUENCY, 24_125), "24.125 GHz", "24,125 GHz"),
        (reading(Kind.FREQUENCY, 806), "806 MHz", "806 MHz"),
        (reading(Kind.ON_BATTERY, 0), "mains", "rete elettrica"),
        (reading(Kind.SELF_TEST_FAILED, 1), "failed", "non superata"),
        (reading(Kind.CLIENTS, 0), "0", "0"),
    ],
)  # fmt: skip
def test_values_are_written_as_each_language_does(one: ReadingNow, english: str, italian: str) -> None:
    for say, text in ((EN, english), (IT, italian)):
        (section,) = sections(detail(one), say).values()
        values = section.shown if section.cells else section.shown[0]["values"]
        assert shown(values[0]["value"]) == text


def test_every_kind_has_its_words_and_its_section() -> None:
    assert set(LABELS) == set(Kind) - HIDDEN
    for kind in LABELS:
        (found,) = sections(detail(reading(kind, 1.0)), EN)
        assert found in SECTIONS
    every: list[Words] = [*LABELS.values(), *STATUS.values(), *JUDGED.values(), *NAMES.values(), *TEXT.values()]
    every += [word for pair in YES_NO.values() for word in pair]
    same = {"Bypass", "{band} GHz", "Software", "software {version}", "BGP, AS {number}"}
    for words in every:
        assert words.en and words.it
        assert words.en != words.it or words.en in same, words
        assert words.en.count("{") == words.it.count("{"), words


def test_a_radio_is_one_group_with_its_channel_its_band_and_a_word_for_its_state() -> None:
    port = PortNow("wlan1", 3, "wlan1", "Guests", "up", "up", None, flapping=False, figures=())
    section = made(
        "wireless",
        reading(Kind.NOISE_FLOOR, -94, "wlan1"),
        reading(Kind.FREQUENCY, 5220, "wlan1"),
        reading(Kind.CLIENTS, 28, "wlan1", "warn"),
        ports=[port],
    )
    (group,) = section.shown
    assert (group["name"], group["also"], group["tone"], group["word"]) == (
        "wlan1", "5 GHz · Guests", "attention", "Attention",
    )  # fmt: skip
    assert [(v["label"], shown(v["value"]), v["word"]) for v in group["values"]] == [
        ("Devices connected", "28", "crowded"), ("Channel", "44", ""), ("Noise", "−94 dBm", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mhz", "band", "channel"),
    [(2412, "2.4 GHz", "1"), (2484, "2.4 GHz", "14"), (5180, "5 GHz", "36"), (5955, "6 GHz", "1")],
)
def test_channels_and_bands(mhz: float, band: str, channel: str) -> None:
    (group,) = made("wireless", reading(Kind.FREQUENCY, mhz), reading(Kind.CLIENTS, 1)).shown
    assert group["also"] == band
    assert [v["value"] for v in group["values"]] == ["1", channel]


def test_a_fixed_link_keeps_its_frequency() -> None:
    (group,) = made("wireless", reading(Kind.FREQUENCY, 5220), reading(Kind.RSSI, -51)).shown
    assert [v["label"] for v in group["values"]] == ["Frequency", "Signal"]


def test_a_supply_says_first_what_matters() -> None:
    gear = GearNow("", False, True, None, False, None, False, 38.0, 100.0)
    supply = (
        reading(Kind.BATTERY_CHARGE, 100, "Battery", "good"),
        reading(Kind.TEMPERATURE, 27, "Battery"),
        reading(Kind.ON_BATTERY, 0, "Output", "good"),
        reading(Kind.LOAD, 34, "Output 1", "good"),
        reading(Kind.VOLTAGE, 231, "Input 1"),
        reading(Kind.ON_BATTERY_SECONDS, 0, "Battery"),
    )
    section = made("power", *supply, gear=gear)
    assert shown(section.lead) == "On mains power. If the mains power fails, the battery lasts about 38 min."
    assert [(g["name"], len(g["values"])) for g in section.shown] == [("Battery", 2), ("Output", 2), ("Input", 1)]
    away = made("power", *supply, gear=replace(gear, on_battery=True), say=IT)
    assert shown(away.lead) == "Funziona a batteria: manca la corrente. Dura ancora circa 38 min."
    assert [g["name"] for g in away.shown] == ["Batteria", "Uscita", "Ingresso"]


def test_power_over_ethernet_is_told_with_its_budget_and_two_groups_stay_two() -> None:
    readings = [
        reading(kind, value, f"PoE group {n}", status)
        for n in (1, 2)
        for kind, value, status in ((Kind.POE_NOMINAL, 370, "none"), (Kind.POE_USED, 350, "bad"))
    ]
    section = made("power", *readings)
    assert [g["name"] for g in section.shown] == ["Power over Ethernet", "Power over Ethernet 2"]
    (value,) = section.shown[0]["values"]
    assert [shown(value[key]) for key in ("value", "limit", "word", "tone")] == [
        "350 W", "of 370 W", "nearly used up", "problem",
    ]  # fmt: skip


def test_sensors_and_resources_are_cells() -> None:
    section = made(
        "sensors", reading(Kind.TEMPERATURE, 30, "Air inlet", "warn", 32.0), reading(Kind.FAN_SPEED, 0, "Fan")
    )
    assert [(c["name"], shown(c["beside"]), c["word"], c["tone"]) for c in section.shown] == [
        ("Air inlet", "limit 32 °C", "Warm", "attention"), ("Fan", "", "", ""),
    ]  # fmt: skip
    toner = made("resources", reading(Kind.SUPPLY_LEVEL, 62, "Black toner", "good"), say=IT).shown[0]
    assert (toner["beside"], toner["word"]) == ("residuo", "Bene")


def test_of_many_the_worst_stand_first_and_the_rest_behind_a_tap() -> None:
    readings = [reading(Kind.TEMPERATURE, 20 + n, f"s{n}", "bad" if n == 3 else "good", 90.0) for n in range(40)]
    section = made("sensors", *readings)
    assert section.shown[0]["name"] == "s3"
    assert section.shown[1]["name"] == "s39"
    assert (len(section.shown), len(section.more), section.more_says) == (MOST_SHOWN, 28, "Show 28 more")


def test_hostile_names_lose_what_turns_the_writing_round() -> None:
    (group,) = made("wireless", reading(Kind.RSSI, -50, HOSTILE)).shown
    assert "\u202e" not in group["name"]
    assert "\u202e" not in made("resources", reading(Kind.STORAGE_USED, 50, HOSTILE)).shown[0]["name"]
    assert "\u202e" not in "".join(model_says(InventoryNow("p", HOSTILE, HOSTILE, HOSTILE, HOSTILE), EN))
    (row,) = neighbour_rows([NeighborNow("lldp", HOSTILE, HOSTILE, HOSTILE, "", "", HOSTILE, None)], {}, EN)
    assert "\u202e" not in "".join(row.values())


def test_who_it_is_in_one_line_without_saying_the_make_twice() -> None:
    assert model_says(InventoryNow("p", "Example", "XS-24", "9.1", "SN1"), EN) == [
        "Example XS-24", "software 9.1", "serial number SN1",
    ]  # fmt: skip
    assert model_says(InventoryNow("p", "Example", "Example XS-24", None, None), IT) == ["Example XS-24"]
    assert model_says(InventoryNow("standard", None, None, None, None), EN) == []
    assert model_says(None, EN) == []


def test_a_neighbour_has_the_name_that_the_site_gives_it_or_what_is_known() -> None:
    known = NeighborNow("lldp", "ge1", "sw-2.example", "ge24", "00:00:5e:00:53:01", "", "", "sw2")
    nameless = replace(known, device=None, remote_name="", remote_chassis="00:00:5e:00:53:02", remote_port="")
    nobody = replace(nameless, remote_chassis="")
    rows = neighbour_rows([known, nameless, nobody], {"sw2": "Switch hall"}, EN)
    assert [(r["device"], r["name"], r["its_port"]) for r in rows] == [
        ("sw2", "Switch hall", "ge24"), ("", "00:00:5e:00:53:02", "–"), ("", "no information", "–"),
    ]  # fmt: skip


def test_sessions_have_a_state_by_colour_and_word() -> None:
    peer = BgpPeerNow("192.0.2.1", 64512, "established", admin_up=True, established_s=7200)
    peers = [
        peer,
        replace(peer, state="active"),
        replace(peer, state="idle"),
        replace(peer, state="idle", admin_up=False),
    ]
    rows = session_rows(peers, [OspfNeighborNow("192.0.2.9", "192.0.2.10", "twoWay")], EN)
    assert [(r["tone"], r["word"], shown(r["for"])) for r in rows] == [
        ("good", "Connected", "2 h"), ("attention", "Connecting (active)", "–"), ("problem", "Not connected (idle)", "–"),
        ("none", "Switched off", "–"), ("good", "Connected", "–"),
    ]  # fmt: skip
    assert session_rows(peers[:1], (), IT)[0]["word"] == "Attiva"


def test_the_spanning_tree_in_words() -> None:
    mac, names = "00:00:5e:00:53:01", {"d": "D", "core": "Core\u202e"}
    one = replace(detail(), stp=StpNow(mac, None, topology_changes=1, since_change_s=90_000))
    assert [shown(value) for _, value in stp_facts(one, names, EN)] == [mac, "once", "1 d 1 h ago"]
    own = replace(one, stp=StpNow(mac, "d", topology_changes=0, since_change_s=90_000))
    assert [value for _, value in stp_facts(own, names, IT)] == ["questo dispositivo", "0 volte"]
    other = replace(one, stp=StpNow(mac, "core", topology_changes=None, since_change_s=None))
    assert [value for _, value in stp_facts(other, names, EN)] == ["Core"]
    assert stp_facts(replace(one, stp=StpNow("00:00:00:00:00:00", None, 3, 1.0)), names, EN) == []
    assert stp_facts(detail(), names, EN) == []


def test_a_status_is_never_only_a_colour() -> None:
    for status in (Status.WARN, Status.BAD):
        (group,) = made("wireless", reading(Kind.RSRP, -120, status=status.value)).shown
        assert group["values"][0]["word"]
        assert group["word"]
