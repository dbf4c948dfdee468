"""What a line of the log may be, whatever stands in its values."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.terminal import printable
from agent.logs import LONGEST, LineFormatter, RareLine
from tests.doubles import ManualClock

FORGED = "core\n2026-01-01 00:00:00,000 ERROR   sonda: The disk is full."
ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +[a-z.]+: ")


def line(text: str, *values: object, journal: bool = False, error: BaseException | None = None) -> str:
    told = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("sonda.test", logging.WARNING, "x.py", 1, text, values, told)
    return LineFormatter(journal=journal).format(record)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_value_begins_no_second_line(end: str) -> None:
    for journal in (False, True):
        written = line(
            "%s does not answer.", f"core{end}2026-01-01 00:00:00,000 ERROR   sonda: forged", journal=journal
        )
        assert len(written.splitlines()) == 1
        assert f"\\x{ord(end[0]):02x}" in written


def test_a_traceback_is_told_from_entries_whatever_its_error_says() -> None:
    with pytest.raises(ValueError) as raised:
        int(FORGED)
    error = ValueError(FORGED).with_traceback(raised.tb)
    written = line("A poll failed", error=error)
    kept = line("A poll failed", error=error, journal=True)
    first, *below = written.split("\n")
    assert ENTRY.match(first) and below
    assert all(each.startswith("    ") for each in below)
    assert any(each.endswith("ERROR   sonda: The disk is full.") for each in below), "nothing is left out"
    assert all(each.startswith("<4>") for each in kept.split("\n"))


@given(st.text(), st.booleans())
def test_any_text_is_one_line_without_what_steers_a_terminal(value: str, journal: bool) -> None:
    written = line("%s", value, journal=journal)
    assert len(written.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", written)
    written.encode()


@pytest.mark.parametrize("mark", ["\u061c", "\u200e", "\u200f", "\u2028", "\u202e", "\u2066"])
def test_no_mark_that_turns_the_direction_of_text_reaches_a_terminal(mark: str) -> None:
    written = line("%s", f"a{mark}b")
    assert mark not in written and f"a\\x{ord(mark):02x}b" in written
    assert printable(f"a{mark}b") == f"a\\x{ord(mark):02x}b"


def test_an_entry_has_an_end() -> None:
    assert len(line("%s", "x" * 10 * LONGEST)) < LONGEST + 50


async def test_what_anybody_can_cause_is_said_every_ten_minutes_at_most(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    rare = RareLine(clock, logging.getLogger("sonda.test"), logging.WARNING)
    for _ in range(2):
        for number in range(1000):
            rare.say("Refused: %d.", number)
        await clock.advance(RareLine.EVERY_S)
    assert [record.getMessage() for record in caplog.records] == [
        "Refused: 0.",
        "Refused: 0. 999 more were not written down since the last such line.",
    ]
