"""Topics that the broker refuses. A refused message stays in the outbox and pauses its topic; the others go on.

A paused topic is tried again with one message, after a wait that doubles from a minute to an hour, and at each new
connection. Brokers differ in how they refuse (measured, or read in their trackers):

- a PUBACK with a reason from 0x80 on (MQTT 5), and the connection stays;
- the same, and the connection is closed (mosquitto since 2.0.16 and Debian's 2.0.11): such a topic is not tried at
  each new connection, or every connection would end at once;
- the connection is closed without a word (AWS IoT, HiveMQ under 3.1.1): publisher_drain.py finds the message by
  sending one at a time;
- not at all: under MQTT 3.1.1 mosquitto acknowledges what its ACL denies. That cannot be seen from here, unless it
  closes the connection after it, which is noticed after a few messages.

Where three topics of one family ("summary/device/...") are refused and none is accepted, the family is paused as one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from collectors.clock import Clock

FAMILY_FROM = 3
CLOSED_WITHIN_S = 2.0
"""A connection that ends so soon after a refusal is taken to have ended by it."""


@dataclass(slots=True)
class Refusal:
    """A paused topic, or a family of them ("summary/device/+")."""

    topic: str
    reason: int | None
    """MQTT 5 reason code; None where it was found by the connection's end."""
    text: str
    since_utc: float
    refused_at: float
    retry_at: float
    """Monotonic seconds."""
    wait_s: float
    times: int = 1
    first_seq: int | None = None
    """The lowest number that is held; None where only announcements are."""
    second_seq: int | None = None
    """The next one that is held: every other try is made with it, for it may be the first alone that is not taken."""
    first_octets: int = 0
    closes: bool = False
    trying: bool = False

    def hold(self, seq: int | None, octets: int = 0) -> None:
        if seq is None or seq == self.first_seq:
            return
        if self.first_seq is None or seq < self.first_seq:
            self.first_seq, self.second_seq, self.first_octets = seq, self.first_seq, octets
        elif self.second_seq is None or seq < self.second_seq:
            self.second_seq = seq

    @property
    def next_seq(self) -> int | None:
        """What to try next."""
        return self.second_seq if self.second_seq is not None and self.times % 2 == 0 else self.first_seq


class Refusals:
    """What is paused, over all connections of a run. ``paused`` is called once for each topic that gets so, and
    ``mended`` when the broker takes it again."""

    def __init__(
        self,
        clock: Clock,
        first_s: float,
        cap_s: float,
        *,
        paused: Callable[[Refusal], None],
        mended: Callable[[Refusal], None],
    ) -> None:
        self._clock = clock
        self._first_s = first_s
        self._cap_s = cap_s
        self._on_paused = paused
        self._on_mended = mended
        self._paused: dict[str, Refusal] = {}
        self._accepted_at: dict[str, float] = {}
        self._stream = ""

    def __len__(self) -> int:
        return len(self._paused)

    def all(self) -> tuple[Refusal, ...]:
        return tuple(self._paused.values())

    def holds(self, topic: str, seq: int | None, octets: int = 0) -> bool:
        """True where this topic is paused; the message is remembered as held."""
        found = self._find(topic)
        if found is not None:
            found.hold(seq, octets)
        return found is not None

    def refuse(self, topic: str, seq: int | None, reason: int | None, text: str, octets: int = 0) -> None:
        now = self._clock.monotonic()
        found = self._find(topic)
        if found is None:
            found = Refusal(topic, reason, text, self._clock.utc(), now, now + self._first_s, self._first_s)
            found.hold(seq, octets)
            self._paused[topic] = found
            self._on_paused(self._join_family(found))
            return
        found.hold(seq, octets)
        found.reason, found.text = reason, text
        if found.trying or found.retry_at <= now:
            found.wait_s = min(found.wait_s * 2, self._cap_s)
            found.retry_at = now + found.wait_s
            found.times += 1
        found.refused_at = now
        found.trying = False

    def accept(self, topic: str) -> Refusal | None:
        """A message of this topic was accepted; what of it is paused, and may be mended."""
        if family := _family(topic):
            self._accepted_at[family] = self._clock.monotonic()
        if not self._paused:
            return None
        return self._find(topic)

    def mend(self, refusal: Refusal) -> bool:
        """The broker takes it again; False where it was mended before."""
        if self._paused.get(refusal.topic) is not refusal:
            return False
        del self._paused[refusal.topic]
        self._on_mended(refusal)
        return True

    def due(self) -> list[Refusal]:
        """Those to be tried again now."""
        now = self._clock.monotonic()
        return [found for found in self._paused.values() if not found.trying and found.retry_at <= now]

    def next_in_s(self) -> float | None:
        """Seconds to the next try; None where nothing is paused."""
        times = [found.retry_at for found in self._paused.values() if not found.trying]
        return max(0.0, min(times) - self._clock.monotonic()) if times else None

    def numbered_by(self, stream: str) -> None:
        """Numbers of another stream say nothing in this one."""
        if stream != self._stream:
            self._stream = stream
            for found in self._paused.values():
                found.first_seq = found.second_seq = None
                found.trying = False

    def reconnected(self) -> None:
        """A new connection, perhaps with other rights: all are tried, but for those that would end it."""
        for found in self._paused.values():
            found.trying = False
            if not found.closes:
                found.retry_at = self._clock.monotonic()

    def connection_lost(self) -> bool:
        """True where a refusal of just now may have ended it."""
        now = self._clock.monotonic()
        guilty = [
            found
            for found in self._paused.values()
            if now - found.refused_at <= CLOSED_WITHIN_S or (found.trying and found.closes)
        ]
        for found in guilty:
            if found.trying:
                found.wait_s = min(found.wait_s * 2, self._cap_s)
                found.times += 1
                found.trying = False
            found.closes = True
            found.retry_at = max(found.retry_at, now + found.wait_s)
        return bool(guilty)

    def _find(self, topic: str) -> Refusal | None:
        return self._paused.get(topic) or (self._paused.get(f"{_family(topic)}/+") if self._paused else None)

    def _join_family(self, newest: Refusal) -> Refusal:
        family = _family(newest.topic)
        members = [found for found in self._paused.values() if family and _family(found.topic) == family]
        oldest = min((found.since_utc for found in members), default=0.0)
        accepted = self._accepted_at.get(family)
        began = min((found.refused_at for found in members), default=0.0)
        if len(members) < FAMILY_FROM or (accepted is not None and accepted >= began):
            return newest
        joined = Refusal(
            f"{family}/+", newest.reason, newest.text, oldest, newest.refused_at, newest.retry_at, newest.wait_s
        )
        for member in members:
            joined.hold(member.first_seq)
            joined.closes |= member.closes
            del self._paused[member.topic]
        self._paused[joined.topic] = joined
        return joined


def _family(topic: str) -> str:
    return topic.rpartition("/")[0]
