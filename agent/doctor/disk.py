"""Where the store lies: room, may it be written, what kind of memory is it and how worn, how much is written a day."""

import grp
import os
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.doctor.access import barred, service_user
from agent.doctor.model import Case, Finding, attention, ok, problem, spoken
from agent.settings.models import StoreSettings
from agent.store.db import free_bytes
from agent.threads import in_thread

FULL_BYTES = 50_000_000
"""Below it the ballast (16 MB) is all that is left soon: a site of 200 devices writes 400 MB a day, most of it over
itself."""
BUDGET_A_DAY = 400_000_000
"""Bytes, as agent/README.md asks."""
DAY_S = 86400.0
ENOUGH_S = 3600.0
"""An agent that runs for less has written too little to tell a day."""

GOOD = ok("disk.ok")
WRITES = ok("disk.writes")
WEAR = ok("disk.wear")
WEAR_UNKNOWN = ok("disk.wear_unknown", "SD cards and most virtual disks do not say how worn they are.")
FULL = problem(
    "disk.full",
    "What is measured waits in memory, for an hour at the most, and old measurements are given up.",
    "Free some space on that disk; the largest folders are shown by:",
)
SMALL = attention(
    "disk.small",
    "The store will reach the end of the disk before its own limit; then old measurements go early.",
)
READ_ONLY = problem(
    "disk.read_only",
    "Nothing can be stored. A card whose file system turned read-only by itself is usually dying.",
    "See what the kernel says; replace a card that shows errors, else make it writable again.",
)
NOT_WRITABLE = problem(
    "disk.not_writable", "The agent cannot start, or cannot write what it measures.", "Give the folder to its user."
)
NO_FOLDER = problem("disk.no_folder", "The agent cannot make it, and does not start.", "Make it, for the agent's user.")
VOLATILE = attention(
    "disk.volatile",
    "At the next restart of this machine all that was measured is gone, and so is what was not sent yet.",
    "Set `path` in [store] to a folder on a disk or card.",
)
WORN = attention(
    "disk.worn", "It nears the end of the life that its maker gives it.", "Plan its replacement, and save the store."
)
WORN_OUT = problem(
    "disk.worn_out", "It has lived longer than its maker gives it: any write may fail.", "Replace it now."
)
WRITES_MUCH = attention(
    "disk.writes_much",
    "A card of 16 GB lasts some years at the budget of 400 MB a day, and shorter in proportion.",
    "Raise `counters_s` and `status_s` of devices with many ports, or put the store on an SSD.",
)

_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes spaces in paths: \\040."""
_VOLATILE = {"tmpfs", "ramfs", "devtmpfs"}


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mounts. ``options`` are as the kernel has them."""

    point: Path
    kind: str
    options: frozenset[str]


async def check(case: Case) -> list[Finding]:
    if case.settings is None:
        return []
    return await in_thread(_place, case, case.settings.store) + await _written(case)


def _place(case: Case, store: StoreSettings) -> list[Finding]:
    folder = store.path.parent
    there = next(p for p in (folder, *folder.parents) if p.exists())
    mount = mount_of(case, there)
    found: list[Finding] = []
    if mount is not None and "ro" in mount.options:
        seen = f"The file system {mount.point}, where the store lies, is mounted read-only."
        commands = ["dmesg | grep -iE 'mmc|ext4|error' | tail", f"mount -o remount,rw {mount.point}"]
        found.append(READ_ONLY.found(seen, commands=commands))
    else:
        found += _writable(case, folder, there, store.path)
    free = free_bytes(there / "x")
    taken = _size(store.path)
    facts = {"free_bytes": free, "store_bytes": taken, "limit_bytes": store.max_bytes}
    where = f"on the disk of {there} ({mount.kind if mount else 'unknown'})"
    if free < FULL_BYTES:
        seen = f"{free / 1e6:.1f} MB are free {where}."
        point = mount.point if mount else there
        found.append(FULL.found(seen, commands=[f"du -xh {point} | sort -h | tail"], facts=facts))
    elif free + taken < store.max_bytes:
        seen = f"{free / 1e9:.1f} GB are free {where}, and [store] max_bytes is {store.max_bytes / 1e9:g} GB."
        room = f"{max((free + taken) * 8 // 10 // 10**6, 64)} MB"
        found.append(SMALL.found(seen, mend=f'Free space, or write max_bytes = "{room}".', facts=facts))
    elif not found:
        found.append(GOOD.found(f"{free / 1e9:.1f} GB are free {where}; the store takes up to "
                                f"{store.max_bytes / 1e9:g} GB.", facts=facts))  # fmt: skip
    if mount is not None and mount.kind in _VOLATILE:
        found.append(VOLATILE.found(f"The store lies in memory ({mount.kind} at {mount.point})."))
    else:
        found.append(_wear(case, there))
    return found


