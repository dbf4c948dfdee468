"""One message to the broker and back, over a connection of its own beside the running agent's: JSON, as is all that
lies below the probe's root.

The topic lies below the probe's own root, so that the ACL line of the probe covers it. The message is not retained, and
the last will that a connection needs is an empty one, which leaves nothing behind wherever it goes.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass, replace
from typing import Any

from agent.mqtt import BrokerDialler, client_id
from agent.mqtt_connection import REFUSED_FROM, DialError, Fault, Inbound, LostError, Version, Will
from agent.mqtt_settings import BrokerSettings
from agent.settings.models import SiteSettings
from collectors.clock import Clock

DIAL_S = 8.0
ANSWER_S = 4.0
"""For a SUBACK, a PUBACK, or the message."""


@dataclass(slots=True)
class Trip:
    """How far it came. What is None was not reached."""

    topic: str
    version: Version | None = None
    five_refused: bool = False
    tls: str | None = None
    receive_maximum: int = 65535
    retains: bool = True
    subscribed: int | None = None
    """The SUBACK's reason; from 0x80 on a refusal."""
    acknowledged: int | None = None
    """The PUBACK's reason, alike."""
    reason: str = ""
    seconds: float | None = None
    """From our publish to its coming back."""
    lost: LostError | None = None


class _Ears:
    """The Events of the connection."""

    def __init__(self, topic: str, payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._expected = (topic, payload)
        self.puback: asyncio.Future[tuple[int, str]] = loop.create_future()
        self.back: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[LostError] = loop.create_future()

    async def first(self, awaited: "asyncio.Future[Any]") -> None:
        """Until that comes, or the end of the connection, or ANSWER_S."""
        waits: set[asyncio.Future[Any]] = {awaited, self.gone}
        await asyncio.wait(waits, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)

    def acknowledged(self, ticket: int, reason: int, text: str) -> None:  # noqa: ARG002 - one message has one ticket
        if not self.puback.done():
            self.puback.set_result((reason, text))

    def received(self, message: Inbound) -> None:
        if (message.topic, message.payload) == self._expected and not self.back.done():
            self.back.set_result(None)

    def lost(self, error: LostError) -> None:
        if not self.gone.done():
            self.gone.set_result(error)


async def travel(settings: BrokerSettings, site: SiteSettings, clock: Clock) -> Trip:
    """Raises DialError where no connection comes about."""
    token = secrets.token_hex(4)
    root = f"sonda/v1/{site.tenant}/{site.site}/{site.probe}"
    trip = Trip(f"{root}/doctor/{token}")
    settings = replace(settings, dial_timeout_s=min(settings.dial_timeout_s, DIAL_S))
    dialler = BrokerDialler(settings, f"{client_id(site.tenant, site.site, site.probe)}_doctor_{token}")
    wanted: tuple[Version, ...] = ("5", "3.1.1") if settings.protocol == "auto" else (settings.protocol,)
    for version in wanted:
        try:
            await _one(dialler, version, trip, clock)
        except DialError as error:
            if error.fault is not Fault.VERSION or version == wanted[-1]:
                raise
            trip.five_refused = True
        else:
            break
    return trip


async def _one(dialler: BrokerDialler, version: Version, trip: Trip, clock: Clock) -> None:
    payload = json.dumps({"doctor": trip.topic.rpartition("/")[2]}).encode()
    ears = _Ears(trip.topic, payload)
    async with dialler.connect(version, Will(trip.topic, b""), ears) as connection:
        trip.version, trip.tls = connection.version, connection.tls
        trip.receive_maximum, trip.retains = connection.receive_maximum, connection.retains
        try:
            async with asyncio.timeout(ANSWER_S):
                (trip.subscribed,) = await connection.subscribe((trip.topic,))
            began = clock.monotonic()
            connection.publish(trip.topic, payload, retain=False, delivery=None)
            await ears.first(ears.puback)
            if ears.puback.done():
                trip.acknowledged, trip.reason = ears.puback.result()
            if trip.subscribed < REFUSED_FROM and (trip.acknowledged or 0) < REFUSED_FROM:
                await ears.first(ears.back)
            if ears.back.done():
                trip.seconds = clock.monotonic() - began
        except LostError as error:
            trip.lost = error
        except TimeoutError:
            trip.lost = LostError(Fault.SILENT, "the broker did not answer the subscription in time")
        if ears.gone.done():
            trip.lost = ears.gone.result()
        await connection.disconnect()
