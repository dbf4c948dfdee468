"""Which message does a broker not want, when it closes the connection without a word?

Instead of a PUBACK (HiveMQ and AWS IoT under 3.1.1), right after it (mosquitto under 3.1.1, which acknowledges what its
ACL denies, and then closes), or with a PUBACK that is lost in the close (mosquitto under MQTT 5, at times).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from agent.mqtt_connection import BrokerError, Fault, LostError


class Lane(Enum):
    """Where a message comes from."""

    ANNOUNCEMENT = auto()
    RETRY = auto()
    LIVE = auto()
    HISTORY = auto()


@dataclass(frozen=True, slots=True)
class Flight:
    """A message on the way. ``seq`` is None for announcements."""

    seq: int | None
    stream: str
    topic: str
    lane: Lane
    sent_at: float = 0.0
    """Monotonic seconds."""
    octets: int = 0
    """Of the payload."""


class Suspicion:
    """Topics that were on the way, or just acknowledged, at each of the last ends are suspect. After two such ends one
    message at a time is sent, until each suspect was accepted and the connection stood, or one was alone before two
    ends in a row: that is the culprit."""

    def __init__(self) -> None:
        self._ends = 0
        self._suspects: set[str] = set()
        self._alone: tuple[str, int | None] | None = None

    @property
    def careful(self) -> bool:
        return self._ends >= 2 and bool(self._suspects)

    def clear(self, topic: str) -> None:
        """A message of it was accepted, and the connection stood a moment longer."""
        self._suspects.discard(topic)
        if not self._suspects:
            self._ends = 0

    def ended(
        self, error: BrokerError, in_flight: Collection[Flight], just_accepted: Flight | None, *, explained: bool
    ) -> Flight | None:
        """``explained``: a refusal that was seen says why. The culprit, where it is found."""
        if not isinstance(error, LostError):
            return None
        if explained or error.fault not in {Fault.CLOSED, Fault.NOT_AUTHORISED, Fault.BROKER}:
            self._forget()
            return None
        if just_accepted is not None and just_accepted.seq is None:
            just_accepted = None
        near = {flight.topic for flight in in_flight} | ({just_accepted.topic} if just_accepted else set())
        if not near:
            return None
        common = self._suspects & near
        self._ends = self._ends + 1 if common else 1
        self._suspects = common or near
        return self._culprit(in_flight, just_accepted)

    def _culprit(self, in_flight: Collection[Flight], just_accepted: Flight | None) -> Flight | None:
        alone: Flight | None = None
        before, self._alone = self._alone, None
        if len(in_flight) == 1:
            (alone,) = in_flight
            self._alone = (alone.topic, alone.seq)
        elif not in_flight and just_accepted is not None:
            alone = just_accepted
            self._alone = (alone.topic, None)
        if before is None or before != self._alone:
            return None
        self._forget()
        return alone

    def _forget(self) -> None:
        self._ends, self._alone = 0, None
        self._suspects = set()
