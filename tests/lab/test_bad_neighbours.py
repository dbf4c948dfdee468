"""One dead, one slow and one lying SNMP agent among fifty never move another's poll."""

import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.lab.agent import SondaRun
from tests.lab.network import Network
from tests.lab.responder import Agent, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab
EVERY_S = 10.0
POLLS = 3


def polls(agent: Agent) -> list[float]:
    """When each poll began: requests after a pause of more than a second."""
    times = [asked.at for asked in agent.asked]
    return times[:1] + [later for earlier, later in pairwise(times) if later - earlier > 1]


@pytest.mark.timeout(120)
def test_no_poll_is_moved_by_another_device(tmp_path: Path) -> None:
    need_lab()
    addresses = [f"10.9.0.{n}" for n in range(1, 51)]
    agents = {address: healthy(8, name=address) for address in addresses}
    dead, slow, lying = (agents[address] for address in addresses[:3])
    dead.silent = True
    slow.delay_s = 2
    lying.wrong_id = lying.shuffled = lying.twice = True
    text = '[site]\ntenant = "lab"\nsite = "fifty"\nprobe = "probe-1"\n[network]\ngateway = "none"\n'
    text += f"[snmp]\nstatus_s = {EVERY_S:.0f}\ncounters_s = {EVERY_S:.0f}\ntimeout_s = 3\n"
    text += '[[credential]]\nname = "lab"\nversion = "2c"\ncommunity = { env = "LAB_COMMUNITY" }\n'
    for address in addresses:
        text += f'[[device]]\nname = "D{address[7:]}"\nrole = "switch"\naddress = "{address}"\nsnmp = "lab"\n'
    with Network() as network:
        probe, devices = network.namespace("probe"), network.namespace("devices")
        probe.ping_group_range()
        network.veth(probe, devices, addresses=(["10.9.1.1/16"], ["10.9.1.2/16"]))
        devices.address("lo", *(f"{address}/32" for address in addresses))
        with (
            Responder(devices, agents, port=161),
            SondaRun(tmp_path, text, place=probe, env={"LAB_COMMUNITY": "public"}) as sonda,
        ):
            time.sleep(EVERY_S * POLLS + 3)
            shown = {device["address"]: device["snmp"] for device in sonda.json("/api/v1/devices")}
    moved = 0.0
    for address in addresses[3:]:
        began = polls(agents[address])
        assert len(began) >= POLLS
        assert shown[address]["state"] == "up"
        for earlier, later in pairwise(began):
            moved = max(moved, abs((later - earlier) % EVERY_S - EVERY_S * ((later - earlier) % EVERY_S > EVERY_S / 2)))
    print(f"most any poll of a healthy device moved: {moved * 1e3:.0f} ms")
    assert moved < 0.1
    assert shown[addresses[0]]["state"] == "down"
    assert shown[addresses[1]]["state"] == "up", "slow, but it answers"
    assert len(dead.asked) >= POLLS
