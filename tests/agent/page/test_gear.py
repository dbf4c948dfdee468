"""What devices tell beyond their ports, in a real Chromium: sections, live, hostile, on a phone and without scripts."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from agent.gear_past import Amount
from agent.history_view import Overview
from agent.live import DeviceDetail
from agent.live_gear import (
    BgpPeerNow,
    GearNow,
    InventoryNow,
    ModelNow,
    NeighborNow,
    OspfNeighborNow,
    ReadingNow,
    StpNow,
)
from kpi.entry import Part
from kpi.gear import UNITS, Kind
from tests.agent.page.paint import first_paints_ms
from tests.agent.page.served import DAY, HOSTILE, Served, Site, device, rfc3339
from tests.agent.page.test_page import CONTRAST, PAINT_MS, PHONE, WIDE, fits, opened, text

pytestmark = [pytest.mark.lab, pytest.mark.may_block]  # playwright holds its own loop while it waits

PATHS = ("/", "/device/ap", "/device/ups", "/device/switch", "/device/server?lang=it")


def gear(**told: Any) -> GearNow:
    none: dict[str, Any] = {
        "at": "2026-01-01T12:00:00.000Z", "has_wifi": False, "has_battery": False, "wifi_clients": None,
        "on_battery": None, "on_battery_since": None, "battery_low": False, "battery_runtime_min": None,
        "battery_charge_pct": None,
    }  # fmt: skip
    return GearNow(**{**none, **told})


def reading(kind: Kind, name: str, value: float, status: str = "none", limit: float | None = None) -> ReadingNow:
    return ReadingNow(kind.value, name, value, UNITS[kind], limit, None, "2026-01-01T12:00:00.000Z", status)


@dataclass
class Telling(Site):
    """A site whose devices tell of themselves; the UPS is on mains until a test says otherwise."""

    readings: dict[str, list[ReadingNow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known.append(device("ups", "UPS cellar", "ups", 2.1))
        self.tell("ap", has_wifi=True, wifi_clients=42)
        self.tell("ups", has_battery=True, on_battery=False, battery_runtime_min=38.0, battery_charge_pct=100.0)
        self.readings = {
            "ap": [
                reading(Kind.CLIENTS, "wlan0", 14, "good"), reading(Kind.CLIENTS, "wlan1", 28, "warn"),
                reading(Kind.FREQUENCY, "wlan1", 5220), reading(Kind.CHANNEL_UTILIZATION, HOSTILE, 81, "bad"),
            ],
            "ups": [
                reading(Kind.BATTERY_CHARGE, "Battery", 100, "good"), reading(Kind.ON_BATTERY, "Output", 0, "good"),
                reading(Kind.LOAD, "Output 1", 34, "good"),
            ],
            "switch": [reading(Kind.TEMPERATURE, f"sensor {n}", 30 + n, "good", 90) for n in range(30)],
            "server": [reading(Kind.STORAGE_USED, "/data", 93, "bad"), reading(Kind.CPU_USED, "CPU", 12, "good")],
        }  # fmt: skip

    def tell(self, device_id: str, **told: Any) -> None:
        for i, d in enumerate(self.known):
            if d.id == device_id:
                self.known[i] = replace(d, gear=gear(**told), inventory=ModelNow("Example", "X"))

    def device(self, device_id: str) -> DeviceDetail | None:
        found = super().device(device_id)
        if found is None:
            return None
        neighbors = [NeighborNow("lldp", "ge1", "ap", "eth0", "", "", "", "ap"),
                     NeighborNow("cdp", HOSTILE, HOSTILE, HOSTILE, HOSTILE, "", HOSTILE, None)]  # fmt: skip
        is_switch = device_id == "switch"
        return replace(
            found,
            inventory=InventoryNow("example", "Example", HOSTILE, "9.1.0", "SN0042"),
            readings=self.readings.get(device_id, []),
            neighbors=neighbors if is_switch else (),
            bgp_peers=[BgpPeerNow("192.0.2.1", 64512, "idle", admin_up=True, established_s=0)] if is_switch else (),
            ospf_neighbors=[OspfNeighborNow("192.0.2.2", "192.0.2.3", "full")] if is_switch else (),
            stp=StpNow("00:00:5e:00:53:01", "switch", 3, 90_000.0) if is_switch else None,
        )

    @property
    def overview_read(self) -> Overview:
        past = super().overview_read
        begin = int(past.end_utc) // 300 * 300 - DAY
        times = range(begin, int(past.end_utc), 300)
        clients = [Amount(at, float(i % 60)) for i, at in enumerate(times) if not 150 < i < 165]
        return replace(past, amounts={Part.WIFI: clients, Part.POWER: [Amount(at, 38.0) for at in times]})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("path", PATHS)
def test_pages_fit_are_legible_and_nothing_hostile_runs(
    browser: Browser, path: str, size: tuple[int, int], scheme: Any
) -> None:
    with Served(Telling()) as served, opened(browser, served, path, size=size, color_scheme=scheme) as page:
        page.wait_for_timeout(200)
        assert fits(page)
        assert page.evaluate(CONTRAST) == []
        assert page.locator("img").count() == 0
        assert page.title() != "1"
        assert "\u202e" not in page.locator("main").inner_text()


def test_the_tiles_of_wifi_and_power_tell_their_own_figure(browser: Browser) -> None:
    with Served(Telling()) as served:
        with opened(browser, served) as page:
            assert page.locator(".tile h2").all_inner_texts() == [
                "Internet", "Wi-Fi", "Network", "Servers and services", "Power",
            ]  # fmt: skip
            assert "42 devices connected" in " ".join(text(page, "[data-tile=wifi]").split())
            assert "Devices, last 24 h: mostly 2" in text(page, "[data-tile=wifi]")
            assert "38 min of battery" in " ".join(text(page, "[data-tile=power]").split())
            assert (page.locator("[data-tile=wifi] .line").get_attribute("d") or "").count("M") == 2
            tops = {round(box["y"]) for tile in page.locator(".tile").all() if (box := tile.bounding_box())}
            assert len(tops) == 1, "five tiles stand in one row"
        with opened(browser, served, "/?lang=it", java_script_enabled=False, size=PHONE) as page:
            assert "42 dispositivi collegati" in " ".join(text(page, "[data-tile=wifi]").split())
            assert "38 min di autonomia" in " ".join(text(page, "[data-tile=power]").split())


def test_a_power_failure_reaches_the_open_page_and_goes_again(browser: Browser) -> None:
    site = Telling()
    with Served(site) as served, opened(browser, served) as page:
        page.wait_for_timeout(300)
        since = rfc3339(site.utc() - 120)
        served.change(
            lambda s: s.tell(  # type: ignore[attr-defined]
                "ups", has_battery=True, on_battery=True, on_battery_since=since, battery_runtime_min=31.0
            )
        )
        expect(page.locator("#sentence-says")).to_contain_text("The mains power has failed: UPS cellar")
        expect(page.locator("[data-tile=power] [data-word]")).to_have_text("On battery")
        expect(page.locator("[data-tile=power] [data-unit]")).to_have_text("of battery left")
        assert page.locator("#sentence use").get_attribute("href") == "#shape-attention"
        assert "UPS cellar runs on its battery" in text(page, "#wrong-list")
        served.change(lambda s: s.tell("ups", has_battery=True, on_battery=False, battery_runtime_min=30.0))  # type: ignore[attr-defined]
        expect(page.locator("#sentence-says")).to_have_text("Everything works.")
        assert page.locator("#wrong").is_hidden()


def test_readings_are_renewed_as_they_are_read(browser: Browser) -> None:
    site = Telling()
    with Served(site) as served, opened(browser, served, "/device/ap") as page:
        section = page.locator("[data-refresh=gear-wireless]")
        expect(section).to_contain_text("42 devices connected")
        expect(section).to_contain_text("crowded")
        page.wait_for_timeout(300)

        def later(s: Site) -> None:
            assert isinstance(s, Telling)
            s.readings["ap"][1] = reading(Kind.CLIENTS, "wlan1", 3, "good")
            s.tell("ap", has_wifi=True, wifi_clients=17, at="2026-01-01T12:01:00.000Z")

        served.change(later)
        expect(section).to_contain_text("17 devices connected")
        expect(section).not_to_contain_text("crowded")


def test_sections_come_when_a_device_tells_of_itself_and_only_then(browser: Browser) -> None:
    site = Telling()
    with Served(site) as served, opened(browser, served, "/device/camera") as page:
        assert page.locator("main h2").all_inner_texts() == [
            "Response time", "Figures of the last five minutes", "Ports", "About this device",
        ]  # fmt: skip
        page.wait_for_timeout(300)

        def later(s: Site) -> None:
            assert isinstance(s, Telling)
            s.readings["camera"] = [reading(Kind.TEMPERATURE, "Housing", 31.5, "good", 60)]
            s.tell("camera", at="2026-01-01T12:00:00.000Z")

        served.change(later)
        served.change(lambda s: s.tell("camera", at="2026-01-01T12:01:00.000Z"))  # type: ignore[attr-defined]
        expect(page.locator("[data-refresh=gear-sensors]")).to_contain_text("31.5 °C")


def test_the_switch_says_who_it_is_who_is_beside_it_and_which_ways_it_knows(browser: Browser) -> None:
    with Served(Telling()) as served, opened(browser, served, "/device/switch", java_script_enabled=False) as page:
        assert "software 9.1.0 · serial number SN0042" in text(page, ".model")
        rows = page.locator(".neighbours tbody tr")
        assert rows.nth(0).inner_text().split("\t")[:3] == ["ge1", "Access point garden", "eth0"]
        assert rows.nth(0).locator("a").get_attribute("href") == "/device/ap"
        assert "onerror" in rows.nth(1).inner_text()
        routing = text(page, "[data-refresh=routing]")
        for wanted in ("Not connected (idle)", "BGP, AS 64512", "OSPF", "this device", "3 times", "1 d 1 h ago"):
            assert wanted in routing
        assert page.locator("[data-refresh=gear-sensors] .cells > li:visible").count() == 12
        page.click("text=Show 18 more")
        assert page.locator("[data-refresh=gear-sensors] .cells > li:visible").count() == 30


def test_every_state_of_a_reading_has_a_shape_and_a_word(browser: Browser) -> None:
    with Served(Telling()) as served, opened(browser, served, "/device/server?lang=it") as page:
        cells = page.locator("[data-refresh=gear-resources] .cells > li")
        assert [" ".join(cell.split()) for cell in cells.all_inner_texts()] == [
            "/data 93 % occupato Quasi pieno", "Processore 12 % occupato Bene",
        ]  # fmt: skip
        assert cells.nth(0).locator("use").get_attribute("href") == "#shape-problem"


def test_first_paint_with_the_cpu_slowed_four_times(browser: Browser) -> None:
    site = Telling()
    with Served(site) as served:
        for path in ("/", "/device/switch"):
            paints = first_paints_ms(browser, served.url + path)
            print(f"first contentful paint of {path}, four times slowed: {paints} ms")
            assert paints[0] < PAINT_MS
