"""The unit as systemd itself judges it, the installer's script, and the notifications."""

import asyncio
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from agent.notify import STALL_S, Notifier
from agent.settings import load
from agent.settings.models import TrapsSettings
from agent.traps.opening import NAME, SOCKET_UNIT
from tests.doubles import ManualClock
from tests.programs import need

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "sonda.service"
SOCKET = ROOT / "systemd" / "sonda-traps.socket"
EXPOSURE = 2.0


@pytest.mark.lab
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    need("systemd-analyze")
    program = tmp_path / "sonda"
    shutil.copy("/bin/true", program)
    text = UNIT.read_text().replace("/opt/sonda/venv/bin/sonda", str(program))
    unit = tmp_path / "sonda.service"
    unit.write_text(text)
    port = shutil.copy(SOCKET, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit), str(port)], capture_output=True, text=True, check=False
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "sonda" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.lab
def test_the_exposure_is_low() -> None:
    need("systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for sonda.service: ([0-9.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= EXPOSURE


def test_it_is_granted_raw_sockets_and_nothing_else() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert settings["AmbientCapabilities"] == settings["CapabilityBoundingSet"] == "CAP_NET_RAW"
    assert settings["User"] == "sonda"
    assert settings["Type"] == "notify"
    assert float(settings["WatchdogSec"]) > 3 * STALL_S


def test_the_port_for_traps_is_wanted_by_the_service_and_goes_with_it() -> None:
    settings = dict(line.split("=", 1) for line in SOCKET.read_text().splitlines() if "=" in line and line[0] != "#")
    assert settings["ListenDatagram"] == str(TrapsSettings().port)
    assert settings["FileDescriptorName"] == NAME
    assert settings["Service"] == settings["PartOf"] == settings["WantedBy"] == UNIT.name
    assert SOCKET.name == SOCKET_UNIT


def test_the_units_folders_are_the_settings_defaults(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    assert load([path]).store.path.parent == Path("/var/lib/sonda")
    assert "StateDirectory=sonda" in UNIT.read_text()


@pytest.mark.parametrize("script", ["systemd/install.sh"])
def test_the_installer_is_a_plain_shell_script(script: str) -> None:
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True)


def test_nothing_is_said_without_a_supervisor() -> None:
    notifier = Notifier({})
    notifier.say("READY=1")
    assert notifier.watchdog_s is None


@pytest.mark.parametrize(("pid", "expected"), [("", 60.0), ("1", None)])
def test_the_watchdog_is_only_for_the_process_it_names(pid: str, expected: float | None) -> None:
    assert Notifier({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": pid}).watchdog_s == expected


async def test_the_watchdog_is_fed_by_progress_and_by_nothing_else(tmp_path: Path) -> None:
    clock = ManualClock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.setblocking(False)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"})
        progress = clock.monotonic()
        feeding = asyncio.create_task(notifier.watch(clock, lambda: progress))
        await clock.advance(0.1)
        assert supervisor.recv(100) == b"WATCHDOG=1"
        await clock.advance(60)  # the scheduler stands still
        with pytest.raises(BlockingIOError):
            supervisor.recv(100)
        await clock.advance(15)
        progress = clock.monotonic()  # it goes on
        await clock.advance(6)
        assert supervisor.recv(100) == b"WATCHDOG=1"
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding


def test_a_supervisor_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).say("READY=1")
