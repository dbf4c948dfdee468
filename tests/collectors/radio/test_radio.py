"""The collector on hand-made answers: what is asked of whom, what is remembered, what becomes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from collectors.radio.child import Said, Trouble
from collectors.radio.model import Interface, Link, Network, Survey
from collectors.radio.radio import Heard, Radio, RadioCollector, Seen, Use, foreign, readings_of, use_between
from kpi.gear import Kind
from tests.doubles import ManualClock

SAMPLES = Path(__file__).parent / "iw"


@dataclass
class Iw:
    """Answers as one version would, and remembers what it was asked."""

    version: str = "5.19"
    asked: list[str] = field(default_factory=list)
    answers: dict[str, Said] = field(default_factory=dict)

    async def __call__(self, arguments: Sequence[str], timeout_s: float) -> Said:
        words = " ".join(arguments)
        self.asked.append(words)
        if words in self.answers:
            return self.answers[words]
        name = {"dev": "dev"}.get(words) or arguments[2]
        return Said((SAMPLES / f"{self.version}-{name}.txt").read_text())


def box(tmp_path: Path, *interfaces: str, wireless: str = "") -> tuple[Path, Path]:
    for name in interfaces:
        (tmp_path / "net" / name / "phy80211").mkdir(parents=True)
    (tmp_path / "net" / "eth0").mkdir(parents=True)
    (tmp_path / "wireless").write_text(wireless)
    return tmp_path / "net", tmp_path / "wireless"


def collector(tmp_path: Path, clock: ManualClock, run: Iw, *interfaces: str, wireless: str = "") -> RadioCollector:
    sys_net, proc = box(tmp_path, *interfaces, wireless=wireless)
    return RadioCollector(clock, run, sys_net=sys_net, proc=proc)


def values(radio: Radio) -> dict[Kind, float]:
    return {reading.kind: reading.value for reading in readings_of([radio]).readings}


async def test_a_box_without_a_radio_asks_nobody(tmp_path: Path) -> None:
    run = Iw()
    assert collector(tmp_path, ManualClock(), run).names() == ()
    assert RadioCollector(ManualClock(), run, sys_net=tmp_path / "none", proc=tmp_path / "none").names() == ()
    assert run.asked == []


async def test_a_link_is_read_without_the_channels_and_never_scans(tmp_path: Path) -> None:
    run = Iw()
    (radio,) = (await collector(tmp_path, ManualClock(), run, "wlan0").read(wide=False)).radios
    assert run.asked == ["dev", "dev wlan0 link", "dev wlan0 station dump"]
    assert (radio.signal_dbm, radio.frequency_mhz, radio.noise_dbm, radio.use) == (-52, 5180, None, None)
    assert radio.peers[0].tx_retries == 4321
    assert radio.trouble is None


async def test_channels_and_networks_are_dumped_and_a_scan_is_made_only_where_asked(tmp_path: Path) -> None:
    run = Iw()
    reader = collector(tmp_path, ManualClock(), run, "wlan0")
    await reader.read(wide=True)
    assert run.asked[3:] == ["dev wlan0 survey dump", "dev wlan0 scan dump"]
    run.asked.clear()
    await reader.read(wide=True, scan=True)
    assert run.asked[3:] == ["dev wlan0 survey dump", "dev wlan0 scan"]


async def test_where_a_scan_is_refused_what_is_known_is_dumped(tmp_path: Path) -> None:
    run = Iw(answers={"dev wlan0 scan": Said("", Trouble.NOT_PERMITTED)})
    seen = await collector(tmp_path, ManualClock(), run, "wlan0").read(wide=True, scan=True)
    assert len(seen.heard) == 3
    assert seen.radios[0].trouble == Trouble.NOT_PERMITTED


async def test_a_survey_is_the_difference_to_the_one_before(tmp_path: Path) -> None:
    clock, run = ManualClock(), Iw()
    reader = collector(tmp_path, clock, run, "wlan0")
    first = (await reader.read(wide=True)).radios[0]
    assert first.use == Use(25.0, 5.0, 10.0)  # since the driver began to count
    text = (SAMPLES / "5.19-survey.txt").read_text()
    for old, new in (
        ("600000", "900000"),
        ("150000", "300000"),
        ("60000 ms", "120000 ms"),
        ("\t30000 ms", "\t60000 ms"),
    ):
        text = text.replace(old, new)
    run.answers["dev wlan0 survey dump"] = Said(text)
    await clock.advance(300)
    second = (await reader.read(wide=True)).radios[0]
    assert second.use == Use(50.0, 10.0, 20.0)
    assert values(second) == {
        Kind.NOISE_FLOOR: -95, Kind.CHANNEL_UTILIZATION: 50, Kind.CHANNEL_SELF_TX: 10, Kind.CHANNEL_SELF_RX: 20,
        Kind.FREQUENCY: 5180, Kind.CHANNEL: 36, Kind.RSSI: -52, Kind.CLIENT_RSSI: -52, Kind.SNR: 43,
        Kind.TX_BITRATE: 390e6, Kind.RX_BITRATE: 433.3e6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "busy"),
    [
        (None, (1000, 250), 25.0),
        ((1000, 250), (1000, 250), None),  # a driver that does not go on counting
        ((1000, 250), (500, 100), 20.0),  # it began anew
        ((1000, 250), (2000, 100), 5.0),
        ((1000, 250), (2000, 250), 0.0),
        (None, (0, 0), None),
        (None, (100, 200), 100.0),
        (None, (None, 5), None),
    ],
)
def test_how_busy_a_channel_was(
    before: tuple[int, int] | None, now: tuple[int | None, int], busy: float | None
) -> None:
    then = Survey(2412, active_ms=before[0], busy_ms=before[1]) if before else None
    use = use_between(then, Survey(2412, active_ms=now[0], busy_ms=now[1]))
    assert (use.busy_pct if use else None) == busy


async def test_noise_is_remembered_between_surveys_and_not_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    reader = collector(tmp_path, clock, Iw(), "wlan0")
    await reader.read(wide=True)
    await clock.advance(600)
    assert (await reader.read(wide=False)).radios[0].noise_dbm == -95
    await clock.advance(60)
    assert (await reader.read(wide=False)).radios[0].noise_dbm is None


async def test_networks_are_remembered_for_an_hour_after_they_were_heard(tmp_path: Path) -> None:
    clock, run = ManualClock(), Iw()
    reader = collector(tmp_path, clock, run, "wlan0")
    began = clock.monotonic()
    first = await reader.read(wide=True)
    assert {h.network.bssid: round(h.at - began, 3) for h in first.heard} == {
        "02:00:5e:aa:00:02": -0.064, "02:00:5e:cc:00:01": -11.187, "02:00:5e:aa:00:03": -11.187,
    }  # fmt: skip
    run.answers["dev wlan0 scan dump"] = Said("")
    await clock.advance(3595)
    assert [h.network.ssid for h in (await reader.read(wide=True)).heard] == [b"Shop"]
    await clock.advance(60)
    assert (await reader.read(wide=True)).heard == ()


async def test_without_iw_the_old_table_tells_the_signal(tmp_path: Path) -> None:
    run = Iw(answers={"dev": Said("", Trouble.NOT_INSTALLED)})
    reader = collector(tmp_path, ManualClock(), run, wireless=(SAMPLES / "wireless.txt").read_text())
    seen = await reader.read(wide=True)
    assert run.asked == ["dev"]
    assert [(r.interface.name, r.signal_dbm, r.noise_dbm, r.trouble) for r in seen.radios] == [
        ("wlan0", -56, None, Trouble.NOT_INSTALLED), ("wlan1", -56, -95, Trouble.NOT_INSTALLED),
    ]  # fmt: skip
    assert values(seen.radios[1]) == {Kind.NOISE_FLOOR: -95, Kind.RSSI: -56, Kind.CLIENT_RSSI: -56, Kind.SNR: 39}


async def test_what_is_not_connected_has_no_signal_whatever_the_old_table_says(tmp_path: Path) -> None:
    run = Iw(answers={"dev wlan0 link": Said("Not connected.\n"), "dev wlan0 station dump": Said("")})
    reader = collector(tmp_path, ManualClock(), run, "wlan0", wireless=(SAMPLES / "wireless.txt").read_text())
    radio = (await reader.read(wide=False)).radios[0]
    assert (radio.link, radio.signal_dbm) == (None, None)
    assert Kind.RSSI not in values(radio)


async def test_an_access_point_tells_of_its_clients_without_their_addresses(tmp_path: Path) -> None:
    dev = (SAMPLES / "5.19-dev.txt").read_text().replace("type managed", "type AP")
    station = (SAMPLES / "5.19-station.txt").read_text()
    run = Iw(
        answers={
            "dev": Said(dev),
            "dev wlan0 link": Said("Not connected.\n"),
            "dev wlan0 station dump": Said(station + station.replace("aa:00:02", "aa:00:09").replace("-52 [", "-77 [")),
        }
    )
    readings = readings_of((await collector(tmp_path, ManualClock(), run, "wlan0").read(wide=False)).radios).readings
    assert [r.value for r in readings if r.kind is Kind.CLIENTS] == [2]
    assert [r.value for r in readings if r.kind is Kind.CLIENT_RSSI] == [-52, -77]
    assert len({r.instance for r in readings}) == len(readings)
    assert "00:09" not in repr(readings)


def test_foreign_networks_are_those_of_another_name_on_the_same_channel() -> None:
    link = Link("02:00:5e:aa:00:01", b"Shop", 2437, -60)
    radio = Radio(Interface("wlan0", "managed"), 0.0, link)
    networks = [
        Network(link.bssid, 2437, b"Shop", -60),
        Network("02:00:5e:aa:00:02", 2437, b"Shop", -50),  # another access point of ours
        Network("02:00:5e:bb:00:01", 2437, b"Bar", -48),
        Network("02:00:5e:bb:00:02", 2437, b"", -80),
        Network("02:00:5e:bb:00:03", 2412, b"Far", -20),
    ]
    seen = Seen((radio,), heard=tuple(Heard(network, 0.0) for network in networks))
    assert foreign(seen, radio) == (2, -48)
    assert foreign(Seen((radio,)), radio) == (0, None)
    assert foreign(seen, Radio(Interface("wlan0"), 0.0)) == (0, None)
