"""The page's listening socket: how many connections there may be, and how long each may keep the server waiting.

A connection is counted from its accept(2) to the close(2) of its descriptor, before TLS gives it a buffer, so that a
flood costs a fixed amount of memory and of descriptors. Who is over a bound is closed without an answer.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from agent.logs import RareLine
from collectors.clock import Clock

log = logging.getLogger("sonda.http")

MOST_CONNECTIONS = 128
"""In total. 128 that have begun a TLS handshake take 9 MB (measured)."""
MOST_OF_ONE_ADDRESS = 24
"""A browser opens six for each host name, and an open page holds one of them."""
HANDSHAKE_S = 5.0
"""From the accepted connection to the end of its TLS handshake."""
HEADERS_S = 10.0
"""From there, or from the answer before, to the end of a request's headers."""
PATIENCE_S = 1.0
"""Where all connections are taken, the one that has kept us waiting longest makes room for a newcomer, but has this
long: else a flood would have us make and throw away thousands a second."""
UNREAD_S = 30.0
"""How long an answer may lie here while its client reads nothing of it."""
SEND_OCTETS = 128 << 10
"""What the kernel keeps of an answer. In a buffer of megabytes, as it makes them itself, a slow client's progress would
not be seen for minutes."""
LOOK_S = 1.0
"""How often times are looked at."""
TLS_SHUTDOWN_S = 2.0
_AT_ONCE = 64
"""Connections refused in one turn of the loop; the rest waits for the next."""


class Stage(Enum):
    """What a connection is waited for, with the seconds it has."""

    HANDSHAKE = HANDSHAKE_S
    HEADERS = HEADERS_S
    ANSWER = float("inf")
    """Our own answer: as long as we need, and as long as a page stays open."""


class _Held(socket.socket):
    """An accepted connection, which tells its door when its descriptor is closed."""

    door: "Door"
    number: int

    def close(self) -> None:
        self.door.forget(self)
        super().close()


@dataclass(slots=True)
class _Waiting:
    held: _Held
    address: str
    since: float
    stage: Stage = Stage.HANDSHAKE
    unsent: Callable[[], int] = lambda: 0
    """Octets of our answers that the kernel has not taken yet."""
    seen_unsent: int = 0

    def silent(self) -> bool:
        """Whether it has said nothing that we have not read yet."""
        try:
            return not self.held.recv(1, socket.MSG_PEEK)
        except OSError:  # nothing there, or an end
            return True


class Limits(NamedTuple):
    """How many connections there may be."""

    total: int = MOST_CONNECTIONS
    of_one_address: int = MOST_OF_ONE_ADDRESS


