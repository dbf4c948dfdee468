"""The publisher over the real store and a real mosquitto: byte for byte, over restarts, and after a rollback."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.messages import MessageDraft
from agent.mqtt import BrokerDialler
from agent.mqtt_settings import BrokerSettings, Pace
from agent.store import Batch, Store, StoreSettings
from tests.agent.mqtt.parts import CLOCK, ROOT, emptied, publisher, running, until
from tests.lab.mosquitto import Message, Mosquitto

pytestmark = pytest.mark.lab

QUICK = Pace(own_info_s=0.2, history_per_s=1000, history_start_s=0.0, ack_linger_s=0.05, backoff_cap_s=0.3)
SETTINGS = StoreSettings(max_bytes=40_000_000, ballast_bytes=1_000_000, wal_bytes=1_000_000, ack_linger_s=0.05)


@asynccontextmanager
async def opened(path: Path, boot: str) -> AsyncIterator[Store]:
    async with Store.open(path, SETTINGS, CLOCK, probe_id="pi-1", boot_id=boot) as store:
        yield store


def window(number: int, devices: int) -> Batch:
    pad = "0123456789abcdef" * 130
    drafts = [
        MessageDraft(f"summary/device/d{n}", "sonda.summary.v1", {"window": number, "pad": pad}) for n in range(devices)
    ]
    return Batch(drafts=drafts)


def numbered(messages: Sequence[Message]) -> dict[tuple[str, int], bytes]:
    return {(body["stream"], body["seq"]): message.payload for message in messages if "seq" in (body := message.json())}


async def test_every_message_arrives_byte_for_byte_over_a_restart_of_the_agent(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = mosquitto()
    path = tmp_path / "sonda.db"
    with broker.recorder(f"{ROOT}/#") as recorder:
        async with opened(path, "boot-a") as store:
            await store.commit(window(0, 150))  # no broker yet
            dialler = BrokerDialler(BrokerSettings("127.0.0.1", broker.port), "probe")
            made = publisher(store, dialler, pace=QUICK, boot="boot-a")
            task = asyncio.create_task(made.run())
            await until(lambda: made.state.acknowledged > 50)
            task.cancel()  # in the midst of it
            await asyncio.wait({task})
        async with opened(path, "boot-b") as store:
            made = publisher(store, dialler, pace=QUICK, boot="boot-b")
            async with running(made):
                await until(lambda: made.state.connected and made.state.in_flight == 0)
                began = CLOCK.monotonic()
                committed = await store.commit(window(1, 200))
                before = made.state.acknowledged
                at = CLOCK.monotonic()
                made.wake()
                await until(lambda: made.state.acknowledged >= before + 200, 5)
                print(f"commit {at - began:.3f} s, then {CLOCK.monotonic() - at:.3f} s to the last PUBACK")
                assert CLOCK.monotonic() - at < 1.0
                assert committed.last_seq == 350
                await emptied(store)
            kept = await store.messages(1, 350)
            stream = store.stream
        got = await asyncio.to_thread(recorder.wait_for, lambda m: len(numbered(m)) >= 350, "350 messages")
    arrived = numbered(got)
    assert set(arrived) == {(stream, seq) for seq in range(1, 351)}
    assert {(stream, m.seq): m.digest for m in kept} == {k: hashlib.sha256(v).digest() for k, v in arrived.items()}
    assert len([m for m in got if b'"seq"' in m.payload]) <= 350 + 50, "a window full of repetitions at the most"


async def test_a_database_that_was_rolled_back_begins_a_new_stream(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = mosquitto()
    dialler = BrokerDialler(BrokerSettings("127.0.0.1", broker.port), "probe")
    path, backup = tmp_path / "sonda.db", tmp_path / "restored.db"
    async with opened(path, "boot-a") as store:
        await store.commit(window(0, 10))
        old = store.stream
    await asyncio.to_thread(shutil.copy, path, backup)
    async with opened(path, "boot-b") as store:
        await store.commit(window(1, 20))
        async with running(publisher(store, dialler, pace=QUICK, boot="boot-b")) as task:
            await emptied(store)
            assert not task.done()
    with broker.recorder(f"{ROOT}/#") as recorder:
        async with opened(backup, "boot-c") as store:

            async def roll(last_seq: int) -> None:
                assert last_seq == 30
                await store.new_stream(store.stream, f"rolled back behind {last_seq}")

            async with running(publisher(store, dialler, pace=QUICK, boot="boot-c", on_rolled_back=roll)):
                await until(lambda: store.stream != old)
                await emptied(store)
            new = store.stream
        got = await asyncio.to_thread(recorder.wait_for, lambda m: len(numbered(m)) >= 12, "the new stream")
    arrived = numbered(got)
    assert {stream for stream, _ in arrived} == {new}
    assert sorted(seq for _, seq in arrived) == list(range(1, 13))
    first = next(m.json() for m in got if m.json().get("seq") == 1)
    assert (first["predecessor"], first["reason"]) == (old, "rolled back behind 30")
