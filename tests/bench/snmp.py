"""CPU a polled interface: ours against collectd's snmp plugin and Prometheus snmp_exporter, and v3 against v2c.

``python -m tests.bench.snmp [--polls 40] [--rounds 3] [--ports 48]``

All ask the same snmpd in a namespace, round by round in turn, for the same interfaces: what every poller's figure is
divided by. Ten metrics an interface: octets, packets, errors and discards in and out, ifAdminStatus, ifOperStatus.
collectd collects exactly these (with BulkSize, which is faster than its default) and writes csv; the exporter walks
ifTable and ifXTable and renders its page, as its if_mib module does; ours reads multicast, broadcast, ifLastChange,
the discontinuity time and sysUpTime besides, in every poll. CPU is user and system of the whole process, from the
first counted poll to the last: nobody's start counts. What becomes of our samples is ``consumer``.
"""

import argparse
import asyncio
import contextlib
import http.client
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser
from collectors.snmp.device import DeviceSettings
from kpi.model import Metric, Outcome, Sample, Target
from tests.lab.daemon import Daemon, free_port
from tests.lab.network import Namespace, Network
from tests.lab.snmpd import user
from tests.lab.switch import Switch
from tests.programs import find

ADDRESS = "10.9.0.2"
AGENT_CACHE_S = 3
"""As snmpd's default: it looks at its interfaces every 3 s, whoever asks."""
COLLECTD_INTERVAL_S = 0.25
COLLECTD_BULK = 25
KNOWN = user("SHA-256", "AES")
V2C = Community("2c", b"public")
V3 = UsmUser(KNOWN.name, AuthProtocol.SHA256, KNOWN.auth_secret, PrivProtocol.AES128, KNOWN.priv_secret)
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"


class Consumer(Protocol):
    """Where our samples go."""

    def take(self, sample: Sample) -> None: ...

    async def polled(self) -> None:
        """After each poll."""


class Discard:
    """Counts ports read and forgets them."""

    def __init__(self) -> None:
        self.ports = 0

    def take(self, sample: Sample) -> None:
        if sample.metric == Metric.PORT_COUNTERS and sample.outcome is Outcome.OK:
            self.ports += 1

    async def polled(self) -> None:
        return


ConsumerMaker = Callable[[], AbstractAsyncContextManager[Consumer]]


@contextlib.asynccontextmanager
async def discard() -> AsyncIterator[Consumer]:
    """The consumer that stores nothing: collecting alone."""
    yield Discard()


@dataclass(frozen=True, slots=True)
class PollCost:
    """Medians over the rounds, in microseconds of CPU an interface and poll; None where the peer is not installed."""

    ours_v2c_us: float
    ours_v3_us: float
    collectd_us: float | None
    exporter_us: float | None
    varbinds: float
    """Varbinds of ours an interface and poll."""
    interfaces: int

    def ratios(self) -> dict[str, float | None]:
        """Ours divided by theirs, and v3 by v2c."""
        return {
            "collectd": self.ours_v2c_us / self.collectd_us if self.collectd_us else None,
            "snmp_exporter": self.ours_v2c_us / self.exporter_us if self.exporter_us else None,
            "v3 / v2c": self.ours_v3_us / self.ours_v2c_us,
        }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_of(pid: int) -> float:
    """User and system seconds of a process, all threads (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ours(
    probe: Namespace, credential: Credential, polls: int, consumer: ConsumerMaker = discard
) -> tuple[float, float]:
    """(microseconds an interface and poll, varbinds an interface and poll)."""
    clock = SystemClock()
    client = SnmpClient(clock)
    with probe.inside():
        await client.__aenter__()
    settings = DeviceSettings(credential, status_s=0.001, counters_s=0.001)
    collector = SnmpCollector(client, clock, {"bench": settings})
    target = Target("bench", "bench", "snmp", ADDRESS, 0.001, 20.0)
    ports = 0
    try:
        async with consumer() as sink:
            for _ in range(5):  # contact, widths, and the size that fits
                await collector.collect(target)
            before, varbinds = _cpu_s(), collector.tally.varbinds
            for _ in range(polls):
                for sample in await collector.collect(target):
                    sink.take(sample)
                    ports += sample.metric == Metric.PORT_COUNTERS and sample.outcome is Outcome.OK
                await sink.polled()
            spent, asked = _cpu_s() - before, collector.tally.varbinds - varbinds
    finally:
        await client.__aexit__(None, None, None)
    return spent / ports * 1e6, asked / ports


_COLLECTD = """
BaseDir "{folder}"
PIDFile "{folder}/pid"
TypesDB "/usr/share/collectd/types.db"
Interval {interval}
ReadThreads 1
WriteThreads 1
LoadPlugin csv
LoadPlugin snmp
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
<Plugin snmp>
{data}
  <Host "bench">
    Address "{address}:161"
    Version 2
    Community "public"
    Collect {names}
    Interval {interval}
    BulkSize {bulk}
  </Host>
