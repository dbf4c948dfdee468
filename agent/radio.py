"""The probe's own radio in the running agent: when it is read, and what is known of it now.

A box without one is looked at once an hour, which takes a look into /sys; nothing else is scheduled.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from agent.boundary import Boundary
from agent.own import Own
from agent.settings.models import RadioSettings
from collectors.clock import Clock
from collectors.radio.radio import Seen, readings_of
from kpi.summary import OWN_PERIOD_S

log = logging.getLogger("sonda.radio")

PLACE = "radio"
"""The boundary's name for what is done here."""
READ_S = OWN_PERIOD_S
LOOK_S = 3600.0
"""How often a box without a radio is looked at: somebody may plug one in."""
WIDE = 5
"""Channels and networks are read each so many readings: every 300 s."""


class Reads(Protocol):
    """The collector (collectors/radio/radio.py)."""

    def names(self) -> tuple[str, ...]:
        """The wireless interfaces there are."""

    async def read(self, *, wide: bool, scan: bool) -> Seen:
        """Each of them once."""


class RadioWatch:
    """``latest`` is what was read last, None where there is no radio, or nobody wants it read."""

    def __init__(
        self, reader: Reads, clock: Clock, boundary: Boundary, own: Own, settings: Callable[[], RadioSettings]
    ) -> None:
        """``own`` takes what is measured; ``settings()`` are those in force."""
        self.latest: Seen | None = None
        self._reader = reader
        self._clock = clock
        self._boundary = boundary
        self._own = own
        self._settings = settings
        self._readings = 0

    async def run(self) -> None:
        """Until cancelled."""
        due = self._clock.monotonic()
        while True:
            with self._boundary.around(PLACE):
                await self._step()
            idle = self._settings().enabled and self.latest is None
            due = max(due + (LOOK_S if idle else READ_S), self._clock.monotonic())
            await self._clock.sleep(due - self._clock.monotonic())

    async def _step(self) -> None:
        settings = self._settings()
        if not settings.enabled or not self._reader.names():
            self.latest, self._readings = None, 0
            return
        at = self._clock.monotonic()
        wide = self._readings % WIDE == 0
        seen = await self._reader.read(wide=wide, scan=wide and settings.scan)
        if self._readings == 0:
            names = ", ".join(radio.interface.name for radio in seen.radios)
            log.info("The probe's own radio is read: %s.", names)
        self._readings += 1
        self.latest = seen
        self._own.take(at, readings_of(seen.radios))
