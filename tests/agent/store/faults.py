"""Random faults of a database's files, and whether an agent that starts on them goes on and says what it has lost.

    python -m tests.agent.store.faults 500 [SEED]

A base is a site of three devices that was measured for 75 minutes and whose broker took a part of the messages; once
stopped in order, once killed. Each trial copies it, damages it, and lives on it: opens every part of the agent, goes on
from what is stored, says what waits, reads all that pages and folds read, shows the page, and stops. A life that ends by
an error is followed by the next one, as systemd does it.
"""

import asyncio
import contextlib
import gc
import json
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from agent.api.app import create_app
from agent.api.guard import Access
from agent.page.now import notice_says
from agent.page.say import Say
from agent.parts import Parts
from agent.settings import Overrides, load
from agent.storage_notice import DAMAGED, LOST, ROLLED_BACK, ROWS
from agent.store import DAY, FIVE_MINUTES, HOUR, MONTH, Batch, Store, StoreSettings
from agent.windows import ECHO, GEAR, PORTS, STATE
from collectors.clock import SystemClock
from tests.agent.world import World, running
from tests.doubles import ManualClock

NAME = "sonda.db"
LIMITS = StoreSettings(ballast_bytes=65_536, wal_bytes=400_000, ack_linger_s=0.0)
NOTICES = (DAMAGED, LOST, ROLLED_BACK, ROWS)
LIVES = 6
"""So many times an agent may be started until it stays; whatever needs more is a restart loop."""
SITE = """
[site]
tenant = "lab"
site = "faults"
probe = "probe-1"
[network]
gateway = "none"
[store]
path = "{path}"
ballast_bytes = 0
[http]
enabled = false
[[device]]
name = "gw"
role = "gateway"
address = "127.0.0.2"
[[device]]
name = "a"
role = "server"
address = "127.0.0.3"
[[device]]
name = "b"
role = "server"
address = "127.0.0.4"
"""


@dataclass
class Base:
    """What a trial begins with. ``sent`` are all messages that ever were, ``unsent`` the numbers that wait."""

    folder: Path
    stream: str
    sent: dict[int, bytes]
    unsent: set[int]
    earlier: Path
    """The same files some commits before: to roll back to."""


@dataclass
class Trial:
    """What came of one."""

    kind: str
    restarts: int = 0
    loop: bool = False
    delivered: int = 0
    named: int = 0
    missing: set[int] = field(default_factory=set)
    different: int = 0
    silent_page: bool = False
    replaced: bool = False
    rows_left_out: int = 0
    errors: list[str] = field(default_factory=list)


async def measured(clock: ManualClock) -> list[Batch]:
    """What 75 minutes of a small site give to the store."""
    async with running(clock) as world:
        world.watch(gw=(), a=("gw",), b=("gw",))
        for minute in range(75):
            world.silent = {"b"} if minute % 20 == 7 else set()
            await clock.advance(60)
        return _with_coarse(world)


