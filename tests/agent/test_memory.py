"""Freed memory goes back to the system, and the collector looks not again and again through what stays."""

import ctypes
import gc
from pathlib import Path

import pytest

from agent.memory import LEARNT_AT_ONCE, Learnt, give_back

PIECE, PIECES = 8_000, 8_000
"""Below what malloc maps apart; 64 MB in all."""


def resident() -> int:
    """Bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_what_was_freed_between_things_that_stay_is_given_back() -> None:
    held = [bytes(PIECE) for _ in range(PIECES)]
    stays = held[:: PIECES // 20]
    held.clear()
    before = resident()
    give_back()
    assert before - resident() > PIECE * PIECES / 2, len(stays)


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    give_back()


def test_what_was_learnt_is_set_apart_as_it_grows_and_never_for_what_comes_and_goes() -> None:
    learnt, frozen = Learnt(), gc.get_freeze_count()
    held = [[number] for number in range(1000)]
    learnt.holds(LEARNT_AT_ONCE - 1)
    assert gc.get_freeze_count() <= frozen
    learnt.holds(LEARNT_AT_ONCE)
    frozen = gc.get_freeze_count()
    assert not any(one is other for other in gc.get_objects() for one in held[:1])
    more = [[number] for number in range(1000)]
    for ports in (0, LEARNT_AT_ONCE, 2 * LEARNT_AT_ONCE - 1):
        learnt.holds(ports)
        assert gc.get_freeze_count() <= frozen
    assert any(one is more[0] for one in gc.get_objects())
    learnt.holds(2 * LEARNT_AT_ONCE)
    assert not any(one is more[0] for one in gc.get_objects())
