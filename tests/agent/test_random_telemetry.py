"""Made-up polls through accumulators, folds, statuses, sentence, page and messages: nothing throws, every share is one,
no status without a value, and an hour is the sum of its parts in the store and in the messages."""

import asyncio
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.boundary import Boundary
from agent.core import Core
from agent.folds import BESIDE_STATE, Folds, fold
from agent.history_view import Overview
from agent.page.now import SiteSeen, page_now
from agent.page.say import Say
from agent.recorder import Recorder
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.store.model import Batch, Committed, StateRow, WindowRow
from agent.timeline import Timeline
from collectors.clock import ClockTrust
from kpi.catalogue import entry_of
from kpi.model import Device, Window
from kpi.port_counts import ports_window_from_plain
from kpi.port_summary import port_figures, ports_to_plain
from tests.agent.random_telemetry import ROLES
from tests.agent.random_telemetry import Device as Odd
from tests.agent.test_gear_view import view_of
from tests.agent.world import MIDNIGHT
from tests.doubles import ManualClock

HOUR, POLL_S = 3600, 60


class Kept:
    """The windows of a store that is nowhere but in memory, as JSON gives them back: no disk is waited for."""

    epoch = 0

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], dict[tuple[int, str], WindowRow]] = defaultdict(dict)

    async def commit(self, batch: Batch) -> Committed:
        for row in batch.windows:
            assert row.start_utc is not None
            text = row.plain if isinstance(row.plain, bytes) else json.dumps(row.plain)
            kept = replace(row, plain=json.loads(text))
            self._rows[row.kind, row.length_s][row.start_utc, row.entity] = kept
        return Committed(None, None)

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        rows = self._rows[kind, length_s]
        return [rows[key] for key in sorted(rows) if from_utc <= key[0] < to_utc and entity in {None, key[1]}]

    async def starts(self, kind: str, length_s: int, from_utc: int, to_utc: int, step_s: int) -> Sequence[int]:
        return []

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        return []

    def forget_before(self, utc: int) -> None:
        """What is folded and checked."""
        for (_, length_s), rows in self._rows.items():
            for key in [key for key in rows if key[0] < utc and length_s < HOUR]:
                del rows[key]


