"""The error queue of a datagram ICMP socket (IP_RECVERR, IPV6_RECVERR): what ICMP says of echoes we sent.

ip(7): the message is the quoted echo, the name its destination, and a control message holds sock_extended_err.
"""

import socket
import struct
from collections.abc import Sequence

from collectors.icmp.packet import ECHO_REQUEST, IcmpError, error_reason

IP_RECVERR = 11
IPV6_RECVERR = 25
RECVERR = {4: (socket.SOL_IP, IP_RECVERR), 6: (socket.IPPROTO_IPV6, IPV6_RECVERR)}
"""Level and option, by IP version: of the request for errors, and of the control message that brings one."""
MSG_ERRQUEUE = 0x2000

_EXTENDED = struct.Struct("=IBBBBII")  # linux/errqueue.h: errno, origin, type, code, pad, info, data
_ORIGIN_ICMP = {2: 4, 3: 6}  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6

Ancillary = Sequence[tuple[int, int, bytes]]


def read_error(quote: bytes, ancillary: Ancillary, destination: str) -> IcmpError | None:
    """One message of the error queue as an error, None where it is no ICMP error or quotes no echo of ours."""
    for level, kind, data in ancillary:
        if (level, kind) not in RECVERR.values():
            continue
        if len(data) < _EXTENDED.size:
            return None
        _errno, origin, icmp_type, icmp_code, *_rest = _EXTENDED.unpack_from(data)
        version = _ORIGIN_ICMP.get(origin)
        if version is None or len(quote) < 8 or quote[0] != ECHO_REQUEST[version]:
            return None
        reason = error_reason(version, icmp_type, icmp_code)
        if reason is None:
            return None
        return IcmpError(destination, int.from_bytes(quote[6:8], "big"), reason)
    return None