def _with_coarse(world: World) -> list[Batch]:
    """Its batches, and hours, days and months made of its five minutes, which nobody folds here."""
    batches = list(world.disk.batches)
    fives = [w for b in batches for w in b.windows if w.length_s == FIVE_MINUTES and w.start_utc is not None]
    for length_s, many in ((HOUR, 40), (DAY, 20), (MONTH, 3)):
        rows = [
            replace(w, length_s=length_s, start_utc=(w.start_utc or 0) // 86400 * 86400 - n * 86400, boot="", mono_start=0.0)
            for n in range(many)
            for w in fives[:8]
        ]  # fmt: skip
        batches.append(Batch(windows=rows))
    return batches


async def make_base(folder: Path, *, killed: bool) -> Base:
    clock = ManualClock(utc=SystemClock().utc() // 300 * 300 - 75 * 60)
    batches = await measured(clock)
    live, earlier, kept = folder / "live", folder / "earlier", folder / "kept"
    async with Store.open(live / NAME, LIMITS, clock, probe_id="probe-1", boot_id="boot") as store:
        for number, batch in enumerate(batches):
            done = await store.commit(batch)
            if done.first_seq is not None and done.last_seq is not None and number < 0.5 * len(batches):
                await store.acknowledge([n for n in range(done.first_seq, done.last_seq + 1) if n % 3])
            if number == len(batches) // 2:
                shutil.copytree(live, earlier)
        backlog = await store.backlog()
        sent = {m.seq: m.payload or b"" for m in await store.messages(1, backlog.last_seq)}
        unsent = {message.seq for message in await store.waiting(0, 100_000)}
        stream = store.stream
        if killed:
            shutil.copytree(live, kept)
    if not killed:
        shutil.copytree(live, kept)
    assert len(unsent) > 20, len(unsent)
    return Base(kept, stream, sent, unsent, earlier)


def damage(folder: Path, base: Base, rng: random.Random) -> str:
    """Does one fault; its name."""
    kind = rng.choice(("bits", "bits", "page", "page", "truncated", "missing", "rolled back", "torn"))
    files = [p for p in (folder / NAME, folder / f"{NAME}-wal") if p.exists() and p.stat().st_size > 0]
    file = rng.choice(files)
    raw = bytearray(file.read_bytes())
    if kind == "bits":
        for _ in range(rng.choice((1, 1, 1, 8, 64))):
            at = rng.randrange(min(len(raw), rng.choice((200, 4096, 1 << 40))))
            raw[at] ^= 1 << rng.randrange(8)
    elif kind == "page":
        for _ in range(rng.choice((1, 1, 3, 20))):
            at = rng.randrange(len(raw) // 2048) * 2048
            other = rng.randrange(len(raw) // 2048) * 2048
            raw[at : at + 2048] = rng.choice(
                (rng.randbytes(2048), bytes(2048), b"\xff" * 2048, raw[other : other + 2048])
            )
    elif kind == "torn":
        at = rng.randrange(len(raw) // 512) * 512
        raw[at : at + 512] = bytes(512)
    elif kind == "truncated":
        del raw[rng.randrange(len(raw)) :]
    if kind == "missing":
        gone = rng.choice(
            ((NAME,), (f"{NAME}-wal",), (f"{NAME}-shm",), (f"{NAME}.stream",), (NAME, f"{NAME}-wal"), (f"{NAME}.lock",))
        )
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        return "missing " + " and ".join(gone)
    if kind == "rolled back":
        for suffix in rng.choice((("",), ("-wal",), ("", "-wal"))):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(base.earlier / f"{NAME}{suffix}", folder / f"{NAME}{suffix}")
        return kind
    file.write_bytes(raw)
    return f"{kind} of {file.name.removeprefix(NAME) or 'database'}"


async def live(folder: Path, heard: dict[tuple[str, int], bytes], trial: Trial, *, whole: bool) -> None:
    """One life of an agent, as far as the database is concerned. Raises what would end the process."""
    settings_file = folder / "sonda.toml"
    settings_file.write_text(SITE.format(path=folder / NAME))
    parts = Parts()
    async with AsyncExitStack() as stack:
        await parts.open(load([settings_file], Overrides()), stack)
        await parts.resume()
        recording = asyncio.create_task(parts.recorder.run())
        try:
            await asyncio.wait({recording}, timeout=0.02)
            if recording.done():
                recording.result()
            await _say_all(parts.store, heard)
            await _read_all(parts.store)
            await _see_page(parts, trial, whole=whole)
        finally:
            parts.recorder.stop()
            await asyncio.wait({recording}, timeout=5)
            recording.cancel()
        if recording.done() and not recording.cancelled():
            recording.result()
        await _say_all(parts.store, heard)
        opened = parts.store.opened
        trial.replaced |= opened.set_aside is not None or opened.predecessor is not None
        trial.rows_left_out = max(trial.rows_left_out, parts.store.rows_damaged)


async def _say_all(store: Store, heard: dict[tuple[str, int], bytes]) -> None:
    """A broker that takes everything."""
    while messages := await store.waiting(0, 500):
        for message in messages:
            heard[store.stream, message.seq] = message.payload
        await store.acknowledge([message.seq for message in messages])


async def _read_all(store: Store) -> None:
    """What pages, folds and the API read."""
    now = int(SystemClock().utc()) + 400
    for length_s in (60, FIVE_MINUTES, HOUR, DAY, MONTH):
        for kind in (ECHO, STATE, PORTS, GEAR):
            await store.windows(None, kind, length_s, now - 60 * 86400, now)
    await store.state_changes(None, 0, now)
    await store.incidents(0, now)
    await store.all_counters()
    await store.devices()
    await store.report()


async def _see_page(parts: Parts, trial: Trial, *, whole: bool) -> None:
    """``whole``: out of the application, which compiles its templates for half a second; else what it puts there."""
    told: dict[str, Any] = dict((await parts.about.document()).store)
    shown = await _page(parts) if whole else notice_says(parts.view.site(), Say("en", ZoneInfo("UTC")))
    happened = parts.store.opened.set_aside or parts.store.opened.predecessor or told["rows_damaged"]
    trial.silent_page |= bool(happened) and not any(words["en"] in (shown or "") for words in NOTICES)


async def _page(parts: Parts) -> str:
    app = create_app(
        parts.view, parts.events, parts.clock, "1", Access(frozenset({"here"}), None), boundary=parts.boundary
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        page = await client.get("/?lang=en")
    page.raise_for_status()
    return page.text


async def run_trial(base: Base, folder: Path, rng: random.Random, *, killed: bool) -> Trial:
    shutil.copytree(base.folder, folder)
    trial = Trial(damage(folder, base, rng) + (", killed" if killed else ", clean"))
    heard: dict[tuple[str, int], bytes] = {}
    for _ in range(LIVES):
        try:
            await live(folder, heard, trial, whole=rng.random() < 0.1)
        except Exception as error:  # noqa: BLE001 - what ends a life is what is looked for
            trial.restarts += 1
            trial.errors.append(f"{type(error).__name__}: {error}"[:300])
        else:
            break
    else:
        trial.loop = True
    judge(trial, base, heard)
    return trial


def judge(trial: Trial, base: Base, heard: dict[tuple[str, int], bytes]) -> None:
    named: set[int] = set()
    for payload in heard.values():
        body = json.loads(payload)
        if body.get("of_stream") == base.stream:
            named |= {n for low, high in body["ranges"] for n in range(low, high + 1)}
    same = {n for n in base.unsent if heard.get((base.stream, n)) == base.sent[n]}
    trial.delivered, trial.named = len(same), len(named & base.unsent)
    trial.missing = base.unsent - same - named
    trial.different = sum(
        payload != base.sent[seq]
        for (stream, seq), payload in heard.items()
        if stream == base.stream and seq in base.sent
    )


async def run(trials: int, seed: int, folder: Path) -> list[Trial]:
    rng = random.Random(seed)
    bases = {killed: await make_base(folder / f"base-{killed}", killed=killed) for killed in (False, True)}
    found = []
    for number in range(trials):
        killed = bool(number % 2)
        at = folder / f"trial-{number}"
        found.append(await run_trial(bases[killed], at, rng, killed=killed))
        shutil.rmtree(at)
        gc.collect()
    return found


def report(found: list[Trial]) -> Iterator[str]:
    """Counts, and every trial that failed."""
    yield f"{len(found)} faults: {dict(Counter(t.kind.split(',')[0].split(' of ')[0] for t in found))}"
    yield f"restart loops {sum(t.loop for t in found)}; restarts {dict(sorted(Counter(t.restarts for t in found).items()))}"
    yield f"databases replaced {sum(t.replaced for t in found)}; rows left out in {sum(t.rows_left_out > 0 for t in found)}"
    yield (
        f"unsent messages: {sum(t.delivered for t in found)} delivered byte for byte, {sum(t.named for t in found)} named "
        f"in a gap, {sum(len(t.missing) for t in found)} missing, {sum(t.different for t in found)} with other bytes"
    )
    yield f"pages that said nothing {sum(t.silent_page for t in found)}"
    for trial in found:
        if bad(trial):
            yield str(replace(trial, missing=set(sorted(trial.missing)[:10]), errors=trial.errors[-1:]))


def bad(trial: Trial) -> bool:
    return trial.loop or bool(trial.missing or trial.different) or trial.silent_page


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as place:
        for line in report(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1, Path(place)))):
            print(line)
