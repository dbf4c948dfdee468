"""Broker and agent killed at random while devices come and go: every sequence number reaches the subscriber."""

import contextlib
import random
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.lab.agent import SondaRun
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Namespace, Network
from tests.programs import need_lab

HOSTS = 60
ROOT = "sonda/v1/lab/chaos/probe-1"


def settings(port: int) -> str:
    devices = "".join(
        f'[[device]]\nname = "host {i}"\nrole = "server"\naddress = "10.30.0.{10 + i}"\n' for i in range(HOSTS)
    )
    return (
        '[site]\ntenant = "lab"\nsite = "chaos"\nprobe = "probe-1"\n[network]\ngateway = "none"\n'
        f'{devices}[mqtt]\nhost = "127.0.0.1"\nport = {port}\n'
    )


def silence(far: Namespace, hosts: list[int]) -> None:
    """These hosts stop answering echoes; all others answer."""
    elements = ", ".join(f"10.30.0.{10 + i}" for i in hosts) or "10.30.0.9"
    far.nft(
        "table ip chaos\ndelete table ip chaos\ntable ip chaos {\n chain input {\n"
        "  type filter hook input priority 0;\n"
        f"  ip daddr {{ {elements} }} icmp type echo-request drop\n }}\n}}\n"
    )


def numbers(recorder: Recorder) -> dict[str, Counter[int]]:
    """How often each number of each stream was delivered."""
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for message in recorder.messages:
        body = message.json()
        if "seq" in body:
            seen[body["stream"]][body["seq"]] += 1
    return seen


@pytest.mark.lab
@pytest.mark.parametrize(
    "seconds", [pytest.param(45, id="short"), pytest.param(600, id="ten-minutes", marks=pytest.mark.long)]
)
@pytest.mark.timeout(900)
def test_every_number_arrives_whoever_is_killed(tmp_path: Path, seconds: int) -> None:
    need_lab("mosquitto", "mosquitto_sub", "nft")
    rng = random.Random(7)
    with Network() as network, contextlib.ExitStack() as stack:
        probe, far = network.namespace("probe"), network.namespace("far")
        probe.ping_group_range()
        _, device = network.veth(probe, far, addresses=(["10.30.0.2/24"], ["10.30.0.3/24"]))
        far.ip_batch([f"address add 10.30.0.{10 + i}/24 dev {device}" for i in range(HOSTS)])
        broker = stack.enter_context(Mosquitto(tmp_path, place=probe, persistent=True, extra=["max_queued_messages 0"]))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        sonda = stack.enter_context(SondaRun(tmp_path, settings(broker.port), place=probe))
        end = time.monotonic() + seconds
        killed = Counter[str]()
        while time.monotonic() < end:
            silence(far, rng.sample(range(HOSTS), HOSTS // 2))
            time.sleep(rng.uniform(4, 9))
            what = rng.choice(("broker", "agent", "both", "nothing"))
            killed[what] += 1
            if what in {"broker", "both"}:
                broker.kill()
            if what in {"agent", "both"}:
                sonda.kill()
            time.sleep(rng.uniform(0, 3))
            if what in {"broker", "both"}:
                broker.start()
            if what in {"agent", "both"}:
                sonda.start()
        silence(far, [])
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            state = sonda.json("/api/v1/agent")["broker"]
            if state["connected"] and state["backlog_messages"] == 0:
                break
            time.sleep(0.5)
        state = sonda.json("/api/v1/agent")["broker"]
        assert state["backlog_messages"] == 0, state
        recorder.wait_for(
            lambda _: all(max(n) >= state["acked_to"] for n in numbers(recorder).values()), "the last numbers", 20
        )
        seen = numbers(recorder)
        last = state["last_seq"]
        print(f"killed {dict(killed)}; {last} numbers; {sum(map(len, seen.values()))} arrived, "
              f"{sum(n - 1 for s in seen.values() for n in s.values())} of them again")  # fmt: skip
        assert last > 3 * seconds  # it was under load
        (stream,) = seen
        assert sorted(seen[stream]) == list(range(1, last + 1))
