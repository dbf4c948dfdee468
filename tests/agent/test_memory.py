"""Freed memory goes back to the system."""

import ctypes
from pathlib import Path

import pytest

from agent.memory import give_back

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
