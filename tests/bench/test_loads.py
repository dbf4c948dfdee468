"""What the benches stand on: simulated agents answer as real ones, matches are of the same echo, days add up."""

import asyncio
import time
from pathlib import Path

from kpi.model import Role
from tests.bench import answering, simulated
from tests.bench.echoes import Loaded, _match, load_rows
from tests.bench.site_plan import COMMUNITY, Shape, address, settings
from tests.bench.sites import close_to_broker
from tests.lab import ber
from tests.lab.capture import CapturedTrip, Seen
from tests.lab.mosquitto import Message

HERE, THERE = b"\x7f\x01\x01\x01", b"\x7f\x01\x01\x02"
IN_OCTETS = ber.oid("1.3.6.1.2.1.31.1.1.1.6.1")
SPEED = ber.oid("1.3.6.1.2.1.31.1.1.1.15.1")


def _ask(kept: answering.Kept, number: int, name: ber.Oid = IN_OCTETS, at: bytes = HERE) -> ber.Message:
    data = kept.answer(ber.request(ber.GET, [name], community=COMMUNITY.encode(), number=number), at)
    assert data is not None
    return ber.unpack_message(data)


def test_a_kept_answer_carries_the_id_that_was_asked_with() -> None:
    kept = answering.Kept(answering.device(2), 60.0)
    answers = [_ask(kept, number) for number in (7, 8, 70_000, 2**31 - 1)]
    assert [a.request_id for a in answers] == [7, 8, 70_000, 2**31 - 1]
    assert {a.pdu for a in answers} == {ber.RESPONSE}
    assert {a.varbinds[0][0] for a in answers} == {IN_OCTETS}


def test_answers_are_kept_by_address_and_question_and_for_no_longer_than_said() -> None:
    agent = answering.device(1)
    kept = answering.Kept(agent, 60.0)
    first = _ask(kept, 1)
    agent.started -= 1000  # as if that much time had passed
    assert _ask(kept, 2).varbinds == first.varbinds
    assert _ask(kept, 3, at=THERE).varbinds != first.varbinds
    assert _ask(kept, 4, SPEED).varbinds[0][1].content == 1000
    fresh = answering.Kept(agent, -1.0)
    before = _ask(fresh, 5)
    agent.started -= 1000
    assert _ask(fresh, 6).varbinds != before.varbinds


def test_answers_made_together_are_not_due_again_together() -> None:
    kept = answering.Kept(answering.device(1), 60.0)
    began = time.monotonic()
    for number in range(100):
        _ask(kept, number, at=number.to_bytes(4, "big"))
    ends = [end - began for end, _, _ in kept._answers.values()]
    assert 30 <= min(ends) < 40
    assert 50 < max(ends) <= time.monotonic() - began + 60


def test_a_wrong_community_gets_no_answer() -> None:
    kept = answering.Kept(answering.device(1), 60.0)
    assert kept.answer(ber.request(ber.GET, [SPEED], community=b"other"), HERE) is None


def _trip(target: str, sent_s: float, rtt_us: float) -> CapturedTrip:
    def seen(at_s: float, kind: int) -> Seen:
        return Seen(round(at_s * 1e9), "lo", False, "127.0.0.1", target, 1, kind, 1, 1, b"")

    return CapturedTrip(seen(sent_s, 8), seen(sent_s + rtt_us / 1e6, 0))


def test_an_echo_is_matched_with_the_captured_one_of_its_target_and_time() -> None:
    captured = [_trip(address(0), 100.0, 10), _trip(address(0), 101.0, 20), _trip(address(1), 100.0, 30)]
    taken = [
        ["d0000/icmp", 1.0005, 0.025],
        ["d0001/icmp", 0.001, 0.031],
        ["d0001/icmp", 1.0, 0.031],
        ["d0000/icmp", 0, None],
    ]
    pairs = _match(taken, captured, 100.0)
    assert [(round(a), round(b)) for a, b in pairs] == [(25, 20), (31, 30)]


def _run(*, share: float, lost: int = 0, ours_us: float = 9.0) -> Loaded:
    return Loaded(
        sent=59_500,
        lost=lost,
        missed=0,
        seen=59_500 - lost,
        differences_us=[ours_us - 3.0] * 10,
        ours_us=[ours_us] * 10,
        captured_us=[3.0] * 10,
        share=share,
        waiting=0.04,
        answering=0.2,
        varbinds_s=226_782.0,
        dropped=0,
        counters={},
    )


def test_a_full_load_is_said_with_its_share_of_a_core() -> None:
    loss, median, tail = load_rows(_run(share=0.97))
    assert (loss.figure, median.figure, tail.figure) == (0, 6.0, 6.0)
    assert {row.verdict for row in (loss, median, tail)} == {"pass, aim met"}
    assert "97 % of a core" in loss.how
    assert "227,000 varbinds a second" in loss.how


def test_a_load_that_was_not_full_claims_nothing() -> None:
    rows = load_rows(_run(share=0.57))
    assert [row.verdict for row in rows] == ["not measured"] * 3
    assert all("the load was not full (57 % of a core, 90 % are needed)" in row.how for row in rows)
    assert "it gave 6.00 us" in rows[1].how


def test_a_breach_under_less_than_the_full_load_is_a_breach() -> None:
    loss, median, tail = load_rows(_run(share=0.57, lost=2, ours_us=40.0))
    assert (loss.verdict, loss.figure) == ("OVER", 2)
    assert (median.verdict, median.figure) == ("OVER", 37.0)
    assert tail.verdict == "not measured"


def test_a_window_is_through_with_its_last_message() -> None:
    def message(topic: str, at: float, start: int, length_s: int) -> Message:
        payload = f'{{"window": {{"start": {start}, "length_s": {length_s}}}}}'.encode()
        return Message(at, f"sonda/v1/a/b/c/{topic}", payload, 1, retained=False, properties=())

    messages = [
        message("summary/device/d1", 305.4, 0, 300),
        message("summary/site", 306.0, 0, 300),
        message("summary/ports/d1", 309.0, 0, 3600),
        message("event/x", 310.0, 0, 300),
        message("summary/site", 605.5, 300, 300),
    ]
    assert close_to_broker(messages) == [1.0, 0.5]


def test_a_simulated_hour_says_what_an_hour_says(tmp_path: Path) -> None:
    shape = Shape(switches=1, access_points=1, endpoints=1, ports=3)
    found = asyncio.run(simulated.simulate(shape, 3600, tmp_path))
    assert found["echoes"] == 3600 * 2.1
    kinds = found["kinds_mb_day"]
    assert {"summary/device", "summary/site", "summary/ports"} <= set(kinds)
    assert found["messages"] >= 12 * (3 + 1) + 1
    assert found["written_mb_day"] > found["published_mb_day"] * 0.1 > 0
    assert {"windows 60 s", "windows 300 s", "windows 3600 s"} <= set(found["held_mb"])


def test_the_site_is_the_one_of_the_design() -> None:
    text = settings([Role.SWITCH, Role.ENDPOINT], snmp=[0], snmp_port=1161)
    assert text.count("[[device]]") == 2
    assert text.count('snmp = "v2c"') == 1
    assert COMMUNITY not in text.replace("SONDA_BENCH_COMMUNITY", "")
