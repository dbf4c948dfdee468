"""What traps can cost: floods, garbage, storms, hostile words; and who is asked how often."""

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.site import plan_site
from agent.traps.reacting import ASK_EVERY_S, EVENTS_BURST, Reacting
from collectors.snmp.traps.inlet import OCTETS_MAX, canonical
from collectors.snmp.traps.listener import BURST, RATE
from collectors.snmp.traps.model import Trap
from tests.agent.traps.hearing import (
    COMMUNITY,
    LINK_DOWN,
    OTHER,
    SOURCE,
    STRANGER,
    Hearing,
    hearing,
    sender,
    trap,
)
from tests.doubles import ManualClock
from tests.lab import ber

FLOOD = 10_000


async def flood(heard: Hearing, octets: bytes, source: str, count: int) -> None:
    """As fast as one thread sends, with a pause for the loop every thousand."""

    def send() -> None:
        with sender(source) as out:
            for number in range(count):
                out.sendto(octets, heard.address)
                if number % 1000 == 999:
                    time.sleep(0.02)

    await asyncio.to_thread(send)


class Lag:
    """How late the loop wakes a task that sleeps a millisecond, at worst."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.001)
            self.worst = max(self.worst, time.monotonic() - began)


@pytest.mark.parametrize("source", [SOURCE, STRANGER])
async def test_a_flood_of_one_source_neither_blocks_nor_fills_nor_drowns_another(tmp_path: Path, source: str) -> None:
    async with hearing(tmp_path) as heard:
        with sender(OTHER) as out:
            out.sendto(trap(), heard.address)
        await heard.dealt_with(1)
        before, lag = psutil.Process().memory_info().rss, Lag()
        watching = asyncio.create_task(lag.watch())
        await flood(heard, trap(), source, FLOOD)
        with sender(OTHER) as out:
            out.sendto(trap(oid="1.3.6.1.6.3.1.1.5.1"), heard.address)
        dropped = heard.traps.now()["dropped_by_kernel"]
        await heard.dealt_with(FLOOD + 2 - dropped)
        watching.cancel()
        grown = psutil.Process().memory_info().rss - before
        now = heard.traps.now()
    print(f"flood: lag {lag.worst * 1000:.0f} ms, memory {grown / 1e6:+.1f} MB, {heard.fates()}, kernel {dropped}")
    assert [e["trap"] for e in heard.said if e["device"] == "two"] == ["linkDown", "coldStart"]
    assert now["received"] + dropped == FLOOD + 2
    told = now["unknown_source"] if source == STRANGER else now["dropped_rate"]
    assert told >= FLOOD - dropped - BURST - 30 * RATE
    assert len([e for e in heard.said if e["device"] == "one"]) <= EVENTS_BURST + 3
    assert heard.asked.count("one") <= 1 + 30 / ASK_EVERY_S
    assert lag.worst < 0.25
    assert grown < 4e6


async def test_garbage_is_counted_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(7)
    good = trap(("1.3.6.1.2.1.2.2.1.1.7", ber.integer(7)))
    datagrams = [chance.randbytes(chance.randrange(1500)) for _ in range(15)]
    datagrams += [good[: chance.randrange(len(good) - 12)] for _ in range(15)]
    datagrams += [
        b"",
        good + bytes(OCTETS_MAX),
        trap(pdu=0xA0),
        trap(pdu=0xA2),
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x80" * 700,
    ]
    async with hearing(tmp_path) as heard:
        with sender() as out:
            for octets in datagrams:
                out.sendto(octets, heard.address)
        fates = await heard.dealt_with(len(datagrams))
        assert set(fates) <= {"undecodable", "bad_community", "unknown_user"}
        assert fates["undecodable"] >= len(datagrams) - 8
        assert (heard.asked, heard.said) == ([], [])


async def test_a_trap_that_is_changed_on_the_way_is_read_or_refused(tmp_path: Path) -> None:
    """One octet each, behind the community: what pysnmp cannot read is undecodable, never a fault of ours."""
    chance = random.Random(8)
    good = trap(("1.3.6.1.2.1.2.2.1.1.7", ber.integer(7)), ("1.3.6.1.2.1.31.1.1.1.18.7", ber.octets("uplink")))
    behind = good.index(COMMUNITY.encode()) + len(COMMUNITY)
    async with hearing(tmp_path) as heard:
        with sender() as out:
            for _ in range(int(BURST)):
                changed = bytearray(good)
                changed[chance.randrange(behind, len(good))] = chance.randrange(256)
                out.sendto(bytes(changed), heard.address)
        fates = await heard.dealt_with(int(BURST))
        assert set(fates) <= {"undecodable", "accepted", "unknown_trap"}
        assert fates["undecodable"] > 5


async def test_hostile_words_are_clean_and_short(tmp_path: Path) -> None:
    words = b"\x1b[31m<script>alert(1)</script>\xe2\x80\xae" + b"x" * 900
    varbinds = [("1.3.6.1.4.1.9.1", ber.octets(words))]
    varbinds += [
        ("1.3.6.1.4.1.9.2", ber.octets("caff\u00e8 \u202e gnp.exe")),
        ("1.3.6.1.4.1.9.3", ber.octets(b"\0\x11\xaa")),
    ]
    varbinds += [("1.3.6.1.4.1.9.4", ber.octets(b"Citt\xe0 alta"))]
    varbinds += [(f"1.3.6.1.4.1.9.9.{n}", ber.integer(n)) for n in range(20)]
    async with hearing(tmp_path) as heard:
        with sender() as out:
            out.sendto(trap(*varbinds), heard.address)
        assert await heard.dealt_with(1) == {"accepted": 1}
    (said,) = heard.said
    values = [bind["value"] for bind in said["varbinds"]]
    assert len(values) == 12 and said["varbinds_left_out"] == len(varbinds) - 12
    assert all(len(str(value)) <= 120 and str(value).isprintable() for value in values)
    assert values[1] == "caff\u00e8 \ufffd gnp.exe"
    assert values[2] == "0011aa"
    assert values[3] == "Citt\u00e0 alta"
    assert "ifindex" not in said
    assert len(json.dumps(said)) < 4000


@pytest.mark.parametrize(
    ("varbinds", "ifindex"),
    [
        ([("1.3.6.1.2.1.2.2.1.8.12", ber.integer(2))], 12),
        ([("1.3.6.1.2.1.2.2.1.8.12", ber.integer(2)), ("1.3.6.1.2.1.2.2.1.1.12", ber.integer(3))], 3),
        ([("1.3.6.1.4.1.9.2.1", ber.integer(2))], None),
        ([("1.3.6.1.2.1.2.2.1.1.12", ber.octets("12"))], 12),
    ],
)
async def test_the_port_is_named_where_the_trap_names_it(tmp_path: Path, varbinds: Any, ifindex: int | None) -> None:
    async with hearing(tmp_path) as heard:
        with sender() as out:
            out.sendto(trap(*varbinds), heard.address)
        await heard.dealt_with(1)
    assert heard.said[0].get("ifindex") == ifindex


def link_down(ifindex: int | None = None) -> Trap:
    return Trap("2c", confirmed=False, oid=LINK_DOWN, varbinds=(), left_out=0, ifindex=ifindex)


async def test_a_device_is_asked_at_once_and_once_more_after_a_storm(clock: ManualClock) -> None:
    asked: list[tuple[str, float]] = []
    began = clock.monotonic()
    reacting = Reacting(clock, lambda d: asked.append((d, clock.monotonic() - began)), lambda _kind, **_body: None)
    for _ in range(30):
        reacting.take("one", "linkDown", link_down())
        await clock.advance(0.1)
    reacting.take("two", "linkDown", link_down())
    await clock.advance(60)
    assert asked == [("one", 0.0), ("two", pytest.approx(3.0)), ("one", ASK_EVERY_S)]
    reacting.take("one", "linkUp", link_down())
    assert len(asked) == 4


async def test_what_was_to_be_asked_later_is_not_once_the_device_is_gone(clock: ManualClock) -> None:
    asked: list[str] = []
    reacting = Reacting(clock, asked.append, lambda _kind, **_body: None)
    for _ in range(2):
        reacting.take("one", "linkDown", link_down())
        reacting.take("two", "linkDown", link_down())
    reacting.only({"two"})
    await clock.advance(60)
    assert asked == ["one", "two", "two"]
    reacting.take("two", "linkDown", link_down())
    reacting.take("two", "linkDown", link_down())
    reacting.close()
    await clock.advance(60)
    assert asked == ["one", "two", "two", "two"]


async def test_a_storm_of_a_day_says_a_bounded_number_of_events_and_how_many_it_left_out(clock: ManualClock) -> None:
    said: list[dict[str, Any]] = []
    reacting = Reacting(clock, lambda _device: None, lambda _kind, **body: said.append(body))
    for _ in range(3600):
        reacting.take("one", "linkDown", link_down())
        await clock.advance(1)
    reacting.close()
    assert EVENTS_BURST + 350 <= len(said) <= EVENTS_BURST + 361
    assert sum(1 + event.get("unsaid", 0) for event in said) >= 3590


@pytest.mark.parametrize("tag", [5, 0x80, 0x81, 0x82], ids=["null", "no-object", "no-instance", "end"])
@pytest.mark.parametrize("pdu", [0xA7, 0xA6], ids=["trap", "inform"])
async def test_a_varbind_without_a_value_costs_no_trap(tmp_path: Path, tag: int, pdu: int) -> None:
    empty = ber.Value(tag, None)
    async with hearing(tmp_path) as heard:
        with sender() as out:
            out.sendto(
                trap(("1.3.6.1.2.1.2.2.1.8.7", empty), ("1.3.6.1.2.1.2.2.1.7.7", ber.integer(1)), pdu=pdu),
                heard.address,
            )
            assert await heard.dealt_with(1) == {"accepted": 1}
            assert heard.traps.counters.answered == (pdu == 0xA6)
    assert [(e["device"], e["ifindex"]) for e in heard.said] == [("one", 7)]


@pytest.mark.parametrize("pdu", [0xA7, 0xA6], ids=["trap", "inform"])
@pytest.mark.parametrize("odd", [b"\x47\x01\x05", b"\x45\x02\x01\x02", b"\x03\x02\x00\x01", b"\x99\x00"])
async def test_a_varbind_of_an_unknown_type_costs_no_trap(tmp_path: Path, odd: bytes, pdu: int) -> None:
    """UInteger32 and NsapAddress of RFC 1442, BIT STRING, and one that nobody knows."""
    plain = trap(("1.3.6.1.2.1.2.2.1.8.7", ber.Value(5, None)), ("1.3.6.1.2.1.2.2.1.7.7", ber.integer(1)), pdu=pdu)
    octets = with_value(plain, odd)
    async with hearing(tmp_path) as heard:
        with sender() as out:
            out.settimeout(5)
            out.sendto(octets, heard.address)
            assert await heard.dealt_with(1) == {"accepted": 1}
            if pdu == 0xA6:
                answer = out.recv(2048)
                assert answer.replace(b"\xa2", b"\xa6", 1) == octets, "RFC 3416 section 4.2.7: the same varbinds"
    assert [(e["device"], e["ifindex"]) for e in heard.said] == [("one", 7)]


def with_value(octets: bytes, value: bytes) -> bytes:
    """The message with ``value`` in the place of its NULL. Its lengths are all below 128."""
    at = octets.index(b"\x05\x00")
    changed = bytearray(octets[:at] + value + octets[at + 2 :])
    more, outer = len(value) - 2, 0
    while outer < at:  # every element that holds it
        tag, length = changed[outer], changed[outer + 1]
        inside = outer + 2 + length > at
        if inside:
            changed[outer + 1] += more
        constructed = tag in {0x30, 0xA6, 0xA7}
        outer += 2 if inside and constructed else 2 + length
    return bytes(changed)


async def test_a_device_is_heard_from_the_address_it_answers_from(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        one, *others = heard.settings.devices
        known = one.model_copy(update={"snmp_answers_from": "127.0.9.9"})
        settings = heard.settings.model_copy(update={"devices": (known, *others)})
        heard.traps.apply(plan_site(settings, [], {}), settings.credentials)
        with sender("127.0.9.9") as out:
            out.sendto(trap(), heard.address)
            assert await heard.dealt_with(1) == {"accepted": 1}
    assert [e["device"] for e in heard.said] == ["one"]


async def test_a_reload_counts_at_once_for_who_is_heard_and_who_is_believed(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        settings = heard.settings
        with sender() as one, sender(OTHER) as two:
            one.sendto(trap(), heard.address)
            assert await heard.dealt_with(1) == {"accepted": 1}
            fewer = settings.model_copy(update={"devices": settings.devices[1:]})
            heard.traps.apply(plan_site(fewer, [], {}), ())
            one.sendto(trap(), heard.address)
            two.sendto(trap(), heard.address)
            assert await heard.dealt_with(3) == {"accepted": 1, "unknown_source": 1, "bad_community": 1}
            heard.traps.apply(plan_site(settings, [], {}), settings.credentials)
            one.sendto(trap(), heard.address)
            assert (await heard.dealt_with(4))["accepted"] == 2
    assert [e["device"] for e in heard.said] == ["one", "one"]


async def test_whose_traps_are_heard_is_made_a_device_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hearing(tmp_path) as heard:
        first, settings = heard.settings.devices[0], heard.settings
        many = tuple(first.model_copy(update={"name": f"d{n}", "address": f"127.0.8.{n}"}) for n in range(1, 101))
        plan = plan_site(settings.model_copy(update={"devices": many}), [], {})
        made = 0

        def counted(address: str) -> str:
            nonlocal made
            made += 1
            return canonical(address)

        monkeypatch.setattr("agent.traps.service.canonical", counted)
        most = before = 0
        for _ in heard.traps.applying(plan, settings.credentials):
            most, before = max(most, made - before), made
        assert made >= 100
        assert most == 1
