"""Runs checks side by side, each bounded in time; one that fails or hangs takes none of the others along."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.boundary import Boundary
from agent.doctor.model import Case, Check, Finding, Severity, attention, problem

TIMED_OUT = attention(
    "doctor.timeout",
    "Something that this check asks (a name server, a disk, a device) hangs; what it would have found is not known.",
)
FAILED = problem(
    "doctor.failed",
    "That is a fault of Sonda's doctor, not of this machine; what the check would have found is not known.",
    "Report it, with the lines that stand above on the terminal.",
)


@dataclass(frozen=True, slots=True)
class Section:
    """What one check found, in how many seconds."""

    check: Check
    findings: tuple[Finding, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """All of it, in the order of the checks."""

    sections: tuple[Section, ...]
    seconds: float

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for section in self.sections for finding in section.findings)


async def examine(case: Case, checks: Sequence[Check], ended: Callable[[Check], None] = lambda _: None) -> Report:
    """``ended`` hears of each check as it ends."""
    began, boundary = case.clock.monotonic(), Boundary()

    async def one(check: Check) -> Section:
        started = case.clock.monotonic()
        with boundary.around("check", check.name) as attempt:
            findings = await _bounded(case, check)
        if attempt.failed:
            findings = [FAILED.found(f"The check of {check.title} failed unexpectedly.")]
        ended(check)
        return Section(check, tuple(findings), case.clock.monotonic() - started)

    sections = await asyncio.gather(*(one(check) for check in checks))
    return Report(tuple(sections), case.clock.monotonic() - began)


async def _bounded(case: Case, check: Check) -> list[Finding]:
    limit = check.limit_s(len(case.settings.devices) if case.settings else 0)
    try:
        async with asyncio.timeout(limit):
            return await check.run(case)
    except TimeoutError:
        seen = f"The check of {check.title} did not end within {limit:g} s."
        return [
            TIMED_OUT.found(
                seen,
                mend="Run it alone and look again; the other checks may say what hangs.",
                commands=[f"sonda doctor --only {check.name}"],
            )
        ]


def known(checks: Iterable[Check]) -> str:
    """Their names, for people."""
    return ", ".join(check.name for check in checks)
