"""One dead, one slow and one lying device among fifty never move another's poll by more than 100 ms; and 13 % of
random loss makes nobody down."""

import itertools
import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.lab.agent import SondaRun
from tests.lab.network import Network
from tests.lab.responder import Agent, Responder, healthy
from tests.lab.wire import Wire
from tests.programs import need_lab

DEVICES = 50
EVERY_S = 10
MOVED_S = 0.1


def polls(agent: Agent) -> list[float]:
    """When each poll's first request came; a poll's own requests lie close together."""
    times = [asked.at for asked in agent.asked]
    return times[:1] + [b for a, b in itertools.pairwise(times) if b - a > EVERY_S / 3]


@pytest.mark.lab
@pytest.mark.timeout(180)
def test_bad_neighbours_move_nobodys_poll(tmp_path: Path) -> None:
    need_lab()
    agents = {f"127.50.0.{i}": healthy(4, name=f"device {i}") for i in range(1, DEVICES + 1)}
    dead, slow, lying = agents["127.50.0.1"], agents["127.50.0.2"], agents["127.50.0.3"]
    dead.silent = True
    slow.delay_s = 2.0
    lying.wrong_id = lying.shuffled = True
    with Network() as network:
        place = network.namespace("fifty")
        place.ping_group_range()
        with Responder(place, agents) as responder:
            settings = (
                '[site]\ntenant = "lab"\nsite = "fifty"\nprobe = "p"\n[network]\ngateway = "none"\n'
                f"[snmp]\nstatus_s = {EVERY_S}\ncounters_s = {EVERY_S}\ntimeout_s = 2.5\nretries = 1\n"
                '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
            ) + "".join(
                f'[[device]]\nname = "device {i}"\nrole = "switch"\naddress = "127.50.0.{i}"\nsnmp = "c"\n'
                f"snmp_port = {responder.port}\n"
                for i in range(1, DEVICES + 1)
            )
            with SondaRun(tmp_path, settings, place=place, env={"C": "public"}) as sonda:
                time.sleep(2 * EVERY_S + 1)  # first contact
                for agent in agents.values():
                    agent.asked.clear()
                time.sleep(5 * EVERY_S)
                answers = {d["id"]: d["snmp"]["state"] for d in sonda.json("/api/v1/devices")}
                unexpected = sonda.json("/api/v1/agent")["scheduler"]["unexpected_faults"]
    moved = []
    for address, agent in agents.items():
        if agent in (dead, slow, lying):
            continue
        times = polls(agent)
        assert len(times) >= 4, f"{address} was polled {len(times)} times"
        offsets = [t - EVERY_S * round((t - times[0]) / EVERY_S) for t in times]
        moved.append(max(offsets) - min(offsets))
    print(f"moved: median {1e3 * statistics.median(moved):.1f} ms, most {1e3 * max(moved):.1f} ms")
    assert max(moved) <= MOVED_S
    assert unexpected == {}
    assert answers["device-1"] == answers["device-3"] == "down"
    assert Counter(answers.values())["up"] == DEVICES - 2, "the slow one answers within its deadline"


@pytest.mark.lab
@pytest.mark.parametrize(
    "seconds", [pytest.param(40, id="short"), pytest.param(1800, id="half-an-hour", marks=pytest.mark.long)]
)
@pytest.mark.timeout(2100)
def test_thirteen_percent_of_random_loss_makes_nobody_down(tmp_path: Path, seconds: int) -> None:
    need_lab()
    with Network() as network:
        near, far = network.namespace("near"), network.namespace("far")
        near.ping_group_range()
        with Wire(network, near, far, tmp_path, delay_ms=2, hosts=20, seed=11) as wire:
            wire.set(("ab",), loss_percent=13)
            settings = '[site]\ntenant = "lab"\nsite = "lossy"\nprobe = "p"\n[network]\ngateway = "none"\n' + "".join(
                f'[[device]]\nname = "{host}"\nrole = "server"\naddress = "{host}"\n' for host in wire.hosts
            )
            with SondaRun(tmp_path, settings, place=near) as sonda:
                time.sleep(seconds)
                devices = sonda.json("/api/v1/devices")
                incidents = sonda.json("/api/v1/incidents?hours=2")
                icmp = sonda.json("/api/v1/agent")["icmp"]
                scheduled = sonda.json("/api/v1/agent")["scheduler"]["runs"]
    print(f"{scheduled} echoes and {icmp['sent'] - scheduled} confirmations, {icmp['answered']} answered")
    assert {d["state"] for d in devices} == {"up"}
    assert incidents == []
    assert 0.84 < icmp["answered"] / icmp["sent"] < 0.90, "the wire did lose"
