"""One dead, one slow and one lying SNMP agent among fifty never move another's poll or echo.

Two agents side by side, each with fifty devices of its own; three of the one's are bad. When each poll and echo left is
the kernel's stamp in a capture. What another program does to the machine is no matter of a neighbour's: both agents run
at real-time priority, and what the agent without bad neighbours suffers at the same moment does not count. With four busy
loops on two cores, at the usual priority, echoes of either agent were up to 0.2 s late, and the responder's own notes of
polls up to 0.4 s, with bad neighbours or without; at this priority 2 ms (measured).
"""

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.agent import SondaRun
from tests.lab.capture import Capture, Seen
from tests.lab.network import Network
from tests.lab.responder import Agent, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab
EVERY_S = 10.0
ECHO_S = 0.2
"""Dense, so that there is something of a healthy device to be moved in every slot of the scheduler."""
POLLS = 3
LIMIT_S = 0.1
BLOCK_S = 0.15
SAME_MOMENT_S = 0.5
REAL_TIME = 10
PROBE = "10.9.1.1"
ADDRESSES = [f"10.9.0.{n}" for n in range(1, 51)]
HEALTHY = ADDRESSES[3:]
_UDP, _ECHO_REQUEST = 17, 8


class Moved(NamedTuple):
    """One poll or echo; ``by_s`` is how far from one interval after the one before it, earlier or later."""

    at: float
    by_s: float


class Fifty(NamedTuple):
    agents: dict[str, Agent]
    sonda: SondaRun
    capture: Capture

    def moved(self, since: float, until: float) -> tuple[list[Moved], list[Moved]]:
        """Polls and echoes of the healthy devices that began between two moments of the wall clock."""
        polls, echoes = _beginnings(self.capture.packets)
        return _moved(polls, EVERY_S, since, until), _moved(echoes, ECHO_S, since, until)


def _beginnings(packets: Sequence[Seen]) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """When polls and echoes of each healthy device began: a poll is requests after a pause of more than a second."""
    polls: dict[str, list[float]] = {address: [] for address in HEALTHY}
    echoes: dict[str, list[float]] = {address: [] for address in HEALTHY}
    last: dict[str, float] = defaultdict(float)
    for packet in packets:
        if packet.source != PROBE or packet.target not in polls:
            continue
        at = packet.at_ns / 1e9
        if packet.icmp_type == _ECHO_REQUEST:
            echoes[packet.target].append(at)
        elif packet.protocol == _UDP:
            if at - last[packet.target] > 1:
                polls[packet.target].append(at)
            last[packet.target] = at
    return polls, echoes


def _moved(times: dict[str, list[float]], interval_s: float, since: float, until: float) -> list[Moved]:
    return [
        Moved(later, abs(later - earlier - interval_s))
        for one in times.values()
        for earlier, later in pairwise(at for at in one if since <= at < until)
    ]


@contextlib.contextmanager
def fifty(network: Network, folder: Path, *, bad: bool) -> Iterator[Fifty]:
    """An agent with fifty devices, where ``bad`` the first three of them dead, slow and lying."""
    agents = {address: healthy(8, name=address) for address in ADDRESSES}
    if bad:
        dead, slow, lying = (agents[address] for address in ADDRESSES[:3])
        dead.silent = True
        slow.delay_s = 2
        lying.wrong_id = lying.shuffled = lying.twice = True
    text = '[site]\ntenant = "lab"\nsite = "fifty"\nprobe = "probe-1"\n[network]\ngateway = "none"\n'
    text += f"[echo]\ninfrastructure_s = {ECHO_S}\n"
    text += f"[snmp]\nstatus_s = {EVERY_S:.0f}\ncounters_s = {EVERY_S:.0f}\ntimeout_s = 3\n"
    text += '[[credential]]\nname = "lab"\nversion = "2c"\ncommunity = { env = "LAB_COMMUNITY" }\n'
    for address in ADDRESSES:
        text += f'[[device]]\nname = "D{address[7:]}"\nrole = "switch"\naddress = "{address}"\nsnmp = "lab"\n'
    probe, devices = network.namespace("probe"), network.namespace("devices")
    probe.ping_group_range()
    _, here = network.veth(probe, devices, addresses=([f"{PROBE}/16"], ["10.9.1.2/16"]))
    devices.address("lo", *(f"{address}/32" for address in ADDRESSES))
    folder.mkdir()
    with (
        Responder(devices, agents, port=161),
        Capture(devices, here, icmp_only=False, quiet=True) as capture,
        SondaRun(folder, text, place=probe, env={"LAB_COMMUNITY": "public"}) as sonda,
    ):
        _prefer(sonda.daemon.pid)
        yield Fifty(agents, sonda, capture)


def _prefer(pid: int) -> None:
    """Real-time priority for all threads of a process; those that it starts later inherit it."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(REAL_TIME))
    except PermissionError:
        print("no real-time priority: what else runs here moves both agents, and not at the same moments")


def _beyond(moved: Sequence[Moved], others: Sequence[Moved]) -> list[Moved]:
    """What was moved by the limit or more beyond what moved the others at the same moment."""
    found = []
    for one in moved:
        if one.by_s >= LIMIT_S:
            near = [other.by_s for other in others if abs(other.at - one.at) < SAME_MOMENT_S]
            if one.by_s - max(near, default=0.0) >= LIMIT_S:
                found.append(one)
    return found


@pytest.mark.timeout(120)
def test_nothing_is_moved_by_another_device(tmp_path: Path) -> None:
    need_lab()
    with Network() as network:
        with (
            fifty(network, tmp_path / "without", bad=False) as without,
            fifty(network, tmp_path / "with", bad=True) as beside,
        ):
            began = time.time()
            time.sleep(EVERY_S * POLLS + 3)
            ended = time.time()
            shown = {device["address"]: device["snmp"] for device in beside.sonda.json("/api/v1/devices")}
            beside.sonda.daemon.signal(signal.SIGSTOP)
            time.sleep(BLOCK_S)
            beside.sonda.daemon.signal(signal.SIGCONT)
            time.sleep(1.0)
        assert (without.capture.dropped, beside.capture.dropped) == (0, 0)
        polls, echoes = beside.moved(began, ended)
        others = [moved for kind in without.moved(began, ended) for moved in kind]
        stopped = beside.moved(ended - 1.0, ended + BLOCK_S + 1.0)[1]
    assert len(polls) >= (POLLS - 1) * len(HEALTHY)
    assert len(echoes) >= EVERY_S * POLLS / ECHO_S * len(HEALTHY)
    for name, moved in (("poll", polls), ("echo", echoes), ("of either without bad neighbours", others)):
        print(f"most any {name} of a healthy device moved: {max(m.by_s for m in moved) * 1e3:.1f} ms")
    assert _beyond([*polls, *echoes], others) == []
    assert _beyond(stopped, others), f"an agent that stood still for {BLOCK_S} s would not have been seen"
    assert {shown[address]["state"] for address in HEALTHY} == {"up"}
    assert shown[ADDRESSES[0]]["state"] == "down"
    assert shown[ADDRESSES[1]]["state"] == "up", "slow, but it answers"
    assert len(beside.agents[ADDRESSES[0]].asked) >= POLLS
