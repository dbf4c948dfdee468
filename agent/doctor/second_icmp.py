"""A second opinion on ICMP by icmplib: an independent implementation that must agree. Owner of icmplib."""

from collections.abc import Sequence

from agent.threads import ThreadFailed, in_thread

COUNT = 2
GAP_S = 0.2
WAIT_S = 1.0


async def ask(address: str, *, raw: bool) -> Sequence[float] | None:
    """Round trips in ms, empty where it does not answer; None where icmplib has no way to ask. ``raw`` needs
    CAP_NET_RAW, the datagram socket the group range."""
    try:
        return await in_thread(_ask, address, raw=raw)
    except (ThreadFailed, ValueError):  # a second opinion that cannot be had is none
        return None


def _ask(address: str, *, raw: bool) -> Sequence[float] | None:
    import icmplib  # noqa: PLC0415 - only where it is asked

    try:
        host = icmplib.ping(address, count=COUNT, interval=GAP_S, timeout=WAIT_S, privileged=raw)
    except (icmplib.ICMPLibError, OSError):
        return None
    return tuple(float(rtt) for rtt in host.rtts)
