"""The page of a real `sonda run` on loopback: live figures, the agent stopped and started again, first paint."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.agent.page.paint import first_paints_ms
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.may_block]  # playwright holds its own loop while it waits

SITE = """
[site]
tenant = "t"
site = "loopback"
probe = "p"
name = "Bottega"
timezone = "Europe/Rome"

[network]
gateway = "127.0.0.1"
internet = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]

[[device]]
name = "Switch"
role = "switch"
address = "127.0.0.2"
"""
PRINTER = '\n[[device]]\nname = "Printer"\nrole = "printer"\naddress = "127.0.0.4"\n'


def test_the_page_of_a_running_agent(tmp_path: Path, browser: Browser) -> None:
    with SondaRun(tmp_path, SITE) as sonda:
        wait_until(lambda: sonda.json("/api/v1/site")["devices"]["unknown"] == 0, "all devices known")
        context = browser.new_context()
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"http://127.0.0.1:{sonda.port}/")
        expect(page.locator("#sentence-says")).to_have_text("Everything works.")
        assert page.locator(".tile").count() == 2
        assert page.locator("#devices tr").count() == 5
        first = page.locator("#time").inner_text()
        expect(page.locator("#time")).not_to_have_text(first)
        expect(page.locator("[data-id=switch] [data-cell=rtt]")).to_contain_text("ms")
        assert not said, said

        began = time.monotonic()
        sonda.reload(SITE + PRINTER)
        page.wait_for_selector("[data-id=printer]", state="attached")
        print(f"a reloaded device is on the page after {time.monotonic() - began:.2f} s")

        assert sonda.stop() == 0
        expect(page.locator("#sentence-says")).to_contain_text("This page lost contact with the probe at ")
        sonda.start()
        expect(page.locator("#contact-says")).to_have_text("Figures of", timeout=20_000)
        page.click("#devices >> text=Switch")
        expect(page.locator("h1")).to_have_text("Switch")
        expect(page.locator("#device-state")).to_have_text("Reachable")
        page.goto(f"http://127.0.0.1:{sonda.port}/agent")
        assert "not set up: everything is kept here" in page.inner_text("main")
        context.close()


def test_first_paint_of_a_running_agent_with_the_cpu_slowed_four_times(tmp_path: Path, browser: Browser) -> None:
    with SondaRun(tmp_path, SITE) as sonda:
        paints = first_paints_ms(browser, f"http://127.0.0.1:{sonda.port}/")
    print(f"first contentful paint, four times slowed: {paints} ms")
    assert paints[0] < 1000
