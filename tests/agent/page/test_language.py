"""Which language a page is in: the one that was chosen on it, else the browser's, else the site's."""

import httpx
import pytest

from agent.api.app import create_app
from agent.api.events import Broadcaster
from agent.api.guard import Access
from agent.api.pages import wished
from agent.boundary import Boundary
from tests.agent.page.served import Site
from tests.doubles import ManualClock


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("it-IT,it;q=0.9,en;q=0.8", "it"), ("en-GB", "en"), ("de-DE,de;q=0.9", None), ("de,it;q=0.4,en;q=0.3", "it"),
        ("en;q=0.2, it;q=0.7", "it"), ("it;q=0", None), ("*", None), ("", None), ("it;q=nan", None), ("it;q=1e9", None),
        ("IT", "it"), (";;;q=,", None), ("it;q=٣", None), ("x" * 5000, None),
    ],
)  # fmt: skip
def test_what_a_browser_asks_for(header: str, language: str | None) -> None:
    assert wished(header) == language


@pytest.mark.parametrize(
    ("path", "header", "site", "language"),
    [
        ("/", "it-IT,it;q=0.9", "en", "it"), ("/", "en-US,en", "it", "en"), ("/", "de", "it", "it"), ("/", None, "it", "it"),
        ("/?lang=en", "it", "it", "en"), ("/?lang=xx", "it", "en", "it"), ("/device/switch", "it", "en", "it"),
        ("/agent", "it", "en", "it"), ("/device/nobody", "it", "en", "it"), ("/nowhere", "it", "en", "it"),
    ],
)  # fmt: skip
async def test_the_page_speaks_it(path: str, header: str | None, site: str, language: str) -> None:
    clock, boundary = ManualClock(), Boundary()
    app = create_app(Site(language=site), Broadcaster(clock, dict, boundary), clock, "1", Access(), boundary=boundary)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as http:
        http.headers.pop("accept-language", None)
        headers = {"accept": "text/html"} | ({"accept-language": header} if header is not None else {})
        answer = await http.get(path, headers=headers)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["vary"] == "Accept-Language"
    other = "en" if language == "it" else "it"
    assert f'href="?lang={other}"' in answer.text
    assert ("?lang=en" in answer.text.split("<footer", 1)[1]) == path.endswith("lang=en")