class Door:
    """Accepts connections of a listening socket within its limits, and hands each to a protocol of its own, which says
    how far the connection has come."""

    def __init__(self, listening: socket.socket, clock: Clock, limits: Limits | None = None) -> None:
        self._listening = listening
        self._clock = clock
        self._limits = limits or Limits()
        self._open: dict[int, _Waiting] = {}
        """By descriptor, the oldest first."""
        self._greeting: set[asyncio.Task[None]] = set()
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        """Given up to accept, and so refuse, where the process has no descriptor left."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refused = RareLine(clock, log, logging.WARNING)
        self._slow = RareLine(clock, log, logging.WARNING)
        self.refused = 0
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_OCTETS)  # accepted connections inherit it

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        """Accept from now on."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listening.fileno(), self._accept, make, tls)

    def close(self) -> None:
        """Accept no more; what is open stays."""
        if self._loop is not None:
            self._loop.remove_reader(self._listening.fileno())
            self._loop = None
        self._listening.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        for task in self._greeting:
            task.cancel()

    @property
    def closed(self) -> bool:
        """Whether the listening socket is."""
        return self._listening.fileno() < 0

    def end_all(self) -> None:
        """Close every connection."""
        for one in list(self._open.values()):
            self._end(one)

    async def wait_closed(self) -> None:
        """Until nobody is in a handshake any more."""
        if self._greeting:
            await asyncio.wait(self._greeting)

    def _accept(self, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, peer = self._listening.accept()
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    self._refuse_one()
                return
            address = plain_address(str(peer[0]))
            held = _Held(accepted.family, accepted.type, accepted.proto, accepted.detach())
            held.door, held.number = self, held.fileno()
            if not self._admit(address):
                held.close()
                self._count(address)
                continue
            held.setblocking(False)
            self._open[held.number] = _Waiting(held, address, self._clock.monotonic())
            task = asyncio.get_running_loop().create_task(self._greet(held, make, tls), name="http handshake")
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, held: "_Held", make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        """Until the connection stands, or will not. Its errors are the other side's."""
        shutdown_s = TLS_SHUTDOWN_S if tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                make, held, ssl=tls, ssl_shutdown_timeout=shutdown_s
            )
        except OSError as error:
            # asyncio's frames hold the failed handshake, and its error holds them: a circle of 60 kB (measured), which
            # the collector, who counts objects, would leave for an hour.
            traceback.clear_frames(error.__traceback__)

    def _refuse_one(self) -> None:
        """No descriptor is left, and the loop would call again and again: one is given up to send one away."""
        os.close(self._spare)
        try:
            with contextlib.suppress(OSError):
                self._listening.accept()[0].close()
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._count("this machine, which has no descriptor left,")

    def _admit(self, address: str) -> bool:
        if sum(one.address == address for one in self._open.values()) >= self._limits.of_one_address:
            return False
        if len(self._open) < self._limits.total:
            return True
        since = self._clock.monotonic() - PATIENCE_S
        waiting = [one for one in self._open.values() if one.stage is not Stage.ANSWER and one.since <= since]
        oldest = next((one for one in sorted(waiting, key=lambda one: one.since) if one.silent()), None)
        if oldest is None:
            return False
        self._end(oldest)
        return True

    def _count(self, address: str) -> None:
        self.refused += 1
        self._refused.say("The page has as many connections as it may; one from %s was refused.", address)

    def _end(self, one: _Waiting) -> None:
        """The server sees the end of the connection, and closes it."""
        self._open.pop(one.held.number, None)
        with contextlib.suppress(OSError):
            one.held.shutdown(socket.SHUT_RDWR)

    def forget(self, held: _Held) -> None:
        """The connection is closed."""
        one = self._open.get(held.number)
        if one is not None and one.held is held:
            del self._open[held.number]

    def made(self, descriptor: int, unsent: Callable[[], int]) -> None:
        """The connection of that descriptor stands, its handshake is done. ``unsent()`` is what it has to send."""
        if (one := self._open.get(descriptor)) is not None:
            one.unsent = unsent
        self.reached(descriptor, Stage.HEADERS)

    def reached(self, descriptor: int, stage: Stage) -> None:
        """How far the connection of that descriptor has come."""
        one = self._open.get(descriptor)
        if one is not None and one.stage is not stage:
            one.stage, one.since = stage, self._clock.monotonic()

    def end_the_slow(self) -> None:
        """Close what has kept the server waiting for too long."""
        now = self._clock.monotonic()
        for one in list(self._open.values()):
            limit = self._limit(one, now)
            if now - one.since > limit:
                self._end(one)
                if one.stage is not Stage.HEADERS:  # browsers keep a connection for later: nothing to speak of
                    self._slow.say("A connection from %s kept the page waiting and was closed.", one.address)

    @staticmethod
    def _limit(one: _Waiting, now: float) -> float:
        """How long it may last in its present state. Time begins anew with whatever a client takes of an answer."""
        left = one.unsent()
        if left < one.seen_unsent or (left and not one.seen_unsent):
            one.since = now
        one.seen_unsent = left
        return UNREAD_S if left else one.stage.value

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            self.end_the_slow()


def plain_address(address: str) -> str:
    """An IPv4 address that came by an IPv6 socket as itself."""
    return address.removeprefix("::ffff:") if address.startswith("::ffff:") and "." in address else address
