"""The tasks of the agent: one that fails begins anew, settings that cannot be taken over leave the old ones in force."""

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from agent.app import PAUSE_MOST_S, PAUSE_S, Agent, run_to_end
from agent.boundary import Boundary
from agent.cli import ask
from agent.cli.exits import Exit
from agent.messages import MessageDraft
from agent.parts import Parts
from agent.planning import Planning
from agent.publisher import Publisher
from agent.publishing import Publishing
from agent.settings import Overrides, load
from agent.settings.convert import store_limits
from agent.storage_notice import UNPUBLISHED
from agent.store import Batch, Store
from agent.store.errors import StoreClosed, StoreCorrupt
from collectors.clock import Clock, SystemClock
from collectors.icmp import Mode
from collectors.icmp.echo import EchoCounters, EchoSink, EchoTarget
from kpi.model import Incident, Metric, Outcome, Sample
from tests.doubles import ManualClock
from tests.lab.daemon import free_port

SITE = """
[site]
tenant = "t"
site = "s"
probe = "p"
[network]
gateway = "none"
[http]
enabled = false
[topology]
[store]
path = "sonda.db"
ballast_bytes = 0
[[device]]
name = "a"
role = "server"
address = "127.0.0.2"
echo_s = 0.2
"""


@pytest.fixture(autouse=True)
def _this_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log and the garbage collector belong to the tests."""
    monkeypatch.setattr("agent.reloading.set_up", lambda _level: None)
    monkeypatch.setattr("agent.app.settle", lambda: None)


class Wire:
    """An echo engine whose every echo is answered at once."""

    def __init__(self, clock: Clock, sink: EchoSink) -> None:
        self._clock, self._sink = clock, sink
        self._numbers: dict[str, int] = {}
        self.modes = {4: Mode.DATAGRAM}
        self.counters = EchoCounters()
        self.failures = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def run(self) -> None:
        """Fails once."""
        if self.failures:
            self.failures -= 1
            raise KeyError("the engine")
        await asyncio.Event().wait()

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        number = self._numbers[target.id] = self._numbers.get(target.id, -1) + 1
        metric = Metric.CONFIRM if confirm else Metric.ECHO
        self._sink.take(Sample(target.id, metric, "", self._clock.monotonic(), 0.5, Outcome.OK, None, number))

    def forget(self, target: str) -> None:
        self._numbers.pop(target, None)


@asynccontextmanager
async def agent_running(
    folder: Path, more: str = "", site: str = SITE
) -> AsyncIterator[tuple[Parts, Path, "asyncio.Task[None]"]]:
    file = folder / "sonda.toml"
    file.write_text(site + more)
    parts = Parts(engine=Wire)
    agent = asyncio.create_task(Agent(load([file]), [file], Overrides(), parts).run())
    try:
        await until(lambda: hasattr(parts, "core") and parts.core.watch["a"].state == "up")
        yield parts, file, agent
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await agent


async def until(done: object, limit_s: float = 10.0) -> None:
    for _ in range(round(limit_s / 0.02)):
        try:
            if done():  # type: ignore[operator]
                return
        except (KeyError, AttributeError):
            pass
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass")


async def test_bad_settings_and_tasks_that_fail_end_no_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On the real agent: an engine that fails once, SIGHUP with what no parser likes, a plan that cannot be made."""
    async with agent_running(tmp_path) as (parts, file, agent):
        await until(lambda: parts.boundary.faults["task"] == 1)
        for text in (
            SITE + f"[snmp]\nretries = {'9' * 5000}\n",
            SITE + f"x = {'[' * 3000}\n",
            SITE + "\0",
            f"{'a.' * 2000}b = 1\n",
        ):
            parts.planning.rejected = None
            file.write_text(text)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: parts.planning.rejected is not None)
            assert not agent.done() and str(file) in (parts.planning.rejected or "")
        file.write_text(SITE.replace('"a"', '"b"'))
        replan, thrown = Planning.replan, iter((True,))

        async def odd(planning: Planning) -> None:
            if next(thrown, False):
                raise RecursionError
            await replan(planning)

        monkeypatch.setattr(Planning, "replan", odd)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: parts.boundary.faults["reload"] == 1)
        await until(lambda: "old ones stay" in (parts.planning.rejected or ""))
        assert parts.planning.settings.devices[0].name == "a" and "a" in parts.core.plan.by_id()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "b" in parts.core.plan.by_id())
        assert parts.planning.rejected is None
        await until(lambda: parts.core.watch["b"].state == "up")
    assert not [record for record in caplog.records if "agent ends" in record.getMessage()]


async def test_a_publisher_that_fails_has_a_successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.publishing.PAUSE_S", 0.05)
    begun: list[Publisher] = []

    async def odd(publisher: Publisher) -> None:
        begun.append(publisher)
        if len(begun) < 3:
            raise ZeroDivisionError
        await publisher._stopping.wait()

    monkeypatch.setattr(Publisher, "run", odd)
    more = '[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
    async with agent_running(tmp_path, more) as (parts, _, agent):
        await until(lambda: len(begun) == 3)
        assert len(set(map(id, begun))) == 3 and not agent.done()
        assert parts.boundary.document()["by_place"]["task"] >= 2


