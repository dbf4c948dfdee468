"""The page in a real Chromium, before a made-up site that the tests change: what it says, how it stays live, what it
does when the agent is gone, and that hostile names stay text."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from agent.live import FigureNow, FlappingNow, TroubledNow
from agent.page.map import MOST_ALIKE
from tests.agent.page.paint import first_paints_ms
from tests.agent.page.served import HOSTILE, LONG, Served, Site, device

pytestmark = [pytest.mark.lab, pytest.mark.may_block]  # playwright holds its own loop while it waits

PAINT_MS = 1000
EVENT_S = 1.0
WIDE, PHONE = (1280, 900), (375, 740)


@contextmanager
def opened(browser: Browser, served: Served, path: str = "/", **how: Any) -> Iterator[Page]:
    """A page; that a browser complains of nothing (policy, errors) is part of every test that opens one."""
    width, height = how.pop("size", WIDE)
    quiet = how.pop("quiet", True)
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(served.url + path)
    yield page
    context.close()
    assert not quiet or not said, said


def text(page: Page, selector: str) -> str:
    """With ordinary spaces."""
    return page.locator(selector).first.inner_text().replace("\u00a0", " ")


def fits(page: Page) -> bool:
    """Nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("path", ["/", "/device/switch", "/device/printer?hours=168", "/agent", "/api", "/device/gone"])
def test_every_page_fits_and_the_browser_complains_of_nothing(
    browser: Browser, path: str, size: tuple[int, int], scheme: Any
) -> None:
    with (
        Served(Site()) as served,
        opened(browser, served, path, size=size, color_scheme=scheme, quiet="gone" not in path) as page,
    ):
        assert fits(page)
        assert page.locator("h1").count() == 1
        assert page.title().endswith("· Sonda")


def test_the_first_screen_in_english_and_in_italian(browser: Browser) -> None:
    site = Site()
    site.fail("switch", 840, "server")
    with Served(site) as served:
        with opened(browser, served) as page:
            says = text(page, "h1")
            assert says.startswith("Switch hall has not been reachable since ")
            assert says.endswith("(14 min). 1 device behind it cannot be seen.")
            words = page.locator(".tile").all_inner_texts()
            assert [[line for line in w.splitlines() if line][:2] for w in words] == [
                ["Internet", "Works"],
                ["Wi-Fi", "Works"],
                ["Network", "Not reachable"],
                ["Servers and services", "Partly known"],
            ]
            assert "12 ms response time" in " ".join(words[0].split())
            page.click("text=Italiano")
            assert "non è raggiungibile da" in text(page, "h1")
        with opened(browser, served, "/?lang=it") as page:
            assert page.evaluate("document.documentElement.lang") == "it"
            assert "0,60 ms" in text(page, "#devices tr[data-id=gateway]")
            assert "99,98 %" in text(page, "#devices")
            link = page.locator("#devices a").first.get_attribute("href")
            assert link is not None and link.endswith("?lang=it")


@pytest.mark.parametrize(
    ("locale", "site", "says"),
    [("it-IT", "en", "Funziona tutto."), ("en-GB", "it", "Everything works."), ("de-DE", "it", "Funziona tutto.")],
)
def test_the_browsers_language_comes_before_the_sites(browser: Browser, locale: str, site: str, says: str) -> None:
    with Served(Site(language=site)) as served, opened(browser, served, locale=locale) as page:
        assert text(page, "h1") == says
        expect(page.locator("html")).to_have_class("live")
        served.change(lambda site: site.fail("switch", 840))
        it = says == "Funziona tutto."
        expect(page.locator("h1")).to_contain_text("non è raggiungibile" if it else "has not been reachable")
        page.click("text=English" if it else "text=Italiano")
        expect(page.locator("h1")).to_contain_text("has not been reachable" if it else "non è raggiungibile")
        page.click("#devices >> text=FRITZ!Box")
        expect(page.locator("h2").first).to_have_text("Response time" if it else "Tempo di risposta")


