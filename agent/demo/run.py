"""Puts the demo together: folder, processes, agent; and takes it all away again."""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agent.api.server import PortBusyError, listen
from agent.app import Agent, run_to_end
from agent.cli.exits import Exit
from agent.demo.children import COMMUNITY, ChildError, child, last_line
from agent.demo.site import PLANNED_WORK, PRINTER, SITE
from agent.demo.wire import SimulatedWire
from agent.logs import set_up
from agent.parts import Parts, StartError
from agent.settings import Overrides, Settings, load
from agent.vitals import who_listens
from collectors.clock import Clock, SystemClock
from collectors.icmp.echo import EchoSink
from collectors.snmp.client import SnmpClient

log = logging.getLogger("sonda.demo")

CONFIG = Path(__file__).resolve().parents[2] / "config" / "demo.toml"
HOST = "127.0.0.1"
NOTICE = {
    "en": "This is a demonstration. The devices are simulated on this machine: their SNMP, web pages and MQTT broker "
    "are real, while pings pass over a simulated wire.",
    "it": "Questa è una dimostrazione. I dispositivi sono simulati su questa macchina: SNMP, pagine web e broker MQTT "
    "sono reali, mentre i ping passano su un cavo simulato.",
}
PARTS = ("amqtt", "pysnmp")
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for. ``seconds`` None is until somebody stops it."""

    http_port: int
    mqtt_port: int
    seed: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Running:
    """Where everything is."""

    page: str
    broker: str
    topics: str
    devices: int
    seconds: float
    """From the start until every device had answered."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of the progress: ``step`` a line for each thing that is ready, ``running`` once everything is."""

    step: Callable[[str], None]
    running: Callable[[Running], None]


def main_demo(wanted: Wanted, told: Told) -> int:
    """Until Ctrl-C, SIGTERM, the end of the terminal, or the time is up; the return value is the exit code."""
    set_up("warning")
    try:
        return run_to_end(_Demo(wanted, told).run())
    except asyncio.CancelledError:
        return Exit.INTERRUPTED


class _Demo:
    def __init__(self, wanted: Wanted, told: Told) -> None:
        self._wanted = wanted
        self._told = told
        self._clock: Clock = SystemClock()
        self._began = self._clock.monotonic()
        self._wire: SimulatedWire | None = None
        self._ending = False

    async def run(self) -> None:
        """Raises StartError, PortBusyError."""
        wanted, step = self._wanted, self._told.step
        lacking = [part for part in PARTS if find_spec(part) is None]
        if lacking:
            raise StartError(
                f"The demo needs {' and '.join(lacking)}, which are not installed: `make run` does that, or "
                f"`{Path(sys.executable).parent}/pip install {' '.join(lacking)}`."
            )
        listen(HOST, wanted.http_port, who_listens).close()
        _check_broker(wanted.mqtt_port)
        loop, this = asyncio.get_running_loop(), asyncio.current_task()
        assert this is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, this.cancel)
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sonda-demo-")))
            step(f"Starting a simulated site of {len(SITE)} devices; nothing leaves this machine.")
            stack.enter_context(_environment(COMMUNITY, secrets.token_hex(8)))
            facts = await self._children(stack, folder)
            step(f"The devices answer SNMP at port {facts['snmp_port']} and show pages at port {facts['http_port']}.")
            step(f"The broker listens on {HOST}:{wanted.mqtt_port}.")
            paths = [folder / CONFIG.name]
            paths[0].write_text(f"{CONFIG.read_text()}\n{self._planned_work()}")
            overrides = Overrides(wanted.http_port, wanted.mqtt_port, facts["snmp_port"])
            await self._agent(load(paths, overrides), paths, overrides)
            self._ending = True

    def _planned_work(self) -> str:
        """Something that is serviced meanwhile, as a technician would enter it."""
        began = self._clock.utc() + self._began - self._clock.monotonic()
        start, end = (datetime.fromtimestamp(began + s, UTC).isoformat(timespec="seconds") for s in PLANNED_WORK)
        return f'[[maintenance]]\ndevices = ["{PRINTER.name}"]\nstart = {start}\nend = {end}\nreason = "Service"\n'

    async def _children(self, stack: AsyncExitStack, folder: Path) -> dict[str, Any]:
        """Both processes; what they said of their ports. StartError."""
        facts: dict[str, Any] = {}
        for name, argument in (("devices", repr(self._began)), ("broker", str(self._wanted.mqtt_port))):
            said_in = folder / f"{name}.log"
            try:
                process, said = await stack.enter_async_context(child(f"agent.demo.{name}", argument, log=said_in))
            except ChildError as error:
                raise StartError(f"The demo cannot start: {error}.") from error
            facts |= said
            watch = asyncio.create_task(self._watch(process, name, said_in))
            stack.callback(watch.cancel)
        return facts

    async def _watch(self, process: Process, name: str, said: Path) -> None:
        await process.wait()
        if not self._ending:
            log.error("The process of the simulated %s has ended unexpectedly. %s", name, last_line(said))

    async def _agent(self, settings: Settings, paths: list[Path], overrides: Overrides) -> None:
        loop, seconds = asyncio.get_running_loop(), self._wanted.seconds
        parts = Parts(engine=self._make_wire, snmp=partial(SnmpClient, loopback=True), notice=NOTICE)
        agent = Agent(settings, paths, overrides, parts)
        running = asyncio.create_task(agent.run(), name="agent")
        await asyncio.sleep(0)  # the agent has set its signal handlers
        # To the agent SIGHUP means "read your settings anew"; here the terminal was closed.
        loop.add_signal_handler(signal.SIGHUP, signal.raise_signal, signal.SIGTERM)
        if seconds is not None:
            left = max(0.0, self._began + seconds - self._clock.monotonic())
            loop.call_later(left, signal.raise_signal, signal.SIGTERM)
        telling = asyncio.create_task(self._tell(settings), name="telling")
        try:
            await running
        finally:
            telling.cancel()
            self._ending = True

    def _make_wire(self, clock: Clock, sink: EchoSink) -> SimulatedWire:
        devices = {device.address: device for device in SITE}
        self._wire = SimulatedWire(clock, sink, devices, seed=self._wanted.seed, began=self._began)
        return self._wire

    async def _tell(self, settings: Settings) -> None:
        """Say where everything is once every device has answered."""
        while self._wire is None or len(self._wire.heard) < len(SITE):
            await self._clock.sleep(LOOK_S)
        site = settings.site
        self._told.running(
            Running(
                page=f"http://{HOST}:{settings.http.port}/",
                broker=f"{HOST}:{settings.mqtt.port}",
                topics=f"sonda/v1/{site.tenant}/{site.site}/{site.probe}/#",
                devices=len(SITE),
                seconds=self._clock.monotonic() - self._began,
            )
        )


def _check_broker(port: int) -> None:
    try:
        listen(HOST, port, who_listens).close()
    except PortBusyError as error:
        why, who = error.__cause__, who_listens(port)
        if isinstance(why, OSError) and why.errno == errno.EADDRINUSE:
            trouble = (
                f"is in use{f' by {who}' if who else ''}, and the demo's MQTT broker needs one. Stop that, or choose"
            )
        else:
            trouble = "may not be opened by the demo's MQTT broker. Choose"
        raise StartError(
            f"Port {port} on {HOST} {trouble} another port with --mqtt-port, such as {next_port(port)}."
        ) from error


def next_port(port: int) -> int:
    """One that this machine lets anybody open, near by."""
    return port + 1 if 1023 < port < 65535 else 11883


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable for this process and those it starts, for the time being."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
