"""UPS-MIB (RFC 1628) of a UPS that NUT watches, for snmpd's pass_persist: `python -m tests.lab.ups_mib NAME`.

upsd is asked ten times a second; what NUT does not count (times on battery, and the seconds of the present one) is
counted here.
"""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Mapping

from tests.lab.passing import Oid, Told, serve, whole

BASE = "1.3.6.1.2.1.33.1"
PORT = 3493
_BASE: Oid = (1, 3, 6, 1, 2, 1, 33, 1)
_MAINS, _BATTERY = 3, 5
"""upsOutputSource."""
_NORMAL, _LOW = 2, 3
"""upsBatteryStatus."""
_EVERY_S = 0.1


def ask(name: str) -> dict[str, str]:
    """What upsd knows of a UPS now (RFC 9271, LIST VAR). OSError where it does not answer."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=1) as asking, asking.makefile("rw") as lines:
        lines.write(f"LIST VAR {name}\n")
        lines.flush()
        said = {}
        for line in lines:
            if not line.startswith(("BEGIN ", "VAR ")):
                break
            if line.startswith("VAR "):
                _, _, variable, value = line.rstrip().split(" ", 3)
                said[variable] = value.strip('"')
        return said


class Ups:
    """What upsd said last, and what is counted of it."""

    def __init__(self, name: str) -> None:
        self.said: Mapping[str, str] = {}
        self.failures = 0
        self.on_battery_since: float | None = None
        self._name = name
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._take(ask(self._name))
            time.sleep(_EVERY_S)

    def _take(self, said: Mapping[str, str]) -> None:
        on_battery = "OB" in said.get("ups.status", "").split()
        if on_battery and self.on_battery_since is None:
            self.failures += 1
            self.on_battery_since = time.monotonic()
        elif not on_battery:
            self.on_battery_since = None
        self.said = said

    def values(self) -> dict[Oid, Told]:
        """All that is told now; nothing before upsd has answered."""
        said, since = self.said, self.on_battery_since
        if "ups.status" not in said:
            return {}
        told: dict[Oid, Told] = {
            (1, 1, 0): Told("string", said["ups.mfr"]),
            (1, 2, 0): Told("string", said["ups.model"]),
            (1, 3, 0): Told("string", said["ups.firmware"]),
            (2, 1, 0): whole(_LOW if "LB" in said["ups.status"].split() else _NORMAL),
            (2, 2, 0): whole(int(time.monotonic() - since) if since is not None else 0),
            (2, 3, 0): whole(int(said["battery.runtime"]) // 60),
            (2, 4, 0): whole(int(said["battery.charge"])),
            (3, 1, 0): Told("counter", str(self.failures)),
            (4, 1, 0): whole(_BATTERY if since is not None else _MAINS),
            (4, 4, 1, 5, 1): whole(int(said["ups.load"])),
        }
        return {_BASE + oid: value for oid, value in told.items()}


if __name__ == "__main__":
    serve(Ups(sys.argv[1]).values)
