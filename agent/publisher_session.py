"""What arrives over one connection: PUBACKs, the retained words about ourselves, and another box that speaks as us.

Commands (``cmd``), manifest and replay will be further entries of the table in ``received``.
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.mqtt_connection import Inbound, LostError
from agent.publisher_drain import Drain

_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""What a boot id or the id of a stream of ours may look like; whoever may publish on our topics may send anything."""
_MOST = 10**12
"""No stream has so many numbers: a thousand messages a second for thirty years."""


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class Retained:
    """The retained info of this probe, as the broker kept it."""

    stream: str
    last_seq: int


class Session:
    """The Events of one connection (mqtt_connection.py)."""

    def __init__(
        self,
        root: str,
        boot: str,
        *,
        announced_before: bool,
        clash: Callable[[str | None, str], None],
        say_online: Callable[[], None],
    ) -> None:
        """``announced_before``: this run has said `online` on an earlier connection, so whoever is retained now came
        after us."""
        self._boot = boot
        self._clash = clash
        self._say_online = say_online
        self._announced_before = announced_before
        self.announced = False
        self.drain: Drain | None = None
        self.gone: asyncio.Future[LostError] = asyncio.get_running_loop().create_future()
        self.info: asyncio.Future[Retained | None] = asyncio.get_running_loop().create_future()
        self._handlers = {f"{root}/status": self._status, f"{root}/info": self._info}

    @property
    def topics(self) -> tuple[str, ...]:
        return tuple(self._handlers)

    def acknowledged(self, ticket: int, reason: int, text: str) -> None:
        if self.drain is not None:
            self.drain.acknowledged(ticket, reason, text)

    def received(self, message: Inbound) -> None:
        handler = self._handlers.get(message.topic)
        if handler is None:
            return
        try:
            body = json.loads(message.payload)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            handler(message, body)

    def lost(self, error: LostError) -> None:
        if not self.gone.done():
            self.gone.set_result(error)

    def _status(self, message: Inbound, body: dict[str, Any]) -> None:
        boot, state = body.get("boot"), body.get("state")
        if state == "online":
            if boot != self._boot and isinstance(boot, str) and (not message.retained or self._announced_before):
                self._clash(_identifier(boot), "it says that it is online")
        elif state == "offline" and self.announced:
            self._say_online()  # a last will that came late, of ourselves or of the run before

    def _info(self, message: Inbound, body: dict[str, Any]) -> None:
        boot, stream, last_seq = body.get("boot"), body.get("stream"), body.get("last_seq")
        strange = isinstance(boot, str) and boot != self._boot
        if strange and (not message.retained or self._announced_before):
            self._clash(_identifier(boot), "it publishes its info")
        if message.retained and not self.info.done():
            known = _identifier(stream)
            if (
                known is None
                or not isinstance(last_seq, int)
                or isinstance(last_seq, bool)
                or not 0 <= last_seq < _MOST
            ):
                self.info.set_result(None)
            else:
                self.info.set_result(Retained(known, last_seq))
