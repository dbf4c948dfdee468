"""CPU an echo, whole, against fping; and no false loss, nor a false round trip, while SNMP polling fills a core."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpi.model import Role
from tests.bench.echo import FPING_SPACING_MS
from tests.bench.report import Effort, Row, Say, missing
from tests.bench.site_plan import COMMUNITY, COMMUNITY_ENV, PORTS, address, name, settings
from tests.bench.snmp import _cpu_of as cpu_of
from tests.lab.agent import SondaRun
from tests.lab.capture import Capture, CapturedTrip
from tests.lab.daemon import Daemon, free_port
from tests.lab.network import Namespace, Network
from tests.programs import PACKAGES, find

TARGETS = 500
WARM_S = 8.0
IMPORTS = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
"""For programs of tests.bench that are started in another folder."""
LOAD_DEVICES = 100
FULL = 0.9
"""The share of a core from which on our process counts as fully loaded; below it a kept budget is not claimed."""
CONTACT_S = 20.0
"""First contact with all of them, at once."""
COST = "CPU an echo (sent, timed, KPI'd, stored) against fping"


def cost(effort: Effort, say: Say) -> list[Row]:
    """Both at once, each in a namespace of its own: the same minutes, the same neighbours."""
    if find("fping") is None:
        return [missing(COST, 4, 2, "x", f"needs fping: apt-get install {PACKAGES['fping']}")]
    minutes = 1 if effort.quick else 5
    with tempfile.TemporaryDirectory(dir=effort.folder) as folder, Network() as network:
        ours, theirs = network.namespace("ours"), network.namespace("fping")
        ours.ping_group_range()
        with SondaRun(Path(folder), settings([Role.SERVER] * TARGETS), place=ours) as sonda:
            time.sleep(WARM_S)
            say(f"echoes to {TARGETS} targets, ours and fping side by side, {minutes} min")
            pid = sonda.daemon.pid
            sent, before = _icmp(sonda)["sent"], cpu_of(pid)
            began = time.monotonic()
            rounds = [_fping(theirs, 60) for _ in range(minutes)]
            spent = cpu_of(pid) - before
            seconds = time.monotonic() - began
            counted = _icmp(sonda)
            sent = counted["sent"] - sent
    ours_us = spent / sent * 1e6
    fping_us = sum(cpu for cpu, _ in rounds) / sum(n for _, n in rounds) * 1e6
    return [
        Row(
            COST, ours_us / fping_us, 4, 2, "x",
            f"sonda run whole, {sent} echoes in {seconds:.0f} s with {minutes} minute closes"
            f"{'' if effort.quick else ' and a five-minute close'}: {ours_us:.1f} us, against {fping_us:.1f} us "
            f"({minutes} x 60 s at the same time); ours lost {sent - counted['answered'] if sent == counted['sent'] else 0}",
        )
    ]  # fmt: skip


def _icmp(sonda: SondaRun) -> dict[str, Any]:
    found: dict[str, Any] = sonda.json("/api/v1/agent")["icmp"]
    return found


def _fping(place: Namespace, seconds: int) -> tuple[float, int]:
    """CPU seconds and echoes sent."""
    command = ["fping", "-q", "-C", str(seconds), "-p", "1000", "-i", str(FPING_SPACING_MS)]
    with place.inside():
        started = subprocess.Popen(
            [*command, *map(address, range(TARGETS))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    _, status, used = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, seconds * TARGETS


@contextlib.contextmanager
def answering(place: Namespace, folder: Path, ports: int = PORTS, keep_s: float = 5.0) -> Iterator[tuple[int, Daemon]]:
    """Simulated SNMP agents at every loopback address of a namespace, in a process of their own: their port."""
    port = free_port(place=place)
    command = [sys.executable, "-m", "tests.bench.answering", str(port), str(ports), str(keep_s)]
    daemon = Daemon(command, log=folder / "answering.log", place=place, env=IMPORTS)
    daemon.start()
    try:
        yield port, daemon
    finally:
        daemon.stop()


@dataclass(frozen=True, slots=True)
class Loaded:
    """One run under load. Differences are ours minus the capture's, in microseconds, of echoes both have seen."""

    sent: int
    lost: int
    missed: int
    """Ticks of the scheduler that fell out: echoes or polls that were due and not made."""
    seen: int
    differences_us: list[float]
    ours_us: list[float]
    captured_us: list[float]
    share: float
    """Of a core, that our process took."""
    waiting: float
    """Share of the time in which its loop was ready to run and had no core: what others took."""
    answering: float
    """Of a core, that the simulated agents took."""
    varbinds_s: float
    """Varbinds asked a second."""
    dropped: int
    counters: dict[str, Any]


