"""The 200-device site, run as it would be: memory, bytes to the disk, a window's way to the broker; and cost by size."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.windows import FIVE_S, GRACE_S
from kpi.model import Role
from tests.bench.echoes import answering
from tests.bench.report import Effort, Row, Say, missing
from tests.bench.site_plan import COMMUNITY, COMMUNITY_ENV, LARGE, settings
from tests.bench.snmp import _cpu_of as cpu_of
from tests.lab.agent import SondaRun
from tests.lab.mosquitto import Message, Mosquitto
from tests.lab.network import Network
from tests.programs import PACKAGES, find

MEMORY = "resident memory, 200 devices, 100 of them with 48 ports"
CLOSE = "a closed 5-minute window of that site, close to last PUBACK"
SCALE = "CPU a device at 500 devices over that at 50"
QUICK_AFTER_S = 20.0
DEFAULT_MINUTES = 10.5
EVERY_S = 30.0
SMALL, BIG = 50, 500
SCALE_PORTS = 8
CONTACT_S = 65.0
"""First contacts are spread over a minute."""
ENV = {COMMUNITY_ENV: COMMUNITY}


@dataclass(frozen=True, slots=True)
class SiteRun:
    """``memory``: (minutes, MB). ``closes``: seconds from a window's closing to its last message at the broker."""

    memory: list[tuple[float, float]]
    closes: list[float]
    messages: int
    written_mb_day: float | None
    """From whole five-minute windows; None where none was complete."""
    cpu_share: float