def test_a_figure_that_is_bad_is_said_in_the_sentence_the_tile_and_the_list(browser: Browser) -> None:
    site = Site()
    hot = FigureNow("cooling_margin_c", "°C", -5.0, None, 5, "bad", {}, ())
    with Served(site) as served, opened(browser, served) as page:
        expect(page.locator("html")).to_have_class("live")
        served.change(lambda site: site.bad.append(TroubledNow("switch", "", hot)))
        expect(page.locator("h1")).to_contain_text("Switch hall is too hot, or one of its fans has stopped")
        expect(page.locator("[data-tile=network] .word")).to_have_text("Problem")
        expect(page.locator("#wrong-list .caption")).to_contain_text("the room is cool enough")
        assert page.locator("#sentence use").get_attribute("href") == "#shape-problem"
        page.click("#wrong-list a")
        expect(page.locator("h1")).to_have_text("Switch hall")


def test_worst_first_and_a_row_opens_its_device(browser: Browser) -> None:
    site = Site()
    site.fail("camera", 60)
    with Served(site) as served, opened(browser, served) as page:
        assert page.locator("#devices tr").first.get_attribute("data-id") == "camera"
        page.locator("#devices tr[data-id=switch]").click(position={"x": 500, "y": 10})
        assert text(page, "h1") == "Switch hall"
        assert "Nothing was measured" not in text(page, "figcaption")
        assert page.locator("table.ports").first.locator("tbody tr").count() == 3


def test_search_as_one_types(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served) as page:
        page.fill("#search", "camera")
        assert page.locator("#devices tr:visible").count() == 1
        page.fill("#search", "nobody")
        assert page.locator("#devices tr:visible").count() == 0
        expect(page.locator("#search-says")).to_have_text("No device matches.")
        page.fill("#search", "")
        assert page.locator("#devices tr:visible").count() == len(served.site.known)


def test_planned_work_is_no_trouble(browser: Browser) -> None:
    site = Site()
    site.fail("switch", 840)
    site.known[1] = replace(site.known[1], state="maintenance")
    with Served(site) as served, opened(browser, served) as page:
        assert text(page, "h1") == "Planned work is going on with Switch hall; everything else works."
        assert page.locator("#wrong").is_hidden()
        assert page.locator("#devices tr[data-id=switch] td").first.inner_text().strip() == "Maintenance"


def test_an_event_reaches_the_page_within_a_second(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served) as page:
        expect(page.locator("html")).to_have_class("live")
        page.wait_for_timeout(300)
        began = time.monotonic()
        served.change(lambda site: site.fail("switch", 70))
        while not text(page, "#sentence-says").startswith("Switch hall") and time.monotonic() < began + 5:
            page.wait_for_timeout(10)
        took = time.monotonic() - began
        print(f"event on the page after {took * 1000:.0f} ms")
        assert took < EVENT_S
        assert page.locator("#devices tr").first.get_attribute("data-id") == "switch"
        assert "Switch hall" in text(page, "#wrong-list")
        assert page.locator("#sentence use").get_attribute("href") == "#shape-problem"


def test_the_map_lives_and_opens_a_device(browser: Browser) -> None:
    site = Site()
    site.known += [device(f"cam-{n}", f"Camera {n}", "camera") for n in range(MOST_ALIKE)]
    with Served(site) as served, opened(browser, served, size=PHONE) as page:
        tree = page.locator("svg.tree")
        expect(tree).to_contain_text("Switch hall")
        expect(tree.locator("[data-nodes]")).to_contain_text(f"and {MOST_ALIKE + 3} more, all reachable")
        served.change(lambda site: site.fail("ap", 70))
        node = tree.locator("[data-node=ap]")
        expect(node).to_contain_text("Not reachable", timeout=1000 * EVENT_S)
        expect(node.locator("use")).to_have_attribute("href", "#shape-problem")
        assert tree.locator("[data-node=cam-2]").count() == 0
        served.change(lambda site: site.fail("cam-2", 70))
        expect(tree.locator("[data-node=cam-2]")).to_contain_text("Not reachable")
        assert fits(page)
        node.locator("a").click()
        expect(page.locator("h1")).to_have_text("Access point garden")


