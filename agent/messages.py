"""Messages for the central servers: drafts that the store numbers, and the outbox that the publisher empties.

A draft becomes a message in the store's transaction: there it gets its stream and seq and its bytes become final
(agent/README.md). Nothing is published before that commit has returned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """What is to be said: ``topic`` below the root, ``body`` JSON types without the envelope's own keys."""

    topic: str
    schema: str
    body: Mapping[str, Any]
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A committed, numbered message; ``payload`` is what travels, byte for byte."""

    seq: int
    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What still waits for a PUBACK. ``first_seq`` is None where nothing waits."""

    messages: int
    bytes: int
    first_seq: int | None
    last_seq: int
    """The highest number given out in this stream, 0 before the first."""
    acked_to: int
    """Every number at or below it is acknowledged, or named by a gap."""
    unsent: tuple[tuple[int, int], ...] = ()
    """Inclusive ranges above ``acked_to`` that wait while later ones are acknowledged (live goes first)."""


class Outbox(Protocol):
    """What the publisher needs of the store. All calls return after the commit they imply."""

    @property
    def stream(self) -> str:
        """Id of the present stream: the life of one database."""

    async def waiting(self, above_seq: int, limit: int, up_to_seq: int | None = None) -> Sequence[Message]:
        """Unacknowledged messages with above_seq < seq <= up_to_seq, ascending, at most ``limit``."""

    async def acknowledge(self, seqs: Sequence[int]) -> None:
        """These were answered by a PUBACK with a reason below 0x80; saying so twice is harmless."""

    async def backlog(self) -> Backlog:
        """What waits now."""

    async def replay_from(self) -> int:
        """The lowest number of the present stream that can still be said again; one above the last where none can."""
