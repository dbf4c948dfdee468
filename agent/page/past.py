"""What the page draws of the past: the lines of the tiles, the ribbons of seven days, one device's chart."""

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

from agent.boundary import Boundary
from agent.gear_past import Amount
from agent.history_view import DAY_S, RIBBON_S, Overview, Stretch
from agent.live import HistoryNow
from agent.page.charts import Plot, Spark, Tick, bars, plot, spark, spark_of
from agent.page.say import DASH, HOUR, MINUTE, NB, Say
from agent.page.words import STATES
from agent.store.model import FIVE_MINUTES
from agent.view import PLACE
from kpi.catalogue import CATALOGUE
from kpi.entry import Part, Scope
from kpi.seen import Tone
from kpi.sketch import Sketch
from kpi.tiles import PART_NAMES

FEWEST_AMOUNTS = 2
"""Fewer windows are no line yet: until then the tile shows response times."""
_SPANS = (600, HOUR, 6 * HOUR, DAY_S)
_STATE_TONES = {"up": Tone.GOOD, "down": Tone.PROBLEM, "maintenance": Tone.MAINTENANCE}
"""What is not known is drawn as nothing."""


def tile_lines(past: Overview, say: Say, boundary: Boundary) -> dict[str, Any]:
    """By part, the line of the last day, or of the last hour or six where measuring began that lately."""
    return {
        part.value: boundary.value(PLACE, f"line {part}", partial(_tile_line, past, part, say), _no_line)
        for part in Part
    }


