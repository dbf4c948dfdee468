"""Broker and agent killed at random while the wall clock steps to and fro: every number arrives once, with the bytes that
are stored, and every hour that was measured is folded."""

import contextlib
import hashlib
import mmap
import random
import struct
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from agent.store import FIVE_MINUTES, HOUR
from agent.store.db import open_reader
from agent.store.reading import Reading
from agent.windows import STATE
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import ROOT, Hosts, settings
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Network
from tests.programs import need_lab

STEPS = {"+40 min": 2400.0, "-400 s": -400.0, "+3 days off": 3 * 86400.0, "1970": 0.0}

_STEPPED = """
import mmap, struct, sys, time
from agent.cli import main
from collectors.clock import SystemClock
with open(sys.argv.pop(1), "r+b") as file:
    place = mmap.mmap(file.fileno(), 16)
SystemClock.utc = staticmethod(lambda: time.time() + struct.unpack_from("d", place)[0])
main()
"""


class Wall:
    """The wall clock of an agent, which steps at once when it is told to."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(16))
        self.path = path
        with path.open("r+b") as file:
            self._place = mmap.mmap(file.fileno(), 16)
        self.ahead = 0.0

    def set(self, ahead: float) -> None:
        self.ahead = ahead
        struct.pack_into("d", self._place, 0, ahead)

    def in_1970(self) -> None:
        """A box without a battery: it shows 1970 until somebody sets it."""
        struct.pack_into("d", self._place, 0, 1000.0 - time.time())

    def close(self) -> None:
        self._place.close()


@contextlib.contextmanager
def wall(path: Path) -> Iterator[Wall]:
    made = Wall(path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.lab
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [pytest.param(6, id="few"), pytest.param(200, id="200", marks=pytest.mark.long)])
def test_every_number_arrives_and_every_hour_is_folded_whatever_the_clock_shows(tmp_path: Path, kills: int) -> None:
    need_lab("mosquitto", "mosquitto_sub", "nft")
    rng = random.Random(7)
    done = Counter[str]()
    with Network() as network, contextlib.ExitStack() as stack:
        hosts = Hosts(network, 6)
        clock = stack.enter_context(wall(tmp_path / "ahead"))
        place = Mosquitto(tmp_path, place=hosts.probe, persistent=True, extra=["max_queued_messages 0"])
        broker = stack.enter_context(place)
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        text = settings(range(6), f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
        config = tmp_path / "sonda.toml"
        command = [sys.executable, "-P", "-c", _STEPPED, str(clock.path), "run", "--config", str(config)]
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=hosts.probe, command=command))
        while done["agent"] + done["broker"] < kills:
            hosts.silence(*rng.sample(range(6), 3))
            time.sleep(rng.uniform(0.5, 3))
            step = rng.choice((*STEPS, "none"))
            done[step] += 1
            if step in {"+40 min", "-400 s"}:
                clock.set(clock.ahead + STEPS[step])
                time.sleep(rng.uniform(0, 3))
            kill_agent = step in {"+3 days off", "1970"} or rng.random() < 0.6
            kill_broker = rng.random() < 0.5 or not kill_agent
            if kill_broker:
                broker.kill()
                done["broker"] += 1
            if kill_agent:
                sonda.kill()
                done["agent"] += 1
                if step == "+3 days off":
                    clock.set(clock.ahead + STEPS[step])
                if step == "1970":
                    clock.in_1970()
            time.sleep(rng.uniform(0, 1))
            if kill_broker:
                broker.start()
            if kill_agent:
                sonda.daemon.start()
                wait_until(sonda_lives(sonda), "/livez", 180, 0.1)  # as long as a busy machine needs
            if step == "1970":
                time.sleep(rng.uniform(0.5, 4))
                clock.set(clock.ahead + 10)
        hosts.silence()
        clock.set(clock.ahead + 2400)  # the last five minutes and hour are over
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            state = sonda.json("/api/v1/agent")["broker"]
            if state["connected"] and state["backlog_messages"] == 0:
                break
            time.sleep(0.5)
        time.sleep(10)
        clock.set(clock.ahead + 3600)
        time.sleep(20)
        assert sonda.stop() == 0
        judge(sonda, recorder, done)


def sonda_lives(sonda: SondaRun) -> Callable[[], bool]:
    def lives() -> bool:
        with contextlib.suppress(OSError, HTTPException):
            return sonda.get("/livez").status == 200
        return False

    return lives


def judge(sonda: SondaRun, recorder: Recorder, done: Counter[str]) -> None:
    arrived: dict[str, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for message in recorder.messages:
        if "seq" in (body := message.json()):
            arrived[body["stream"]][body["seq"]].add(hashlib.sha256(message.payload).digest())
    con, reading = open_reader(sonda.database), Reading()
    with contextlib.closing(con):
        streams = [row[0] for row in con.execute("SELECT id FROM stream ORDER BY number")]
        missing, different = 0, 0
        for stream in streams:
            stored = {m.seq: m.digest for m in reading.messages(con, stream, 1, 1 << 40)}
            waiting = {m.seq for m in reading.waiting(con, 0, 1 << 30, None)[0]} if stream == streams[-1] else set()
            missing += len(stored.keys() - arrived[stream].keys() - waiting)
            different += sum(digests != {stored[seq]} for seq, digests in arrived[stream].items() if seq in stored)
            different += len(arrived[stream].keys() - stored.keys())
        hours = {
            length: {
                (row.entity, (row.start_utc or 0) // HOUR * HOUR)
                for row in reading.windows(con, None, STATE, length_s=length, from_utc=0, to_utc=1 << 32)
            }
            for length in (FIVE_MINUTES, HOUR)
        }
    newest = max(start for _, start in hours[FIVE_MINUTES])
    unfolded = {key for key in hours[FIVE_MINUTES] - hours[HOUR] if key[1] < newest}
    print(
        f"{dict(done)}; {sum(map(len, arrived.values()))} numbers of {len(streams)} streams, {missing} missing, "
        f"{different} different; {len(hours[HOUR])} hours of {len({e for e, _ in hours[HOUR]})} entities, "
        f"{len(unfolded)} not folded"
    )
    assert (missing, different, len(unfolded)) == (0, 0, 0), sorted(unfolded)[:10]
    assert "Traceback" not in sonda.log