def _size(file: Path) -> int:
    """0 where it is not there, or not for this user to see."""
    try:
        return file.stat().st_size
    except (FileNotFoundError, PermissionError):
        return 0


def mount_of(case: Case, path: Path) -> Mount | None:
    """The mount that holds this path, None where the table cannot be read."""
    best: Mount | None = None
    real = path.resolve()
    for mount in _mounts(case):
        if real.is_relative_to(mount.point) and (best is None or mount.point.is_relative_to(best.point)):
            best = mount
    return best


def _mounts(case: Case) -> Iterator[Mount]:
    for line in (case.read("proc/self/mounts") or "").splitlines():
        words = line.split(" ")
        if len(words) >= 4:
            point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), words[1])
            yield Mount(Path(point), words[2], frozenset(words[3].split(",")))


def _writable(case: Case, folder: Path, there: Path, database: Path) -> list[Finding]:
    """For whoever runs the service: for root everything is writable, which proves nothing."""
    user = service_user(case.service_user)
    who = user.name if user is not None else _own_name()
    owner = f"-o {who} -g {_group(who)}"

    def bar(path: Path, wanted: int) -> Path | None:
        if user is not None:
            return barred(user, path, wanted)
        return None if os.access(path, wanted) else path

    if there != folder:
        if bar(there, os.W_OK | os.X_OK) is None:
            return []
        seen = f"There is no folder {folder}, and {who} may not make it."
        return [NO_FOLDER.found(seen, commands=[f"install -d {owner} -m 750 {folder}"])]
    for path in (folder, database, Path(f"{database}-wal"), Path(f"{database}.lock")):
        if not path.exists() or (at := bar(path, os.W_OK)) is None:
            continue
        if at in (path, folder):
            seen = f"{who} may not write {path}."
            return [NOT_WRITABLE.found(seen, commands=[f"chown -R {who}:{_group(who)} {folder}"])]
        seen = f"{who} may not write {path}: the folder {at} does not let it pass."
        mend = "Let it pass, or set `path` in [store] to a folder of its own."
        return [NOT_WRITABLE.found(seen, mend=mend, commands=[f"chmod o+x {at}"])]
    return []


def _group(user: str) -> str:
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return user


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container that runs as a number
        return str(os.geteuid())


def _wear(case: Case, path: Path) -> Finding:
    """eMMC: life_time of the two kinds of cells in steps of 10 %, 0x0b is beyond; pre_eol_info 2 and 3 warn as well
    (JEDEC JESD84-B51, 7.4.22 to 7.4.24)."""
    device = path.stat().st_dev
    block = case.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for folder in (block / "device", block.resolve().parent / "device"):
        try:
            steps = [int(word, 16) for word in (folder / "life_time").read_text().split()]
        except (OSError, ValueError):
            continue
        try:
            end = int((folder / "pre_eol_info").read_text(), 16)
        except (OSError, ValueError):
            end = 0
        worst = max(steps, default=0)
        if not worst:
            break
        used = f"between {worst * 10 - 10} and {worst * 10} %" if worst <= 10 else "more than all"
        kind = WORN_OUT if worst > 10 or end >= 3 else WORN if worst >= 9 or end == 2 else WEAR
        seen = f"The eMMC has used {used} of its life."
        return kind.found(seen, facts={"life_time_steps": steps, "pre_eol_info": end})
    return WEAR_UNKNOWN.found("How worn the disk is, is not known.")


async def _written(case: Case) -> list[Finding]:
    answer = await case.agent.ask()
    if answer.about is None:
        return []
    vitals = answer.about.get("vitals")
    written = vitals.get("written_bytes") if isinstance(vitals, dict) else None
    uptime = answer.about.get("uptime_s")
    if not isinstance(written, int) or not isinstance(uptime, int | float) or uptime < ENOUGH_S:
        return []
    a_day = written / uptime * DAY_S
    seen = f"The running agent writes {a_day / 1e6:.0f} MB a day ({written / 1e6:.0f} MB in {spoken(uptime)})."
    kind = WRITES_MUCH if a_day > BUDGET_A_DAY else WRITES
    return [kind.found(seen, facts={"written_bytes_a_day": round(a_day)})]
