"""What a device says cannot keep a pattern busy: of each pattern that the loader takes, the slowest text one can make."""

import random
import re
import time

import pytest

from agent.profiles import SHIPPED
from collectors.snmp.gear.patterns import NESTED, PATTERN_LIMIT, REACHES, SLOW, fault, reach, seen, steps
from collectors.snmp.text import DESCR_LIMIT

HELD_S = 0.05
"""So long, at most, may the loop stand still for one text."""
NESTING = [
    "(a+)+$", "(a*)*$", "(a|a)*$", "(a|ab)*c", r"(\w+\s?)*!", r"(\d+|\w)+x", "(?:a+b?)+c", "(.*a){12}", r"^(\s*\w*)*$",
    "(?:(?=(a+)+b)a)+c", "(?:(?=(?:a+)+b)a){2}", "x(?:(?=(a+)+b)a)*", "(?:(?>(a+)+b)a)+c", "(?:a(?=(?:a|aa)+$))+b",
    "(?:(?!(a|aa)+b)a)+c", "(a)?(?(1)(?:a+)+|b)c", "(?:(?=(?=(a+)+b))a)+c", "(?:(?=a{200})a)*b", "(?=(a+)+b)", "(?:(?<!(?=(a+)+b)a)a)+c",
    r"(?:(?:ab)+)+c", "(a?){30}b", "(?:[é-ü]+)*x", r"((\w)\2*)+x", r"(?:\u4e00+|.)+x",
]  # fmt: skip
STRINGING = [r".*.*.*x", r"\d+\d+\d+\d+x", r"\w*\s?\w*\s?\w*\s?\w+!", r".*\d+.*x", r"a*a*a*a*b", r"[^;]*;?[^:]*:?.*x"]
HARMLESS = [
    r"^Version (\d+\.\d+)", r"v(\d[\w.]*)", r"(?:[.-]\w+|\([\w.]+\)\w*)*$", r"^(\S+(?: \S+)*?)\s+HW:", r"(\d+) ?RPM",
    r"(?:[^,]*,){3}\s*(-?[\d.]+)", r"(\d+\.\d+\.\d+\.\d+)\b", r"(?i)^(?!.*(?:temp|fan)).*V$", r"(?:(?:HPE?|Aruba) )*x",
    r"(?s)Release \S+\s+(.+?)(?:Copyright|$)", "", "a|b", r"(\w)\1", "(?>a+)b",
    r"v(\d+(?:(?!\.\d{6})\S)*)",
]  # fmt: skip


@pytest.mark.parametrize("pattern", NESTING)
def test_a_repetition_within_a_repetition_is_refused(pattern: str) -> None:
    assert (fault(pattern), reach(pattern)) == (NESTED, 0)


@pytest.mark.parametrize("pattern", STRINGING)
def test_repetitions_of_the_same_one_after_another_are_refused(pattern: str) -> None:
    assert (fault(pattern), reach(pattern)) == (SLOW, 0)


@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_knows_where_it_ends_is_taken(pattern: str) -> None:
    assert fault(pattern) is None and reach(pattern) in REACHES


def test_a_pattern_sees_as_much_of_sysdescr_as_it_is_quick() -> None:
    text = "x" * DESCR_LIMIT
    assert seen(re.compile("^x+y"), text, whole=True) == text
    assert len(seen(re.compile(r"\w+\s?\w+!"), text, whole=True)) == REACHES[-1]
    assert len(seen(re.compile("^x+y"), text, whole=False)) == PATTERN_LIMIT


PARTS = [
    "a", "1", " ", ".", "x", r"\d", r"\w", r"\s", r"\S", "[a1]", "[^1]", "[.-]", "(?:a|1)", "(?:ab|a)", "(?:ab)", "(a1)",
]  # fmt: skip
GROUPS = ["(?:", "(?:", "(?:", "(", "(?=", "(?!", "(?>"]
COUNTS = ["", "", "", "+", "*", "?", "+?", "*?", "{0,3}", "{2,}", "{3}"]
TEXTS = ["a", "1", " ", "1.", "a ", "ab", "1a1"]


def made_up(rng: random.Random, depth: int = 2) -> str:
    """A pattern of a few parts, some of them patterns themselves."""
    parts = [
        (rng.choice(GROUPS) + made_up(rng, depth - 1) + ")" if depth and rng.random() < 0.25 else rng.choice(PARTS))
        + rng.choice(COUNTS)
        for _ in range(rng.randint(1, 4))
    ]
    return "".join(parts)


def slowest(pattern: str, beginnings: list[str]) -> tuple[float, str]:
    """CPU seconds of the slowest search, with texts that grow, so that what explodes is seen while it is small."""
    found = re.compile(pattern)
    worst = (0.0, "")
    for places in (16, 48, reach(pattern)):
        for beginning in beginnings:
            for unit in TEXTS:
                text = (beginning + unit * places)[: places - 1] + "\n"
                worst = max(worst, (held(found, text), text))
        if worst[0] > HELD_S:
            break
    return worst


def held(found: re.Pattern[str], text: str) -> float:
    """The least of two searches: the machine has other things to do."""
    least = float("inf")
    for _ in range(2):
        began = time.thread_time()
        found.search(text)
        least = min(least, time.thread_time() - began)
        if least < HELD_S:
            break
    return least


@pytest.mark.parametrize("seed", range(6))
def test_no_pattern_that_is_taken_holds_the_loop(seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    while taken < 25:
        pattern = ("^" if rng.random() < 0.3 else "") + made_up(rng, 3) + rng.choice(("x", "$", "!", ""))
        if fault(pattern) is None:
            taken += 1
            seconds, text = slowest(pattern, [""])
            assert seconds <= HELD_S, (pattern, text, steps(pattern, PATTERN_LIMIT))


def test_no_shipped_pattern_holds_the_loop() -> None:
    written = {
        line
        for file in SHIPPED.glob("*.toml")
        for line in re.findall(r"(?:pattern|descr) = '([^']*)'", file.read_text(encoding="utf-8"))
    }
    assert len(written) > 400
    for pattern in written:
        assert fault(pattern) is None
        words = max(re.findall(r"[A-Za-z]{2,}[ :]?", pattern) or [""], key=len)
        seconds, text = slowest(pattern, ["", words])
        assert seconds <= HELD_S, (pattern, text)
