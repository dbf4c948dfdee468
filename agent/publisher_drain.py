"""Empties the outbox over one connection: a window of unacknowledged messages, live ones first, history paced.

Order when a slot is free: announcements (status, info), one message of a refused topic whose time has come, what was
committed since the connection came up, and what waited before that. History takes at most half of the window and
leaves in small portions at irregular times, so that a thousand probes do not fall upon a broker that restarts.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence

from agent.messages import Message, Outbox
from agent.mqtt_connection import REFUSED_FROM, Connection, Fault, LostError
from agent.mqtt_settings import Pace
from agent.publisher_acks import Acknowledger
from agent.publisher_refusals import Refusal, Refusals
from agent.publisher_sizes import Sizes
from agent.publisher_state import Counters
from agent.publisher_suspicion import Flight, Lane, Suspicion
from collectors.clock import Clock

log = logging.getLogger("sonda.mqtt")

FETCH = 50
"""Messages read ahead a lane; with 128 kB a message at the most, 6.4 MB."""
JUST_S = 0.5
"""An end so soon after a PUBACK may have to do with what was acknowledged."""
PROBATION_S = 1.0
CAREFUL_GAP_S = 0.1
PACKET_EXTRA = 64
"""Octets of a PUBLISH beside topic and payload: header, packet id, properties; rounded up."""
NO_MATCHING_SUBSCRIBERS = 0x10
PACKET_TOO_LARGE, PAYLOAD_INVALID = 0x95, 0x99
OF_THE_MESSAGE = frozenset({PACKET_TOO_LARGE, PAYLOAD_INVALID})
"""Reasons that are about one message, and say nothing of its topic."""


DELIVERY = {Lane.RETRY: "backlog", Lane.LIVE: "live", Lane.HISTORY: "backlog"}


class Drain:
    """Lives as long as its connection; ``run``, ``pace``, ``retry``, ``step`` and ``watch`` are its tasks."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        connection: Connection,
        clock: Clock,
        pace: Pace,
        root: str,
        refusals: Refusals,
        acknowledger: Acknowledger,
        counters: Counters,
        rng: random.Random,
        suspicion: Suspicion,
        sizes: Sizes,
        give_up: Callable[[LostError], None],
    ) -> None:
        self._outbox, self._connection, self._clock, self._pace, self._root = outbox, connection, clock, pace, root
        self._refusals, self._acks, self._counters, self._rng = refusals, acknowledger, counters, rng
        self._give_up = give_up
        self.full_window = max(1, min(pace.window, connection.receive_maximum))
        self._suspicion = suspicion
        self._sizes = sizes
        self._last_accepted: tuple[float, Flight] | None = None
        self._on_probation: list[tuple[float, Refusal]] = []
        self.in_flight: dict[int, Flight] = {}
        self._in_flight_seqs: set[int] = set()
        self._history_in_flight = 0
        self._progress = self._youngest_sent_at = clock.monotonic()
        self._signal = asyncio.Event()
        self._announcements: dict[str, bytes] = {}
        self._held_announcements: dict[str, bytes] = {}
        self._retries: deque[Message] = deque()
        self._stream = outbox.stream
        self._live: deque[Message] = deque()
        self._live_at = 0
        self._live_stale = True
        self._history: deque[Message] = deque()
        self._history_at = self._history_end = 0
        self._sweeps = 0
        self._has_history = asyncio.Event()
        self._allowance = 0.0
        self._finishing = False
        self._over = False
        self._quiet = asyncio.Event()

    @property
    def careful(self) -> bool:
        """One at a time is sent."""
        return self._suspicion.careful

    @property
    def window(self) -> int:
        return 1 if self.careful else self.full_window

    @property
    def just_accepted(self) -> Flight | None:
        """What was acknowledged a moment ago."""
        last = self._last_accepted
        return last[1] if last is not None and self._clock.monotonic() - last[0] <= JUST_S else None

    async def begin(self) -> None:
        """What is committed by now is history."""
        self._refusals.numbered_by(self._stream)
        backlog = await self._outbox.backlog()
        self._live_at = self._history_end = backlog.last_seq
        if backlog.messages:
            self._has_history.set()
        if backlog.messages <= self.full_window:
            self._allowance = float(backlog.messages)  # hardly worth pacing

    def wake(self) -> None:
        """Something was committed."""
        self._live_stale = True
        self._signal.set()

    def announce(self, topic: str, payload: bytes) -> None:
        """Retained and not durable; a newer one takes the place of one that still waits."""
        if self._refusals.holds(topic, None):
            self._held_announcements[topic] = payload
        else:
            self._announcements[topic] = payload
            self._signal.set()

    def announce_now(self, topic: str, payload: bytes) -> None:
        """Past window and lanes, for the farewell: LostError when the connection is gone."""
        self._publish(topic, payload, None, Lane.ANNOUNCEMENT, retain=True)

    def acknowledged(self, ticket: int, reason: int, text: str) -> None:
        flight = self.in_flight.pop(ticket, None)
        if flight is None:
            return
        self._progress = self._clock.monotonic()
        self._youngest_sent_at = max(self._youngest_sent_at, flight.sent_at)
        self._counters.last_puback_utc = self._clock.utc()
        self._history_in_flight -= flight.lane is Lane.HISTORY
        if flight.seq is not None and flight.stream == self._stream:
            self._in_flight_seqs.discard(flight.seq)
        if reason >= REFUSED_FROM:
            self._counters.refusals += 1
            self._turned_down(flight, reason, text)
        else:
            self._accepted(flight, reason)
        self._signal.set()

    def _turned_down(self, flight: Flight, reason: int, text: str) -> None:
        if flight.seq is None or (reason not in OF_THE_MESSAGE and flight.seq not in self._sizes.held):
            self._refusals.refuse(flight.topic, flight.seq, reason, text, flight.octets)
            return
        self._say_apart(flight.topic, flight.octets, text)
        if reason == PACKET_TOO_LARGE:
            self._sizes.too_large(flight.seq, flight.octets, certain=True)
        else:
            self._sizes.set_apart(flight.seq, flight.octets)

    def _say_apart(self, topic: str, octets: int, why: str) -> None:
        self._counters.oversize += 1
        if topic not in self._counters.oversize_topics:
            self._counters.oversize_topics.add(topic)
            log.warning("%s: a message of %d octets is kept back (%s); the others go on", topic, octets, why)

    async def run(self) -> None:
        while True:
            self._signal.clear()
            while await self._fill():
                pass
            if not (self.in_flight or self._live or self._live_stale):
                self._quiet.set()
            await self._signal.wait()

    async def pace(self) -> None:
        """Portions of history at irregular times."""
        if self._allowance < 1:
            await self._clock.sleep(self._rng.uniform(0, self._pace.history_start_s))
        portion = self._pace.history_per_s * self._pace.history_tick_s
        while True:
            await self._has_history.wait()
            self._allowance = max(self._allowance, min(self._allowance + portion, max(1.0, 2 * portion)))
            self._signal.set()
            await self._clock.sleep(self._pace.history_tick_s * self._rng.uniform(0.5, 1.5))

    async def retry(self) -> None:
        """Tries refused topics again, one message each, when their time has come."""
        while True:
            for refusal in self._refusals.due():
                await self._try_again(refusal)
            await self._try_apart()
            self._end_probation()
            soonest = self._refusals.next_in_s()
            await self._clock.sleep(0.25 if self._on_probation else min(5.0, max(0.1, soonest or 5.0)))

    async def step(self) -> None:
        """While one at a time is sent, each waits a moment after the PUBACK of the one before."""
        while self.careful:
            last = self._last_accepted
            if last is not None and self._clock.monotonic() - last[0] >= CAREFUL_GAP_S:
                self._suspicion.clear(last[1].topic)
            self._signal.set()
            await self._clock.sleep(CAREFUL_GAP_S / 2)
        self._signal.set()

    async def watch(self) -> None:
        """A broker that accepts and never acknowledges is left, and dialled anew; so is one that has passed over a
        message: PUBACKs come in the order of the messages (MQTT 5.0, 4.6), so its own will not come any more."""
        limit = self._pace.puback_timeout_s
        while True:
            quiet = self._clock.monotonic() - self._progress if self.in_flight else 0.0
            if quiet >= limit:
                self._give_up(LostError(Fault.SILENT, f"the broker acknowledged nothing for {limit:g} s"))
                return
            oldest = min((flight.sent_at for flight in self.in_flight.values()), default=self._youngest_sent_at)
            if self._youngest_sent_at - oldest >= limit:
                why = f"the broker acknowledged a message and not one sent {limit:g} s before it"
                self._give_up(LostError(Fault.SILENT, why))
                return
            await self._clock.sleep(max(limit - quiet, 0.05))

    async def finish(self) -> None:
        """Returns once all that is live is acknowledged; history is left where it is."""
        self._finishing = True
        self._quiet.clear()
        self.wake()
        await self._quiet.wait()

    async def settled(self) -> None:
        """Returns once nothing is on the way."""
        while self.in_flight:
            self._signal.clear()
            await self._signal.wait()

    def _accepted(self, flight: Flight, reason: int) -> None:
        self._counters.acknowledged += 1
        self._counters.unheard += reason == NO_MATCHING_SUBSCRIBERS
        if flight.seq is not None:
            self._acks.add(flight.stream, flight.seq)
        now = self._clock.monotonic()
        self._last_accepted = (now, flight)
        lowest = self._sizes.accept(flight.topic, flight.seq, flight.octets)
        if lowest is not None:
            self._go_back_to(lowest)
        if (refusal := self._refusals.accept(flight.topic)) is not None:
            self._blame_first(refusal, flight)
            if refusal.closes:
                self._on_probation.append((now + PROBATION_S, refusal))
            else:
                self._mend(refusal)

    def _mend(self, refusal: Refusal) -> None:
        if self._refusals.mend(refusal):
            self._sweep(refusal)

    def _end_probation(self) -> None:
        """A topic that ended connections is trusted once one stands for a while after its message was accepted."""
        now = self._clock.monotonic()
        for until, refusal in self._on_probation:
            if until <= now:
                self._mend(refusal)
        self._on_probation = [(until, refusal) for until, refusal in self._on_probation if until > now]

    def _sweep(self, refusal: Refusal) -> None:
        """What a topic held goes again, as history."""
        for topic in [topic for topic in self._held_announcements if not self._refusals.holds(topic, None)]:
            self._announcements[topic] = self._held_announcements.pop(topic)
        if refusal.first_seq is not None:
            self._go_back_to(refusal.first_seq)

    def _go_back_to(self, seq: int) -> None:
        """What waits from this number on goes again, as history."""
        self._history_at = min(self._history_at, seq - 1)
        self._history_end = max(self._history_end, self._live_at)
        self._history.clear()
        self._sweeps += 1
        self._has_history.set()

    def _blame_first(self, refusal: Refusal, accepted: Flight) -> None:
        """Of a paused topic a message was accepted that is not the one it was paused for: that one alone is not taken,
        because of its size where it is the larger one."""
        first, octets = refusal.first_seq, refusal.first_octets
        if refusal.topic != accepted.topic or accepted.seq is None or first is None or accepted.seq <= first:
            return
        if octets > accepted.octets:
            self._sizes.too_large(first, octets, certain=False)
        else:
            self._sizes.set_apart(first, octets)
        self._say_apart(refusal.topic, octets, refusal.text)

    async def _try_apart(self) -> None:
        """One message that was not taken, again, when its time has come."""
        seq = self._sizes.due()
        if seq is None:
            return
        found = await self._read(seq - 1, 1, seq)
        if found:
            self._sizes.trying = seq
            self._retries.extend(found)
        else:
            self._sizes.forget(seq)
        self._signal.set()

    async def _try_again(self, refusal: Refusal) -> None:
        seq = refusal.next_seq
        if seq is not None:
            found = await self._read(seq - 1, 1, seq)
            if found:
                refusal.trying = True
                self._retries.extend(found)
            elif seq != refusal.first_seq:
                refusal.second_seq = None
            else:  # acknowledged meanwhile, or given up for lack of space: the sweep finds the next one
                self._sweep(refusal)
                refusal.first_seq = refusal.second_seq = None
        elif refusal.topic in self._held_announcements:
            refusal.trying = True
            self._announcements[refusal.topic] = self._held_announcements.pop(refusal.topic)
        self._signal.set()

    def _free(self) -> int:
        if self._over or (self.careful and self._clock.monotonic() - self._progress < CAREFUL_GAP_S):
            return 0
        return self.window - len(self.in_flight)

    async def _fill(self) -> bool:
        """Hands over what may go now; True where there may be more."""
        while self._announcements and self._free() > 0:
            topic = next(iter(self._announcements))
            self._hand_over(topic, self._announcements.pop(topic), None, Lane.ANNOUNCEMENT, retain=True)
        while self._retries and self._free() > 0:
            self._offer(self._retries.popleft(), Lane.RETRY)
        if self._free() <= 0:
            return False
        if self._live:
            while self._live and self._free() > 0:
                self._offer(self._live.popleft(), Lane.LIVE)
            return True
        if self._live_stale:
            self._live_stale = False
            found = await self._read(self._live_at, FETCH)
            if found:
                self._live_at = found[-1].seq
                self._live_stale |= len(found) == FETCH
                self._live.extend(message for message in found if self._is_new(message.seq))
            return True
        return not self._finishing and await self._fill_history()

    async def _fill_history(self) -> bool:
        if not self._has_history.is_set() or self._allowance < 1:
            return False
        if self._history_in_flight >= max(1, self.full_window // 2):
            return False
        if not self._history:
            end, sweeps = self._history_end, self._sweeps
            found = await self._read(self._history_at, FETCH, end) if self._history_at < end else ()
            if sweeps != self._sweeps:
                return True  # it begins anew, further back
            if found:
                self._history_at = found[-1].seq
                self._history.extend(message for message in found if self._is_new(message.seq))
            else:
                self._has_history.clear()
            return bool(found)
        if self._offer(self._history.popleft(), Lane.HISTORY):
            self._allowance -= 1
            self._history_in_flight += 1
        return True

    async def _read(self, above: int, limit: int, up_to: int | None = None) -> Sequence[Message]:
        self._acks.forget_committed()
        found = await self._outbox.waiting(above, limit, up_to)
        if self._stream != self._outbox.stream:
            self._begin_stream()
            return ()
        return found

    def _begin_stream(self) -> None:
        """The store began a new stream under us: numbers start anew."""
        self._stream = self._outbox.stream
        self._live.clear()
        self._history.clear()
        self._retries.clear()
        self._live_at = self._history_at = self._history_end = 0
        self._live_stale = True
        self._sweeps += 1
        self._has_history.clear()
        self._in_flight_seqs.clear()
        self._refusals.numbered_by(self._stream)
        self._sizes.new_stream()

    def _is_new(self, seq: int) -> bool:
        return seq not in self._in_flight_seqs and seq not in self._acks

    def _offer(self, message: Message, lane: Lane) -> bool:
        """True where the message was handed over."""
        if not self._is_new(message.seq):
            return False
        if lane is not Lane.RETRY and self._waits(message):
            return False
        limit = self._connection.maximum_packet
        if limit is not None and len(message.payload) + len(self._root) + len(message.topic) + PACKET_EXTRA > limit:
            self._counters.oversize += 1
            if message.topic not in self._counters.oversize_topics:
                self._counters.oversize_topics.add(message.topic)
                log.warning(
                    "%s: %d octets are more than the broker takes (%d)", message.topic, len(message.payload), limit
                )
            return False
        return self._hand_over(message.topic, message.payload, message.seq, lane, retain=message.retain)

    def _waits(self, message: Message) -> bool:
        """True where its topic is paused, or it is one that the broker does not take."""
        octets = len(message.payload)
        return self._refusals.holds(message.topic, message.seq, octets) or self._sizes.holds(message.seq, octets)

    def _hand_over(self, topic: str, payload: bytes, seq: int | None, lane: Lane, *, retain: bool) -> bool:
        try:
            self._publish(topic, payload, seq, lane, retain=retain)
        except LostError as error:
            self._over = True
            self._give_up(error)
            return False
        return True

    def _publish(self, topic: str, payload: bytes, seq: int | None, lane: Lane, *, retain: bool) -> None:
        now = self._clock.monotonic()
        if not self.in_flight:
            self._progress = now
        ticket = self._connection.publish(f"{self._root}/{topic}", payload, retain=retain, delivery=DELIVERY.get(lane))
        self.in_flight[ticket] = Flight(seq, self._stream, topic, lane, now, len(payload))
        self._counters.published += 1
        if seq is not None:
            self._in_flight_seqs.add(seq)
