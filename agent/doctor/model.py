"""The words of the doctor: a finding, how serious it is, and what a check is given."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collectors.clock import Clock

if TYPE_CHECKING:
    from agent.doctor.running import RunningAgent
    from agent.settings import Examined, Settings


class Severity(StrEnum):
    OK = "ok"
    ATTENTION = "attention"
    """Sonda works, and somebody should know."""
    PROBLEM = "problem"
    """Something that the configuration asks for does not work, or soon will not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. ``id`` is for scripts and never changes; the sentences are for people."""

    id: str
    severity: Severity
    seen: str
    """What was seen, one sentence."""
    subject: str = ""
    """The device or file it is about, "" where the check has one subject only."""
    means: str = ""
    """What follows from it."""
    mend: str = ""
    """What to do, exactly."""
    commands: tuple[str, ...] = ()
    """What to type for that, a line each."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Figures for scripts, JSON types, units in the names."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding, with what it means and its mend wherever these are always the same."""

    id: str
    severity: Severity
    means: str = ""
    mend: str = ""

    def found(
        self,
        seen: str,
        *,
        subject: str = "",
        means: str | None = None,
        mend: str | None = None,
        commands: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> Finding:
        return Finding(
            self.id,
            self.severity,
            seen,
            subject,
            self.means if means is None else means,
            self.mend if mend is None else mend,
            tuple(commands),
            facts or {},
        )


def ok(identifier: str, means: str = "") -> Kind:
    return Kind(identifier, Severity.OK, means)


def attention(identifier: str, means: str, mend: str = "") -> Kind:
    return Kind(identifier, Severity.ATTENTION, means, mend)


def problem(identifier: str, means: str, mend: str = "") -> Kind:
    return Kind(identifier, Severity.PROBLEM, means, mend)


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks are given. ``root`` is where they read /proc, /sys, /run and /etc."""

    clock: Clock
    agent: "RunningAgent"
    examined: "Examined | None" = None
    """None where there is no configuration at all."""
    root: Path = Path("/")
    service_user: str | None = None
    """Who the service runs as, where this is its configuration: what root, or a technician, may is no proof for it."""

    @property
    def settings(self) -> "Settings | None":
        """None where there is no configuration, or one with faults."""
        return self.examined.settings if self.examined else None

    def read(self, path: str) -> str | None:
        """A small file of the machine without the white space around it, None where it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``limit_s`` bounds it for so many devices."""

    name: str
    title: str
    run: Callable[[Case], Awaitable[list[Finding]]]
    limit_s: Callable[[int], float]


def as_the_service(user: str | None) -> str:
    """The command that runs the doctor with what systemd gives the service: its user, its secrets, its permission."""
    options = f"-p User={user or 'sonda'} -p LoadCredential=sonda:/etc/sonda/secrets -p AmbientCapabilities=CAP_NET_RAW"
    return f"systemd-run --quiet --pipe --wait {options} {sys.prefix}/bin/sonda doctor"


_TIMES = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def spoken(seconds: float) -> str:
    """A length of time in the largest unit of which it has two: "45 minutes", "36 hours", "3 days"."""
    for size, name in _TIMES:
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {name}s"
    return "1 second" if seconds >= 1.0 else "less than a second"


_SHOWN = 60


def shown(text: object) -> str:
    """What a device or a broker says of itself, on one line and cut short. The terminal's part is cli/terminal.py's."""
    line = " ".join(str(text).split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