def loaded(seconds: int, folder: Path) -> Loaded:
    """500 targets at 1 Hz beside polls of 100 devices as fast as our process makes them, with a capture of the same."""
    trips = folder / "trips.json"
    with Network() as network:
        place = network.namespace("load")
        place.ping_group_range()
        with answering(place, folder, keep_s=30.0) as (port, agents):
            roles = [Role.SERVER] * TARGETS
            text = settings(roles, snmp=range(LOAD_DEVICES), snmp_port=port)
            command = [sys.executable, "-m", "tests.bench.loaded", str(folder / "sonda.toml"), str(trips)]
            env = {COMMUNITY_ENV: COMMUNITY, **IMPORTS}
            with SondaRun(folder, text, place=place, command=command, env=env) as sonda:
                time.sleep(CONTACT_S)
                pids = sonda.daemon.pid, agents.pid
                before, then = _taken(*pids), sonda.json("/api/v1/agent")
                offset = time.time() - time.monotonic()
                start = time.monotonic()
                with Capture(place, "lo") as capture:
                    time.sleep(seconds + 3.0)
                end = start + seconds
                after = sonda.json("/api/v1/agent")
                lasted = time.monotonic() - start
                share, waiting, answered = ((b - a) / lasted for a, b in zip(before, _taken(*pids), strict=True))
    taken = [t for t in json.loads(trips.read_text()) if start + 0.5 <= t[1] < end - 0.5]
    matched = _match(taken, capture.trips(), offset)
    return Loaded(
        sent=len(taken),
        lost=sum(t[2] is None for t in taken),
        missed=after["scheduler"]["missed"] - then["scheduler"]["missed"],
        seen=len(matched),
        differences_us=sorted(a - b for a, b in matched),
        ours_us=sorted(a for a, _ in matched),
        captured_us=sorted(b for _, b in matched),
        share=share,
        waiting=waiting,
        answering=answered,
        varbinds_s=(after["snmp"]["tally"]["varbinds"] - then["snmp"]["tally"]["varbinds"]) / lasted,
        dropped=capture.dropped,
        counters={"tally": after["snmp"]["tally"], "icmp": after["icmp"], "scheduler": after["scheduler"]},
    )


def _taken(ours: int, answering: int) -> tuple[float, float, float]:
    """CPU seconds of our process, seconds its loop waited for a core (proc(5), schedstat), CPU seconds of the other."""
    waited = Path(f"/proc/{ours}/schedstat").read_text().split()[1]
    return cpu_of(ours), int(waited) / 1e9, cpu_of(answering)


def _match(taken: list[Any], captured: list[CapturedTrip], offset: float) -> list[tuple[float, float]]:
    """Round trips of the same echo, ours and the capture's, in us: same target, sent at the same time."""
    targets = {f"{name(number)}/icmp": address(number) for number in range(TARGETS)}
    by_address: dict[str, list[CapturedTrip]] = defaultdict(list)
    for trip in captured:
        by_address[trip.request.target].append(trip)
    pairs = []
    for target, at, rtt_ms in taken:
        sent = at + offset
        nearest = min(by_address[targets[target]], key=lambda t: abs(t.request.at_ns / 1e9 - sent), default=None)
        if nearest is None or rtt_ms is None or nearest.rtt_ms is None:
            continue
        if abs(nearest.request.at_ns / 1e9 - sent) < 0.1:
            pairs.append((rtt_ms * 1e3, nearest.rtt_ms * 1e3))
    return pairs


def quantile(ordered: list[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def under_load(effort: Effort, say: Say) -> list[Row]:
    """Three rows: loss, median, 99th percentile."""
    seconds = 60 if effort.quick else 120
    say(f"{TARGETS} targets under full SNMP load, {seconds} s")
    with tempfile.TemporaryDirectory(dir=effort.folder) as folder:
        return load_rows(loaded(seconds, Path(folder)))


def load_rows(run: Loaded) -> list[Row]:
    """What a run shows. One whose load was not full keeps no budget: its rows are "not measured", and say why."""
    load = (
        f"our process at {100 * run.share:.0f} % of a core with SNMP of {LOAD_DEVICES} devices polled without a pause "
        f"({round(run.varbinds_s, -3):,.0f} varbinds a second; it waited for a core {100 * run.waiting:.0f} % of the "
        f"time, what answers took {100 * run.answering:.0f} %)"
    )
    seen = f"{run.seen} echoes in a capture of the same run that dropped {run.dropped}"
    medians = quantile(run.ours_us, 0.5), quantile(run.captured_us, 0.5)
    tails = quantile(run.ours_us, 0.99), quantile(run.captured_us, 0.99)
    apart = [quantile(run.differences_us, q) for q in (0.5, 0.99)]
    rows = [
        Row("false loss, 500 targets at 1 Hz with SNMP at full load", run.lost, 0, 0, "", f"{run.sent} echoes, {run.missed} fell out; {load}"),
        Row(
            "round trip under that load against a packet capture, median", abs(medians[0] - medians[1]), 30, 30, "us",
            f"{seen}: {medians[0]:.1f} against {medians[1]:.1f} us; echo by echo {apart[0]:.1f} us",
        ),
        Row(
            "the same, 99th percentile", abs(tails[0] - tails[1]), 300, 300, "us",
            f"{tails[0]:.1f} against {tails[1]:.1f} us; echo by echo {apart[1]:.1f} us",
        ),
    ]  # fmt: skip
    return rows if run.share >= FULL else [_not_full(row, run.share) for row in rows]


def _not_full(row: Row, share: float) -> Row:
    """A breach under less than the full load is a breach all the same; a budget that was kept is not claimed."""
    if row.verdict == "OVER":
        return row
    reason = f"the load was not full ({100 * share:.0f} % of a core, {100 * FULL:.0f} % are needed)"
    return missing(row.what, row.must, row.aim, row.unit, f"{reason}; it gave {row.cells()[1]}: {row.how}")