class Site:
    """Ten devices that answer anything, polled once a minute by the whole of the agent's heart."""

    def __init__(self, clock: ManualClock, store: Kept, seed: int, folder: Path) -> None:
        self.clock, self._store = clock, store
        self.timeline = Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED)
        self.recorder = Recorder(self, clock, lambda: None)
        self.boundary = Boundary()
        self.core = Core(
            clock=clock,
            timeline=self.timeline,
            recorder=self.recorder,
            boot="boot",
            still_open=(),
            running=lambda _interface: True,
            send_confirm=lambda _target: None,
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=self._five_closed,
            in_pieces=lambda _label, _following, _flags: None,
            late=lambda _label: None,
            dated=lambda: None,
            boundary=self.boundary,
        )
        self.folds = Folds(
            store,
            self.recorder,
            zone=lambda: ZoneInfo("UTC"),
            folded=self.core.window_folded,
            boundary=self.boundary,
            kept=self.core.statuses_kept,
        )
        snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
        watched = [
            Watchable(Device(name, name, role, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, snmp, PortsSettings())
            for name, role in ROLES.items()
        ]
        planned = (
            (frozenset({"sw", "ups"}), MIDNIGHT + 5000, MIDNIGHT + 6000),
            (frozenset({"gw"}), MIDNIGHT, MIDNIGHT + 1800),
        )
        self.core.apply(SitePlan(tuple(watched), None, (), planned))
        self.view = view_of(self, folder, history=store, boundary=self.boundary)  # type: ignore[arg-type]  # a site has what it needs
        self.devices = [Odd(name, str(seed)) for name in ROLES]
        self.polls = 0
        self.checked: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.hours: dict[tuple[str, int, str], Mapping[str, Any]] = {}
        """What was said of an hour's ports, by device, start and port."""

    def _five_closed(self, label: int, following: int) -> None:
        self.folds.five_closed(label, following)

    async def commit(self, batch: Batch) -> Committed:
        for draft in batch.drafts:
            try:
                self._check_message(draft.topic, json.loads(json.dumps(dict(draft.body), allow_nan=False)))
            except (AssertionError, ValueError, KeyError) as error:
                self.wrong.append(f"{draft.topic}: {error!r}")
        return await self._store.commit(batch)

    async def minute(self, *, page: bool) -> None:
        """One poll of each device."""
        at = self.clock.monotonic()
        for device in self.devices:
            for sample in (*device.echoes(at), *device.poll(at)):
                self.core.monitor.take(sample)
            self.polls += 1
        await self.recorder.settled()
        await self.clock.advance(POLL_S)
        assert not self.wrong, self.wrong[:3]
        assert not self.boundary.faults, self.boundary._streaks
        if page:
            self._look()

    def _look(self) -> None:
        seen = SiteSeen(self.view.site(), self.view.devices(), self.view.flapping(), self.view.troubled())
        for language in ("en", "it"):
            shown = page_now(seen, Overview(), Say(language, ZoneInfo("UTC")), self.boundary)
            json.dumps(shown, allow_nan=False)
            assert shown["sentence"]
        for name in ROLES:
            detail = self.view.device(name)
            assert detail is not None
            for figure in (*detail.figures, *(figure for port in detail.ports for figure in port.figures)):
                assert figure.value is not None or figure.status == "none", figure
                self.checked["shown"] += 1

    def _check_message(self, topic: str, body: Any) -> None:
        if topic.startswith("summary/ports/"):
            self._check_ports(topic.rpartition("/")[2], body)
        elif topic.startswith("summary/"):
            for kpi, figure in body["figures"].items():
                assert ("status" in figure) <= (figure["v"] is not None), (topic, kpi, figure)
                assert (figure["v"] is None) == ("null" in figure)
                for name, value in figure.items():
                    if name.endswith("_pct") or (name == "v" and entry_of(kpi).unit == "%"):
                        most = 200 if name == "load_pct" else 100  # a supply may be overloaded
                        assert value is None or 0 <= value <= most, (topic, kpi, name, value)
                        self.checked["shares"] += value is not None
                assert 0 <= figure.get("coverage", 1) <= 1
                self.checked["statuses"] += "status" in figure
            assert 0 <= body["coverage"] <= 1

    def _check_ports(self, device: str, body: Any) -> None:
        ports = body["port"]
        for name, column in body.items():
            if name.endswith("_pct"):
                values = column if isinstance(column, list) else [column] * len(ports)
                assert all(value is None or 0 <= value <= 100 for value in values), (device, name, values)
                self.checked["shares"] += sum(value is not None for value in values)
        for kpi, places in body.get("status", {}).items():
            values = body.get(kpi)
            for place in [place for some in places.values() for place in some]:
                assert (values[place] if isinstance(values, list) else values) is not None, (device, kpi)
                self.checked["statuses"] += 1
        if body["window"]["length_s"] == HOUR:
            for port in ports:
                self.hours[device, body["window"]["start"], port] = body

    async def folded(self, start: int) -> None:
        """Until the hour is folded: it goes on beside the clock, which stands still."""
        for _ in range(2000):
            if await self._store.windows(list(ROLES)[-1], "state", HOUR, start, start + 1):
                break
            await self.clock.advance(0)
        await self.recorder.settled()

    async def check_hour(self, start: int) -> None:
        """The hour in the store is the sum of its five minutes, and what was said of it is made of that."""
        for name in ROLES:
            for kind in ("state", *BESIDE_STATE):
                fives = await self._store.windows(name, kind, 300, start, start + HOUR)
                rows = await self._store.windows(name, kind, HOUR, start, start + 1)
                assert bool(rows) == bool(fives), (name, kind)
                if rows and kind != "state":
                    assert rows[0].plain == json.loads(json.dumps(fold(kind, [row.plain for row in fives]))), (
                        name,
                        kind,
                    )
                    self.checked["hours"] += 1
            await self._check_said(name, start)

    async def _check_said(self, name: str, start: int) -> None:
        rows = await self._store.windows(name, "ports", HOUR, start, start + 1)
        if not rows:
            return
        ports = ports_window_from_plain(rows[0].plain.get("counted", rows[0].plain))
        for port, counts in ports.items():
            said = self.hours[name, start, port]
            place = said["port"].index(port)
            reckoned = ports_to_plain(port_figures({port: replace(counts)}, Window(start, HOUR)))
            for column in ("if_in_bps.octets", "if_out_bps.octets", "if_error_pct", "link_flap.downs"):
                values = said.get(column, 0)
                value = values[place] if isinstance(values, list) else values
                wanted = reckoned.get(column, [0])
                wanted = wanted[0] if isinstance(wanted, list) else wanted
                assert (value or 0) == (wanted or 0), (name, port, column)
            self.checked["said"] += 1


async def run(folder: Path, seed: int, polls: int) -> Counter[str]:
    clock, store = ManualClock(monotonic=50_000.0, utc=MIDNIGHT + 0.25), Kept()
    site = Site(clock, store, seed, folder)
    tasks = [
        asyncio.create_task(c) for c in (site.recorder.run(), site.core.windows.run(), site.folds.run(round(MIDNIGHT)))
    ]
    try:
        for minute in range(polls // len(ROLES)):
            await site.minute(page=minute % 7 == 0)
            if minute % 60 == 10 and minute > 60:
                start = round(MIDNIGHT) + (minute // 60 - 1) * HOUR
                await site.folded(start)
                await site.check_hour(start)
                store.forget_before(start + HOUR)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert site.polls == polls
    return site.checked


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.may_block
async def test_made_up_polls(tmp_path: Path, seed: int) -> None:
    checked = await run(tmp_path, seed, 1500)
    assert min(checked[what] for what in ("shares", "statuses", "shown", "hours", "said")) > 10, checked


@pytest.mark.long
@pytest.mark.may_block
@pytest.mark.timeout(3600)
async def test_a_hundred_thousand_made_up_polls(tmp_path: Path) -> None:
    checked = await run(tmp_path, 7, 100_000)
    assert min(checked[what] for what in ("shares", "statuses", "shown", "hours", "said")) > 1000, checked


def test_the_odd_numbers_are_odd() -> None:
    kinds: Counter[str] = Counter()
    device = Odd("sw", "3")
    for minute in range(50):
        for sample in device.poll(60.0 * minute):
            readings = getattr(sample.value, "readings", ())
            kinds["nan"] += sum(math.isnan(one.value) for one in readings)
            kinds["infinite"] += sum(math.isinf(one.value) for one in readings)
            kinds["negative"] += (getattr(sample.value, "in_errors", 0) or 0) < 0
    assert min(kinds.values()) > 0
