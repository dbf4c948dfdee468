"""The process of the embedded broker: `python -m agent.demo.broker PORT`. MQTT 3.1.1, nothing kept on a disk, whoever
is on this machine may read. Owner of amqtt."""

import asyncio
import logging
import sys

from amqtt.broker import Broker

from agent.demo.children import follow_parent, parent_ended, say

HOST = "127.0.0.1"


async def main(port: int) -> None:
    """Serve until the parent ends."""
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(settings)
    await broker.start()
    say(mqtt_port=port)
    await parent_ended()
    await broker.shutdown()


if __name__ == "__main__":
    follow_parent()
    logging.basicConfig(level=logging.CRITICAL)
    asyncio.run(main(int(sys.argv[1])))
