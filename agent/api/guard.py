"""Who may ask, and what a browser may do with the answer.

A Host header that is not ours is refused (DNS rebinding), an access code is asked for by HTTP Basic (any user name;
attempts.py slows down who guesses), and no page may load or run anything that does not come from here.
"""

import base64
import binascii
import hmac
import ipaddress
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.attempts import Attempts
from collectors.clock import Clock

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""Asked by supervisors that have no access code; they say nothing of the site."""


@dataclass(frozen=True, slots=True)
class Access:
    """By which names the page may be called, and the code it asks for (None: nobody is asked)."""

    hosts: frozenset[str] = field(default_factory=frozenset)
    code: str | None = field(default=None, repr=False)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, access: Access, clock: Clock) -> None:
        self._app = app
        self._access = access
        self._attempts = Attempts(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not host_allowed(headers.get(b"host", ""), self._access.hosts):
            await _refuse(send, 421, "This probe is not called by that name. Add it to `hosts` in [http].")
        elif scope["path"] in OPEN_PATHS or await self._admitted(scope, headers.get(b"authorization", ""), send):
            await self._app(scope, receive, _with_headers(send))

    async def _admitted(self, scope: Scope, authorization: str, send: Send) -> bool:
        """Whether the access code is right, where there is one; who is refused has been answered."""
        code = self._access.code
        if code is None:
            return True
        address = scope["client"][0] if scope.get("client") else ""
        if authorization and (wait := self._attempts.waits_s(address)) > 0:
            seconds = str(math.ceil(wait))
            sentence = f"Too many wrong access codes came from here. Try again in {seconds} s."
            await _refuse(send, 429, sentence, ((b"retry-after", seconds.encode()),))
            return False
        if _is_code(authorization, code):
            self._attempts.was_right(address)
            return True
        if authorization:
            self._attempts.was_wrong(address)
        await _refuse(send, 401, "An access code is needed.", ((b"www-authenticate", b'Basic realm="Sonda"'),))
        return False


def _is_code(authorization: str, code: str) -> bool:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        _, _, given = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return hmac.compare_digest(given.encode(), code.encode())


def host_allowed(header: str, hosts: frozenset[str]) -> bool:
    """Whether a Host header names this machine: an IP address (which no name can be rebound to), localhost, or one of
    ``hosts``; the port does not matter."""
    name = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() and not header.endswith("]") else header
    name = name.strip("[]").lower()
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == "localhost" or name in hosts
    return True


def _with_headers(send: Send) -> Callable[..., Awaitable[None]]:
    async def wrapped(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            given = message["headers"]
            assert isinstance(given, list)
            names = {name for name, _ in given}
            message["headers"] = [*given, *(h for h in _HEADERS if h[0] not in names)]
        await send(message)

    return wrapped


async def _refuse(send: Send, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = (sentence + "\n").encode()
    start = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *headers, *_HEADERS]})
    await send({"type": "http.response.body", "body": body})
