"""The collector against net-snmp's snmpd in a namespace whose ports are veth ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.profiles import load_library
from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser
from collectors.snmp.device import DeviceSettings
from collectors.snmp.document import PollTarget, poll_document
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, SystemReading, Target
from tests.collectors.snmp_device.conftest import TARGET, Poller
from tests.doubles import ManualClock
from tests.lab.network import Namespace, Network
from tests.lab.snmpd import user
from tests.lab.switch import Switch
from tests.programs import need_lab

LIBRARY = load_library()

pytestmark = pytest.mark.lab

ADDRESS = "10.1.0.2"
KNOWN = user("SHA-256", "AES")
V3 = UsmUser(KNOWN.name, AuthProtocol.SHA256, KNOWN.auth_secret, PrivProtocol.AES128, KNOWN.priv_secret)
V2C = Community("2c", b"public")
CACHE_S = 1.3
"""snmpd may serve interfaces from memory for a second."""


@dataclass
class Lab:
    """A switch of six ports, and where the probe stands."""

    switch: Switch
    probe: Namespace


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    need_lab("snmpd")
    with Network() as network:
        probe = network.namespace("probe")
        with Switch(
            network, tmp_path, uplink=probe, addresses=("10.1.0.1/24", f"{ADDRESS}/24"), ports=6, users=[KNOWN]
        ) as made:
            yield Lab(made, probe)


@pytest.fixture
async def client(lab: Lab) -> AsyncIterator[SnmpClient]:
    """A client whose sockets are in the probe's namespace."""
    client = SnmpClient(SystemClock())
    with lab.probe.inside():
        await client.__aenter__()
    yield client
    await client.__aexit__(None, None, None)


class RealPoller(Poller):
    """A Poller of the switch's address."""

    async def poll(self, after_s: float = 0.0) -> list:  # type: ignore[type-arg]
        if after_s:
            assert isinstance(self.clock, ManualClock)
            await self.clock.advance(after_s)
        self.samples = list(await self.collector.collect(Target(TARGET, "dev", "snmp", ADDRESS, 60.0, 20.0)))
        return self.samples


def poller(client: SnmpClient, credential: Credential = V2C, timeout_s: float = 1.0) -> RealPoller:
    clock = ManualClock()
    settings = DeviceSettings(credential, 161, timeout_s=timeout_s, counters_s=60.0)
    return RealPoller(SnmpCollector(client, clock, {TARGET: settings}), clock)


def names(lab: Lab) -> set[str]:
    return {"lo", "uplink", *(f"port{n}" for n in lab.switch.ports)}


@pytest.mark.parametrize("credential", [Community("1", b"public"), V2C, V3], ids=["v1", "v2c", "v3"])
async def test_contact_and_exact_counters(lab: Lab, client: SnmpClient, credential: Credential) -> None:
    lab.switch.send(2, frames=100, size=500)
    await asyncio.sleep(CACHE_S)
    probe = poller(client, credential)
    await probe.poll()
    assert probe.snmp.outcome is Outcome.OK
    system = probe.of(Metric.SYSTEM)[""].value
    assert isinstance(system, SystemReading)
    assert (system.name, system.location) == ("switch", "lab")
    assert system.uptime_cs is not None and system.host_uptime_cs is not None
    assert system.engine_boots == 1
    assert set(probe.of(Metric.PORT_STATUS)) == names(lab)
    identity = probe.of(Metric.PORT_IDENTITY)["port2"].value
    assert isinstance(identity, PortIdentity)
    assert (identity.index, identity.speed_bps, identity.mtu) == (lab.switch.index(2), 10_000_000_000, 1500)
    counters = probe.of(Metric.PORT_COUNTERS)["port2"].value
    assert isinstance(counters, PortCounters)
    assert (counters.in_octets, counters.out_octets) == (50_000, 0)
    if credential.version != "1":  # Counter64 does not exist in v1 (RFC 3584 section 4.2.2.1)
        assert (counters.in_unicast, counters.octet_bits) == (100, 64)
    else:
        assert counters.octet_bits == 32
    await probe.poll(60)
    assert not probe.of(Metric.PORT_IDENTITY)
    assert probe.odd == {}


