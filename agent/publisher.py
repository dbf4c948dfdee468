"""The publisher: keeps a connection to the broker and empties the outbox over it, for ever.

It dials, reads the retained info of itself (a database that was rolled back begins a new stream before anything is
said), publishes status and info, and drains. It never ends by itself: every failure is a sentence in ``state``, logged
once per change. Only a failing store raises out of ``run``.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent.messages import Outbox
from agent.mqtt_connection import (
    REFUSED_FROM,
    BrokerError,
    Connection,
    DialError,
    Dialler,
    Fault,
    LostError,
    Version,
)
from agent.mqtt_settings import Pace, ProtocolSetting
from agent.publisher_acks import Acknowledger
from agent.publisher_dialling import Backoff, VersionChoice
from agent.publisher_drain import Drain
from agent.publisher_refusals import Refusal, Refusals
from agent.publisher_session import Session
from agent.publisher_sizes import Sizes
from agent.publisher_state import Clash, Counters, PublisherState, RefusedTopic
from agent.publisher_suspicion import Flight, Suspicion
from agent.publisher_words import Words
from collectors.clock import Clock

log = logging.getLogger("sonda.mqtt")

BLIND = "refusals cannot be seen under MQTT 3.1.1: a broker may acknowledge what its ACL then drops"

CONTRADICTED = 3
"""So often in a row `offline` is said in our name, and it is no last will that came late."""


class Publisher:
    """One for the life of the agent. ``root`` is `sonda/v1/{tenant}/{site}/{probe}`."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        dialler: Dialler,
        clock: Clock,
        root: str,
        boot: str,
        info: Callable[[], Mapping[str, Any]],
        protocol: ProtocolSetting = "auto",
        pace: Pace | None = None,
        on_rolled_back: Callable[[int], Awaitable[None]] | None = None,
        on_clash: Callable[[Clash], None] | None = None,
        on_refused: Callable[[RefusedTopic], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """``info`` gives what the retained info says of the agent (version, clock, backlog, wear, ...).
        ``on_rolled_back(last_seq)`` must begin a new stream in the store before it returns. ``on_clash`` is called once
        for each other boot id, ``on_refused`` once for each topic that gets paused; both must not raise."""
        self._outbox, self._dialler, self._clock, self._root, self._boot = outbox, dialler, clock, root, boot
        self._provide, self._words = info, Words(root, boot, clock)
        self._pace = pace or Pace()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not secrets
        self._on_rolled_back, self._on_clash, self._on_refused = on_rolled_back, on_clash, on_refused
        self._counters = Counters()
        self._refusals = Refusals(
            clock,
            self._pace.refused_first_s,
            self._pace.refused_cap_s,
            paused=self._refused,
            mended=self._mended,
        )
        self._acks = Acknowledger(outbox, clock, self._pace.ack_linger_s)
        self._versions = VersionChoice(protocol, clock, self._pace.five_again_s)
        self._backoff = Backoff(self._pace, self._rng)
        self._suspicion = Suspicion()
        self._sizes = Sizes(clock, self._pace.refused_first_s, self._pace.refused_cap_s)
        self._drain: Drain | None = None
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._info_due = asyncio.Event()
        self._contradicted = asyncio.Event()
        self._said: str | None = None
        self._clashed: set[str | None] = set()
        self._announced = False
        self._rolled_back_at = float("-inf")
        """When a new stream was begun last because of what the broker knew."""
        self._disbelieved = False
        self._subscription_ends_it = 0
        """Connections in a row that ended by our subscription."""
        self._unsubscribed = False
        """The present connection goes without one, therefore."""
        self._base = PublisherState(place=dialler.place, since_utc=clock.utc(), warnings=dialler.warnings)

    @property
    def state(self) -> PublisherState:
        """A snapshot of now."""
        drain, counters, now = self._drain, self._counters, self._clock.monotonic()
        return replace(
            self._base,
            window=drain.window if drain else 0,
            in_flight=len(drain.in_flight) if drain else 0,
            one_at_a_time=drain.careful if drain else False,
            refused=tuple(_refused_topic(refusal, now) for refusal in self._refusals.all()),
            last_puback_utc=counters.last_puback_utc,
            published=counters.published,
            acknowledged=counters.acknowledged,
            unheard=counters.unheard,
            refusals=counters.refusals,
            oversize=counters.oversize,
            reconnects=max(0, counters.connections - 1),
        )

    def wake(self) -> None:
        """Messages were committed."""
        if self._drain is not None:
            self._drain.wake()

    def info_changed(self) -> None:
        """Something important in the info changed; it is published soon, and not more often than every few seconds."""
        self._info_due.set()

    def redial(self) -> None:
        """The network came back: a wait between two dials ends now."""
        self._hurry.set()

    async def stop(self) -> None:
        """Makes ``run`` return: what is live goes, then `offline`, then goodbye. Takes at most twice
        ``Pace.finish_s`` and a second."""
        self._stopping.set()
        self._hurry.set()

    async def run(self) -> None:
        """Until ``stop``. Raises what the store raises. Cancelled, it still says `offline`, within the same bound."""
        for warning in self._dialler.warnings:
            log.warning("MQTT to %s: %s", self._dialler.place, warning)
        async with asyncio.TaskGroup() as group:
            acks = group.create_task(self._acks.run(), name="mqtt.acks")
            dialling = group.create_task(self._dial_for_ever(), name="mqtt.dial")
            stopping = group.create_task(self._stopping.wait(), name="mqtt.stop")
            try:
                await asyncio.wait({dialling, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if self._drain is None:
                    dialling.cancel()
                await asyncio.wait({dialling})
            finally:
                for task in (acks, stopping):
                    task.cancel()
        await self._acks.flush()

    async def _dial_for_ever(self) -> None:
        while not self._stopping.is_set():
            version = self._versions.next()
            began = self._clock.monotonic()
            session = self._new_session()
            error = await self._one_connection(version, session)
            if self._stopping.is_set():
                return
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from error  # the end of the connection has hidden it
            self._failed(error)
            if isinstance(error, DialError) and self._versions.failed(version, error):
                continue
            await self._wait_after(error, session, held=self._clock.monotonic() - began >= self._pace.held_s)

    async def _one_connection(self, version: Version, session: Session) -> BrokerError:
        try:
            async with self._dialler.connect(version, self._words.will(), session) as connection:
                self._versions.connected(version)
                try:
                    await self._converse(connection, session)
                finally:
                    self._drain = None
                    self._base = replace(
                        self._base, connected=False, since_utc=self._clock.utc(), version=None, tls=None
                    )
        except BrokerError as error:
            return error
        return session.gone.result() if session.gone.done() else LostError(Fault.STOPPED, "stopped")

    async def _wait_after(self, error: BrokerError, session: Session, *, held: bool) -> None:
        in_flight = tuple(session.drain.in_flight.values()) if session.drain is not None else ()
        explained = self._ended_by_a_try(in_flight) or (session.drain is not None and self._refusals.connection_lost())
        just_accepted = session.drain.just_accepted if session.drain is not None else None
        culprit = self._suspicion.ended(error, in_flight, just_accepted, explained=explained)
        if culprit is not None and culprit.seq is not None and self._sizes.explains(culprit.topic, culprit.octets):
            log.warning("%s: the broker closes the connection at %d octets", culprit.topic, culprit.octets)
            self._sizes.too_large(culprit.seq, culprit.octets, certain=False)
        elif culprit is not None:
            text = "the broker closes the connection whenever this is published"
            seq = None if culprit is just_accepted else culprit.seq
            self._refusals.refuse(culprit.topic, seq, None, text, culprit.octets)
            self._refusals.connection_lost()
        if error.fault is Fault.TAKEN_OVER:
            self._clash(None, "it took over our session at the broker")
        elif held or explained or culprit is not None:
            self._backoff.reset()
        await self._pause(self._backoff.next_s(error))

    def _ended_by_a_try(self, in_flight: Sequence[Flight]) -> bool:
        """Where a message that was not taken before was on the way again, that is why; it waits longer then."""
        for flight in in_flight:
            if flight.seq is not None and flight.seq == self._sizes.trying:
                self._sizes.set_apart(flight.seq, flight.octets)
                return True
        self._sizes.trying = None
        return False

    async def _pause(self, seconds: float) -> None:
        self._hurry.clear()
        if not self._stopping.is_set():
            await self._within(seconds, self._hurry.wait())

    async def _within(self, seconds: float, *waits: Awaitable[Any]) -> None:
        """Until one of them is done, or the time is up."""
        tasks = [asyncio.ensure_future(wait) for wait in (*waits, self._clock.sleep(seconds))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _converse(self, connection: Connection, session: Session) -> None:
        await self._read_own_info(connection, session)
        self._refusals.reconnected()
        drain = Drain(
            outbox=self._outbox,
            connection=connection,
            clock=self._clock,
            pace=self._pace,
            root=self._root,
            refusals=self._refusals,
            acknowledger=self._acks,
            counters=self._counters,
            rng=self._rng,
            suspicion=self._suspicion,
            sizes=self._sizes,
            give_up=session.lost,
        )
        await self._acks.flush()
        await drain.begin()
        session.drain = self._drain = drain
        self._say_connected(connection)
        self._contradicted.clear()
        session.announced = self._announced = True
        drain.announce("status", self._words.status("online"))
        try:
            async with asyncio.TaskGroup() as group:
                jobs = (drain.run, drain.pace, drain.retry, drain.step, drain.watch)
                tasks = [group.create_task(job(), name=f"mqtt.{job.__name__}") for job in jobs]
                tasks.append(group.create_task(self._announce_info(drain, connection), name="mqtt.info"))
                tasks.append(group.create_task(self._say_online_again(drain), name="mqtt.status"))
                stopping = asyncio.create_task(self._stopping.wait(), name="mqtt.stop")
                try:
                    ends: set[asyncio.Future[Any]] = {session.gone, stopping}
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    if not session.gone.done():
                        await self._within(self._pace.finish_s, drain.finish(), asyncio.shield(session.gone))
                finally:
                    for task in (*tasks, stopping):
                        task.cancel()
        finally:
            if not session.gone.done():
                await self._farewell(connection, session, drain)
            await self._acks.flush()

    async def _farewell(self, connection: Connection, session: Session, drain: Drain) -> None:
        """Without an acknowledged `offline` there is no goodbye either: then the last will says it."""
        session.announced = False
        gone = session.gone
        if len(drain.in_flight) >= connection.receive_maximum:
            await self._within(self._pace.finish_s, drain.settled(), asyncio.shield(gone))
        if gone.done() or len(drain.in_flight) >= connection.receive_maximum:
            return
        try:
            drain.announce_now("status", self._words.status("offline", "stopped"))
        except LostError:
            return
        await self._within(self._pace.finish_s, drain.settled(), asyncio.shield(gone))
        if not drain.in_flight:
            await connection.disconnect()

    async def _read_own_info(self, connection: Connection, session: Session) -> None:
        """Before anything is published: does the broker know of more than the database holds?"""
        if self._subscription_ends_it >= 2 and not self._unsubscribed:
            self._unsubscribed = True  # messages must go all the same; the next connection asks again
            return
        self._unsubscribed = False
        try:
            codes = await connection.subscribe(session.topics)
        except LostError:
            self._subscription_ends_it += 1
            raise (
                session.gone.result()
                if session.gone.done()
                else LostError(Fault.CLOSED, "the broker closed the connection at our subscription")
            ) from None
        if not connection.retains or codes[-1] >= REFUSED_FROM:
            return
        await self._within(self._pace.own_info_s, asyncio.shield(session.info), asyncio.shield(session.gone))
        if session.gone.done():
            self._subscription_ends_it += 1
            raise session.gone.result()
        self._subscription_ends_it = 0
        retained = session.info.result() if session.info.done() else None
        if retained is None or retained.stream != self._outbox.stream:
            return
        known = (await self._outbox.backlog()).last_seq
        if retained.last_seq > known:
            now = self._clock.monotonic()
            if now - self._rolled_back_at < self._pace.new_stream_s:
                if not self._disbelieved:
                    log.warning(
                        "the retained info at the broker names numbers of stream %s that were never given out, again: "
                        "it is not believed. Check who may publish on %s/info.",
                        retained.stream,
                        self._root,
                    )
                self._disbelieved = True
                return
            self._rolled_back_at, self._disbelieved = now, False
            log.warning(
                "the broker knows messages of stream %s up to %d, the database up to %d: it was rolled back",
                retained.stream,
                retained.last_seq,
                known,
            )
            if self._on_rolled_back is not None:
                await self._on_rolled_back(retained.last_seq)

    async def _announce_info(self, drain: Drain, connection: Connection) -> None:
        while True:
            self._info_due.clear()
            if self._outbox.stream:  # while the disk is away nothing is known that could take the place of what stands
                drain.announce("info", await self._info(connection))
            await self._clock.sleep(self._pace.info_gap_s)
            await self._within(self._pace.info_every_s - self._pace.info_gap_s, self._info_due.wait())

    async def _say_online_again(self, drain: Drain) -> None:
        """Where the broker says that we are offline: a last will that came late, or somebody who says so each time."""
        gap_s = self._pace.online_again_s
        times, last = 0, float("-inf")
        while True:
            await self._contradicted.wait()
            self._contradicted.clear()
            now = self._clock.monotonic()
            if now - last > 2 * self._pace.online_again_cap_s:
                gap_s, times = self._pace.online_again_s, 0
            last, times = now, times + 1
            if times == CONTRADICTED:
                log.warning(
                    "somebody at the broker says `offline` on %s/status whenever this probe says `online`: check who "
                    "may publish there. It is contradicted more and more rarely.",
                    self._root,
                )
            drain.announce("status", self._words.status("online"))
            await self._clock.sleep(gap_s)
            gap_s = min(2 * gap_s, self._pace.online_again_cap_s)

    async def _info(self, connection: Connection) -> bytes:
        backlog, stream = await self._outbox.backlog(), self._outbox.stream
        refused = self._refusals.all()
        mqtt = {
            "version": connection.version,
            "tls": connection.tls,
            "warnings": self._warnings(connection.version),
            "refused": [{"topic": found.topic, "reason": found.reason, "text": found.text} for found in refused],
            "kept_back": {"messages": len(self._sizes.held), "from_octets": self._sizes.limit},
        }
        replay_from = await self._outbox.replay_from()
        return self._words.info({**self._provide(), "mqtt": mqtt}, stream, backlog, replay_from)

    def _new_session(self) -> Session:
        return Session(
            self._root,
            self._boot,
            announced_before=self._announced,
            clash=self._clash,
            say_online=self._contradicted.set,
        )

    def _warnings(self, version: Version) -> tuple[str, ...]:
        return self._dialler.warnings + ((BLIND,) if version == "3.1.1" else ())

    def _say_connected(self, connection: Connection) -> None:
        self._counters.connections += 1
        self._said = None
        self._base = replace(
            self._base,
            connected=True,
            since_utc=self._clock.utc(),
            version=connection.version,
            tls=connection.tls,
            warnings=self._warnings(connection.version),
            fault=None,
        )
        log.info("connected to %s, MQTT %s, %s", self._dialler.place, connection.version, connection.tls or "no TLS")

    def _failed(self, error: BrokerError) -> None:
        # What comes by our subscription ends it: the next connection goes without.
        if error.fault in {Fault.TOO_LARGE, Fault.UNASKED}:
            self._subscription_ends_it = max(2, self._subscription_ends_it)
            self._unsubscribed = False
        sentence = str(error)
        if sentence != self._said:
            self._said = sentence
            log.warning("MQTT: %s; everything is kept and sent later", sentence)
        self._base = replace(self._base, fault=error.fault, last_error=sentence, last_error_utc=self._clock.utc())

    def _refused(self, refusal: Refusal) -> None:
        reason = "" if refusal.reason is None else f" (reason 0x{refusal.reason:02x})"
        log.warning(
            "the broker refuses %s/%s: %s%s; its messages are kept", self._root, refusal.topic, refusal.text, reason
        )
        self._info_due.set()
        if self._on_refused is not None:
            self._on_refused(_refused_topic(refusal, self._clock.monotonic()))

    def _mended(self, refusal: Refusal) -> None:
        log.info("the broker takes %s/%s again", self._root, refusal.topic)
        self._info_due.set()

    def _clash(self, boot: str | None, how: str) -> None:
        clash = Clash(boot, how, self._clock.utc())
        self._base = replace(self._base, clash=clash)
        if boot not in self._clashed and len(self._clashed) < 100:
            self._clashed.add(boot)
            log.error("another box speaks as this probe (boot %s): %s", boot or "unknown", how)
            if self._on_clash is not None:
                self._on_clash(clash)


def _refused_topic(refusal: Refusal, now: float) -> RefusedTopic:
    return RefusedTopic(
        topic=refusal.topic,
        reason=refusal.reason,
        text=refusal.text,
        since_utc=refusal.since_utc,
        times=refusal.times,
        retry_in_s=max(0.0, refusal.retry_at - now),
    )
