"""Clock, memory, heat and wear, on the files that the kernel of such a machine shows; nothing of this machine is set."""

import os
from pathlib import Path

import pytest

from agent.doctor import clocks, disk, machine
from agent.doctor.model import Case, Finding
from agent.doctor.timex import KernelClock, read_kernel_clock
from collectors.clock import SystemClock
from tests.agent.doctor.seeing import case, ids, sees, site
from tests.doubles import ManualClock

KEPT = KernelClock(synchronised=True, offset_s=0.0004, error_s=0.02)
FREE = KernelClock(synchronised=False, offset_s=0.0, error_s=16.0)
NOW = 1_790_000_000.0  # 2026-09-21


def root(folder: Path, files: dict[str, str]) -> Path:
    """A tree of the machine's files."""
    for name, text in files.items():
        path = folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "root").mkdir(exist_ok=True)
    return folder / "root"


def given(folder: Path, files: dict[str, str], *, utc: float = NOW, config: Path | None = None) -> Case:
    return case(config or site(folder), root=root(folder, files), clock=ManualClock(utc=utc))


async def clock(folder: Path, files: dict[str, str], kernel: KernelClock | None, *, utc: float = NOW) -> list[Finding]:
    return await clocks.check(given(folder, files, utc=utc), lambda: kernel)


CHRONY = {"proc/17/comm": "chronyd\n"}


async def test_a_clock_that_is_kept(tmp_path: Path) -> None:
    found = await clock(tmp_path, {**CHRONY, "sys/class/rtc/rtc0/name": "x"}, KEPT)
    sees(found, "clock.ok")
    sees(found, "clock.zone")
    assert ids(found) == {"clock.ok", "clock.zone"}


async def test_clocks_that_are_not(tmp_path: Path) -> None:
    found = await clock(tmp_path, {}, FREE)
    sees(found, "clock.not_synchronised")
    sees(found, "clock.no_rtc")
    found = await clock(tmp_path, {}, FREE, utc=86_400.0)
    sees(found, "clock.implausible")
    found = await clock(tmp_path, CHRONY, KernelClock(synchronised=True, offset_s=1.5, error_s=2.0))
    sees(found, "clock.offset")
    found = await clock(tmp_path, CHRONY, FREE)
    assert "chrony runs, and the kernel does not take" in sees_any(found, "clock.not_synchronised").seen
    (tmp_path / "root/run/systemd/timesync").mkdir(parents=True)
    sees(await clock(tmp_path, {}, FREE), "clock.waiting")
    (tmp_path / "root/run/systemd/timesync/synchronized").touch()
    assert "clock.ok" in ids(await clock(tmp_path, {}, None))


def sees_any(found: list[Finding], identifier: str) -> Finding:
    return next(f for f in found if f.id == identifier)


async def test_a_site_whose_time_zone_was_forgotten(tmp_path: Path) -> None:
    config = site(tmp_path, base='[site]\ntenant = "rossi"\nsite = "bologna"\nprobe = "probe-1"\n')
    found = await clocks.check(given(tmp_path, {"etc/timezone": "Europe/Rome\n"}, config=config), lambda: KEPT)
    sees(found, "clock.zone_default")
    found = await clocks.check(given(tmp_path, {"etc/timezone": "Etc/UTC\n"}, config=config), lambda: KEPT)
    assert "clock.zone_default" not in ids(found)


def test_the_kernel_is_asked_and_agrees_with_the_agent() -> None:
    """The same word as collectors/clock.py has, by another road (the whole struct timex)."""
    from collectors.clock import _kernel_synchronised  # noqa: PLC0415 - looked at on purpose

    kernel = read_kernel_clock()
    if kernel is None:
        pytest.skip("adjtimex is forbidden here")
    assert kernel.synchronised == _kernel_synchronised()
    assert abs(kernel.offset_s) < 10
    assert 0 <= kernel.error_s <= 17  # the kernel's own cap is 16 s


def meminfo(megabytes: int) -> dict[str, str]:
    return {"proc/meminfo": f"MemTotal: 1000000 kB\nMemAvailable:   {megabytes * 1_000_000 // 1024} kB\n"}


def heat(millidegrees: int) -> dict[str, str]:
    return {"sys/class/thermal/thermal_zone0/temp": f"{millidegrees}\n"}


THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("identifier", "files"),
    [
        ("machine.memory", meminfo(100)),
        ("machine.memory_full", meminfo(20)),
        ("machine.load", {"proc/loadavg": "99.0 99.0 99.0 1/100 1\n"}),
        ("machine.hot", heat(78_000)),
        ("machine.too_hot", heat(90_000)),
        ("machine.throttled", {THROTTLED: "40000\n"}),
        ("machine.undervoltage", {THROTTLED: "10001\n"}),
    ],
)
async def test_a_box_that_is_ill(tmp_path: Path, identifier: str, files: dict[str, str]) -> None:
    found = await machine.check(given(tmp_path, files))
    sees(found, identifier)
    assert ids(found) == {identifier}


def numbers(path: Path) -> str:
    """Of the device that holds it, as /sys/dev/block names it."""
    device = path.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"


async def test_this_box(tmp_path: Path) -> None:
    found = await machine.check(case(site(tmp_path), clock=SystemClock()))
    if ids(found) == {"machine.load"}:  # two cores that eight test runs share
        pytest.skip("needs a machine with less load")
    sees(found, "machine.ok")


async def test_nonsense_of_sensors_is_left_out(tmp_path: Path) -> None:
    assert "no temperature sensor" in (await machine.check(given(tmp_path, heat(655_350))))[0].seen


@pytest.mark.parametrize(
    ("identifier", "life", "end"),
    [
        ("disk.wear", "0x03 0x01", "0x01"),
        ("disk.worn", "0x09 0x01", "0x01"),
        ("disk.worn_out", "0x02 0x0b", "0x01"),
        ("disk.wear_unknown", "0x00 0x00", "0x00"),
    ],
)
async def test_the_wear_of_a_card(tmp_path: Path, identifier: str, life: str, end: str) -> None:
    folder = f"sys/dev/block/{numbers(tmp_path)}/device"
    found = await disk.check(given(tmp_path, {f"{folder}/life_time": life, f"{folder}/pre_eol_info": end}))
    sees(found, identifier)


async def test_a_partition_has_the_wear_of_its_card(tmp_path: Path) -> None:
    """/sys/dev/block/179:2 is a link to .../mmcblk0/mmcblk0p2, and life_time lies below mmcblk0/device."""
    card = {"sys/devices/mmcblk0/device/life_time": "0x0b 0x01", "sys/devices/mmcblk0/mmcblk0p2/partition": "2"}
    tree = root(tmp_path, card)
    link = tree / f"sys/dev/block/{numbers(tmp_path)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(tree / "sys/devices/mmcblk0/mmcblk0p2")
    assert "disk.worn_out" in ids(await disk.check(given(tmp_path, {})))
