"""Reading what was stored: any JSON value gives what is asked for, or a ValueError that says what is wrong.

A row of the database may be of another version, or hold what no version has written. Whoever reads rows catches
ValueError and nothing else, leaves the row out and counts it. Numbers are bounded, so that whatever is computed of them
afterwards stays computable.
"""

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 1 << 128
"""No count, time or sum of one window is greater: a level of 1e15, the largest reading, over a month is 3e26, and
differences of made-up counters of 10**30 (tests/agent/random_telemetry.py) are 1e34."""
SHOWN = 40
"""Characters of an odd value that are said."""


def sequence(value: Any, fewest: int = 0, most: int | None = None) -> Sequence[Any]:
    """A JSON array of so many elements."""
    if not isinstance(value, list | tuple) or len(value) < fewest or (most is not None and len(value) > most):
        raise ValueError(f"{_short(value)} is no list of {fewest} to {'any number of' if most is None else most} parts")
    return value


def table(value: Any) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{_short(value)} is no table")  # noqa: TRY004 - whoever reads catches one error
    for key in value:
        text(key)
    return value


def versioned(value: Any, known: int, what: str) -> Any:
    """An array that begins with its version, or an object that has it as "v"."""
    version = table(value).get("v") if isinstance(value, Mapping) else sequence(value, 1)[0]
    if type(version) is not int or version != known:
        raise ValueError(f"{what} of version {_short(version)}; this version of the agent reads {known}")
    return value


def whole(value: Any, least: int = 0, most: int = MOST) -> int:
    """A whole number within these bounds."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{_short(value)} is no whole number from {least} to {most}")
    return value


def signed(value: Any, most: int = MOST) -> int:
    """A whole number that may be below 0."""
    return whole(value, -most, most)


def optional(value: Any, least: int = -MOST) -> int | None:
    """A whole number, or null. What a device told is kept as it told it, be it below 0."""
    return None if value is None else whole(value, least)


def number(value: Any) -> float:
    """A finite number that is not out of all bounds."""
    if type(value) not in {int, float} or not -MOST <= value <= MOST:
        raise ValueError(f"{_short(value)} is no number from {-MOST} to {MOST}")
    return float(value)


def optional_number(value: Any) -> float | None:
    """A finite number, or null."""
    return None if value is None else number(value)


def text(value: Any) -> str:
    """Text that can be written again."""
    if not isinstance(value, str):
        raise ValueError(f"{_short(value)} is no text")  # noqa: TRY004 - as above
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{_short(value)} has half of a character")
    return value


def optional_text(value: Any) -> str | None:
    """Text, or null."""
    return None if value is None else text(value)


def flag(value: Any) -> bool:
    """True or false, written as such or as 1 or 0."""
    if type(value) not in {bool, int} or value not in {0, 1}:
        raise ValueError(f"{_short(value)} is neither true nor false")
    return bool(value)


def wholes(values: Sequence[Any], least: int = 0) -> Sequence[int]:
    """Whole numbers within bounds, looked at all at once: a window of 4,800 ports has 100,000 of them."""
    if values and (set(map(type, values)) != {int} or min(values) < least or max(values) > MOST):
        for value in values:
            whole(value, least)
    return values


def _short(value: Any) -> str:
    """For a message. Of a huge number, the digits are not written out."""
    if type(value) is int and not -MOST <= value <= MOST:
        return "a number of more than 38 digits"
    if isinstance(value, list | tuple | Mapping):
        return f"{'an object' if isinstance(value, Mapping) else 'a list'} of {len(value)} parts"
    return ascii(value[:SHOWN] if isinstance(value, str) else value)
