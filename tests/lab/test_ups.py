"""A UPS goes to battery and back: NUT's dummy driver, net-snmp, the agent. Events and figures as kpi/README.md has
them (power_events, on_battery_s, ups_runtime_min)."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kpi.gear import Kind
from kpi.model import Role
from tests.lab.agent import SondaRun
from tests.lab.agentx import master
from tests.lab.daemon import wait_until
from tests.lab.hosts import HEAD, ROOT, bodies, sonda_before_five_end
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Namespace, Network
from tests.lab.nut import DummyUps
from tests.lab.polling import Polling
from tests.lab.ups_mib import BASE
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ADDRESS = "10.1.0.1"
EVERY_S = 0.5
POLL_S = 10
"""Of the whole agent: the shortest that settings allow."""
STEP_S = 1.0
"""upsSecondsOnBattery is in whole seconds."""


@dataclass
class Lab:
    """The probe, and a UPS that the agent asks at ADDRESS."""

    probe: Namespace
    ups: DummyUps


@pytest.fixture(params=["mib"])
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Told by "mib" or by "extend"."""
    need_lab("snmpd", "dummy-ups", "upsc")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        probe, place = network.namespace("probe"), network.namespace("ups")
        network.veth(probe, place, addresses=(["10.1.0.2/24"], [f"{ADDRESS}/24"]))
        ups = stack.enter_context(DummyUps(place))
        line = ups.mib_line() if request.param == "mib" else ups.extend_line()
        snmpd = stack.enter_context(master(tmp_path, place, ADDRESS, line))
        if request.param == "mib":
            wait_until(lambda: snmpd.column(f"{BASE}.4.1"), "UPS-MIB is told")
        yield Lab(probe, ups)


def level(polling: Polling, kind: Kind) -> float | None:
    """What the UPS said last."""
    found = polling.latest("ups").readings(polling.clock.monotonic())
    return next((seen.reading.value for seen in found if seen.reading.kind is kind), None)


async def test_a_time_on_battery_is_told_and_counted(lab: Lab) -> None:
    async with Polling(lab.probe, {"ups": ADDRESS}, role=Role.UPS) as polling, polling.rhythm(EVERY_S):
        await polling.until(lambda: level(polling, Kind.BATTERY_RUNTIME) == 30, "30 minutes are left")
        assert (level(polling, Kind.BATTERY_CHARGE), level(polling, Kind.LOAD)) == (100, 20)
        await polling.poll()  # a counter takes two
        quiet = polling.figures("ups")
        assert (quiet["power_events"].value, quiet["on_battery_s"].value) == (0, 0)

        began = await asyncio.to_thread(lab.ups.set, status="OB DISCHRG", runtime_s=1200, charge=80)
        noticed_s = await polling.until(lambda: level(polling, Kind.ON_BATTERY) == 1, "it is on battery")
        assert noticed_s < EVERY_S + 1
        await asyncio.sleep(5)
        await asyncio.to_thread(lab.ups.set, status="OB DISCHRG LB", runtime_s=420, charge=30, load=25)
        await asyncio.sleep(3)
        ended = await asyncio.to_thread(lab.ups.set, status="OL CHRG", runtime_s=600, charge=35)
        await polling.until(lambda: level(polling, Kind.ON_BATTERY) == 0, "it is on mains")

        figures = polling.figures("ups")
        assert figures["power_events"].value == 1
        assert figures["on_battery_s"].value == pytest.approx(ended - began, abs=STEP_S + EVERY_S + 0.5)
        runtime = figures["ups_runtime_min"]
        assert (runtime.value, runtime.parts["charge_pct"], runtime.parts["load_pct"]) == (7, 30, 25)
        assert "battery_low" in runtime.flags
        away, back = await polling.events("power.battery")
        assert (away["device"], away["state"], back["device"], back["state"]) == ("ups", "battery", "ups", "mains")
        assert away["seconds"] <= EVERY_S + 1
        assert back["seconds"] == pytest.approx(ended - began, abs=STEP_S + EVERY_S + 0.5)


@pytest.mark.parametrize("lab", ["extend"], indirect=True)
async def test_an_extend_of_nut_tells_levels_alone(lab: Lab) -> None:
    """Nothing in those lines says whether the UPS is on battery."""
    async with Polling(lab.probe, {"ups": ADDRESS}, role=Role.UPS) as polling:
        await asyncio.to_thread(lab.ups.set, status="OB", runtime_s=900, charge=70, load=40)
        await polling.poll()
        known = polling.latest("ups").inventory
        assert known is not None and known.profile == "linux-ups-nut"
        told = [level(polling, kind) for kind in (Kind.BATTERY_RUNTIME, Kind.BATTERY_CHARGE, Kind.LOAD)]
        assert told == [15, 70, 40]
        assert level(polling, Kind.VOLTAGE) == 230
        figures = polling.figures("ups")
        assert figures["ups_runtime_min"].value == 15
        assert figures["on_battery_s"].value is None
        assert await polling.events("power.battery") == []


@pytest.mark.long
@pytest.mark.timeout(200)
def test_the_agent_tells_of_40_seconds_on_battery(lab: Lab, tmp_path: Path) -> None:
    """`sonda run` with the shortest period there is: what it says by MQTT at once, and in the summary of the five
    minutes."""
    need_lab("mosquitto", "mosquitto_sub")
    lab.probe.ping_group_range()
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path, place=lab.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        text = HEAD + (
            f'[network]\ngateway = "none"\n[snmp]\nstatus_s = {POLL_S}\ncounters_s = {POLL_S}\n'
            '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
            f'[[device]]\nname = "UPS"\nrole = "ups"\naddress = "{ADDRESS}"\nsnmp = "c"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        )
        command = sonda_before_five_end(90, tmp_path / "sonda.toml")
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=lab.probe, command=command, env={"C": "public"}))

        def gear() -> Any:
            return sonda.json("/api/v1/devices/ups")["device"]["gear"] or {}

        wait_until(lambda: gear().get("battery_runtime_min") == 30, "the UPS is known", 30)
        assert gear()["on_battery"] is False
        time.sleep(POLL_S)  # a counter takes two readings
        began = lab.ups.set(status="OB DISCHRG", runtime_s=1500, charge=90)
        wait_until(lambda: gear()["on_battery"], "it is on battery", POLL_S + 3)
        time.sleep(began + 20 - time.monotonic())
        lab.ups.set(status="OB DISCHRG", runtime_s=720, charge=50)
        time.sleep(began + 40 - time.monotonic())
        truly_s = lab.ups.set(status="OL CHRG", runtime_s=800, charge=52) - began
        wait_until(lambda: gear()["on_battery"] is False, "it is on mains", POLL_S + 3)
        recorder.wait_for(lambda _: bodies(recorder, "summary/device/ups"), "the five minutes are closed", 60)
        away, back = bodies(recorder, "event/power.battery")
        assert (away["state"], back["state"]) == ("battery", "mains")
        assert away["seconds"] <= POLL_S + 1
        assert truly_s - 1.5 < back["seconds"] < truly_s + POLL_S + 1.5
        figures = bodies(recorder, "summary/device/ups")[-1]["figures"]
        print(f"truly {truly_s:.1f} s, said {back['seconds']} s at its end; {figures}")
        assert figures["power_events"]["v"] == 1
        assert truly_s - POLL_S - 2.5 < figures["on_battery_s"]["v"] < truly_s + 1.5, "as far as the last poll saw"
        assert figures["ups_runtime_min"]["v"] == 12
        assert figures["ups_runtime_min"]["charge_pct"] == 50
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log
