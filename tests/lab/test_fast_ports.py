"""Ports set fast, from the settings file to the wire, and after a reload."""

from pathlib import Path

import pytest

from tests.lab import ber
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.network import Network
from tests.lab.responder import Agent, Port, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ADDRESS = "127.61.0.1"
EVERY_S = 10


def reads(agent: Agent) -> dict[int, int]:
    """How often a GET named ifHCInOctets of ports 1 to 3."""
    names = {ber.oid(f"1.3.6.1.2.1.31.1.1.1.6.{index}"): index for index in (1, 2, 3)}
    found = dict.fromkeys(names.values(), 0)
    for asked in list(agent.asked):
        for name in asked.names if asked.pdu == ber.GET else ():
            if name in names:
                found[names[name]] += 1
    return found


@pytest.mark.timeout(120)
def test_fast_ports_are_read_with_status_and_a_reload_changes_which(tmp_path: Path) -> None:
    need_lab()
    agent = healthy(3, given=(Port(2, alias="Uplink to core"),))
    with Network() as network:
        place = network.namespace("fast")
        place.ping_group_range()
        with Responder(place, {ADDRESS: agent}) as responder:
            text = (
                '[site]\ntenant = "lab"\nsite = "fast"\nprobe = "p"\n[network]\ngateway = "none"\n'
                f"[snmp]\nstatus_s = {EVERY_S}\ntimeout_s = 1\n"
                '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
                f'[[device]]\nname = "sw"\nrole = "switch"\naddress = "{ADDRESS}"\nsnmp = "c"\n'
                f'snmp_port = {responder.port}\n[device.ports]\nfast = ["uplink*"]\n'
            )
            with SondaRun(tmp_path, text, place=place, env={"C": "public"}) as sonda:
                wait_until(lambda: reads(agent)[2] == 2, "the uplink is read twice", 4 * EVERY_S)
                assert reads(agent) == {1: 1, 2: 2, 3: 1}
                agent.asked.clear()
                sonda.reload(text.replace("uplink*", "GE3"))
                wait_until(lambda: reads(agent)[3] == 2, "the third port is read twice", 5 * EVERY_S)
                assert reads(agent)[1] == 1
                assert reads(agent)[2] <= 2, "what the reload found under way, and what it starts with"
                assert "1 changed (sw)" in sonda.log