def test_the_map_in_italian_without_scripts(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served, "/?lang=it", java_script_enabled=False) as page:
        expect(page.locator(".map h2")).to_have_text("Mappa")
        expect(page.locator("svg.tree [data-node=ap]")).to_contain_text("Raggiungibile · porta ge3")
        assert page.locator("svg.tree a").count() == len(Site().known)


def test_a_device_page_lives_too(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served, "/device/switch") as page:
        assert text(page, "#device-state") == "Reachable"
        page.wait_for_timeout(300)
        served.change(lambda site: site.fail("switch", 70))
        expect(page.locator("#device-state")).to_have_text("Not reachable")
        expect(page.locator("#device-detail")).to_contain_text("It does not answer.")
        expect(page.locator("#device-rtt")).to_be_hidden()


def test_a_page_says_when_contact_is_lost_and_when_it_is_back(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served, quiet=False) as page:
        expect(page.locator("#sentence-says")).to_have_text("Everything works.")
        served.stop()
        expect(page.locator("#sentence-says")).to_contain_text("This page lost contact with the probe at ")
        expect(page.locator("#contact")).to_contain_text("No contact. Last figures of")
        expect(page.locator(".lost")).to_contain_text("Check that the probe is switched on")
        assert page.locator("#sentence use").get_attribute("href") == "#shape-none"
        assert page.evaluate(CONTRAST) == []
        served.start()
        expect(page.locator("#sentence-says")).to_have_text("Everything works.", timeout=15_000)
        expect(page.locator("#contact")).to_contain_text("Figures of")
        expect(page.locator(".lost")).to_be_hidden()
        assert "stale" not in (page.locator("body").get_attribute("class") or "")


def test_hostile_and_long_names_stay_text(browser: Browser) -> None:
    site = Site(name=HOSTILE)
    site.fail("printer", 300)
    site.flaps.append(FlappingNow("ap", HOSTILE, HOSTILE))
    with Served(site) as served:
        for path in ("/", "/device/printer", "/device/switch"):
            with opened(browser, served, path, size=PHONE) as page:
                page.wait_for_timeout(200)
                assert page.locator("img").count() == 0
                assert page.title() != "1"
                assert fits(page)
        with opened(browser, served) as page:
            served.change(lambda site: site.fail("switch", 70))
            expect(page.locator("#wrong-list")).to_contain_text("Switch hall")
            assert page.locator("img").count() == 0
            shown = page.locator("#devices").inner_text() + text(page, "h1")
            assert "onerror" in shown
            assert "\u202e" not in shown
            name = page.locator("#devices tr[data-id=camera] th")
            assert name.inner_text() == LONG
            box, row = name.bounding_box(), page.locator("#devices tr[data-id=camera]").bounding_box()
            assert box is not None and row is not None and box["width"] <= row["width"]


def test_without_scripts_everything_is_there(browser: Browser) -> None:
    site = Site()
    site.fail("switch", 840)
    with Served(site) as served:
        with opened(browser, served, java_script_enabled=False) as page:
            assert text(page, "h1").startswith("Switch hall has not been reachable")
            assert page.locator("#devices tr").count() == len(site.known)
            assert page.locator("#search").is_hidden()
            assert "loaded again every 30 s" in text(page, "main")
            assert page.locator(".spark .line").first.get_attribute("d")
        with opened(browser, served, "/device/switch", java_script_enabled=False) as page:
            assert page.locator(".plot .line").get_attribute("d")
            page.click("text=Show as a table")
            assert page.locator(".readings tbody tr").count() > 100


