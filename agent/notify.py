"""sd_notify(3): tells systemd that the agent is ready, alive and stopping. Without systemd every call does nothing.

The watchdog is fed only while the scheduler makes progress: an agent that hangs is started anew, one that merely has a
dead broker or dead devices is not.
"""

import os
import socket
from collections.abc import Callable, Mapping

from collectors.clock import Clock

STALL_S = 10.0
"""A scheduler that stood still for longer does not feed the watchdog."""


class Notifier:
    """Speaks to the supervisor named in the environment."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched_pid = environ.get("WATCHDOG_PID", "")
        mine = not watched_pid or watched_pid == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if usec.isdigit() and mine else None
        """How often systemd wants to hear of us; None where it does not."""

    def say(self, *lines: str) -> None:
        """Send lines such as ``READY=1`` and ``STATUS=...``; a supervisor that is gone is no trouble."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            try:
                out.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return

    async def watch(self, clock: Clock, progress_at: Callable[[], float]) -> None:
        """Feed the watchdog at a third of its interval while ``progress_at()`` (monotonic) moves; until cancelled."""
        if self.watchdog_s is None:
            return
        while True:
            if clock.monotonic() - progress_at() < STALL_S:
                self.say("WATCHDOG=1")
            await clock.sleep(self.watchdog_s / 3)
