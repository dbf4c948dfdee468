"""Rows of agent/README.md: what was measured, the figure, the budget, and whether it is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure against its budget; all of them are "at most". ``figure`` None: not measured, ``how`` says why."""

    what: str
    figure: float | None
    must: float
    aim: float
    unit: str
    how: str
    """What was measured, in one line."""
    extrapolated: bool = False
    """Measured over less than the budget speaks of."""

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if self.figure > self.must:
            return "OVER"
        return "pass, aim met" if self.figure <= self.aim else "pass"

    def cells(self) -> tuple[str, str, str, str]:
        """What, figure, budget, verdict."""
        figure = "-" if self.figure is None else f"{'~' * self.extrapolated}{number(self.figure)} {self.unit}".strip()
        budget = f"{number(self.must)} / {number(self.aim)} {self.unit}".strip()
        return self.what, figure, budget, self.verdict


_HEAD = ("what", "figure", "must / aim", "")


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def text(rows: Sequence[Row]) -> str:
    """The table for a terminal, each row followed by what was measured."""
    cells = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    out = [lines[0], "-" * max(map(len, lines))]
    for row, line in zip(rows, lines[1:], strict=True):
        out += [line, f"    {row.how}"]
    return "\n".join(out)


def markdown(rows: Sequence[Row], intro: str) -> str:
    """The same for the README."""
    lines = [intro, "", "| what | figure | must / aim | | measured |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join((*row.cells(), row.how)).replace("\n", " ") + " |" for row in rows]
    return "\n".join(lines) + "\n"


def missing(what: str, must: float, aim: float, unit: str, reason: str) -> Row:
    """A row that could not be measured."""
    return Row(what, None, must, aim, unit, reason)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long the loads last. The short one is for a look, the long one for the table of the README."""

    quick: bool
    minutes: float | None
    """Of the site's run, for resident memory; None leaves it to ``quick``."""
    folder: str | None
    """Where databases and csv files are written: a real disk."""


Say = Callable[[str], None]
"""Tells a person what goes on."""
