"""The process of the embedded broker: `python -m agent.demo.broker PORT`. MQTT 3.1.1, nothing kept on a disk, whoever
is on this machine may read. Owner of amqtt."""

import asyncio
import logging
import sys

from amqtt.broker import Broker
from amqtt.session import Session

from agent.demo.children import follow_parent, parent_ended, say

HOST = "127.0.0.1"


class OwnSubscriptions(Broker):  # type: ignore[misc]  # mypy skips amqtt's hints
    """amqtt 0.12 greets each client with the retained messages of everybody's subscriptions: of topics that it never
    asked for, and a second time when it does ask."""

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        if any(subscriber is session for subscriber, _ in self._subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)


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