def test_nothing_moves_when_live_figures_arrive(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served) as page:
        page.evaluate(
            "window.moved = 0; new PerformanceObserver(l => l.getEntries().forEach(e => window.moved += e.value))"
            ".observe({type: 'layout-shift', buffered: true})"
        )
        for n in range(3):
            served.change(lambda s, n=n: s.known.__setitem__(3, replace(s.known[3], rtt_ms=0.35 + n)))  # type: ignore[misc]
            page.wait_for_timeout(200)
        assert page.evaluate("window.moved") < 0.01


def test_a_chart_tells_exact_values_by_touch_and_by_keys(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served, "/device/switch") as page:
        page.locator(".plot").hover(position={"x": 100, "y": 50})
        first = text(page, "[data-reading]")
        assert "median" in first and "measured 100" in first
        page.locator(".plot").focus()
        page.keyboard.press("End")
        last = text(page, "[data-reading]")
        page.keyboard.press("ArrowLeft")
        assert text(page, "[data-reading]") != last != first


def test_the_gap_is_a_gap(browser: Browser) -> None:
    with Served(Site()) as served, opened(browser, served, "/device/switch") as page:
        line = page.locator(".plot .line").get_attribute("d") or ""
        assert line.count("M") == 2


def test_keyboard_order_is_reading_order_and_focus_is_seen(browser: Browser) -> None:
    site = Site()
    site.fail("switch", 840)
    with Served(site) as served, opened(browser, served) as page:
        order = []
        for _ in range(6):
            page.keyboard.press("Tab")
            order.append(page.evaluate("(document.activeElement.innerText || document.activeElement.id).trim()"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert order == ["Skip to the content", "Italiano", "Switch hall", "search", "Switch hall", "8.8.8.8"]


CONTRAST = """() => {
  const lum = (c) => { const v = c.map((x) => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const rgb = (s) => s.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const ground = rgb(getComputedStyle(document.body).backgroundColor), bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(e);
    if (style.display === "none" || e.closest("noscript, .hide")) continue;
    const ink = rgb(e instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [lum(ink), lum(ground)].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push(e.outerHTML.slice(0, 80));
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: Browser, scheme: Any) -> None:
    site = Site()
    site.fail("switch", 840, "server")
    site.flaps.append(FlappingNow("ap", "Access point", "eth0"))
    with Served(site) as served:
        for path in ("/", "/device/switch"):
            with opened(browser, served, path, color_scheme=scheme) as page:
                assert page.evaluate(CONTRAST) == []


def test_it_prints_on_one_sheet(browser: Browser) -> None:
    site = Site()
    site.fail("switch", 840, "server")
    site.over = [site.incident(site.known[2], 90_000.0 + n, lasted=45.0) for n in range(3)]
    with Served(site) as served, opened(browser, served) as page:
        sheet = page.pdf(format="A4")
        assert sheet.count(b"/Type /Page\n") + sheet.count(b"/Type /Page ") == 1


@pytest.mark.parametrize("path", ["/", "/device/switch"])
def test_first_paint_with_the_cpu_slowed_four_times(browser: Browser, path: str) -> None:
    with Served(Site()) as served:
        paints = first_paints_ms(browser, served.url + path)
    print(f"first contentful paint of {path}, four times slowed: {paints} ms")
    assert paints[0] < PAINT_MS


def test_a_notice_comes_and_goes_with_the_events(browser: Browser) -> None:
    site = Site()
    with Served(site) as served, opened(browser, served) as page:
        expect(page.locator("html")).to_have_class("live")
        expect(page.locator("#notice")).to_be_hidden()
        served.change(lambda site: setattr(site, "notice", {"en": "The database was damaged.", "it": "Danneggiato."}))
        expect(page.locator("#notice")).to_have_text("The database was damaged.")
        served.change(lambda site: setattr(site, "notice", None))
        expect(page.locator("#notice")).to_be_hidden()
