"""Random loss is never taken for down, and down is seen in time: twenty targets behind one wire, `sonda run` before."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.network import Network
from tests.lab.wire import Wire
from tests.programs import need_lab

pytestmark = pytest.mark.lab
DOWN_S = 5.5


@dataclass
class Far:
    wire: Wire
    sonda: SondaRun

    def states(self) -> set[str]:
        return {device["state"] for device in self.sonda.json("/api/v1/devices")}


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    need_lab()
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe, behind = network.namespace("probe"), network.namespace("far")
        probe.ping_group_range()
        wire = stack.enter_context(Wire(network, probe, behind, tmp_path, delay_ms=5, jitter_ms=2, hosts=20))
        text = '[site]\ntenant = "lab"\nsite = "far"\nprobe = "probe-1"\n[network]\ngateway = "none"\n'
        for number, address in enumerate(wire.hosts):
            text += f'[[device]]\nname = "Host {number}"\nrole = "server"\naddress = "{address}"\n'
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=probe))
        wait_until(lambda: Far(wire, sonda).states() == {"up"}, "all are up", 5)
        yield Far(wire, sonda)


def watch(far: Far, seconds: float) -> None:
    """At 13 % random loss: nobody is ever anything but up."""
    far.wire.set(["ab"], loss_percent=13)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert far.states() == {"up"}
        time.sleep(0.5)
    assert far.sonda.json("/api/v1/incidents") == []
    trips = far.wire.trips()
    lost = sum(trip.lost for trip in trips)
    print(f"{len(trips)} echoes, {lost} lost ({lost / len(trips):.1%})")
    assert 0.09 < lost / len(trips) < 0.17, "the wire really lost that many"
    assert len(trips) > 20 * seconds * 0.9


def test_random_loss_is_not_down(far: Far) -> None:
    watch(far, 20)


@pytest.mark.long
@pytest.mark.timeout(2000)
def test_random_loss_is_not_down_for_half_an_hour(far: Far) -> None:
    watch(far, 1800)


def test_all_vanish_and_come_back(far: Far) -> None:
    far.wire.cut()
    cut = time.time()
    wait_until(lambda: far.states() == {"down"}, "all are down", DOWN_S)
    devices = far.sonda.json("/api/v1/devices")
    for device in devices:
        since = datetime.fromisoformat(device["since"]).timestamp()
        assert cut - 0.05 < since < cut + 1.1, "backdated to the first loss"
    far.wire.mend()
    wait_until(lambda: far.states() == {"up"}, "all are up again", 3)
    incidents = far.sonda.json("/api/v1/incidents")
    assert len(incidents) == 20
    assert all(incident["closed"] is not None for incident in incidents)
