"""Asking a running agent by its API, without any part of the agent."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 5.0
LIMIT_BYTES = 50_000_000


class Unreachable(Exception):  # noqa: N818 - it is what the user reads
    """No agent answered; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the agent said, as it said it."""

    site: dict[str, Any]
    devices: list[dict[str, Any]]
    agent: dict[str, Any]
    now: dict[str, Any] = field(default_factory=dict)
    """The page's sentence, and its list of what is wrong."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {"site": self.site, "devices": self.devices, "agent": self.agent, "now": self.now}


class Agent:
    """One agent at a URL. ``cert`` is the certificate it shows, where that is known and no authority signed it."""

    def __init__(self, url: str, access_code: str | None = None, cert: Path | None = None) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._headers = {"Accept": "application/json"}
        if access_code:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"sonda:{access_code}".encode()).decode()
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if urlsplit(self.url).scheme == "https":
            context = ssl.create_default_context(cafile=cert)
            context.check_hostname = cert is None  # a certificate of our own is known by itself, not by its name
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def ask(self) -> Answers:
        """Raises Unreachable."""
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise Unreachable(f"{self.url} is no URL of an agent: write http://HOST:PORT.")
        return Answers(
            _table(self._get("/api/v1/site")),
            [_table(device) for device in self._get("/api/v1/devices") or ()],
            _table(self._get("/api/v1/agent")),
            _table(self._get("/api/v1/now")),
        )

    def about(self) -> dict[str, Any]:
        """The agent's own document alone. Raises Unreachable, also where what answers there is no Sonda."""
        document = _table(self._get("/api/v1/agent"))
        if not {"version", "boot", "vitals"} <= document.keys():
            raise Unreachable(f"What answers at {self.url} is no Sonda agent.")
        return document

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers=self._headers)  # noqa: S310 - http or https, see ask()
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read(LIMIT_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise Unreachable(self._refused(path, error)) from None
        except urllib.error.URLError as error:
            raise Unreachable(self._silent(error.reason)) from None
        except (OSError, ValueError) as error:
            raise Unreachable(self._silent(error)) from None

    def _refused(self, path: str, error: urllib.error.HTTPError) -> str:
        if error.code == 401:
            return f"{self.url} asks for the access code: name its file with --access-code-file."
        if error.code == 404:
            return f"{self.url}{path} answered 404: write http://HOST:PORT of a Sonda agent, without a path behind it."
        said = error.read(200).decode(errors="replace").strip().splitlines()
        return f"{self.url}{path} answered {error.code}: {said[0] if said else error.reason}"

    def _silent(self, reason: object) -> str:
        if isinstance(reason, ConnectionRefusedError):
            return (
                f"No agent listens at {self.url}. Is it running (systemctl status sonda)? If it listens "
                "elsewhere, name that: `sonda status --url http://HOST:PORT`."
            )
        if isinstance(reason, TimeoutError):
            return f"{self.url} did not answer within {TIMEOUT_S:g} s."
        if isinstance(reason, json.JSONDecodeError | UnicodeDecodeError):
            return f"What answers at {self.url} is no Sonda agent."
        return f"{self.url} cannot be reached: {getattr(reason, 'strerror', None) or reason}."


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
