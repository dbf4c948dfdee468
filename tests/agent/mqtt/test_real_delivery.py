"""Everything that was committed reaches a subscriber, whatever happens to a real mosquitto meanwhile."""

import asyncio
import json
import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.mqtt import BrokerDialler, client_id
from agent.mqtt_connection import Fault, Will
from agent.mqtt_settings import BrokerSettings, Pace
from tests.agent.mqtt.parts import CLOCK, ROOT, MemoryOutbox, Told, Watching, publisher, running, until
from tests.lab.mosquitto import Mosquitto
from tests.lab.relay import Relay

pytestmark = pytest.mark.lab

QUICK = Pace(
    own_info_s=0.1, history_per_s=2000, history_start_s=0.0, ack_linger_s=0.05, backoff_cap_s=0.3, refused_first_s=0.5
)
Start = Callable[..., Mosquitto]
IDENTIFIER = client_id("acme", "hq", "pi-1")


def at(port: int, identifier: str = IDENTIFIER, **settings: Any) -> BrokerDialler:
    return BrokerDialler(BrokerSettings("127.0.0.1", port, **settings), identifier)


async def test_a_closed_window_of_200_messages_is_acknowledged_well_within_a_second(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    made = publisher(outbox, at(broker.port), pace=Pace(own_info_s=0.1))
    async with running(made):
        await until(lambda: made.state.connected and made.state.in_flight == 0)
        before = made.state.acknowledged
        outbox.add(200, size=2300)
        began = CLOCK.monotonic()
        made.wake()
        await until(lambda: made.state.acknowledged - before == 200, 2)
        took = CLOCK.monotonic() - began
        print(f"200 messages of 2.3 kB: {took * 1000:.0f} ms from commit to last PUBACK")
        assert took < 1.0


async def test_the_brokers_receive_maximum_is_kept(mosquitto: Start) -> None:
    broker, outbox = mosquitto(receive_maximum=5), MemoryOutbox()
    with broker.recorder(f"{ROOT}/summary/site") as recorder:
        made = publisher(outbox, at(broker.port), pace=QUICK)
        outbox.add(200)
        async with running(made):
            await until(lambda: made.state.connected)
            assert made.state.window == 5
            outbox.add(200)
            made.wake()
            await until(lambda: not outbox.waits())
            assert made.state.reconnects == 0, "mosquitto ends the connection of who exceeds it"
        got = await asyncio.to_thread(recorder.wait, 400)
    assert len(got) == 400


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_every_number_arrives_though_the_broker_is_killed_under_load(mosquitto: Start, protocol: Any) -> None:
    """What the broker acknowledged and had not delivered by its kill -9 is lost inside it: that is what the manifest is
    for. Whatever got no PUBACK goes again."""
    broker, outbox = mosquitto(persistent=True), MemoryOutbox()
    acknowledged_by_then: set[int] = set()
    with broker.recorder(f"{ROOT}/#") as recorder:
        made = publisher(outbox, at(broker.port), pace=QUICK, protocol=protocol)
        async with running(made):
            await until(lambda: made.state.connected)
            for _ in range(3):
                for _ in range(40):
                    outbox.add(10, "summary/device/d1", size=500)
                    made.wake()
                    await asyncio.sleep(0.005)
                broker.kill()
                outbox.add(10, "event/device.down")
                made.wake()
                await asyncio.sleep(0.1)
                assert not made.state.connected
                acknowledged_by_then = outbox.acked | made._acks._settled
                await asyncio.to_thread(broker.start)
            await until(lambda: not outbox.waits(), 30)
            assert made.state.reconnects >= 3
        wanted = set(range(1, outbox.last_seq + 1))

        def arrived() -> set[int]:
            return {seq for m in recorder.messages if (seq := m.json().get("seq")) is not None}

        await until(lambda: arrived() >= wanted - acknowledged_by_then, 10, "every number without a PUBACK")
        lost = wanted - arrived()
        print(f"{len(wanted)} messages, {made.state.published} published, {len(lost)} lost inside the killed broker")
        assert len(lost) <= 3 * 50


async def test_every_number_arrives_though_the_connection_is_cut_under_load(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with Relay(broker.address, broker.port) as relay, broker.recorder(f"{ROOT}/#") as recorder:
        made = publisher(outbox, at(relay.port), pace=QUICK)
        async with running(made):
            await until(lambda: made.state.connected)
            for _ in range(6):
                for _ in range(20):
                    outbox.add(10, "summary/device/d1", size=500)
                    made.wake()
                    await asyncio.sleep(0.005)
                await asyncio.to_thread(relay.cut)
            await until(lambda: not outbox.waits(), 30)
        wanted = set(range(1, outbox.last_seq + 1))

        def arrived() -> set[int]:
            return {seq for m in recorder.messages if (seq := m.json().get("seq")) is not None}

        await until(lambda: arrived() == wanted, 10, "every number at the subscriber")


async def test_a_denied_topic_is_seen_under_mqtt_5_and_flows_once_the_rule_is_mended(mosquitto: Start) -> None:
    """Debian's mosquitto 2.0.11 answers 0x87 and closes the connection as well."""
    told = Told()
    broker, outbox = mosquitto(acl=f"topic deny {ROOT}/event/#\ntopic readwrite #\n"), MemoryOutbox()
    with broker.recorder(f"{ROOT}/#") as recorder:
        made = publisher(outbox, at(broker.port, IDENTIFIER), pace=QUICK, protocol="5", told=told)
        async with running(made):
            await until(lambda: made.state.connected)
            flaps: list[int] = []
            others: list[int] = []
            for _ in range(20):
                flaps += outbox.add(2, "event/link.flap")
                others += outbox.add(5, "summary/site")
            made.wake()
            await until(lambda: not set(others) & set(outbox.waits()), 40, "the others flow")
            await asyncio.sleep(0.3)
            assert outbox.waits() == flaps, "nothing refused is marked"
            assert [(refused.topic, refused.reason, refused.text) for refused in told.refused] == [
                ("event/link.flap", 0x87, "Not authorized")
            ]
            assert made.state.refused[0].reason == 0x87
            await asyncio.to_thread(broker.allow_all)
            await until(lambda: not outbox.waits(), 20, "flows after the rule is mended")
            assert made.state.refused == ()
        wanted = set(range(1, outbox.last_seq + 1))

        def arrived() -> set[int]:
            return {seq for m in recorder.messages if (seq := m.json().get("seq")) is not None}

        await until(lambda: arrived() == wanted)


async def test_a_denied_topic_under_the_older_version_costs_a_few_of_its_messages_and_no_others(
    mosquitto: Start,
) -> None:
    """mosquitto acknowledges what it denies and closes: the first few are lost unseen, the rest is kept."""
    broker, outbox = mosquitto(acl=f"topic deny {ROOT}/event/#\ntopic readwrite #\n"), MemoryOutbox()
    with broker.recorder(f"{ROOT}/#") as recorder:
        made = publisher(outbox, at(broker.port), pace=replace(QUICK, refused_first_s=3.0), protocol="3.1.1")
        async with running(made):
            await until(lambda: made.state.connected)
            denied: list[int] = []
            others: list[int] = []
            for _ in range(20):
                denied += outbox.add(1, "event/link.flap")
                others += outbox.add(5, "summary/site")
            made.wake()
            await until(lambda: [refused.topic for refused in made.state.refused] == ["event/link.flap"], 20)
            await until(lambda: not set(others) & set(outbox.waits()), 20, "the others flow")
            assert 10 <= len(outbox.waits()) < 20
            assert "closes the connection" in made.state.refused[0].text
            await asyncio.to_thread(broker.allow_all)
            await until(lambda: not outbox.waits(), 20, "flows after the rule is mended")

        def arrived() -> set[int]:
            return {seq for m in recorder.messages if (seq := m.json().get("seq")) is not None}

        await until(lambda: set(others) <= arrived())
        assert len(set(denied) & arrived()) >= 10


async def test_a_whole_denied_subtree_costs_a_few_connections_and_not_one_a_topic(mosquitto: Start) -> None:
    """A PUBACK with 0x87 is at times lost in the close that follows it: then one at a time is sent, and it is seen."""
    broker, outbox = mosquitto(acl=f"topic deny {ROOT}/summary/device/#\ntopic readwrite #\n"), MemoryOutbox()
    made = publisher(outbox, at(broker.port), pace=Pace(own_info_s=0.1, history_start_s=0, ack_linger_s=0.05))
    async with running(made):
        await until(lambda: made.state.connected)
        for device in range(60):
            outbox.add(1, f"summary/device/d{device}")
        sites = outbox.add(5, "summary/site")
        made.wake()
        await until(lambda: not set(sites) & set(outbox.waits()), 15)
        assert [refused.topic for refused in made.state.refused] == ["summary/device/+"]
        assert 3 <= made.state.reconnects <= 9


async def test_a_broker_that_accepts_and_never_acknowledges(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with Relay(broker.address, broker.port) as relay:
        relay.swallow_pubacks = True
        made = publisher(outbox, at(relay.port), pace=Pace(own_info_s=0.1, puback_timeout_s=0.5, backoff_cap_s=0.2))
        outbox.add(10)
        async with running(made):
            await until(lambda: made.state.fault is Fault.SILENT)
            await until(lambda: relay.connections >= 3)
            assert outbox.waits() == list(range(1, 11))
            relay.swallow_pubacks = False
            await until(lambda: not outbox.waits())


async def test_the_last_will_is_seen_after_an_abrupt_death(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with Relay(broker.address, broker.port) as relay, broker.recorder(f"{ROOT}/status") as recorder:
        made = publisher(outbox, at(relay.port), pace=QUICK)
        async with running(made):
            await until(lambda: made.state.connected and made.state.in_flight == 0)
            await asyncio.to_thread(relay.cut)
            got = await asyncio.to_thread(recorder.wait, 3)
    said = [m.json() for m in got[:3]]
    assert [(m["state"], m.get("reason")) for m in said] == [
        ("online", None),
        ("offline", "connection_lost"),
        ("online", None),
    ]
    assert {m["boot"] for m in said} == {"boot-a"}
    assert said[1]["since"] is None


async def test_a_clone_is_noticed_by_both(mosquitto: Start) -> None:
    broker = mosquitto()
    first, second = Told(), Told()
    one = publisher(MemoryOutbox(), at(broker.port), pace=QUICK, told=first, boot="boot-a")
    two = publisher(MemoryOutbox(), at(broker.port), pace=QUICK, told=second, boot="boot-b")
    async with running(one):
        await until(lambda: one.state.connected and one.state.in_flight == 0)
        async with running(two):
            await until(lambda: first.clashes and second.clashes)
    assert {clash.boot for clash in first.clashes} <= {None, "boot-b"}
    assert {clash.boot for clash in second.clashes} <= {None, "boot-a"}


async def test_a_restored_box_begins_a_new_stream_before_it_says_anything(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    made = publisher(outbox, at(broker.port), pace=QUICK)
    outbox.add(50)
    async with running(made):
        await until(lambda: not outbox.waits())
        made.info_changed()
        kept = await asyncio.to_thread(broker.retained, f"{ROOT}/info")
        assert json.loads(kept[f"{ROOT}/info"])["last_seq"] == 50
    restored = MemoryOutbox()
    restored.add(30)
    seen: list[int] = []

    async def roll(last_seq: int) -> None:
        seen.append(last_seq)
        restored.begin_stream("stream-2")
        await asyncio.sleep(0)

    with broker.recorder(f"{ROOT}/summary/site") as recorder:
        again = publisher(restored, at(broker.port), pace=QUICK, boot="boot-b", on_rolled_back=roll)
        async with running(again):
            await until(lambda: not restored.waits())
        got = await asyncio.to_thread(recorder.wait, 30)
    assert seen == [50]
    assert again.state.clash is None
    assert len(got) == 30


async def test_the_connection_alone_is_cheap(mosquitto: Start) -> None:
    """2000 messages of 2.3 kB through a window of 50."""
    broker, events = mosquitto(receive_maximum=50), Watching()
    async with at(broker.port).connect("5", Will(f"{ROOT}/status", b"off"), events) as connection:
        payload = b"x" * 2300
        used = resource.getrusage(resource.RUSAGE_SELF)
        began = used.ru_utime + used.ru_stime
        sent = 0
        while len(events.acks) < 2000:
            while sent < 2000 and sent - len(events.acks) < 50:
                connection.publish(f"{ROOT}/a", payload, retain=False, delivery="live")
                sent += 1
            await asyncio.sleep(0.0005)
        used = resource.getrusage(resource.RUSAGE_SELF)
    each = (used.ru_utime + used.ru_stime - began) / 2000 * 1e6
    print(f"{each:.0f} us of CPU a message")
    assert each < 1000