</Plugin>
"""

_DATA = {
    "if_octets": (f"{IFX}.6", f"{IFX}.10"),
    "if_packets": (f"{IFX}.7", f"{IFX}.11"),
    "if_errors": (f"{IF}.14", f"{IF}.20"),
    "if_dropped": (f"{IF}.13", f"{IF}.19"),
    "admin": (f"{IF}.7",),
    "oper": (f"{IF}.8",),
}


def collectd(probe: Namespace, folder: Path, polls: int) -> float:
    """Microseconds an interface and poll, from rows in the csv files."""
    (folder / "csv").mkdir(parents=True)
    data = "\n".join(
        f'<Data "{name}">\nType "{name if len(oids) > 1 else "gauge"}"\nTable true\nPluginInstance "{name}"\n'
        f'TypeInstanceOID "{IFX}.1"\nValues {" ".join(f"{chr(34)}{oid}{chr(34)}" for oid in oids)}\n</Data>'
        for name, oids in _DATA.items()
    )
    config = folder / "collectd.conf"
    config.write_text(
        _COLLECTD.format(
            folder=folder,
            interval=COLLECTD_INTERVAL_S,
            data=data,
            address=ADDRESS,
            names=" ".join(f'"{name}"' for name in _DATA),
            bulk=COLLECTD_BULK,
        )
    )
    daemon = Daemon(
        ["collectd", "-f", "-C", str(config)], log=folder / "log", place=probe, env={"MIBS": "", "SNMPCONFPATH": ""}
    )
    daemon.start()
    try:
        pid = _pid(daemon)
        _wait_for(lambda: _rows(folder) > 0, "collectd's first rows")
        time.sleep(2 * COLLECTD_INTERVAL_S)
        rows, before = _rows(folder), _cpu_of(pid)
        time.sleep(polls * COLLECTD_INTERVAL_S)
        spent, written = _cpu_of(pid) - before, _rows(folder) - rows
    finally:
        daemon.stop()
    return spent / (written / len(_DATA)) * 1e6


def _rows(folder: Path) -> int:
    """Rows of all csv files; each holds one value list of one interface."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in (folder / "csv").rglob("*") if path.is_file())


_COUNTER32 = {2: (10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20), 31: (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)}
_GAUGES = {2: (1, 3, 4, 5, 7, 8, 9, 21), 31: (15, 17, 19)}


def _exporter_config() -> str:
    """As its generator writes the if_mib module: walks, every numeric column, the name looked up as a label."""
    lines = ["if_mib:", "  walk:", "  - 1.3.6.1.2.1.2.2", "  - 1.3.6.1.2.1.31.1.1", "  metrics:"]
    for kind, columns in (("counter", _COUNTER32), ("gauge", _GAUGES)):
        for table, numbers in columns.items():
            entry = IF if table == 2 else IFX
            for number in numbers:
                lines += [
                    f"  - name: if_{table}_{number}",
                    f"    oid: {entry}.{number}",
                    f"    type: {kind}",
                    "    help: A column of IF-MIB",
                    "    indexes:",
                    "    - labelname: ifIndex",
                    "      type: gauge",
                    "    lookups:",
                    "    - labels: [ifIndex]",
                    "      labelname: ifName",
                    f"      oid: {IFX}.1",
                    "      type: DisplayString",
                ]
    lines += ["  version: 2", "  max_repetitions: 25", "  timeout: 5s", "  auth:", "    community: public"]
    return "\n".join(lines) + "\n"


