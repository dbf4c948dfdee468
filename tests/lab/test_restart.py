"""The agent stopped, killed and started anew: what it knew goes on, what it could not know is unknown, no more."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.store import Store, StoreSettings, WindowRow
from collectors.clock import SystemClock
from kpi.states import StateSeconds
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import ROOT, Hosts, bodies, numbers, settings, sonda_ahead, states, until_five_end
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.lab.responder import Port, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab

RATE = 125_000.0
"""Octets a second in."""


def incidents(sonda: SondaRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sonda.json("/api/v1/incidents")
    return found


def up_since(sonda: SondaRun, device: str) -> float:
    """When the agent had its first answer, in seconds into the five minutes."""
    (told,) = [one for one in sonda.json("/api/v1/devices") if one["id"] == device]
    return datetime.fromisoformat(told["since"]).timestamp() % 300


def octets_are_read(sonda: SondaRun) -> bool:
    """This run has read the counters of the switch: a rate is kept over no restart."""
    ports = sonda.json("/api/v1/devices/switch")["ports"]
    return bool(ports) and all(port["in_bps"] is not None for port in ports)


def windows(path: Path, kind: str, length_s: int) -> Sequence[WindowRow]:
    """All windows of that kind in a database that nobody holds."""

    async def read() -> Sequence[WindowRow]:
        async with Store.open(path, StoreSettings(), SystemClock(), probe_id="probe-1", boot_id="reader") as store:
            return await store.windows(None, kind, length_s, 0, 1 << 40)

    return asyncio.run(read())


def test_stopped_and_killed(tmp_path: Path) -> None:
    """In short what the next one shows with figures."""
    need_lab("mosquitto", "mosquitto_sub", "nft")
    with ExitStack() as stack:
        hosts = Hosts(stack.enter_context(Network()), 2)
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        hosts.silence(1)
        text = settings([0, 1], f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=hosts.probe))
        wanted = {"host-0": "up", "host-1": "down"}
        wait_until(lambda: states(sonda) == wanted, "up and down", 8)
        (down,) = incidents(sonda)
        sonda.kill()
        recorder.wait_for(lambda _: bodies(recorder, "/status")[-1]["state"] == "offline", "the last will", 60)
        sonda.start()
        wait_until(lambda: states(sonda) == wanted, "up and down", 8)
        assert [(i["id"], i["closed"]) for i in incidents(sonda)] == [(down["id"], None)], "it goes on"
        began = time.monotonic()
        assert sonda.stop() == 0
        assert time.monotonic() - began < 10
        recorder.wait_for(lambda _: bodies(recorder, "/status")[-1].get("reason") == "stopped", "goodbye")
        assert {row.entity for row in windows(sonda.database, "echo", 60)} == {"host-0", "host-1"}, "what was open"


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_stop_and_a_kill_within_five_minutes(tmp_path: Path) -> None:
    """Three runs in the same five minutes: stopped at 172, killed at 247, alive at the end. A clock set ahead stands
    for the time between them."""
    need_lab("mosquitto", "mosquitto_sub", "nft")
    switch = healthy(1, given=(Port(1, in_octets_s=RATE),))
    with ExitStack() as stack:
        hosts = Hosts(stack.enter_context(Network()), 2)
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, persistent=True))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        responder = stack.enter_context(Responder(hosts.far, {"10.40.0.10": switch}))
        hosts.silence(1)
        text = settings([1]) + (
            '[[device]]\nname = "Switch"\nrole = "switch"\naddress = "10.40.0.10"\nsnmp = "c"\n'
            f"snmp_port = {responder.port}\n[snmp]\nstatus_s = 10\ncounters_s = 10\n"
            '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        )
        ahead = until_five_end(300 - 165)

        def run() -> SondaRun:
            command = sonda_ahead(ahead, tmp_path / "sonda.toml")
            return SondaRun(tmp_path, text, place=hosts.probe, command=command, env={"C": "public"})

        def wall() -> float:
            """Seconds into the five minutes, as the agent has them."""
            return (time.time() + ahead) % 300

        with run() as sonda:
            wait_until(lambda: states(sonda) == {"switch": "up", "host-1": "down"}, "up and down", 12)
            (down,) = incidents(sonda)
            first = up_since(sonda, "switch")
            wait_until(lambda: wall() > 172, "some echoes", 20)
            began = time.monotonic()
            assert sonda.stop() == 0
            assert time.monotonic() - began < 10
            stopped = wall()
        recorder.wait_for(lambda _: [b["state"] for b in bodies(recorder, "/status")][-1] == "offline", "goodbye")
        assert bodies(recorder, "/status")[-1]["reason"] == "stopped"
        (minute,) = [row for row in windows(sonda.database, "echo", 60) if row.entity == "switch"]
        written = minute.start_utc
        assert written is not None and written % 300 == 120, "the open minute was written"

        jump = 227 - wall()  # clock and switch by the same, or its sysUpTime contradicts the clock: a restart
        ahead += jump
        switch.started -= jump
        with run() as sonda:
            wait_until(lambda: states(sonda)["switch"] == "up", "up again", 5)
            started = up_since(sonda, "switch")
            wait_until(lambda: wall() > 246.5, "a minute is written", 30)
            sonda.kill()
        ahead += 20
        switch.started -= 20
        with run() as sonda:
            wait_until(lambda: states(sonda) == {"switch": "up", "host-1": "down"}, "up and down", 12)
            again = up_since(sonda, "switch")
            assert 265 < again < 296
            wait_until(lambda: octets_are_read(sonda), "a reading of this run", 20)
            assert time.time() + ahead < written - 120 + 300, "a reading after these five minutes is not theirs"
            assert [(i["id"], i["closed"]) for i in incidents(sonda)] == [(down["id"], None)], "it goes on"
            told = recorder.wait_for(
                lambda _: bodies(recorder, "summary/device/switch"), "the five minutes are closed", 30
            )
            assert len([m for m in told if m.topic.endswith("summary/device/switch")]) == 1
            (summary,) = bodies(recorder, "summary/device/switch")
            (port,) = sonda.json("/api/v1/devices/switch")["ports"]
            hosts.silence()
            wait_until(lambda: states(sonda)["host-1"] == "up", "up again", 5)
            (gone,) = incidents(sonda)
            assert gone["id"] == down["id"] and gone["closed"] is not None
            assert sonda.stop() == 0
    assert "Traceback" not in sonda.log

    assert summary["window"] == {"start": written - 120, "length_s": 300}
    availability = summary["figures"]["availability_pct"]
    known = (stopped - first) + (245 - started) + (300 - again)
    assert availability["v"] == 100
    assert availability["down_s"] == 0
    assert abs(availability["up_s"] - known) < 6, (availability, known)
    assert abs(availability["unknown_s"] - (300 - known)) < 6, "the time between the runs, and nothing else"
    counts = StateSeconds.from_plain(
        next(r for r in windows(tmp_path / "sonda.db", "state", 300) if r.entity == "switch").plain
    )
    assert abs(counts.unknown_s - availability["unknown_s"]) < 0.1
    echoes = summary["figures"]["loss_ratio"]
    assert echoes["v"] == 0
    in_minutes = (stopped - first) + (240 - started) + (300 - again)
    assert abs(echoes["n"] - in_minutes) < 6, "the minutes of the runs before count; the killed one's open minute not"

    rate = next(figure for figure in port["figures"] if figure["kpi"] == "if_in_bps")
    assert rate["parts"]["gap_octets"] == pytest.approx(RATE * (again - stopped), rel=0.15)
    assert (rate["value"] or 0) < 1.1 * 8 * RATE and rate["parts"].get("max_bps", 0) < 1.1 * 8 * RATE, (
        "a gap is no peak"
    )
    (came,) = numbers(recorder).values()
    assert came == list(range(1, len(came) + 1))
    print(json.dumps({"availability": availability, "echoes": echoes, "port": rate}))


@pytest.mark.long
@pytest.mark.timeout(120)
def test_killed_in_one_five_minutes_and_started_in_the_next(tmp_path: Path) -> None:
    """The summary of the five minutes that it did not live to close is said at the next start, once."""
    need_lab("mosquitto", "mosquitto_sub", "nft")
    with ExitStack() as stack:
        hosts = Hosts(stack.enter_context(Network()), 2)
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, persistent=True))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        hosts.silence(1)
        text = settings([0, 1], f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        ahead = until_five_end(300 - 229)

        def run() -> SondaRun:
            command = sonda_ahead(ahead, tmp_path / "sonda.toml")
            return SondaRun(tmp_path, text, place=hosts.probe, command=command)

        with run() as sonda:
            five = int(time.time() + ahead) // 300 * 300
            wait_until(lambda: states(sonda) == {"host-0": "up", "host-1": "down"}, "up and down", 8)
            wait_until(lambda: (time.time() + ahead) % 300 > 246.5, "a minute is written", 20)
            sonda.kill()
        ahead += 70
        with run() as sonda:
            recorder.wait_for(lambda _: bodies(recorder, "summary/site"), "the summary is made up for", 20)
            for _ in range(2):
                (up,) = bodies(recorder, "summary/device/host-0")
                (down,) = bodies(recorder, "summary/device/host-1")
                (site,) = bodies(recorder, "summary/site")
                assert sonda.stop() == 0
                sonda.start()
                wait_until(lambda: sonda.json("/api/v1/agent")["broker"]["connected"], "connected")
        assert up["window"] == down["window"] == site["window"] == {"start": five, "length_s": 300}
        figures = up["figures"]["availability_pct"], down["figures"]["availability_pct"]
        assert figures[0]["v"] == 100 and 12 < figures[0]["up_s"] < 19 and figures[0]["unknown_s"] > 280
        assert figures[1]["v"] == 0 and 12 < figures[1]["down_s"] < 19 and figures[1]["up_s"] == 0
        assert up["figures"]["loss_ratio"]["v"] == 0 and down["figures"]["loss_ratio"]["v"] == 100
        assert up["partial"] is True
        (came,) = numbers(recorder).values()
        assert came == list(range(1, len(came) + 1))
