"""`sonda kpis`: the catalogue, from which API, page and contract take titles, units and thresholds too."""

import difflib
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import JsonOption, out, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kpi.entry import Kpi, Threshold


class Language(StrEnum):
    EN = "en"
    IT = "it"


_WORDS = {
    Language.EN: {
        "formula": "formula",
        "limits": "limits",
        "source": "source",
        "says": "means",
        "do": "to do",
        "parts": "with it",
        "merge": "merged by",
        "good": "good",
        "warn": "attention",
        "bad": "else a problem",
        "none": "no good or bad in it",
        "lan": "local network",
        "wan": "internet",
        "marks": "[V] read in the source itself, [K] a standard's known value, [D] our own default.",
        "more": "`sonda kpis ID` says what one means and what to do.",
    },
    Language.IT: {
        "formula": "formula",
        "limits": "soglie",
        "source": "fonte",
        "says": "significato",
        "do": "che cosa fare",
        "parts": "con",
        "merge": "unione",
        "good": "buono",
        "warn": "attenzione",
        "bad": "altrimenti un problema",
        "none": "né buono né cattivo",
        "lan": "rete locale",
        "wan": "Internet",
        "marks": "[V] letto nella fonte stessa, [K] valore noto di una norma, [D] valore predefinito.",
        "more": "`sonda kpis ID --lang it` dice che cosa significa e che cosa fare.",
    },
}


def _complete(incomplete: str) -> list[str]:
    from kpi.catalogue import CATALOGUE

    return [name for name in CATALOGUE if name.startswith(incomplete)]


def kpis(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="KPI", help="Only these, with all about them.", autocompletion=_complete),
    ] = None,
    lang: Annotated[
        Language, typer.Option("--lang", metavar="en|it", help="Language of titles and sentences; JSON has both.")
    ] = Language.EN,
    json: JsonOption = False,
) -> None:
    """Show the catalogue of KPIs: id, title, unit, formula, thresholds, source."""
    from kpi.catalogue import CATALOGUE

    for wanted in ids or ():
        if wanted not in CATALOGUE:
            near = difflib.get_close_matches(wanted, CATALOGUE, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else "`sonda kpis` lists them all."
            raise typer.BadParameter(f'there is no KPI "{wanted}". {hint}')
    chosen = [CATALOGUE[name] for name in ids or CATALOGUE]
    if json:
        print_json([_document(kpi) for kpi in chosen])
        return
    console = out()
    for kpi in chosen:
        for part in _block(kpi, lang, whole=bool(ids)):
            console.print(part)
    for hint in ("marks",) if ids else ("marks", "more"):
        console.print(_WORDS[lang][hint], style="dim", markup=False)
    raise typer.Exit(Exit.OK)


def _block(kpi: "Kpi", lang: Language, *, whole: bool) -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    words = _WORDS[lang]
    title: str = getattr(kpi.title, lang)
    yield Text.assemble((kpi.id, "bold"), "  ", title, ("" if kpi.unit == "1" else f"  {kpi.unit}", "dim"))
    rows = {"formula": kpi.formula, "limits": _limits(kpi, words), "source": kpi.source}
    if whole:
        rows |= {"says": getattr(kpi.says, lang), "do": getattr(kpi.do, lang), "merge": kpi.merge}
        rows |= {"parts": ", ".join(kpi.parts)} if kpi.parts else {}
    table = Table.grid(padding=(0, 2))
    table.add_column(width=max(len(words[name]) for name in rows) + 2)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(Text(f"  {words[name]}", style="dim"), Text(text))
    yield table
    yield ""


def _limits(kpi: "Kpi", words: dict[str, str]) -> str:
    if not kpi.thresholds or kpi.better is None:
        return words["none"]
    unit = "" if kpi.unit == "1" else f" {kpi.unit}"
    on = "" if kpi.status_on == "value" else f" ({kpi.status_on})"
    return "; ".join(_limit(limit, _sign(kpi, limit), unit, words) for limit in kpi.thresholds) + on


def _sign(kpi: "Kpi", limit: "Threshold") -> str:
    if kpi.better == "low":
        return "<" if limit.strict else "≤"
    return ">" if limit.strict else "≥"


def _limit(limit: "Threshold", sign: str, unit: str, words: dict[str, str]) -> str:
    where = f"{words[limit.scope]}: " if limit.scope != "any" else ""
    good, warn = f"{limit.good:g}{unit}", f"{limit.warn:g}{unit}"
    return f"{where}{sign} {good} {words['good']}, {sign} {warn} {words['warn']}, {words['bad']}"


def _document(kpi: "Kpi") -> dict[str, Any]:
    """All of it, in both languages."""
    from dataclasses import asdict

    return asdict(kpi)
