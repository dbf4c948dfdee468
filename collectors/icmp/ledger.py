"""Who is waited for, and how each echo ends. No sockets and no clock: readings are handed in, in ns.

Every send is told to the sink exactly once: answered, lost or a fault of our own.
"""

from collectors.icmp import packet
from collectors.icmp.echo import WAIT_NS, EchoCounters, EchoSink, EchoTarget
from collectors.icmp.packet import KEY, KEY_END, KEY_START, IcmpError
from collectors.icmp.peer import Echo, Peer, meet
from kpi.model import Metric, Outcome, Sample


class Ledger:
    """Targets, echoes on their way, counters."""

    def __init__(self, sink: EchoSink) -> None:
        self._sink = sink
        self._peers: dict[str, Peer] = {}
        self._by_token: dict[bytes, Peer] = {}
        self._by_host: dict[str, list[Peer]] = {}
        self.waiting: dict[bytes, Echo] = {}
        """Echoes on their way by key, in the order they were sent."""
        self.counters = EchoCounters()

    # ---- targets

    def peer(self, target: EchoTarget) -> Peer:
        """The peer of a target, made at first sight and when its address changed; ValueError for a bad address."""
        peer = self._peers.get(target.id)
        if peer is None or peer.address != target.address:
            peer = self._meet(target, peer)
        peer.target = target
        return peer

    def _meet(self, target: EchoTarget, known: Peer | None) -> Peer:
        peer = meet(target)
        if known is not None:
            peer.echoes, peer.confirms = known.echoes, known.confirms
            self.forget(target.id)
        self._peers[target.id] = self._by_token[peer.token] = peer
        self._by_host.setdefault(peer.host, []).append(peer)
        return peer

    def forget(self, target: str) -> None:
        """Drop what is kept of a target. Echoes on their way still end, as samples."""
        peer = self._peers.pop(target, None)
        if peer is not None:
            del self._by_token[peer.token]
            namesakes = self._by_host[peer.host]
            namesakes.remove(peer)
            if not namesakes:
                del self._by_host[peer.host]

    # ---- ends

    def answered(self, key: bytes, rtt: int, flag: str | None, now: int) -> None:
        """An echo on its way was answered; after the waiting time that is a loss and a late answer."""
        echo = self.waiting[key]
        if rtt > WAIT_NS:
            self.lost(key, "timeout")
            self._late(echo.peer, echo.count, now)
            return
        del self.waiting[key]
        self.counters.answered += 1
        self._sink.take(
            Sample(
                echo.peer.target.id,
                Metric.CONFIRM if echo.confirm else Metric.ECHO,
                "",
                echo.mono / 1e9,
                rtt / 1e6,
                Outcome.OK,
                flag,
                echo.number,
            )
        )

    def lost(self, key: bytes, reason: str) -> None:
        """An echo on its way is lost: NO_REPLY, or our own fault where its answer may have been dropped by us."""
        echo = self.waiting.pop(key)
        echo.peer.lose(echo.count)
        if echo.fault is not None:
            self.fault(echo.peer.target.id, echo.number, echo.fault, echo.mono, confirm=echo.confirm)
            return
        metric = Metric.CONFIRM if echo.confirm else Metric.ECHO
        self._sink.take(
            Sample(echo.peer.target.id, metric, "", echo.mono / 1e9, None, Outcome.NO_REPLY, reason, echo.number)
        )

    def fault(self, target: str, number: int, reason: str, mono: int, *, confirm: bool) -> None:
        """An echo that we could not measure."""
        self.counters.faults[reason] = self.counters.faults.get(reason, 0) + 1
        metric = Metric.CONFIRM if confirm else Metric.ECHO
        self._sink.take(Sample(target, metric, "", mono / 1e9, None, Outcome.AGENT_FAULT, reason, number))

    def overdue(self, key: bytes) -> None:
        """An echo is unanswered after its target's patience; told once."""
        echo = self.waiting.get(key)
        if echo is not None and not echo.told:
            echo.told = True
            self._sink.overdue(echo.peer.target.id, echo.mono / 1e9)

    # ---- what arrives and answers nothing

    def stray(self, message: bytes, source: str, now: int) -> None:
        """An echo reply with our identifier that answers no echo on its way: late, a duplicate, or forged."""
        if len(message) < KEY_END:
            self.counters.forged += 1
            return
        sequence, token, count = KEY.unpack_from(message, KEY_START)
        peer = self._by_token.get(token)
        if peer is None or peer.host != source or sequence != count & 0xFFFF or not peer.first <= count <= peer.count:
            self.counters.forged += 1
        else:
            self._late(peer, count, now)

    def _late(self, peer: Peer, count: int, now: int) -> None:
        if peer.is_late(count):
            self.counters.late += 1
            self._sink.late(peer.target.id, now / 1e9)
        else:
            self.counters.duplicates += 1

    def error(self, error: IcmpError) -> None:
        """An ICMP error ends the echo it quotes: the newest one to that destination with that sequence."""
        for peer in self._by_host.get(error.destination, ()):
            count = peer.count - ((peer.count - error.sequence) & 0xFFFF)
            if count < peer.first:
                continue
            key = KEY.pack(error.sequence, peer.token, count)
            if key in self.waiting:
                self.counters.icmp_errors += 1
                self.lost(key, error.reason)
                return
        self.counters.unmatched_errors += 1

    # ---- time

    def due(self, now: int) -> tuple[list[bytes], list[bytes]]:
        """Keys of the echoes whose waiting time is over, and of those overdue and not yet told."""
        expired, overdue = [], []
        for key, echo in self.waiting.items():
            age = now - echo.mono
            if age >= WAIT_NS:
                expired.append(key)
            elif not echo.told and age >= echo.peer.target.patience_ms * 1e6:
                overdue.append(key)
        return expired, overdue

    def suspect(self, version: int, dropped: int) -> None:
        """The kernel dropped answers: each echo of that family still unanswered may be one of them."""
        self.counters.dropped += dropped
        for echo in self.waiting.values():
            if echo.peer.version == version:
                echo.fault = "buffer_overflow"


def new_key(peer: Peer) -> bytes:
    """The key of the next echo to that peer; counts it."""
    peer.count = count = peer.count + 1
    return packet.KEY.pack(count & 0xFFFF, peer.token, count)
