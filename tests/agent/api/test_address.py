"""The addresses of the page that a person can use."""

import ipaddress
from pathlib import Path

import pytest

from agent.api.address import page_urls
from agent.settings import load
from agent.settings.models import HttpSettings
from agent.vitals import own_addresses
from tests.agent.cli.console import sonda
from tests.agent.settings.writing import write

OWN = ["10.0.0.7", "192.168.1.9", "fd00::7"]


@pytest.mark.parametrize(
    ("host", "urls"),
    [
        ("0.0.0.0", ("http://10.0.0.7:8405/", "http://192.168.1.9:8405/")),
        ("::", ("http://10.0.0.7:8405/", "http://192.168.1.9:8405/", "http://[fd00::7]:8405/")),
        ("127.0.0.1", ("http://127.0.0.1:8405/",)),
        ("fd00::7", ("http://[fd00::7]:8405/",)),
    ],
)
def test_what_is_handed_over_is_an_address_that_a_browser_can_open(host: str, urls: tuple[str, ...]) -> None:
    assert page_urls(HttpSettings(host=host, port=8405), OWN) == urls


def test_https_and_a_machine_without_a_network(tmp_path: Path) -> None:
    assert page_urls(HttpSettings(host="0.0.0.0", cert=tmp_path / "x"), []) == ("https://127.0.0.1:8080/",)


def test_own_addresses_are_those_that_others_reach() -> None:
    for text in own_addresses():
        address = ipaddress.ip_address(text)
        assert not address.is_loopback and not address.is_link_local and not address.is_unspecified


def test_check_names_no_address_that_nobody_can_open(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.write_text("correct horse\n")
    code.chmod(0o600)
    text = f'[http]\nhost = "0.0.0.0"\nport = 8405\naccess_code = {{ file = "{code}" }}\nplain_http = true\n'
    file = write(tmp_path, text)
    ended = sonda("check", "--config", file)
    assert ended.code == 0
    page = page_urls(load([file]).http, own_addresses())
    assert "://0.0.0.0:" not in ended.out and page[0] in "".join(ended.out.split())
