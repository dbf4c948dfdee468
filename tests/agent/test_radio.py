"""When the probe's radio is read, and what API and page show of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace

import pytest

from agent.boundary import Boundary
from agent.live import AgentNow
from agent.own import Own
from agent.page.radio import MOST_NETWORKS, TEXT, TROUBLES, radio_groups
from agent.page.say import Say
from agent.privacy import Privacy
from agent.radio import RadioWatch
from agent.radio_view import radio_now
from agent.settings.models import RadioSettings
from collectors.radio.child import Trouble
from collectors.radio.model import Interface
from collectors.radio.radio import Radio, Seen
from tests.agent.api.test_api import AGENT, Known, client
from tests.agent.macs import notations
from tests.agent.page.test_say import ROME
from tests.agent.radios import FAR, OWN_AP, STRANGER, seen
from tests.doubles import ManualClock

PRIVACY = Privacy(bytes(32), lambda: "hash")


@dataclass
class Reader:
    """A collector of which a test says what is there."""

    clock: ManualClock
    there: tuple[str, ...] = ()
    looks: list[float] = field(default_factory=list)
    reads: list[tuple[float, bool, bool]] = field(default_factory=list)
    broken: bool = False

    def names(self) -> tuple[str, ...]:
        self.looks.append(self.clock.monotonic() - 1000.0)
        return self.there

    async def read(self, *, wide: bool, scan: bool) -> Seen:
        self.reads.append((self.clock.monotonic() - 1000.0, wide, scan))
        await self.clock.sleep(0.2)
        if self.broken:
            raise RuntimeError("a fault of ours")
        return seen(self.clock.monotonic(), wide=wide)


@dataclass
class Running:
    reader: Reader
    watch: RadioWatch
    own: Own
    settings: list[RadioSettings]


@asynccontextmanager
async def watching(clock: ManualClock, *there: str, settings: RadioSettings | None = None) -> AsyncIterator[Running]:
    reader, own, in_force = Reader(clock, there), Own(1000.0, 1300.0), [settings or RadioSettings()]
    watch = RadioWatch(reader, clock, Boundary(), own, lambda: in_force[0])
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    try:
        yield Running(reader, watch, own, in_force)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_box_without_a_radio_is_looked_at_once_an_hour_until_there_is_one() -> None:
    clock = ManualClock()
    async with watching(clock) as run:
        await clock.advance(7100)
        assert (run.reader.looks, run.reader.reads, run.watch.latest) == ([0, 3600], [], None)
        assert run.own.close(1300.0, 1600.0) is None
        run.reader.there = ("wlan0",)
        await clock.advance(200)
        assert [at for at, _, _ in run.reader.reads] == [7200, 7260]


async def test_a_radio_is_read_each_minute_without_drift_and_the_air_around_each_fifth_time() -> None:
    clock = ManualClock()
    async with watching(clock, "wlan0") as run:
        await clock.advance(605)
        assert [at for at, _, _ in run.reader.reads] == [60 * n for n in range(11)]
        assert [at for at, wide, _ in run.reader.reads if wide] == [0, 300, 600]
        assert not any(scan for _, _, scan in run.reader.reads)
        assert run.watch.latest is not None
        run.settings[0] = RadioSettings(scan=True)
        await clock.advance(300)
        assert [(wide, scan) for _, wide, scan in run.reader.reads[11:]] == [(False, False)] * 4 + [(True, True)]


async def test_a_radio_that_is_unplugged_or_not_wanted_is_no_longer_shown() -> None:
    clock = ManualClock()
    async with watching(clock, "wlan0") as run:
        await clock.advance(70)
        run.settings[0] = RadioSettings(enabled=False)
        await clock.advance(60)
        assert (run.watch.latest, len(run.reader.reads)) == (None, 2)
        run.settings[0] = RadioSettings()
        await clock.advance(60)
        assert run.watch.latest is not None
        run.reader.there = ()
        await clock.advance(60)
        assert run.watch.latest is None


async def test_a_fault_of_ours_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    async with watching(clock, "wlan0") as run:
        await clock.advance(5)
        run.reader.broken = True
        await clock.advance(120)
        run.reader.broken = False
        await clock.advance(60)
        assert len(run.reader.reads) == 4
        assert run.watch.latest is not None
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "radio failed unexpectedly; the next failures in a row are only counted"
    ]


async def test_what_is_read_fills_windows() -> None:
    clock = ManualClock()
    async with watching(clock, "wlan0") as run:
        await clock.advance(299)
        counts = run.own.close(1300.0, 1600.0)
        assert counts is not None
        assert (counts.polls, counts.signal.count, counts.snr.count) == (5, 5, 5)
        assert {name: level.mean for name, level in counts.levels.items()} == {
            "noise": -95, "noise_top": -95, "link": -52, "channel": 50, "channel_top": 50, "other": 20,
            "told_signal": 0, "told_snr": 0,
        }  # fmt: skip


# -- documents -----------------------------------------------------------------------------------------------------


def stamp(at: float) -> str:
    return f"t{at:g}"


def test_the_document_of_the_radio() -> None:
    now = radio_now(seen(100.0), stamp, PRIVACY)
    assert now is not None
    assert [asdict(one) for one in now.interfaces] == [
        {
            "name": "wlan0", "at": "t100", "mode": "managed", "connected": True, "ssid": "Shop",
            "bssid": PRIVACY.client(OWN_AP), "frequency_mhz": 5180.0, "channel": 36, "signal_dbm": -52.0,
            "noise_dbm": -95.0, "snr_db": 43.0, "tx_bps": 390e6, "rx_bps": 433.3e6, "channel_busy_pct": 50.0,
            "tx_packets": 65432, "tx_retries": 4321, "tx_failed": 12, "gave_up": 17, "clients": None,
            "foreign_networks": 1, "strongest_foreign_dbm": -48.0, "trouble": None,
        },
    ]  # fmt: skip
    assert [(n.ssid, n.channel, n.signal_dbm, n.own, n.heard) for n in now.networks] == [
        ("\ufffdgnp.exe <b>", 36, -48.0, False, "t97"), ("Shop", 36, -52.0, True, "t97"), ("", 1, -80.0, False, "t97"),
    ]  # fmt: skip
    assert [(c.channel, c.networks, c.strongest_dbm, c.noise_dbm, c.busy_pct) for c in now.channels] == [
        (1, 1, -80.0, None, None), (36, 2, -48.0, -95.0, 50.0),
    ]  # fmt: skip


@pytest.mark.parametrize("names", ["hash", "none"])
def test_no_address_of_a_network_leaves(names: str) -> None:
    told = repr(radio_now(seen(100.0), stamp, Privacy(bytes(32), lambda: "hash" if names == "hash" else "none")))
    assert ("bssid=None" in told) is (names == "none")
    for mac in (OWN_AP, STRANGER, FAR):
        assert not any(written.lower() in told.lower() for written in notations(mac))


def test_without_a_radio_there_is_no_document_and_nothing_on_the_page() -> None:
    assert radio_now(None, stamp, PRIVACY) is None
    assert radio_groups(None, Say("en", ROME)) == []


def groups(language: str, found: Seen) -> list[tuple[str, list[tuple[str, str]]]]:
    return radio_groups(radio_now(found, stamp, PRIVACY), Say(language, ROME))


def test_the_page_tells_of_it_in_english() -> None:
    assert groups("en", seen(0.0)) == [
        ("The probe's own Wi-Fi, wlan0", [
            ("Connected to", "Shop"), ("Signal", "−52\u00a0dBm, 43\u00a0dB above the noise"),
            ("Channel", "36 (5\u00a0GHz)"), ("Speed", "433\u00a0Mbit/s in, 390\u00a0Mbit/s out"),
            ("Channel busy", "50.0\u00a0%"), ("Noise", "−95\u00a0dBm"), ("Repeated transmissions", "7 for 100 packets"),
            ("Other networks on this channel", "1, the strongest with −48\u00a0dBm"),
        ]),
        ("Networks heard in the last hour: 3", [
            ("\ufffdgnp.exe <b>", "channel 36 (5\u00a0GHz), −48\u00a0dBm"),
            ("Shop (this one)", "channel 36 (5\u00a0GHz), −52\u00a0dBm"),
            ("a network without a name", "channel 1 (2.4\u00a0GHz), −80\u00a0dBm"),
        ]),
    ]  # fmt: skip


def test_the_page_tells_of_it_in_italian() -> None:
    (own, rows), (around, networks) = groups("it", seen(0.0))
    assert (own, around) == ("Wi-Fi della sonda, wlan0", "Reti rilevate nell'ultima ora: 3")
    assert dict(rows)["Segnale"] == "−52\u00a0dBm, 43\u00a0dB sopra il rumore"
    assert networks[2] == ("una rete senza nome", "canale 1 (2,4\u00a0GHz), −80\u00a0dBm")


def test_a_radio_that_is_not_connected_and_one_that_cannot_be_read_say_so() -> None:
    ((_, rows), _) = groups("en", seen(0.0, connected=False))
    assert rows[0] == ("Connected to", "not connected")
    assert not {"Signal", "Speed", "Repeated transmissions"} & dict(rows).keys()
    poor = Seen((Radio(Interface("wlan0"), 0.0, trouble=Trouble.NOT_INSTALLED),))
    assert dict(groups("it", poor)[0][1])["Dati incompleti"] == (
        "il programma iw non è installato: si legge solo il segnale"
    )


async def test_hostile_names_are_text_on_the_page() -> None:
    class WithRadio(Known):
        async def agent(self) -> AgentNow:
            return replace(AGENT, radio=radio_now(seen(0.0), stamp, PRIVACY))

    async with client(WithRadio()) as http:
        page = (await http.get("/agent?lang=it")).text
        told = (await http.get("/api/v1/agent")).json()["radio"]
    assert "Reti rilevate nell&#39;ultima ora: 3" in page
    assert "gnp.exe &lt;b&gt;" in page
    assert "<b>" not in page
    assert told["interfaces"][0]["bssid"] == PRIVACY.client(OWN_AP)
    assert not any(written.lower() in (page + repr(told)).lower() for written in notations(STRANGER))


def test_of_many_networks_the_strongest_are_listed() -> None:
    one = seen(0.0).heard[1]
    many = [replace(one, network=replace(one.network, bssid=f"02:00:5e:00:00:{n:02x}")) for n in range(50)]
    networks = groups("en", replace(seen(0.0), heard=tuple(many)))[1][1]
    assert (len(networks), networks[-1]) == (MOST_NETWORKS + 1, ("Weaker ones", "30"))


def test_every_trouble_has_its_words() -> None:
    assert TROUBLES.keys() == set(Trouble)
    assert all(words.en and words.it for words in (*TEXT.values(), *TROUBLES.values()))


def test_an_access_point_shows_how_many_are_connected_to_it() -> None:
    radio = replace(seen(0.0).radios[0], interface=Interface("wlan0", "AP", 5180.0), link=None)
    found = replace(seen(0.0), radios=(radio,))
    assert dict(groups("en", found)[0][1])["Devices connected to it"] == "1"
    assert OWN_AP not in repr(radio_now(found, stamp, PRIVACY))
