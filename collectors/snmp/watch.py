"""Whether a device began anew while it was being read: of every answer that carries sysUpTime it is looked at."""

from dataclasses import dataclass

from collectors.snmp.ber import Value

JITTER_CS = 100
"""By how much sysUpTime may go back between two answers: agents with several tasks give one a tick older."""


class RestartedMeanwhile(Exception):  # noqa: N818 -- not an error: what was read belongs to two lives of the device
    """An index may be something else than it was when its name was read."""


@dataclass(slots=True)
class Watch:
    """The sysUpTime of one poll. ``uptime_cs`` is the highest so far."""

    uptime_cs: int

    def saw(self, uptime: Value) -> None:
        """One more. Raises RestartedMeanwhile where it went back."""
        if not isinstance(uptime, int):
            return
        if uptime < self.uptime_cs - JITTER_CS:
            raise RestartedMeanwhile
        self.uptime_cs = max(self.uptime_cs, uptime)