async def test_a_task_that_fails_begins_anew_after_a_pause_that_grows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    clock, begun = ManualClock(), list[float]()
    parts = Parts()
    parts.clock = clock
    agent = Agent.__new__(Agent)
    agent._parts = parts

    async def failing() -> None:
        begun.append(clock.monotonic())
        if len(begun) == 4:
            return
        raise KeyError

    task = asyncio.create_task(agent._keep("odd", failing))
    await clock.advance(PAUSE_MOST_S)
    assert [b - a for a, b in itertools.pairwise(begun)] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]
    assert task.done() and parts.boundary.faults["task"] == 3
    assert len([record for record in caplog.records if record.exc_info]) == 1, "one traceback a streak"


async def test_page_and_api_say_that_nothing_new_is_published(tmp_path: Path) -> None:
    broker = '[mqtt]\nhost = "127.0.0.1"\nport = 9\n'
    async with agent_running(tmp_path, broker) as (parts, _, _agent):
        assert parts._site_trouble() is None
        note = tmp_path / "sonda.db.stream"
        note.unlink()
        note.mkdir()
        parts.recorder.put(Batch(drafts=[MessageDraft("event/probe.fault", "sonda.event.v1", {})]))
        await parts.recorder.settled()
        await until(lambda: parts._site_trouble() is UNPUBLISHED)
        document = await parts.about.document()
        assert "Nothing new is published" in document.store["trouble"]
        note.rmdir()


class _StoreEnds:
    """A publisher whose drain meets a store that has ended, and whose connection says goodbye meanwhile."""

    def __init__(self, damaged: asyncio.Event) -> None:
        self._damaged = damaged
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1

        async def drain() -> None:
            await self._damaged.wait()
            raise StoreClosed("The store is closed.")

        async def converse() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(drain())
            group.create_task(converse())


@pytest.mark.parametrize("kept_by", ["publishing", "agent"])
def test_a_store_that_has_ended_ends_the_agent_in_a_sentence(kept_by: str, caplog: pytest.LogCaptureFixture) -> None:
    """Even while the agent's group cancels the tasks, whose own groups fail by the same store: nothing begins anew."""
    caplog.set_level(logging.INFO)
    ends: list[_StoreEnds] = []

    async def tasks() -> None:
        damaged, clock, boundary = asyncio.Event(), ManualClock(), Boundary()
        publisher = _StoreEnds(damaged)
        ends.append(publisher)
        parts = Parts()
        parts.clock, parts.boundary = clock, boundary
        agent, publishing = Agent.__new__(Agent), Publishing.__new__(Publishing)
        agent._parts = parts
        publishing._boundary, publishing._clock, publishing._publisher = boundary, clock, publisher  # type: ignore[assignment]

        async def watch() -> None:
            await damaged.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            raise StoreCorrupt("The database sonda.db is damaged.")

        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            if kept_by == "agent":
                group.create_task(agent._keep("publisher", publisher.run))
            else:
                group.create_task(publishing._keep(publisher, lambda: publisher))  # type: ignore[arg-type,return-value]
            await asyncio.sleep(0)
            damaged.set()

    async def within_a_while() -> None:
        task = asyncio.create_task(tasks())
        await asyncio.wait({task}, timeout=5)
        if not task.done():
            for one in asyncio.all_tasks() - {asyncio.current_task()}:
                one.cancel()
            pytest.fail("the agent lives on without its store")
        await task

    assert run_to_end(within_a_while()) == Exit.WRONG
    assert ends[0].runs == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "The database sonda.db is damaged. The agent ends, to be started again."
    ]
    assert not any(record.exc_info for record in caplog.records)


async def test_an_open_incident_is_known_at_a_start_whose_clock_lies_behind_it(tmp_path: Path) -> None:
    """A box without a clock of its own: it would stay open for ever, beside a second one of the same device."""
    file = tmp_path / "sonda.toml"
    file.write_text(SITE)
    settings = load([file], Overrides())
    ahead = Incident("i", "device.down", "a", "no_reply", SystemClock().utc() + 86400.0)
    async with Store.open(
        settings.store.path, store_limits(settings.store), SystemClock(), probe_id=settings.site.probe, boot_id="before"
    ) as store:
        await store.commit(Batch(incidents=[ahead]))
    parts = Parts(engine=Wire)
    async with AsyncExitStack() as stack:
        await parts.open(settings, stack)
        assert list(parts.core.incidents) == [ahead]


async def test_a_reload_that_moves_the_page_says_that_it_counts_from_the_next_start_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Page, URL file, log and the settings in force all tell of the port that is listened on."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    now, then = free_port(), free_port()
    moved = SITE.replace("enabled = false\n[topology]", f"port = {then}\n[topology]")
    async with agent_running(tmp_path, site=moved.replace(f"port = {then}", f"port = {now}")) as (parts, file, _):
        url = tmp_path / "url"
        await until(url.is_file)
        file.write_text(moved)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "Counts from the next start on: [http] port." in caplog.text)
        assert url.read_text().strip() == f"http://127.0.0.1:{now}"
        about = await asyncio.to_thread(ask.Agent(f"http://127.0.0.1:{now}").about)
        assert about["boot"] == parts.boot
        with pytest.raises(ask.Unreachable, match=f"No agent listens at http://127.0.0.1:{then}"):
            await asyncio.to_thread(ask.Agent(f"http://127.0.0.1:{then}").about)
        assert parts.planning.settings.http.port == now and not parts.planning.rejected
