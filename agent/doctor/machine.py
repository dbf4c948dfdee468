"""The box itself: memory, load, temperature, supply voltage."""

import os

from agent.doctor.model import Case, Finding, attention, ok, problem

MEMORY_LOW_BYTES = 150_000_000
"""What 200 devices need at the most (agent/README.md: 130 MB), and a little."""
MEMORY_FULL_BYTES = 40_000_000
HOT_C, TOO_HOT_C = 75.0, 85.0
"""A Raspberry Pi slows down from 80 C on, hard at 85."""
LOAD_FACTOR = 2.0

GOOD = ok("machine.ok")
MEMORY = attention(
    "machine.memory",
    "If another program takes the rest, the kernel ends the largest one, which may be Sonda.",
    "See what takes it; the first lines are the largest.",
)
MEMORY_FULL = problem("machine.memory_full", MEMORY.means, MEMORY.mend)
LOAD = attention(
    "machine.load",
    "Measurements stay right (the kernel times them); polls and summaries may be late.",
    "See what takes the processor; the first lines are the largest.",
)
HOT = attention(
    "machine.hot", "It is near the point where it slows itself down.", "Give it air: turn it, free its vents."
)
TOO_HOT = problem(
    "machine.too_hot",
    "It slows itself down, and its storage ages fast.",
    "Give it air, a heat sink or a fan, or another place.",
)
THROTTLED = attention(
    "machine.throttled",
    "It has slowed itself down for heat since it was started.",
    "Give it air, a heat sink or a fan.",
)
UNDERVOLTAGE = problem(
    "machine.undervoltage",
    "It writes to its card while the voltage is too low: that is what damages cards and databases, and it restarts at "
    "random.",
    "Use the power supply made for it, and a short cable; take off what it feeds by USB.",
)

_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
"""Raspberry Pi; bits as `vcgencmd get_throttled` has them."""
_UNDERVOLTAGE_NOW, _UNDERVOLTAGE_WAS, _THROTTLED_NOW, _THROTTLED_WAS = 1 << 0, 1 << 16, 1 << 2, 1 << 18


async def check(case: Case) -> list[Finding]:
    memory, load, degrees = _memory(case), _load(case), _hottest(case)
    found: list[Finding] = []
    if memory is not None and memory < MEMORY_LOW_BYTES:
        kind = MEMORY_FULL if memory < MEMORY_FULL_BYTES else MEMORY
        seen = f"{memory / 1e6:.0f} MB of memory are available."
        found.append(
            kind.found(seen, commands=["ps -eo rss,comm --sort=-rss | head"], facts={"available_bytes": memory})
        )
    cores = os.cpu_count() or 1
    if load is not None and load > LOAD_FACTOR * cores:
        seen = f"The load of the last 5 minutes is {load:.1f}, on {cores} processors."
        found.append(LOAD.found(seen, commands=["ps -eo pcpu,comm --sort=-pcpu | head"], facts={"load_5min": load}))
    if degrees is not None and degrees >= HOT_C:
        kind = TOO_HOT if degrees >= TOO_HOT_C else HOT
        found.append(kind.found(f"The processor has {degrees:.0f} °C.", facts={"temperature_c": degrees}))
    found += _supply(case)
    if not found:
        warm = f"{degrees:.0f} °C" if degrees is not None else "no temperature sensor"
        free = f"{memory / 1e6:.0f} MB of memory available" if memory is not None else "memory not known"
        busy = f"load {load:.2f} on {cores} processors" if load is not None else "load not known"
        facts = {"available_bytes": memory, "load_5min": load, "temperature_c": degrees}
        found.append(GOOD.found(f"{free}, {busy}, {warm}.", facts=facts))
    return found


def _memory(case: Case) -> int | None:
    """MemAvailable of /proc/meminfo, bytes."""
    for line in (case.read("proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _load(case: Case) -> float | None:
    words = (case.read("proc/loadavg") or "").split()
    return float(words[1]) if len(words) > 1 else None


def _hottest(case: Case) -> float | None:
    """Of the thermal zones, Celsius; a zone that cannot be read, or shows nonsense, is left out."""
    found = []
    for zone in (case.root / "sys/class/thermal").glob("thermal_zone*"):
        try:
            degrees = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
        if -40 < degrees < 150:
            found.append(degrees)
    return max(found, default=None)


def _supply(case: Case) -> list[Finding]:
    text = case.read(_THROTTLED_FILE)
    try:
        bits = int(text, 16) if text else 0
    except ValueError:
        return []
    found = []
    if bits & (_UNDERVOLTAGE_NOW | _UNDERVOLTAGE_WAS):
        when = "is too low now" if bits & _UNDERVOLTAGE_NOW else "was too low since it was started"
        found.append(UNDERVOLTAGE.found(f"The supply voltage {when}.", facts={"get_throttled": bits}))
    if bits & (_THROTTLED_NOW | _THROTTLED_WAS):
        when = "is slowed down now" if bits & _THROTTLED_NOW else "was slowed down since it was started"
        found.append(THROTTLED.found(f"The processor {when}.", facts={"get_throttled": bits}))
    return found
