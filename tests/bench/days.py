"""Bytes written and bytes published a day: simulated days through the real heart and store (simulated.py)."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.report import Effort, Row, Say
from tests.bench.site_plan import LARGE, MIDDLE, Shape

LIMIT_BYTES = 4e9
FULL_HOURS, QUICK_HOURS = 24.0, 2.0
SCALE_HOURS = 2.1
"""Two hours' ends: figures are judged by windows before them."""
SCALE_ROUNDS = 3
SMALL, BIG = Shape(50, 0, 0, 8), Shape(500, 0, 0, 8)
QUICK_SMALL, QUICK_BIG = Shape(25, 0, 0, 8), Shape(250, 0, 0, 8)


def _start(shape: Shape, hours: float, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.simulated", "--hours", str(hours), "--folder", str(folder)]
    command += ["--switches", str(shape.switches), "--access-points", str(shape.access_points)]
    command += ["--endpoints", str(shape.endpoints), "--ports", str(shape.ports)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the simulated day ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said)
    return found


def rows(effort: Effort, say: Say) -> list[Row]:
    """Two sites at the same time: neither figure depends on how fast the machine is."""
    hours = QUICK_HOURS if effort.quick else FULL_HOURS
    say(f"{hours:.0f} simulated hours of {LARGE}, and of {MIDDLE}")
    with tempfile.TemporaryDirectory(dir=effort.folder) as folder:
        started = [_start(shape, hours, Path(folder)) for shape in (LARGE, MIDDLE)]
        large, middle = (_result(process) for process in started)
    days_held = LIMIT_BYTES / (large["file_mb"] * 1e6 * 24 / hours)
    kinds = ", ".join(f"{kind} {mb:.1f}" for kind, mb in middle["kinds_mb_day"].items())
    partly = hours < 24
    scaled = f", scaled from {hours:.0f} hours" if partly else ""
    return [
        Row(
            "bytes written to disk a day, that site", large["written_mb_day"], 400, 200, "MB",
            f"write_bytes of {hours:.0f} simulated hours of {LARGE} through Core and Store, acknowledged and folded"
            f"{scaled}; the file grows {large['file_mb'] * 24 / hours:.0f} MB a day: 4 GB hold {days_held:.0f} days "
            "before anything is dropped by age",
            extrapolated=partly,
        ),
        Row(
            "bytes published a day, 100 devices, 30 with 48 ports", middle["published_mb_day"], 70, 35, "MB",
            f"topics and payloads of {middle['messages']} durable messages of {hours:.0f} simulated hours{scaled}; "
            f"MB a day: {kinds}",
            extrapolated=partly,
        ),
    ]  # fmt: skip


def scale(effort: Effort, say: Say) -> list[Row]:
    """The heart alone, whose work of a window's end must not grow faster than the site."""
    shapes = (QUICK_SMALL, QUICK_BIG) if effort.quick else (SMALL, BIG)
    rounds = 1 if effort.quick else SCALE_ROUNDS
    say(f"{SCALE_HOURS} simulated hours of {shapes[0].devices} and of {shapes[1].devices} devices, {rounds} times")
    costs: dict[Shape, list[float]] = {shape: [] for shape in shapes}
    for _ in range(rounds):
        for shape in shapes:  # one after the other: they are compared by their CPU
            with tempfile.TemporaryDirectory(dir=effort.folder) as folder:
                found = _result(_start(shape, SCALE_HOURS, Path(folder)))
            costs[shape].append(found["cpu_s"] / found["hours"] / 3600 / shape.devices * 1e6)
    small, big = (statistics.median(costs[shape]) for shape in shapes)
    return [
        Row(
            "the same for accumulators, windows, summaries and store", big / small, 1.1, 1.0, "x",
            f"{SCALE_HOURS} simulated hours with their folds, {BIG.ports} ports each, median of {rounds} alternating "
            f"rounds: {small:.1f} us a device and second at {shapes[0].devices}, {big:.1f} us at {shapes[1].devices}",
        )
    ]  # fmt: skip
