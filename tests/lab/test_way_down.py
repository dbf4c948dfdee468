"""The way out is cut: the cable, then the gateway. One incident each, everything behind is unknown, and no device's
availability is touched in the five minutes that are closed over it (FIELD 18)."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import HEAD, ROOT, bodies, sonda_before_five_end, states
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.programs import need_lab

BEHIND = [f"10.50.1.{10 + i}" for i in range(5)]
DROP = "table ip gone {\n chain everything {\n  type filter hook prerouting priority -300;\n  drop\n }\n}\n"


def opened(sonda: SondaRun) -> list[dict[str, Any]]:
    return [i for i in sonda.json("/api/v1/incidents") if i["closed"] is None]


@pytest.mark.lab
@pytest.mark.long
@pytest.mark.timeout(180)
def test_cable_and_gateway(tmp_path: Path) -> None:
    need_lab("mosquitto", "mosquitto_sub", "nft")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe, gateway, lan = network.namespace("probe"), network.namespace("gateway"), network.namespace("lan")
        probe.ping_group_range()
        gateway.forward()
        uplink, _ = network.veth(probe, gateway, addresses=(["10.50.0.2/24"], ["10.50.0.1/24"]))
        _, device = network.veth(gateway, lan, addresses=(["10.50.1.1/24"], [f"{BEHIND[0]}/24"]))
        lan.ip_batch([f"address add {address}/24 dev {device}" for address in BEHIND[1:]])
        lan.route("default", via="10.50.1.1")
        probe.route("default", via="10.50.0.1")
        broker = stack.enter_context(Mosquitto(tmp_path, place=probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        text = HEAD + "".join(
            f'[[device]]\nname = "Server {i}"\nrole = "server"\naddress = "{address}"\n'
            for i, address in enumerate(BEHIND)
        )
        text += f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        command = sonda_before_five_end(55, tmp_path / "sonda.toml")
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=probe, command=command))
        everybody = {"gateway", *(f"server-{i}" for i in range(5))}
        wait_until(lambda: states(sonda) == dict.fromkeys(everybody, "up"), "all up", 8)

        probe.down(uplink)
        wait_until(lambda: set(states(sonda).values()) == {"unknown"}, "all unknown", 6)
        # The kernel has taken the routes away with the link; the agent reads them every 10 s.
        for _ in range(13):
            assert states(sonda) == dict.fromkeys(everybody, "unknown"), "the gateway does not vanish with its route"
            (only,) = opened(sonda)
            assert (only["kind"], only["cause"]) == ("probe.link", "own_link")
            time.sleep(1)
        assert set(only["hides"]) == everybody
        probe.up(uplink)
        probe.route("default", via="10.50.0.1")
        wait_until(lambda: states(sonda) == dict.fromkeys(everybody, "up"), "all up again", 15)
        assert opened(sonda) == []

        gateway.nft(DROP)
        wait_until(lambda: states(sonda)["gateway"] == "down", "the gateway is down", 6)
        wait_until(lambda: sorted(states(sonda).values()) == ["down"] + ["unknown"] * 5, "the rest unknown", 6)
        time.sleep(3)
        (only,) = opened(sonda)
        assert (only["kind"], only["entity"]) == ("device.down", "gateway")
        assert set(only["hides"]) == everybody - {"gateway"}
        assert sorted(states(sonda).values()) == ["down"] + ["unknown"] * 5
        gateway.nft("delete table ip gone\n")
        wait_until(lambda: states(sonda) == dict.fromkeys(everybody, "up"), "all up again", 10)
        assert opened(sonda) == []

        recorder.wait_for(lambda _: bodies(recorder, "summary/site"), "five minutes are closed", 60)
        for i in range(5):
            (summary,) = bodies(recorder, f"summary/device/server-{i}")
            figure = summary["figures"]["availability_pct"]
            assert (figure["v"], figure["down_s"]) == (100, 0), "nobody's availability is touched"
            assert figure["up_s"] > 10 and figure["unknown_s"] > 20
        (summary,) = bodies(recorder, "summary/device/gateway")
        assert 6 < summary["figures"]["availability_pct"]["down_s"] < 25, "the gateway alone was down"
        faults = [(b["cause"], b["state"]) for b in bodies(recorder, "event/probe.fault")]
        assert faults == [("own_link", "open"), ("own_link", "closed")]
        assert {b["device"] for b in bodies(recorder, "event/device.down")} == {"gateway"}
        assert len(sonda.json("/api/v1/incidents")) == 2
        assert sonda.stop() == 0
