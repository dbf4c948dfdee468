"""The ICMP echo engine: one socket a family for all targets, timed by the kernel (agent/README.md)."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from collectors.clock import Clock
from collectors.icmp import packet
from collectors.icmp.echo import EchoCounters, EchoSink, EchoTarget, Mode
from collectors.icmp.errqueue import MSG_ERRQUEUE, read_error
from collectors.icmp.ledger import Ledger, new_key
from collectors.icmp.packet import KEY_END, KEY_START
from collectors.icmp.peer import Echo, Peer
from collectors.icmp.sockets import STAMP, Channel, Closed, buffer_help, open_channel, open_spare, permission_help
from collectors.icmp.tcp import TcpConnects

SWEEP_NS = 40_000_000
"""Time runs out for echoes on a grid of this, a multiple of the scheduler's: a wake-up in common with the sends costs
nothing, one of its own as much as ten echoes (200 us on an idle virtual machine, measured)."""
DROPS_EVERY_NS = 1_000_000_000
SENDS_BETWEEN_READS = 100
"""At most so many unread answers of our own in the buffer."""
DISAGREEMENT_NS = 1_000_000
"""Where the clocks differ by more over one echo, the wall clock was stepped: the monotonic difference counts."""
READ_AT_ONCE = 256
"""Messages a wakeup, so that a flood does not hold the loop; the rest is read at the next."""
READ_ALL = 20_000
"""Messages a sweep: more than a receive buffer of 4 MiB holds."""
MESSAGE_OCTETS = 1024
"""Enough for our 64-octet answers behind any IPv4 header, and for an error with a long quote."""
ANCILLARY_OCTETS = 128
ERROR_ANCILLARY_OCTETS = 512
SEND_ATTEMPTS = 16
MAX_SPARES = 7
"""More sockets a family, at most. Echoes to neighbours that do not answer ARP fill the send buffer, 768 octets each for
three seconds: without privilege that is 180 dead echoes a second, and then the living could not be asked (measured)."""
REOPEN_NS = 60_000_000_000
"""A family without an ICMP socket is tried again so often: somebody may have mended the permission."""

Opener = Callable[[int], Channel | Closed]
SpareOpener = Callable[[Channel], Channel | None]


class IcmpEngine:
    """Sends echoes from the loop, tells ``sink`` how each ended. A context manager: opens and closes the sockets.

    Opening never raises for want of permission: then TCP connects to ``tcp_port`` stand in (None: not even those,
    and the echoes are AGENT_FAULT ``icmp_permission``).
    """

    def __init__(
        self,
        clock: Clock,
        sink: EchoSink,
        *,
        opener: Opener = open_channel,
        spare_opener: SpareOpener = open_spare,
        tcp_port: int | None = 80,
    ) -> None:
        self._clock = clock
        self._utc_ns = clock.utc_ns
        self._monotonic_ns = clock.monotonic_ns
        self._opener = opener
        self._spare_opener = spare_opener
        self._channels: dict[int, Channel | Closed] = {}
        self._sockets: list[Channel] = []
        """All that is open: the channels and their spares."""
        self._ledger = Ledger(sink)
        self._tcp = None if tcp_port is None else TcpConnects(clock, self._ledger, tcp_port)
        self._offset = clock.utc_ns() - clock.monotonic_ns()
        self._drops_read = self._reopened = clock.monotonic_ns()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        for version in (4, 6):
            self._open(version)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._sockets:
            self._unwatch(channel)
            channel.sock.close()
        self._sockets.clear()
        self._channels.clear()
        if self._tcp is not None:
            self._tcp.close(self._loop)

    @property
    def modes(self) -> Mapping[int, Mode]:
        """How echoes leave, by IP version."""
        return {version: self._mode(channel) for version, channel in self._channels.items()}

    def _mode(self, channel: Channel | Closed) -> Mode:
        if isinstance(channel, Channel):
            return channel.mode
        return Mode.TCP if self._tcp is not None and channel.reason == "icmp_permission" else Mode.NONE

    @property
    def counters(self) -> EchoCounters:
        """What happened since the start."""
        return self._ledger.counters

    def mends(self) -> tuple[str, ...]:
        """What to change on this machine so that echoes are measured as they should be; empty where all is well."""
        denied = any(isinstance(c, Closed) and c.reason == "icmp_permission" for c in self._channels.values())
        small = [channel.buffer_octets for channel in self._sockets]
        help_for_buffer = buffer_help(min(small)) if small else None
        return ((permission_help(),) if denied else ()) + ((help_for_buffer,) if help_for_buffer else ())

    async def run(self) -> None:
        """Read answers as they come and sweep every 40 ms, until cancelled."""
        self._loop = asyncio.get_running_loop()
        for channel in self._sockets:
            self._watch(channel)
        try:
            while True:
                await self._clock.sleep((SWEEP_NS - self._monotonic_ns() % SWEEP_NS) / 1e9)
                self.sweep()
        finally:
            for channel in self._sockets:
                self._unwatch(channel)
            if self._tcp is not None:
                self._tcp.close(self._loop)
            self._loop = None

    def forget(self, target: str) -> None:
        """Drop what is kept of a target. Echoes on their way still end, as samples."""
        self._ledger.forget(target)

    # ---- sending

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        """Send one echo now; a failure is told to the sink before this returns."""
        ledger = self._ledger
        try:
            peer = ledger.peer(target)
        except ValueError:
            ledger.fault(target.id, 0, "bad_address", self._monotonic_ns(), confirm=confirm)
            return
        if confirm:
            number = peer.confirms
            peer.confirms = number + 1
        else:
            number = peer.echoes
            peer.echoes = number + 1
        channel = self._channels.get(peer.version)
        if not isinstance(channel, Channel):
            self._send_otherwise(channel, peer, number, confirm=confirm)
            return
        if channel.unread >= SENDS_BETWEEN_READS:
            self._read(channel, READ_ALL)
        key, count = new_key(peer), peer.count
        if channel.checksummed:
            message = packet.echo_request(channel.identifier, key)
        else:
            message = channel.prefix + key + packet.PADDING
        try:
            sockaddr = peer.sockaddr or peer.locate()
            wall = self._utc_ns()
            mono = self._monotonic_ns()
            if not -DISAGREEMENT_NS < wall - mono - self._offset < DISAGREEMENT_NS:
                wall, mono = self._read_clocks()
            channel.sock.sendto(message, sockaddr)
        except OSError as error:
            again = self._send_again(channel, peer, message, error)
            if isinstance(again, str):
                ledger.fault(target.id, number, again, self._monotonic_ns(), confirm=confirm)
                return
            wall, mono = again
        else:
            channel.unread += 1
        ledger.counters.sent += 1
        ledger.waiting[key] = Echo(peer, count, number, confirm, wall, mono, confirm)

    def _send_otherwise(self, channel: Closed | None, peer: Peer, number: int, *, confirm: bool) -> None:
        if channel is not None and self._tcp is not None and self._loop and self._mode(channel) is Mode.TCP:
            self._tcp.send(peer, number, self._loop, confirm=confirm)
            return
        reason = channel.reason if channel else "engine_closed"
        self._ledger.fault(peer.target.id, number, reason, self._monotonic_ns(), confirm=confirm)

    def _send_again(self, channel: Channel, peer: Peer, message: bytes, error: OSError) -> tuple[int, int] | str:
        """After a failed send. On a shared datagram socket the failure may be the pending ICMP error of an echo to
        somebody else (31 of 900 sends, measured): drain the error queue and send again. A third attempt needs a
        queue that holds something once more, else the failure is our own. Where the send buffer is full a spare socket
        sends. Returns the clocks at the send, or why not."""
        retried = False
        for _ in range(SEND_ATTEMPTS):
            if _buffer_is_full(channel, error):
                spare = self._spare(channel)
                if spare is None:
                    break
                channel = spare
            elif not self._drain(channel) and retried:
                break
            retried = True
            if peer.zone:
                peer.sockaddr = None  # its interface may have come back with another index
            try:
                sockaddr = peer.sockaddr or peer.locate()
                wall, mono = self._read_clocks()
                channel.sock.sendto(message, sockaddr)
            except OSError as another:
                error = another
            else:
                channel.unread += 1
                self.counters.resent += 1
                return wall, mono
        return f"send_{errno.errorcode.get(error.errno or 0, 'failed').lower()}"

    def _read_clocks(self) -> tuple[int, int]:
        """Both clocks as of one moment. A thread that lost the processor between the two readings looks as if the
        clock had been stepped; but a step is still there when they are read again."""
        for _ in range(3):
            wall, mono = self._utc_ns(), self._monotonic_ns()
            before, self._offset = self._offset, wall - mono
            if -DISAGREEMENT_NS < self._offset - before < DISAGREEMENT_NS:
                break
        return wall, mono

    def _spare(self, full: Channel) -> Channel | None:
        """The next socket of that family, opened if need be, its answers read in time."""
        mine = [channel for channel in self._sockets if channel.version == full.version]
        following = mine.index(full) + 1
        if following < len(mine):
            spare = mine[following]
        else:
            opened = self._spare_opener(full) if following <= MAX_SPARES else None
            if opened is None:
                return None
            spare = opened
            self._sockets.append(spare)
            self._watch(spare)
        if spare.unread >= SENDS_BETWEEN_READS:
            self._read(spare, READ_ALL)
        return spare

    # ---- reading

    def _open(self, version: int) -> None:
        self._channels[version] = channel = self._opener(version)
        if isinstance(channel, Channel):
            self._sockets.append(channel)
            self._watch(channel)

    def _watch(self, channel: Channel) -> None:
        if self._loop is not None:
            self._loop.add_reader(channel.sock.fileno(), self._readable, channel)

    def _unwatch(self, channel: Channel) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(channel.sock.fileno())

    def _readable(self, channel: Channel) -> None:
        if not self._read(channel, READ_AT_ONCE):
            self._drain(channel)  # only the error queue can have woken us

    def _read(self, channel: Channel, limit: int) -> int:
        """Read until the socket is empty, at most ``limit`` messages; how many there were."""
        channel.unread = 0
        receive = channel.sock.recvmsg
        waiting, reply_type, stamp_option = self._ledger.waiting, channel.reply_type, channel.stamp_option
        unpack = STAMP[stamp_option].unpack
        for n in range(limit):
            try:
                data, ancillary, _, source = receive(MESSAGE_OCTETS, ANCILLARY_OCTETS)
            except BlockingIOError:
                return n
            except OSError:
                self._drain(channel)  # a pending error of the socket comes before its messages
                continue
            wall = self._utc_ns()
            mono = self._monotonic_ns()
            if channel.headed:
                octets = packet.header_length(data)
                data = b"" if octets is None else data[octets:]
            key = data[KEY_START:KEY_END]
            echo = waiting.get(key)
            if echo is None or source is None or data[0] != reply_type or source[0] != echo.peer.host:
                self._other(channel, data, source[0] if source else "", mono)
                continue
            elapsed = mono - echo.mono
            flag = None
            for _, kind, stamp in ancillary:
                if kind == stamp_option:
                    seconds, nanoseconds = unpack(stamp)
                    rtt = seconds * 1_000_000_000 + nanoseconds - echo.wall
                    break
            else:
                rtt = elapsed
                self.counters.unstamped += 1
            # Both clocks were read at both ends: they have to agree on this echo, and the stamp has to lie within.
            if (
                not -DISAGREEMENT_NS < wall - echo.wall - elapsed < DISAGREEMENT_NS
                or not -DISAGREEMENT_NS < rtt < elapsed + DISAGREEMENT_NS
            ):
                rtt, flag = self._judge(echo, rtt)
            self._ledger.answered(key, max(rtt, 0), flag, mono)
        return limit

    def _judge(self, echo: Echo, by_stamp: int) -> tuple[int, str | None]:
        """The round trip in ns and its flag where the clocks seemed to disagree: read them again, as one moment."""
        wall, mono = self._read_clocks()
        elapsed = mono - echo.mono
        agree = -DISAGREEMENT_NS < wall - echo.wall - elapsed < DISAGREEMENT_NS
        if agree and -DISAGREEMENT_NS < by_stamp < elapsed + DISAGREEMENT_NS:
            return by_stamp, None
        self.counters.clock += 1
        return elapsed, "clock"

    def _other(self, channel: Channel, data: bytes, source: str, now: int) -> None:
        """A message that answers no echo on its way."""
        counters = self.counters
        if len(data) < packet.HEADER_OCTETS:
            counters.malformed += 1
        elif data[0] == channel.reply_type:
            if channel.mode is Mode.RAW and int.from_bytes(data[4:6], "big") != channel.identifier:
                counters.foreign += 1
            else:
                self._ledger.stray(data, source, now)
        else:
            error = packet.quoted_error(channel.version, data)
            if error is None:
                counters.malformed += 1
            elif error.identifier != channel.identifier:
                counters.foreign += 1
            else:
                self._ledger.error(error)

    def _drain(self, channel: Channel) -> int:
        """Empty the error queue; how many errors it held. A raw socket is handed each ICMP error as a message as well,
        and its queue also has those of other programs' echoes: what stands in it is thrown away."""
        for n in range(READ_ALL):
            try:
                quote, ancillary, _, about = channel.sock.recvmsg(MESSAGE_OCTETS, ERROR_ANCILLARY_OCTETS, MSG_ERRQUEUE)
            except OSError:
                return n
            if channel.mode is Mode.RAW:
                continue
            error = read_error(quote, ancillary, about[0]) if about else None
            if error is None:
                self.counters.malformed += 1
            else:
                self._ledger.error(error)
        return READ_ALL

    # ---- time

    def sweep(self) -> None:
        """Read what is there, then let time run out: overdue signals, losses; once a second the drops."""
        now = self._monotonic_ns()  # before reading: an answer that came in time has then been read
        for channel in list(self._sockets):  # a sink that is told may send, and that may open another
            self._read(channel, READ_ALL)
            self._drain(channel)
        self._read_clocks()
        expired, overdue = self._ledger.due(now)
        if expired or now - self._drops_read >= DROPS_EVERY_NS:
            self._drops_read = now
            self._read_drops()
        for key in overdue:
            self._ledger.overdue(key)
        for key in expired:
            if key in self._ledger.waiting:
                connect = self._tcp is not None and self._tcp.expire(key, self._loop)
                self._ledger.lost(key, "tcp_timeout" if connect else "timeout")
        if now - self._reopened >= REOPEN_NS:
            self._reopened = now
            self._reopen()

    def _read_drops(self) -> None:
        for channel in self._sockets:
            if dropped := channel.read_drops():
                self._ledger.suspect(channel.version, dropped)

    def _reopen(self) -> None:
        for version, channel in list(self._channels.items()):
            if isinstance(channel, Closed):
                self._open(version)


def _buffer_is_full(channel: Channel, error: OSError) -> bool:
    """Whether a send failed because the socket's own send buffer is full."""
    if channel.mode is Mode.DATAGRAM:
        return error.errno == errno.EAGAIN
    return error.errno == errno.ENOBUFS and channel.send_buffer_full()