def exporter(probe: Namespace, folder: Path, polls: int, interfaces: int) -> float:
    """Microseconds an interface and scrape."""
    folder.mkdir(parents=True)
    config = folder / "snmp.yml"
    config.write_text(_exporter_config())
    port = free_port(place=probe)
    daemon = Daemon(
        ["prometheus-snmp-exporter", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"],
        log=folder / "log",
        place=probe,
    )
    daemon.start()
    try:
        pid = _pid(daemon)
        with probe.inside():
            _wait_for(lambda: _scrape(port) > 0, "the exporter's first page")
            _scrape(port)
            before = _cpu_of(pid)
            served = sum(_scrape(port) for _ in range(polls))
            spent = _cpu_of(pid) - before
    finally:
        daemon.stop()
    assert served == polls * interfaces, f"the exporter served {served} interfaces in {polls} scrapes"
    return spent / served * 1e6


def _scrape(port: int) -> int:
    """Interfaces on the exporter's page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"/snmp?module=if_mib&target={ADDRESS}")
        page = connection.getresponse().read()
    except OSError:
        return 0
    finally:
        connection.close()
    return page.count(b"\nif_31_6{")


def _pid(daemon: Daemon) -> int:
    pid = daemon.pid
    assert pid is not None
    return pid


def _wait_for(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.05)


@contextlib.contextmanager
def agent(ports: int, folder: Path) -> Iterator[tuple[Namespace, int]]:
    """The place to ask from, and how many interfaces the agent there has: ports, loopback and uplink."""
    with Network() as network:
        probe = network.namespace("probe")
        with Switch(
            network,
            folder,
            uplink=probe,
            addresses=("10.9.0.1/24", f"{ADDRESS}/24"),
            ports=ports,
            users=[KNOWN],
            cache_s=AGENT_CACHE_S,
        ) as switch:
            for port in range(1, ports + 1):
                switch.send(port, frames=20, size=200)
                switch.send(port, frames=20, size=200, direction="out")
            time.sleep(AGENT_CACHE_S + 0.5)
            yield probe, ports + 2


def bench(polls: int = 40, *, rounds: int = 3, ports: int = 48, consumer: ConsumerMaker = discard) -> PollCost:
    """Alternating rounds of each poller on one agent."""
    v2c: list[float] = []
    v3: list[float] = []
    theirs: dict[str, list[float]] = {"collectd": [], "prometheus-snmp-exporter": []}
    varbinds = 0.0
    with tempfile.TemporaryDirectory() as name, agent(ports, Path(name)) as (probe, interfaces):
        for number in range(rounds):
            spent, varbinds = asyncio.run(ours(probe, V2C, polls, consumer))
            v2c.append(spent)
            if find("collectd"):
                theirs["collectd"].append(collectd(probe, Path(name, f"collectd{number}"), polls))
            v3.append(asyncio.run(ours(probe, V3, polls, consumer))[0])
            if find("prometheus-snmp-exporter"):
                folder = Path(name, f"exporter{number}")
                theirs["prometheus-snmp-exporter"].append(exporter(probe, folder, polls, interfaces))
    median = {program: statistics.median(found) if found else None for program, found in theirs.items()}
    return PollCost(
        ours_v2c_us=statistics.median(v2c),
        ours_v3_us=statistics.median(v3),
        collectd_us=median["collectd"],
        exporter_us=median["prometheus-snmp-exporter"],
        varbinds=varbinds,
        interfaces=interfaces,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polls", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ports", type=int, default=48)
    options = parser.parse_args()
    cost = bench(options.polls, rounds=options.rounds, ports=options.ports)
    print(f"{cost.interfaces} interfaces, {cost.varbinds:.1f} varbinds an interface and poll of ours")
    for title, found in (
        ("ours, v2c", cost.ours_v2c_us),
        ("ours, v3 SHA-256 AES-128", cost.ours_v3_us),
        ("collectd, snmp and csv", cost.collectd_us),
        ("snmp_exporter", cost.exporter_us),
    ):
        print(f"{title:28} " + ("not installed" if found is None else f"{found:8.1f} us an interface and poll"))
    for title, ratio in cost.ratios().items():
        print(f"{title:28} " + ("-" if ratio is None else f"{ratio:8.2f} x"))


if __name__ == "__main__":
    main()
