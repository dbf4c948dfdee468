"""The page's addresses as one hands them over: at http://0.0.0.0:8080/ it listens, and no browser can go there."""

import ipaddress
from collections.abc import Sequence

from agent.settings.models import HttpSettings

WILDCARDS = {"0.0.0.0": (4,), "::": (4, 6)}  # noqa: S104 - where it listens
"""With the IP versions that come in there."""


def page_urls(http: HttpSettings, own: Sequence[str]) -> tuple[str, ...]:
    """``own`` are this machine's addresses (vitals.py). Never empty: a machine without any has its loopback."""
    versions = WILDCARDS.get(http.host)
    if versions is None:
        hosts = [http.host]
    else:
        hosts = [address for address in own if ipaddress.ip_address(address).version in versions] or ["127.0.0.1"]
    scheme = "https" if http.cert else "http"
    return tuple(f"{scheme}://{f'[{host}]' if ':' in host else host}:{http.port}/" for host in hosts)


def own_url(http: HttpSettings) -> str:
    """Where this machine itself reaches the page."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - from where it listens to whom to ask
    return f"{'https' if http.cert else 'http'}://{f'[{host}]' if ':' in host else host}:{http.port}"
