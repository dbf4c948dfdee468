"""The ICMP echo engine: one socket a family for all targets, timed by the kernel (DESIGN section 5)."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from collectors.clock import Clock
from collectors.icmp import packet
from collectors.icmp.echo import WAIT_NS, EchoCounters, EchoSink, EchoTarget, Mode
from collectors.icmp.errqueue import MSG_ERRQUEUE, read_error
from collectors.icmp.packet import KEY, KEY_END, KEY_START, IcmpError
from collectors.icmp.peer import Echo, Peer, meet
from collectors.icmp.sockets import STAMP, Channel, Closed, open_channel
from kpi.model import Metric, Outcome, Sample

SWEEP_S = 0.05
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
SEND_ATTEMPTS = 4
REOPEN_NS = 60_000_000_000
"""A family without an ICMP socket is tried again so often: somebody may have mended the permission."""

Opener = Callable[[int], Channel | Closed]


class IcmpEngine:
    """Sends echoes from the loop, hands every end to ``sink``. A context manager: opens and closes the sockets.

    Opening never raises for want of permission: such a family's echoes end as AGENT_FAULT, ``icmp_permission``.
    """

    def __init__(self, clock: Clock, sink: EchoSink, *, opener: Opener = open_channel) -> None:
        self._clock = clock
        self._utc_ns = clock.utc_ns
        self._monotonic_ns = clock.monotonic_ns
        self._sink = sink
        self._opener = opener
        self._channels: dict[int, Channel | Closed] = {}
        self._peers: dict[str, Peer] = {}
        self._by_token: dict[bytes, Peer] = {}
        self._by_host: dict[str, list[Peer]] = {}
        self._waiting: dict[bytes, Echo] = {}
        """Echoes on their way by key, in the order they were sent."""
        self._offset = clock.utc_ns() - clock.monotonic_ns()
        self._drops_read = 0
        self._reopened = clock.monotonic_ns()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counters = EchoCounters()

    def __enter__(self) -> Self:
        for version in (4, 6):
            self._channels[version] = self._opener(version)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            if isinstance(channel, Channel):
                self._unwatch(channel)
                channel.sock.close()
        self._channels.clear()

    @property
    def modes(self) -> Mapping[int, Mode]:
        """How echoes leave, by IP version."""
        return {
            version: channel.mode if isinstance(channel, Channel) else Mode.NONE
            for version, channel in self._channels.items()
        }

    async def run(self) -> None:
        """Read answers as they come and sweep every 50 ms, until cancelled."""
        self._loop = asyncio.get_running_loop()
        for channel in self._channels.values():
            self._watch(channel)
        try:
            while True:
                await self._clock.sleep(SWEEP_S)
                self.sweep()
        finally:
            for channel in self._channels.values():
                self._unwatch(channel)
            self._loop = None

    def forget(self, target: str) -> None:
        """Drop what is kept of a target. Echoes on their way still end, as samples."""
        peer = self._peers.pop(target, None)
        if peer is not None:
            self._by_token.pop(peer.token, None)
            namesakes = self._by_host[peer.host]
            namesakes.remove(peer)
            if not namesakes:
                del self._by_host[peer.host]

    # ---- sending

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        """Send one echo now; a failure is told to the sink before this returns."""
        peer = self._peers.get(target.id)
        if peer is None or peer.address != target.address:
            known = self._meet(target, peer)
            if known is None:
                return
            peer = known
        peer.target = target
        if confirm:
            number = peer.confirms
            peer.confirms = number + 1
        else:
            number = peer.echoes
            peer.echoes = number + 1
        channel = self._channels.get(peer.version)
        if not isinstance(channel, Channel):
            self._fault(target.id, number, confirm, channel.reason if channel else "engine_closed")
            return
        if channel.unread >= SENDS_BETWEEN_READS:
            self._read(channel, READ_ALL)
        peer.count = count = peer.count + 1
        key = KEY.pack(count & 0xFFFF, peer.token, count)
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
                self._fault(target.id, number, confirm, again)
                return
            wall, mono = again
        channel.unread += 1
        self.counters.sent += 1
        self._waiting[key] = Echo(peer, count, number, confirm, wall, mono, confirm)

    def _send_again(self, channel: Channel, peer: Peer, message: bytes, error: OSError) -> tuple[int, int] | str:
        """After a failed send. On a shared datagram socket the failure may be the pending ICMP error of an echo to
        somebody else (31 of 900 sends, measured): drain the error queue and send again. Each further attempt needs
        a queue that held something, else the failure is our own. Returns the clocks at the send, or the reason."""
        for _ in range(1, SEND_ATTEMPTS):
            drained = self._drain(channel)
            try:
                sockaddr = peer.sockaddr or peer.locate()
                wall, mono = self._read_clocks()
                channel.sock.sendto(message, sockaddr)
            except OSError as another:
                error = another
                if not drained:
                    break
            else:
                self.counters.resent += 1
                return wall, mono
        if peer.zone:
            peer.sockaddr = None  # the interface may come back with another index
        return f"send_{errno.errorcode.get(error.errno or 0, 'failed').lower()}"

    def _meet(self, target: EchoTarget, known: Peer | None) -> Peer | None:
        """The peer of a target seen for the first time, or at a new address; None (and a fault) for a bad address."""
        try:
            peer = meet(target)
        except ValueError:
            self._fault(target.id, 0, False, "bad_address")
            return None
        if known is not None:
            peer.echoes, peer.confirms = known.echoes, known.confirms
            self.forget(target.id)
        self._peers[target.id] = self._by_token[peer.token] = peer
        self._by_host.setdefault(peer.host, []).append(peer)
        return peer

    def _read_clocks(self) -> tuple[int, int]:
        """Both clocks as of one moment. A thread that lost the processor between the two readings would look like a
        stepped clock: such a reading is not repeatable, a step is."""
        for _ in range(3):
            wall, mono = self._utc_ns(), self._monotonic_ns()
            before, self._offset = self._offset, wall - mono
            if -DISAGREEMENT_NS < self._offset - before < DISAGREEMENT_NS:
                break
        return wall, mono

    # ---- reading

    def _watch(self, channel: Channel | Closed) -> None:
        if self._loop is not None and isinstance(channel, Channel):
            self._loop.add_reader(channel.sock.fileno(), self._readable, channel)

    def _unwatch(self, channel: Channel | Closed) -> None:
        if self._loop is not None and isinstance(channel, Channel) and not self._loop.is_closed():
            self._loop.remove_reader(channel.sock.fileno())

    def _readable(self, channel: Channel) -> None:
        if not self._read(channel, READ_AT_ONCE):
            self._drain(channel)  # only the error queue can have woken us

    def _read(self, channel: Channel, limit: int) -> int:
        """Read until the socket is empty, at most ``limit`` messages; how many there were."""
        channel.unread = 0
        receive = channel.sock.recvmsg
        waiting, reply_type, stamp_option = self._waiting, channel.reply_type, channel.stamp_option
        unpack = STAMP[stamp_option].unpack
        start, end = KEY_START, KEY_END
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
            if len(data) < end:
                self._other(channel, data)
                continue
            echo = waiting.get(data[start:end])
            if echo is None or data[0] != reply_type or source[0] != echo.peer.host:
                self._other(channel, data)
                continue
            rtt = elapsed = mono - echo.mono
            flag = None
            for _, kind, stamp in ancillary:
                if kind == stamp_option:
                    seconds, nanoseconds = unpack(stamp)
                    rtt = seconds * 1_000_000_000 + nanoseconds - echo.wall
                    break
            else:
                self.counters.unstamped += 1
            # Both clocks were read at both ends; what they say of this echo has to agree, and the stamp lie within.
            disagreement = wall - echo.wall - elapsed
            if (
                not -DISAGREEMENT_NS < disagreement < DISAGREEMENT_NS
                or not -DISAGREEMENT_NS < rtt < elapsed + DISAGREEMENT_NS
            ):
                rtt, flag = self._judge(echo, rtt)
            del waiting[data[start:end]]
            self._answered(echo, max(rtt, 0), flag)
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

    def _answered(self, echo: Echo, rtt: int, flag: str | None) -> None:
        peer = echo.peer
        if rtt > WAIT_NS:
            peer.lose(echo.count)
            self._lost(echo, "timeout")
            self._late(peer, echo.count)
            return
        self.counters.answered += 1
        self._sink.take(
            Sample(
                peer.target.id,
                Metric.CONFIRM if echo.confirm else Metric.ECHO,
                "",
                echo.mono / 1e9,
                rtt / 1e6,
                Outcome.OK,
                flag,
                echo.number,
            )
        )

    def _other(self, channel: Channel, data: bytes) -> None:
        """A message that answers no echo still waited for: late, twice, somebody else's, forged, or an ICMP error."""
        counters = self.counters
        if len(data) < 8:
            counters.malformed += 1
            return
        if data[0] != channel.reply_type:
            error = packet.quoted_error(channel.version, data)
            if error is None:
                counters.malformed += 1
            elif error.identifier != channel.identifier:
                counters.foreign += 1
            else:
                self._on_error(error)
            return
        if channel.mode is Mode.RAW and int.from_bytes(data[4:6], "big") != channel.identifier:
            counters.foreign += 1
            return
        if len(data) < KEY_END:
            counters.forged += 1
            return
        sequence, token, count = KEY.unpack_from(data, KEY_START)
        peer = self._by_token.get(token)
        if peer is None or sequence != count & 0xFFFF or not peer.first <= count <= peer.count:
            counters.forged += 1
        elif data[KEY_START:KEY_END] in self._waiting:
            counters.forged += 1  # from another address
        else:
            self._late(peer, count)

    def _late(self, peer: Peer, count: int) -> None:
        if peer.is_late(count):
            self.counters.late += 1
            self._sink.late(peer.target.id, self._clock.monotonic())
        else:
            self.counters.duplicates += 1

    # ---- errors

    def _drain(self, channel: Channel) -> int:
        """Empty the error queue of a datagram socket; how many errors it held."""
        if channel.mode is not Mode.DATAGRAM:
            return 0
        for n in range(READ_ALL):
            try:
                quote, ancillary, _, destination = channel.sock.recvmsg(MESSAGE_OCTETS, 512, MSG_ERRQUEUE)
            except OSError:
                return n
            error = read_error(quote, ancillary, destination[0])
            if error is None:
                self.counters.malformed += 1
            else:
                self._on_error(error)
        return READ_ALL

    def _on_error(self, error: IcmpError) -> None:
        """An ICMP error ends the echo it quotes: the newest one to that destination with that sequence."""
        for peer in self._by_host.get(error.destination, ()):
            count = peer.count - ((peer.count - error.sequence) & 0xFFFF)
            if count < 0:
                continue
            echo = self._waiting.pop(KEY.pack(error.sequence, peer.token, count), None)
            if echo is not None:
                self.counters.icmp_errors += 1
                peer.lose(count)
                self._lost(echo, error.reason)
                return
        self.counters.unmatched_errors += 1

    # ---- time

    def sweep(self) -> None:
        """Read what is there, then let time run out: overdue signals, losses; once a second the drops."""
        now = self._monotonic_ns()  # before reading: what is over by now has been given every chance to be read
        for channel in self._channels.values():
            if isinstance(channel, Channel):
                self._read(channel, READ_ALL)
                self._drain(channel)
        self._read_clocks()
        expired, overdue = self._due(now)
        if expired or now - self._drops_read >= DROPS_EVERY_NS:
            self._drops_read = now
            self._read_drops()
        for key in overdue:
            if (echo := self._waiting.get(key)) is not None:
                echo.told = True
                self._sink.overdue(echo.peer.target.id, echo.mono / 1e9)
        for key in expired:
            if (lost := self._waiting.pop(key, None)) is not None:
                lost.peer.lose(lost.count)
                self._lost(lost, "timeout")
        if now - self._reopened >= REOPEN_NS:
            self._reopened = now
            self._reopen()

    def _due(self, now: int) -> tuple[list[bytes], list[bytes]]:
        """Keys of the echoes whose waiting time is over, and of those overdue and not yet told."""
        expired, overdue = [], []
        for key, echo in self._waiting.items():
            age = now - echo.mono
            if age >= WAIT_NS:
                expired.append(key)
            elif not echo.told and age >= echo.peer.target.patience_ms * 1e6:
                overdue.append(key)
        return expired, overdue

    def _read_drops(self) -> None:
        """Where the kernel dropped answers, every echo of that family still unanswered may be one of them."""
        for version, channel in self._channels.items():
            if isinstance(channel, Channel) and (dropped := channel.read_drops()):
                self.counters.dropped += dropped
                for echo in self._waiting.values():
                    if echo.peer.version == version:
                        echo.suspect = True

    def _reopen(self) -> None:
        for version, channel in self._channels.items():
            if isinstance(channel, Closed):
                self._channels[version] = self._opener(version)
                self._watch(self._channels[version])

    # ---- ends

    def _lost(self, echo: Echo, reason: str) -> None:
        if echo.suspect:
            self._fault(echo.peer.target.id, echo.number, echo.confirm, "buffer_overflow", echo.mono)
            return
        metric = Metric.CONFIRM if echo.confirm else Metric.ECHO
        self._sink.take(
            Sample(echo.peer.target.id, metric, "", echo.mono / 1e9, None, Outcome.NO_REPLY, reason, echo.number)
        )

    def _fault(self, target: str, number: int, confirm: bool, reason: str, mono: int | None = None) -> None:
        self.counters.faults[reason] = self.counters.faults.get(reason, 0) + 1
        at = (self._monotonic_ns() if mono is None else mono) / 1e9
        metric = Metric.CONFIRM if confirm else Metric.ECHO
        self._sink.take(Sample(target, metric, "", at, None, Outcome.AGENT_FAULT, reason, number))
