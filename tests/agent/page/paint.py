"""First contentful paint of a page with the CPU slowed four times, as on a small box's or an old phone's browser."""

from playwright.sync_api import Browser

TIMES = 3
_PAINT = "performance.getEntriesByName('first-contentful-paint')"


def first_paints_ms(browser: Browser, url: str) -> list[float]:
    """Each by a browser context of its own, the fastest first: that one is judged, as what else the machine does at the
    same time only adds to it."""
    paints = []
    for _ in range(TIMES):
        context = browser.new_context(viewport={"width": 375, "height": 740})
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
        page.goto(url)
        while not page.evaluate(f"{_PAINT}.length"):  # wait_for_function would need eval, which the policy forbids
            page.wait_for_timeout(20)
        paints.append(float(page.evaluate(f"{_PAINT}[0].startTime")))
        context.close()
    return sorted(paints)
