"""The process of the embedded broker: `python -m agent.demo.broker PORT`. MQTT 3.1.1, nothing kept on a disk, whoever
is on this machine may read. A client of another version is refused in its own version's words, so that it comes back
with 3.1.1 or says why it does not. Owner of amqtt."""

import asyncio
import logging
import sys
from typing import Any

from amqtt.adapters import ReaderAdapter
from amqtt.broker import Broker
from amqtt.errors import MQTTError
from amqtt.session import Session

from agent.demo.children import follow_parent, parent_ended, say

HOST = "127.0.0.1"


CONNECT = 0x10
MQTT_3_1_1 = 4
LONGEST_HEAD = 16
REFUSALS = {5: bytes([0x20, 3, 0, 0x84, 0])}
"""CONNACK "unsupported protocol version" of MQTT 5 (section 3.2.2.2): no flags, the reason, no properties."""
REFUSAL = bytes([0x20, 2, 0, 1])
"""That of the versions before (MQTT 3.1.1, 3.2.2.3): "unacceptable protocol version"."""


class Begun(ReaderAdapter):  # type: ignore[misc]
    """A connection whose first octets were read already."""

    def __init__(self, head: bytes, rest: ReaderAdapter) -> None:
        self._head, self._rest = head, rest

    async def read(self, n: int = -1) -> bytes:
        if n < 0:
            head, self._head = self._head, b""
            return head + bytes(await self._rest.read(n))
        head, self._head = self._head[:n], self._head[n:]
        return head + (bytes(await self._rest.read(n - len(head))) if len(head) < n else b"")

    def feed_eof(self) -> None:
        self._rest.feed_eof()


async def read_head(reader: ReaderAdapter) -> tuple[bytes, int | None]:
    """What a connection begins with, as far as it was read, and the MQTT version it asks for; None where it is none."""
    head = bytes(await reader.read(2))
    while head[-1] & 0x80 and len(head) < 5:  # the remaining length, seven bits an octet
        head += await reader.read(1)
    if head[0] != CONNECT:
        return head, None
    head += (length := bytes(await reader.read(2)))
    name = int.from_bytes(length, "big")
    if name > LONGEST_HEAD:
        return head, None
    head += await reader.read(name + 1)
    return head, head[-1]


class OwnSubscriptions(Broker):  # type: ignore[misc]  # mypy skips amqtt's hints
    """amqtt 0.12 greets each client with the retained messages of everybody's subscriptions: of topics that it never
    asked for, and a second time when it does ask."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        if any(subscriber is session for subscriber, _ in self._subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def _initialize_client_session(self, reader: ReaderAdapter, writer: Any, *about: Any) -> Any:
        """amqtt reads a CONNECT of MQTT 5 as one of 3.1.1, takes its properties for a name, and waits for what never
        comes."""
        try:
            head, version = await read_head(reader)
        except asyncio.IncompleteReadError as error:
            raise MQTTError("the connection ended before its first packet") from error
        if version not in {None, MQTT_3_1_1}:
            writer.write(REFUSALS.get(version, REFUSAL))
            await writer.drain()
            await writer.close()
            raise MQTTError(f"MQTT protocol level {version}")
        return await super()._initialize_client_session(Begun(head, reader), writer, *about)


async def main(port: int) -> None:
    """Serve until the parent ends."""
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = OwnSubscriptions(settings)
    await broker.start()
    say(mqtt_port=port)
    await parent_ended()
    await broker.shutdown()


if __name__ == "__main__":
    follow_parent()
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(main(int(sys.argv[1])))
