"""What the doctor found, for people and for scripts. Sign and word say how serious it is; colour only repeats it."""

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
_SEEN_MOST, _MENDS_MOST = 12, 4
"""Of findings of one kind: the same wrong community on 30 switches is one matter."""
_INDENT = 14


def print_report(console: "Console", report: "Report", *, everything: bool) -> None:
    """A section a check, then the sum."""
    from rich.text import Text

    for section in report.sections:
        if not section.findings:
            continue
        console.print(Text(section.check.title, style="bold"))
        for group in _groups(section):
            _print(console, group, everything=everything)
        console.print()
    console.print(printable(_sum(report)), style=_STYLES[_worst(report)])


def _groups(section: "Section") -> list[list[Finding]]:
    """Findings that mean the same stand together, at the place of the first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in section.findings:
        groups.setdefault((finding.id, finding.means), []).append(finding)
    return list(groups.values())


def _print(console: "Console", group: list[Finding], *, everything: bool) -> None:
    first = group[0]
    good = first.severity is Severity.OK
    most = len(group) if everything else _FOLDED_FROM - 1 if good else _SEEN_MOST
    if good and len(group) > most:
        what = {"device.ok": "answer echoes", "snmp.ok": "answer SNMP"}.get(first.id, "are well")
        _row(console, first.severity, f"{len(group)} devices {what} (--all names them).")
        return
    for finding in group[:most]:
        about = f"{_line(finding.subject)}: " if finding.subject else ""
        _row(console, finding.severity, f"{about}{_line(finding.seen)}")
    if len(group) > most:
        _row(console, first.severity, f"and {len(group) - most} more (--all names them).")
    if good and not everything:
        return
    if first.means:
        _row(console, "means", _line(first.means))
    mends = list(dict.fromkeys((finding.mend, finding.commands) for finding in group))
    for mend, commands in mends if everything else mends[:_MENDS_MOST]:
        if mend:
            _row(console, "mend", _line(mend))
        for command in commands:  # never wrapped: they are copied
            console.print(f"{' ' * _INDENT}  {_line(command)}", soft_wrap=True)


def _row(console: "Console", mark: Severity | str, text: str) -> None:
    """A sign and a word, or a word, and behind it the text, wrapped in its own column."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if isinstance(mark, Severity):
        signs = _SIGNS if (console.encoding or "").lower().replace("-", "").startswith("utf") else _PLAIN_SIGNS
        shown = Text(f"{signs[mark]} {mark.value}", style=_STYLES[mark])
    else:
        shown = Text(f"  {mark}", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_INDENT - 3, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(shown, Text(text))
    console.print(Padding(grid, (0, 0, 0, 2)))


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
