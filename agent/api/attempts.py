"""Wrong access codes: whoever gave ten of them waits before the next is looked at, longer each time."""

import ipaddress
import logging
from dataclasses import dataclass

from agent.logs import RareLine
from collectors.clock import Clock

log = logging.getLogger("sonda.http")

FREE = 10
"""Wrong codes of one address before it has to wait. A code has 8 characters or more."""
LONGEST_S = 60.0
"""After 1, 2, 4, ... s. A person who has found the right one waits no longer than this."""
FORGOTTEN_S = 900.0
"""An address that gave no wrong code for so long begins anew."""
MOST_ADDRESSES = 1000
"""Remembered at once; beyond it the one that was wrong longest ago is forgotten."""


@dataclass(slots=True)
class _Wrong:
    count: int
    at: float


class Attempts:
    """Counts wrong codes by address, an IPv6 one by its network of 64 bits, which one machine has to itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: dict[str, _Wrong] = {}
        """The one that was wrong longest ago first."""
        self._line = RareLine(clock, log, logging.WARNING)

    def waits_s(self, address: str) -> float:
        """Seconds until a code of that address is looked at; 0 where it is at once."""
        wrong = self._wrong.get(_origin(address))
        if wrong is None or wrong.count < FREE:
            return 0.0
        delay = min(2.0 ** min(wrong.count - FREE, 10), LONGEST_S)
        return max(0.0, wrong.at + delay - self._clock.monotonic())

    def was_wrong(self, address: str) -> None:
        """A code of that address was wrong."""
        now, origin = self._clock.monotonic(), _origin(address)
        wrong = self._wrong.pop(origin, None)
        if wrong is None or now - wrong.at > FORGOTTEN_S:
            wrong = _Wrong(0, now)
        wrong.count, wrong.at = wrong.count + 1, now
        self._wrong[origin] = wrong
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        if wrong.count == FREE:
            self._line.say("%s gave %d wrong access codes, and waits before each further one.", address, FREE)

    def was_right(self, address: str) -> None:
        """It knows the code after all."""
        self._wrong.pop(_origin(address), None)


def _origin(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped is not None else str(ipaddress.IPv6Network((int(found), 64), strict=False))
    return str(found)