def run_site(minutes: float | None, folder: Path, say: Say) -> SiteRun:
    """``sonda run`` on the large site for so long; None is until 20 s after the first five-minute window closed."""
    with Network() as network:
        place = network.namespace("site")
        place.ping_group_range()
        with (
            answering(place, folder) as (port, _),
            Mosquitto(folder, place=place) as broker,
            broker.recorder("sonda/#") as recorder,
        ):
            text = settings(LARGE.roles(), snmp=range(LARGE.switches), snmp_port=port, mqtt_port=broker.port)
            with SondaRun(folder, text, place=place, env=ENV) as sonda:
                began = time.time()
                end = began + 60 * minutes if minutes else (began // FIVE_S + 1) * FIVE_S + GRACE_S + QUICK_AFTER_S
                memory: list[tuple[float, float]] = []
                written: dict[float, int] = {}
                say(f"a site of {LARGE} for {(end - began) / 60:.1f} min")
                while (now := time.time()) < end:
                    memory.append(((now - began) / 60, sonda.memory_bytes() / 1e6))
                    label = now // FIVE_S
                    if now % FIVE_S > GRACE_S + 10:
                        written.setdefault(label, sonda.written_bytes())
                    until_next = FIVE_S - now % FIVE_S + GRACE_S + 11
                    time.sleep(max(0.1, min(EVERY_S, until_next, end - now)))
                memory.append(((time.time() - began) / 60, sonda.memory_bytes() / 1e6))
                share = cpu_of(sonda.daemon.pid) / (time.time() - began)
                messages = recorder.messages
    full = sorted(written)[1:]  # the first holds first contact and the database's making
    per_window = (written[full[-1]] - written[full[0]]) / (full[-1] - full[0]) if len(full) > 1 else None
    return SiteRun(
        memory=memory,
        closes=close_to_broker(messages),
        messages=len(messages),
        written_mb_day=per_window * 86_400 / FIVE_S / 1e6 if per_window else None,
        cpu_share=share,
    )


def close_to_broker(messages: Sequence[Message]) -> list[float]:
    """Seconds from the closing of each five-minute window until the subscriber had its last message."""
    last: dict[int, float] = {}
    for message in messages:
        if "/summary/" in message.topic:
            window: dict[str, Any] = message.json().get("window", {})
            if window.get("length_s") == FIVE_S:
                last[window["start"]] = max(last.get(window["start"], 0.0), message.at)
    return [at - (label + FIVE_S + GRACE_S) for label, at in sorted(last.items())]


def rows(effort: Effort, say: Say) -> list[Row]:
    """Memory, the window's way, bytes written of the real run."""
    if find("mosquitto") is None or find("mosquitto_sub") is None:
        reason = f"needs mosquitto: apt-get install {PACKAGES['mosquitto']} {PACKAGES['mosquitto_sub']}"
        return [missing(MEMORY, 130, 100, "MB", reason), missing(CLOSE, 5, 1, "s", reason)]
    minutes = effort.minutes or (None if effort.quick else DEFAULT_MINUTES)
    with tempfile.TemporaryDirectory(dir=effort.folder) as folder:
        run = run_site(minutes, Path(folder), say)
    ran = run.memory[-1][0]
    found = [
        Row(
            MEMORY, run.memory[-1][1], 130, 100, "MB",
            f"VmRSS of sonda run after {ran:.0f} min: {_trend(run.memory)}; {100 * run.cpu_share:.0f} % of a core",
            extrapolated=ran < 59,
        ),
        Row(
            CLOSE, max(run.closes), 5, 1, "s",
            f"worst of {len(run.closes)} windows, median {statistics.median(run.closes):.2f} s; {run.messages} messages "
            "at a subscriber of mosquitto on loopback; closing begins 5 s after the window's end",
        )
        if run.closes
        else missing(CLOSE, 5, 1, "s", "no five-minute window was closed in so short a run"),
    ]  # fmt: skip
    if run.written_mb_day is not None:
        found.append(
            Row(
                "bytes written a day, cross-check by the real run", run.written_mb_day, 400, 200, "MB",
                "write_bytes of /proc/PID/io over whole five-minute windows; hourly folds and the copying of the log not in it", extrapolated=True,
            )
        )  # fmt: skip
    return found


def _trend(memory: Sequence[tuple[float, float]]) -> str:
    last = memory[-1][0]
    marks = [m for m in (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 90, 120) if m < last]
    shown = [(mark, min(memory, key=lambda one: abs(one[0] - mark))[1]) for mark in marks] + [memory[-1]]
    return ", ".join(f"{mb:.0f} MB at {mark:.0f} min" for mark, mb in shown)


def scale(effort: Effort, say: Say) -> list[Row]:
    """The same agent with 50 and with 500 devices, at the same time."""
    seconds = 60 if effort.quick else 120
    say(f"{SMALL} and {BIG} devices for {seconds} s")
    with tempfile.TemporaryDirectory(dir=effort.folder) as name, ThreadPoolExecutor() as pool:
        folders = [Path(name, str(devices)) for devices in (SMALL, BIG)]
        small, big = pool.map(_cost_a_device, (SMALL, BIG), (seconds, seconds), folders)
    return [
        Row(
            SCALE, big / small, 1.1, 1.0, "x",
            f"sonda run for {seconds} s, an echo a second and {SCALE_PORTS} ports each: {small * 1e6:.0f} us a "
            f"device and second at {SMALL}, {big * 1e6:.0f} us at {BIG}: what there is to do at any size is shared",
        )
    ]  # fmt: skip


def _cost_a_device(devices: int, seconds: int, folder: Path) -> float:
    """CPU seconds a device and second."""
    folder.mkdir()
    with Network() as network:
        place = network.namespace(f"scale{devices}")
        place.ping_group_range()
        with answering(place, folder, SCALE_PORTS) as (port, _):
            text = settings([Role.SWITCH] * devices, snmp=range(devices), snmp_port=port)
            with SondaRun(folder, text, place=place, env=ENV) as sonda:
                time.sleep(CONTACT_S)
                before, began = cpu_of(sonda.daemon.pid), time.monotonic()
                time.sleep(seconds)
                return (cpu_of(sonda.daemon.pid) - before) / (time.monotonic() - began) / devices
