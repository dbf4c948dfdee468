"""What the publisher itself says: the retained ``status`` and ``info`` (agent/README.md). Neither has a number."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agent.messages import Backlog
from agent.mqtt_connection import Will
from collectors.clock import Clock

log = logging.getLogger("sonda.mqtt")

CONTRACT = 1
"""Version of the MQTT contract."""
STATUS_SCHEMA = "sonda.status.v1"
INFO_SCHEMA = "sonda.info.v1"
UNSENT_RANGES = 200
"""More are merged at the end; naming a number that was sent does no harm, leaving one out that waits would."""


class Words:
    """Bodies for one probe and boot."""

    def __init__(self, root: str, boot: str, clock: Clock) -> None:
        self._root, self._boot, self._clock = root, boot, clock

    def status(self, state: str, reason: str | None = None) -> bytes:
        body: dict[str, Any] = {"state": state, "since": self._now()}
        return self._render(STATUS_SCHEMA, body | ({"reason": reason} if reason else {}))

    def will(self) -> Will:
        """The broker publishes it at a time that we cannot know, hence no ``since``."""
        body = {"state": "offline", "since": None, "reason": "connection_lost"}
        return Will(f"{self._root}/status", self._render(STATUS_SCHEMA, body, moment="connected_at"))

    def info(self, body: Mapping[str, Any], stream: str, backlog: Backlog, replay_from: int) -> bytes:
        unsent = list(backlog.unsent)
        if len(unsent) > UNSENT_RANGES:
            unsent = [*unsent[: UNSENT_RANGES - 1], (unsent[UNSENT_RANGES - 1][0], unsent[-1][1])]
        own = {
            "contract": CONTRACT,
            "stream": stream,
            "last_seq": backlog.last_seq,
            "acked_to": backlog.acked_to,
            "unsent": unsent,
            "replay_from": replay_from,
        }
        try:
            return self._render(INFO_SCHEMA, {**body, **own})
        except (TypeError, ValueError) as error:  # not worth a connection: what the contract needs is in ``own``
            log.error("the agent's info is no JSON (%s): only numbers are published", error)  # noqa: TRY400 - no trace needed
            return self._render(INFO_SCHEMA, own)

    def _render(self, schema: str, body: Mapping[str, Any], moment: str = "made_at") -> bytes:
        probe = self._root.rpartition("/")[2]
        envelope = {"schema": schema, "probe": probe, "boot": self._boot, moment: self._now()}
        return json.dumps(envelope | dict(body), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def _now(self) -> str:
        return (
            datetime.fromtimestamp(self._clock.utc(), UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
            + "Z"
        )
