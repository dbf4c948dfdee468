"""The agent's own vitals, for page, /metrics and `info`: what it costs the box it runs on. Owner of psutil."""

import contextlib
import ipaddress
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Vitals:
    """Bytes and seconds of CPU of this process since its start; of the disk that holds the database; of the box."""

    rss_bytes: int
    cpu_s: float
    written_bytes: int | None
    """Bytes this process caused to be written to disk (/proc/PID/io), None where the kernel does not count them."""
    descriptors: int
    threads: int
    disk_free_bytes: int
    disk_total_bytes: int
    memory_available_bytes: int
    load_1min: float
    temperature_c: float | None
    """Of the CPU, None where the box has no sensor."""


class VitalsReader:
    """Reads them. ``folder`` is the one of the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = psutil.Process()

    def read(self) -> Vitals:
        """Some hundred microseconds; no disk access but statvfs."""
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            rss = self._process.memory_info().rss
            threads = self._process.num_threads()
        try:
            written: int | None = self._process.io_counters().write_bytes
        except psutil.AccessDenied:
            written = None
        free, total = _disk(self._folder)
        return Vitals(
            rss_bytes=rss,
            cpu_s=cpu.user + cpu.system,
            written_bytes=written,
            descriptors=self._process.num_fds(),
            threads=threads,
            disk_free_bytes=free,
            disk_total_bytes=total,
            memory_available_bytes=psutil.virtual_memory().available,
            load_1min=os.getloadavg()[0],
            temperature_c=_temperature(),
        )


def _disk(folder: Path) -> tuple[int, int]:
    """Free and all bytes; nothing where the disk is gone."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return 0, 0
    return found.free, found.total


def _temperature() -> float | None:
    for name, entries in sorted(psutil.sensors_temperatures().items()):
        if name in {"cpu_thermal", "coretemp", "k10temp", "soc_thermal"} and entries:
            return float(entries[0].current)
    return None


def who_listens(port: int, kind: str = "tcp") -> str | None:
    """The program that listens on this port of "tcp" or "udp", as "name (pid 123)"; "another program" where its name
    cannot be known (not root), None where nobody is seen."""
    try:
        connections = psutil.net_connections(kind)
    except psutil.AccessDenied:
        return None
    seen = None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN or (kind == "udp" and not connection.raddr)
        if listens and connection.laddr[1:2] == (port,):
            seen = "another program"
            if connection.pid:
                with contextlib.suppress(psutil.NoSuchProcess):
                    return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return seen


def own_addresses() -> list[str]:
    """This machine's addresses that others can reach, IPv4 first: none of loopback, none of one link alone."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    texts = {entry.address for name, entries in psutil.net_if_addrs().items() if name in up for entry in entries}
    found = []
    for text in texts:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:  # a hardware address
            continue
        if not (address.is_loopback or address.is_link_local):
            found.append(address)
    return [str(address) for address in sorted(found, key=lambda address: (address.version, int(address)))]
