"""Network UPS Tools with a UPS of a file: NUT's dummy-ups driver and upsd, in a namespace.

    with DummyUps(place) as ups:
        ups.set(status="OB", runtime_s=1200)

snmpd tells of it in either of two ways: UPS-MIB by ups_mib.py (`mib_line`), or the lines of an `extend` (`extend_line`),
as monitoring systems have it.
"""

import contextlib
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import passing, ups_mib
from tests.lab.daemon import Daemon
from tests.lab.network import Namespace
from tests.programs import find

NAME = "ups"
_EXTENDED = ("battery.charge", "", "battery.runtime", "", "", "", "input.voltage", "ups.load")
"""What the lines of the `extend` called "ups-nut" hold, from the first on; "" is none."""


class DummyUps:
    """Starts on entering, on mains."""

    def __init__(self, place: Namespace) -> None:
        self.place = place
        self._values = {
            "battery.charge": "100",
            "battery.runtime": "1800",
            "input.voltage": "230",
            "ups.load": "20",
            "ups.status": "OL",
            "ups.mfr": "Lab",
            "ups.model": "Dummy 1000",
            "ups.firmware": "1.0",
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # the driver's socket lies there: a test's own folder may be longer than the name of a Unix socket
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nut-")))
            self._write()
            driver = find("dummy-ups")
            assert driver is not None
            settings = {
                "ups.conf": f"[{NAME}]\ndriver = dummy-ups\nport = {self._file}\nmode = dummy-loop\npollinterval = 1\n",
                "upsd.conf": f"LISTEN 127.0.0.1 {ups_mib.PORT}\n",
                "upsd.users": "",
            }
            for name, text in settings.items():
                (self._folder / name).write_text(text)
                (self._folder / name).chmod(0o640)
            # Debian's /sbin/upsd is a script that asks whether NUT is switched on; the daemon is beside its drivers
            for name, program, *arguments in (
                ("driver", driver, "-a", NAME),
                ("upsd", str(Path(driver).parent / "upsd")),
            ):
                daemon = self._daemon(name, [program, *arguments, "-F", "-u", "root"])
                stack.callback(daemon.stop)
                daemon.start()
                if name == "driver":
                    daemon.wait_ready((self._folder / f"dummy-ups-{NAME}").exists, "the driver's socket")
                else:
                    daemon.wait_ready(lambda: self.status() == "OL", "what the UPS says")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def set(self, *, status: str, runtime_s: int = 1800, charge: int = 100, load: int = 20) -> float:
        """What the UPS says from now on; status as NUT writes it: "OL" on mains, "OB" on battery, "OB LB" low. Gives
        the monotonic time at which upsd had it: the driver looks every second."""
        self._values |= {
            "ups.status": status,
            "battery.runtime": str(runtime_s),
            "battery.charge": str(charge),
            "ups.load": str(load),
        }
        self._write()
        deadline = time.monotonic() + 5
        while self._said() != self._values:
            assert time.monotonic() < deadline, "the driver did not read its file"
            time.sleep(0.02)
        return time.monotonic()

    def status(self) -> str:
        """As upsd has it; "" while it does not know."""
        return self._said().get("ups.status", "")

    def mib_line(self) -> str:
        """For snmpd's configuration: UPS-MIB."""
        return passing.line(ups_mib.BASE, "tests.lab.ups_mib", NAME)

    def extend_line(self) -> str:
        """For snmpd's configuration: the `extend` that net-snmp's NET-SNMP-EXTEND-MIB tells."""
        script = self._folder / "extend.sh"
        upsc = find("upsc")
        script.write_text("".join(f"{upsc} {NAME}@127.0.0.1 {v} 2>/dev/null\n" if v else "echo\n" for v in _EXTENDED))
        return f"extend ups-nut /bin/sh {script}"

    @property
    def _file(self) -> Path:
        return self._folder / "lab.dev"

    def _said(self) -> dict[str, str]:
        with contextlib.suppress(OSError), self.place.inside():
            said = ups_mib.ask(NAME)
            return {name: said[name] for name in self._values if name in said}
        return {}

    def _write(self) -> None:
        whole = self._file.with_suffix(".new")
        whole.write_text("".join(f"{name}: {value}\n" for name, value in self._values.items()))
        whole.replace(self._file)

    def _daemon(self, name: str, command: list[str]) -> Daemon:
        env = dict.fromkeys(("NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH"), str(self._folder))
        return Daemon(command, log=self._folder / f"{name}.log", place=self.place, env=env)
