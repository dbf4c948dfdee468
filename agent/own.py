"""What the probe measures of itself as if it were a device of the site: its radio (agent/radio.py).

It is no device: it has no address, no state and no part in the site's figures. It has windows, a summary and statuses,
under the entity kpi.entities.PROBE.
"""

from kpi.counters import UptimeTracker
from kpi.gear import Readings
from kpi.gear_accumulator import GearAccumulator, GearMemory
from kpi.gear_counts import GearCounts


class Own:
    """Times are monotonic seconds."""

    def __init__(self, start: float, end: float) -> None:
        """[start, end) is the open five-minute window."""
        self._window = (start, end)
        self._gear: GearAccumulator | None = None

    def open_five(self, start: float, end: float) -> None:
        """The open window, as long as nothing was read in it."""
        self._window = (start, end)

    def take(self, at: float, readings: Readings) -> None:
        """What was read at ``at``. A box that never told of anything has no windows."""
        if self._gear is None:
            if not readings.readings:
                return
            self._gear = GearAccumulator(UptimeTracker(), *self._window)
        self._gear.take(at, readings)

    def close(self, end: float, next_end: float) -> GearCounts | None:
        """The window that ends at ``end``; the next one ends at ``next_end``."""
        self._window = (end, next_end)
        return self._gear.close(end, next_end) if self._gear is not None else None

    def memory(self) -> GearMemory | None:
        """What is to be persisted."""
        return self._gear.memory() if self._gear is not None else None

    def resume(self, memory: GearMemory) -> None:
        """The reverse of ``memory``, on the present clock."""
        self._gear = GearAccumulator(UptimeTracker(), *self._window, memory)