def _tile_line(past: Overview, part: Part, say: Say) -> dict[str, Any]:
    end = past.end_utc
    age = end - past.since_utc if past.since_utc is not None else 0.0
    span = next((s for s in _SPANS if age <= s), DAY_S)
    amounts = [a for a in past.amounts.get(part, ()) if a.start_utc >= end - span]
    if len(amounts) >= FEWEST_AMOUNTS:
        return _amounts(part, amounts, end - span, end, say, span=say(f"span_{span}"))
    fine = past.minutes.get(part, ()) if span <= HOUR else ()
    points = [p for p in fine or past.lines.get(part, ()) if p.start_utc >= end - span]
    medians = sorted(p.median_ms for p in points if p.median_ms is not None)
    line = spark(points, end - span, end, MINUTE if fine else FIVE_MINUTES) if medians else Spark("", "")
    text = {"span": say(f"span_{span}"), "usual": say.ms(medians[len(medians) // 2]) if medians else DASH}
    return {
        "line": line,
        "caption": say("line_of", **text) if line.line else say("line_none" if age < HOUR else "line_empty", **text),
        "says": say("line_says", most=say.ms(medians[-1]), **text) if line.line else "",
    }


def _no_line() -> dict[str, Any]:
    return {"line": Spark("", ""), "caption": "", "says": ""}


def _amounts(part: Part, amounts: Sequence[Amount], start: float, end: float, say: Say, *, span: str) -> dict[str, Any]:
    """What the tile's own figure was."""
    values = [a.value for a in amounts]
    usual, least = say.number(median(values)), say.lasting(60 * min(values))
    says = say(f"line_{part.value}", span=span, usual=usual, least=least)
    return {"line": spark_of(amounts, start, end, FIVE_MINUTES), "caption": says, "says": says}


def ribbons(past: Overview, say: Say, boundary: Boundary) -> dict[str, Any]:
    """The last seven days of each part, with the names of the days below."""
    start = past.end_utc - RIBBON_S
    rows = [
        boundary.value(PLACE, f"ribbon {part}", partial(_ribbon, past, part, say), lambda: None)
        for part in past.ribbons
    ]
    days = [Tick(f"{(i + 0.5) * 100 / 7:.4g}%", say.day(start + (i + 1) * DAY_S)) for i in range(7)]
    return {"rows": [row for row in rows if row is not None], "days": days}


def _ribbon(past: Overview, part: Part, say: Say) -> dict[str, Any] | None:
    """How much was without trouble is said of what was measured, and beside it how much that is of the seven days:
    what was before the first start was not measured either. Of less than an hour no share is said."""
    stretches, start = past.ribbons[part], past.end_utc - RIBBON_S
    planned = sum(s.end_utc - s.start_utc for s in stretches if s.tone is Tone.MAINTENANCE)
    known = sum(s.end_utc - s.start_utc for s in stretches) - planned
    good = sum(s.end_utc - s.start_utc for s in stretches if s.tone is Tone.GOOD)
    name = say.of(PART_NAMES[part])
    good_pct, measured = say.share(good, known), say.share(known, RIBBON_S - planned, least=0)
    return {
        "name": name,
        "bars": bars(stretches, start, past.end_utc),
        "good": good_pct,
        "measured": measured,
        "says": say("ribbon_says", name=name, good=good_pct, known=measured)
        if good_pct != DASH
        else say("ribbon_none", name=name),
    }


def measured_says(past: Overview, say: Say) -> str:
    """How much of the last day was measured, since when it is where that is less than a day, and what of it could not
    be sent; "" where there is nothing to say."""
    said = []
    if past.coverage is not None and past.since_utc is not None:
        said.append(say("measured", pct=say.pct(100 * past.coverage)))
        if past.end_utc - past.since_utc < DAY_S:
            said.append(say("measured_since", moment=say.moment(past.since_utc, past.end_utc)))
    if past.dropped_messages:
        n = say.number(past.dropped_messages)
        if past.dropped_first_utc is None:
            said.append(say("dropped_messages", n=n))
        else:
            moment = say.moment(past.dropped_first_utc, past.end_utc)
            said.append(say("dropped_messages_from", n=n, moment=moment))
    return " ".join(said)


def device_chart(history: HistoryNow, say: Say, *, scope: Scope) -> dict[str, Any]:
    """The chart of response times, its ribbon, what both say, and the same as a table."""
    now = history.end
    label = say.day if history.hours > 48 else say.clock
    threshold = CATALOGUE["rtt_ms"].threshold(scope)
    good = (threshold.good, say("threshold", ms=say.ms(threshold.good))) if threshold is not None else None
    drawn: Plot = plot(history, clock=label, ms=say.ms, scale=say.scale, good_ms=good)
    stretches = [Stretch(s.start, s.end, _STATE_TONES[s.state]) for s in history.states if s.state in _STATE_TONES]
    return {
        "plot": drawn,
        "says": _chart_says(history, say),
        "bars": bars(stretches, history.start, now),
        "states": _states(history, now, say),
        "rows": [_row(history, i, say) for i in range(len(history.response))],
        "n": len(history.response),
    }


def _chart_says(history: HistoryNow, say: Say) -> str:
    sent, lost = sum(p.sent for p in history.response), sum(p.lost for p in history.response)
    if not sent:
        return say("chart_none")
    text = {"lost": say.pct(100 * lost / sent), "pct": say.pct(100 * history.coverage)}
    medians = [p.median_ms for p in history.response if p.median_ms is not None]
    if not medians:
        return say("chart_silent", **text)
    middle = Sketch.of(medians).quantile(0.5)
    low = min(p.p5_ms for p in history.response if p.p5_ms is not None)
    high = max(p.p95_ms for p in history.response if p.p95_ms is not None)
    return say("chart_says", usual=say.ms(middle), low=say.ms(low), high=say.ms(high), **text)


def _row(history: HistoryNow, place: int, say: Say) -> dict[str, str]:
    point = history.response[place]
    start, end = float(point.start), min(point.start + history.step_s, history.end)
    factor = 1000 / max(history.end - history.start, 1.0)
    day = f"{say.day(start)}, " if history.hours > 24 else ""
    between = DASH
    if point.p5_ms is not None and point.p95_ms is not None:
        between = f"{say.ms(point.p5_ms)} {say('to')} {say.ms(point.p95_ms)}"
    return {
        "x": f"{((start + end) / 2 - history.start) * factor / 10:.2f}",
        "when": f"{day}{say.clock(start)}{NB}–{NB}{say.clock(start + history.step_s)}",
        "median": say.ms(point.median_ms),
        "between": between,
        "lost": say.pct(100 * point.lost / point.sent) if point.sent else DASH,
        "known": say.pct(100 * point.coverage),
    }


def _states(history: HistoryNow, now: float, say: Say) -> list[str]:
    """The changes in words, the latest ten."""
    lines = []
    for span in history.states[:-11:-1]:
        lasted = say("for", lasting=say.lasting(span.end - span.start))
        lines.append(f"{say.moment(span.start, now)}: {say.of(STATES[span.state])}, {lasted}")
    return lines
