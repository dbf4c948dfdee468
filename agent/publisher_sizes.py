"""Single messages that the broker does not take although it takes others of their topic, above all for their size.

Where a broker does not say how large a message may be (MQTT 3.1.1, or a limit of its own), a refused size is a limit:
whatever is as large waits without a try of its own, and all else goes. Now and then the smallest of what waits is
tried; once one is accepted, the others are tried again.
"""

from dataclasses import dataclass, field

from collectors.clock import Clock

MOST = 4096


@dataclass(slots=True)
class Sizes:
    """Over all connections of a run. Sizes are octets of payload."""

    clock: Clock
    first_s: float
    cap_s: float
    """A try of the smallest comes after the first, doubling to the cap."""
    accepted: int = 0
    """The largest that was accepted."""
    limit: int | None = None
    """Of what is as large as this nothing is tried."""
    held: dict[int, int] = field(default_factory=dict)
    """Size by number, of what waits; above MOST, the smallest of them."""
    trying: int | None = None
    _guesses: int = 0
    _topics: dict[str, int] = field(default_factory=dict)
    _wait_s: float = 0.0
    _retry_at: float = 0.0

    def holds(self, seq: int, octets: int) -> bool:
        """True where this message waits; it is remembered."""
        if seq not in self.held and (self.limit is None or octets < self.limit):
            return False
        self._hold(seq, octets)
        return True

    def set_apart(self, seq: int, octets: int) -> None:
        """The broker did not take this one."""
        now = self.clock.monotonic()
        if self.trying == seq or not self.held:
            self._wait_s = min(max(2 * self._wait_s, self.first_s), self.cap_s)
            self._retry_at = now + self._wait_s
        self.trying = None if self.trying == seq else self.trying
        self._hold(seq, octets)

    def too_large(self, seq: int, octets: int, *, certain: bool) -> None:
        """The same, for its size. ``certain``: the broker said so. Else each further guess halves what lies between
        this and what was accepted, so that few connections are paid for finding the limit."""
        limit = octets
        if not certain:
            self._guesses += 1
            if self._guesses > 1 and octets > self.accepted:
                limit = self.accepted + max((octets - self.accepted + 1) // 2, 1)
        self.limit = limit if self.limit is None else min(limit, self.limit)
        self.set_apart(seq, octets)

    def explains(self, topic: str, octets: int) -> bool:
        """Whether it is its size that the broker does not take: of this topic it takes smaller ones."""
        return octets > self.accepted and topic in self._topics

    def accept(self, topic: str, seq: int | None, octets: int) -> int | None:
        """A message was accepted; where others are therefore to be tried again, the lowest number of these."""
        self.accepted = max(self.accepted, octets)
        if topic in self._topics or len(self._topics) < MOST:
            self._topics[topic] = max(self._topics.get(topic, 0), octets)
        if seq not in self.held and (self.limit is None or octets < self.limit):
            return None
        self.limit, self.trying, self._guesses, self._wait_s = None, None, 0, 0.0
        waiting = [number for number in self.held if number != seq]
        self.held.clear()
        return min(waiting, default=None)

    def due(self) -> int | None:
        """The smallest that waits, where it is time to try it."""
        if not self.held or self.trying is not None or self.clock.monotonic() < self._retry_at:
            return None
        return min(self.held, key=lambda seq: (self.held[seq], seq))

    def forget(self, seq: int) -> None:
        """It does not wait any more."""
        self.held.pop(seq, None)
        self.trying = None

    def new_stream(self) -> None:
        """Numbers of another stream say nothing in this one."""
        self.held.clear()
        self.trying = None

    def _hold(self, seq: int, octets: int) -> None:
        self.held[seq] = octets
        if len(self.held) > MOST:
            del self.held[max(self.held, key=lambda number: self.held[number])]