async def test_ports_go_down_and_up_and_move_their_last_change(lab: Lab, client: SnmpClient) -> None:
    probe = poller(client)
    await probe.poll()
    lab.switch.unplug(3)
    lab.switch.disable(4)
    await asyncio.sleep(CACHE_S)
    await probe.poll(60)
    states = {key: s.value for key, s in probe.of(Metric.PORT_STATUS).items()}
    third, fourth = states["port3"], states["port4"]
    assert isinstance(third, PortStatus) and isinstance(fourth, PortStatus)
    assert (third.admin, third.oper) == ("up", "down")
    assert fourth.admin == "down"
    assert third.last_change_cs is not None and third.last_change_cs > 0


async def test_a_restarted_agent_is_walked_again_at_once(lab: Lab, client: SnmpClient) -> None:
    for credential in (V2C, V3):
        probe = poller(client, credential)
        await probe.poll()
        before = probe.of(Metric.SYSTEM)[""].value
        assert isinstance(before, SystemReading) and before.engine_boots is not None
        requests = probe.collector.tally.requests
        await probe.poll(60)
        steady = probe.collector.tally.requests - requests
        await asyncio.sleep(0.5)
        lab.switch.snmpd.restart()
        requests = probe.collector.tally.requests
        await probe.poll(60)
        after = probe.of(Metric.SYSTEM)[""].value
        assert isinstance(after, SystemReading) and after.engine_boots == before.engine_boots + 1
        assert probe.collector.tally.requests - requests > steady
        assert set(probe.of(Metric.PORT_COUNTERS)) == names(lab)


async def test_an_alias_that_was_changed_is_seen_within_the_hour(lab: Lab, client: SnmpClient) -> None:
    probe = poller(client)
    await probe.poll()
    lab.switch.snmpd.set_alias(lab.switch.index(5), "to the roof")
    await probe.poll(3601)
    identity = probe.of(Metric.PORT_IDENTITY)["port5"].value
    assert isinstance(identity, PortIdentity) and identity.alias == "to the roof"


async def test_a_stopped_agent_is_refused_and_a_paused_one_silent(lab: Lab, client: SnmpClient) -> None:
    probe = poller(client, timeout_s=0.2)
    await probe.poll()
    with lab.switch.snmpd.paused():
        await probe.poll(60)
        assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.NO_REPLY, "timeout")
    await asyncio.sleep(0.1)
    await probe.poll(60)
    assert [s.outcome for s in probe.of(Metric.SNMP).values()] == [Outcome.OK]
    lab.switch.snmpd.stop()
    await probe.poll(60)
    assert [(s.outcome, s.reason) for s in probe.of(Metric.SNMP).values()] == [(Outcome.REFUSED, "refused")]


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (UsmUser("stranger", AuthProtocol.SHA256, "a secret of none", None, None), "unknown_user"),
        (UsmUser(KNOWN.name, AuthProtocol.SHA256, "another secret"), "wrong_digest"),
        (
            UsmUser(KNOWN.name, AuthProtocol.SHA256, KNOWN.auth_secret, PrivProtocol.AES128, "another secret"),
            "decryption_error",
        ),
    ],
    ids=["user", "auth", "priv"],
)
async def test_wrong_credentials_are_told_apart(lab: Lab, client: SnmpClient, credential: UsmUser, reason: str) -> None:
    probe = poller(client, credential, timeout_s=2.0)
    await probe.poll()
    assert len(probe.samples) == 1
    assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.REFUSED, reason)
    await probe.poll(60)
    assert [(s.outcome, s.reason) for s in probe.samples] == [(Outcome.REFUSED, reason)]


async def test_the_poll_document(lab: Lab, client: SnmpClient) -> None:
    for credential in (V2C, V3):
        target = PollTarget("switch", ADDRESS, 161, credential)
        found = await poll_document(client, SystemClock(), target, LIBRARY)
        assert found["answered"] is True and found["errors"] == []
        assert {port["name"] for port in found["interfaces"]} == names(lab)
        assert found["system"]["sys_name"] == "switch"
