"""What the doctor found, for people and for scripts. Sign and word say how serious it is; colour only repeats it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent.cli.terminal import printable
from agent.doctor.model import Finding, Severity

if TYPE_CHECKING:
    from rich.console import Console

    from agent.doctor.runner import Report, Section

_SIGNS = {Severity.OK: "✓", Severity.ATTENTION: "▲", Severity.PROBLEM: "✗"}
_PLAIN_SIGNS = {Severity.OK: "+", Severity.ATTENTION: "!", Severity.PROBLEM: "x"}
"""Where the terminal's encoding has no others."""
_STYLES = {Severity.OK: "green", Severity.ATTENTION: "yellow", Severity.PROBLEM: "bold red"}
_FOLDED_FROM = 6
"""So many findings of one kind that are well stand in one line."""
_INDENT = 14


def print_report(console: "Console", report: "Report", *, everything: bool) -> None:
    """A section a check, then the sum."""
    from rich.text import Text

    for section in report.sections:
        if not section.findings:
            continue
        console.print(Text(section.check.title, style="bold"))
        for finding in section.findings if everything else _folded(section):
            _print(console, finding, everything=everything)
        console.print()
    console.print(printable(_sum(report)), style=_STYLES[_worst(report)])


def _folded(section: "Section") -> Iterator[Finding]:
    """Many of one kind that are well become one, at the place of the first."""
    counts = Counter(finding.id for finding in section.findings if finding.severity is Severity.OK)
    said: set[str] = set()
    for finding in section.findings:
        if finding.severity is not Severity.OK or counts[finding.id] < _FOLDED_FROM:
            yield finding
        elif finding.id not in said:
            said.add(finding.id)
            what = {"device.ok": "answer echoes", "snmp.ok": "answer SNMP"}.get(finding.id, "are well")
            yield Finding(finding.id, Severity.OK, f"{counts[finding.id]} devices {what} (--all names them).")


def _print(console: "Console", finding: Finding, *, everything: bool) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    signs = _SIGNS if (console.encoding or "").lower().replace("-", "").startswith("utf") else _PLAIN_SIGNS
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_INDENT - 3, no_wrap=True)
    grid.add_column(overflow="fold")
    severity = finding.severity
    mark = Text(f"{signs[severity]} {severity.value}", style=_STYLES[severity])
    about = f"{_line(finding.subject)}: " if finding.subject else ""
    grid.add_row(mark, Text(f"{about}{_line(finding.seen)}"))
    if severity is not Severity.OK or everything:
        for name, text in (("means", finding.means), ("mend", finding.mend)):
            if text:
                grid.add_row(Text(f"  {name}", style="dim"), Text(_line(text)))
    console.print(Padding(grid, (0, 0, 0, 2)))
    for command in finding.commands:  # never wrapped: they are copied
        console.print(Text(f"{' ' * _INDENT}  {_line(command)}"), soft_wrap=True)


def _line(text: str) -> str:
    """One line that steers nothing, whatever a device calls itself."""
    return printable(text.replace("\n", " ").replace("\t", " "))


def _worst(report: "Report") -> Severity:
    for severity in (Severity.PROBLEM, Severity.ATTENTION):
        if report.count(severity):
            return severity
    return Severity.OK


def _sum(report: "Report") -> str:
    problems, attentions, good = (report.count(s) for s in (Severity.PROBLEM, Severity.ATTENTION, Severity.OK))
    parts = []
    if problems:
        parts.append(f"{problems} problem{'s' if problems > 1 else ''}")
    if attentions:
        parts.append(f"{attentions} need{'s' if attentions == 1 else ''} attention")
    parts.append(f"{good} well")
    end = "" if problems or attentions else " All is well."
    return f"{', '.join(parts)}; examined in {report.seconds:.1f} s.{end}"


def document(report: "Report", *, good: bool) -> dict[str, Any]:
    """For --json."""
    return {
        "ok": good,
        "seconds": round(report.seconds, 2),
        "counts": {severity.value: report.count(severity) for severity in Severity},
        "checks": {section.check.name: round(section.seconds, 2) for section in report.sections},
        "findings": [
            _finding(section.check.name, finding) for section in report.sections for finding in section.findings
        ],
    }


def _finding(check: str, finding: Finding) -> dict[str, Any]:
    return {
        "check": check,
        "id": finding.id,
        "severity": finding.severity.value,
        "subject": finding.subject or None,
        "seen": finding.seen,
        "means": finding.means or None,
        "mend": finding.mend or None,
        "commands": list(finding.commands),
        "facts": dict(finding.facts),
    }
