"""Charts as SVG geometry, made by the server: they stand there with scripts late or dead, and print.

A plot is a thousand wide and a hundred high and is stretched by the browser; lines keep their width (non-scaling
strokes) and letters stand outside of what is stretched.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from agent.gear_past import Amount
from agent.history_view import Point, Stretch
from agent.live import HistoryNow

WIDE, HIGH = 1000.0, 100.0
THINNEST = 2.5
"""A stretch is at least this wide (of a thousand), so that seconds in seven days can be seen."""
LEAST_LOSS, LEAST_IN_SPARK = 4.0, 9.0
"""A loss bar is at least this high, so that one lost packet in a window can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a ribbon, in thousandths of its width."""

    x: str
    width: str
    tone: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place, in percent of the plot."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Spark:
    """A tile's line. ``line`` is "" where there is nothing to draw."""

    line: str
    loss: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart of response times. Paths are in the plot's own units; ``ends_at`` and ticks are in percent."""

    line: str
    band: str
    loss: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    threshold: Tick | None
    newest: Tick | None
    top_ms: float


def spark(points: Sequence[Point], start: float, end: float, step: float) -> Spark:
    """A line over [start, end); a gap where windows are missing."""
    known = [p for p in points if p.start_utc + step > start]
    top = max((p.median_ms for p in known if p.median_ms is not None), default=0.0) * 1.15
    if top <= 0:
        return Spark("", "")
    x = _scale(start, end)
    line = _line([(x(min(p.start_utc + step / 2, end)), _y(p.median_ms, top)) for p in known], _gap(x, step))
    return Spark(line, _loss(known, x, step, least=LEAST_IN_SPARK))


def spark_of(amounts: Sequence[Amount], start: float, end: float, step: float) -> Spark:
    """The same of amounts, above 0."""
    known = [a for a in amounts if a.start_utc + step > start]
    if not known:
        return Spark("", "")
    x, top = _scale(start, end), max(*(a.value for a in known), 1.0) * 1.15
    return Spark(_line([(x(min(a.start_utc + step / 2, end)), _y(a.value, top)) for a in known], _gap(x, step)), "")


def plot(
    history: HistoryNow,
    *,
    clock: Callable[[float], str],
    ms: Callable[[float], str],
    scale: Callable[[float], str],
    good_ms: tuple[float, str] | None = None,
) -> Plot:
    """Median as a line, 5th to 95th percentile as a band, losses from the top. ``ms`` writes values, ``scale`` those
    of the axis; ``good_ms``: the threshold and its name."""
    start, end, step = float(history.start), max(history.end, history.start + 1.0), history.step_s
    x = _scale(start, end)
    points = [Point(p.start, p.median_ms, p.p5_ms, p.p95_ms, p.sent, p.lost) for p in history.response]
    highest = max((p.p95_ms for p in points if p.p95_ms is not None), default=1.0)
    top = _nice(max(highest * 1.05, 0.001))
    middles = [x(min(p.start_utc + step / 2, end)) for p in points]
    medians = [(at, _y(p.median_ms, top)) for at, p in zip(middles, points, strict=True)]
    low = [(at, _y(p.p5_ms, top)) for at, p in zip(middles, points, strict=True)]
    high = [(at, _y(p.p95_ms, top)) for at, p in zip(middles, points, strict=True)]
    last = points[-1] if points and points[-1].start_utc + 2 * step + 60 >= end else None
    newest = None
    if last is not None and last.median_ms is not None:
        newest = Tick(_percent(_y(last.median_ms, top) or 0.0), ms(last.median_ms))
    threshold = None
    if good_ms is not None and good_ms[0] < top:
        threshold = Tick(_percent(_y(good_ms[0], top) or 0.0), good_ms[1])
    return Plot(
        line=_line(medians, _gap(x, step)),
        band=_band(low, high, _gap(x, step)),
        loss=_loss(points, x, step),
        x_ticks=[Tick(_percent(i * 25 * HIGH / 100), clock(start + (end - start) * i / 4)) for i in range(5)],
        y_ticks=[Tick(_percent(HIGH * (1 - i / 2)), scale(top * i / 2)) for i in range(3)],
        threshold=threshold,
        newest=newest,
        top_ms=top,
    )


def bars(stretches: Iterable[Stretch], start: float, end: float) -> list[Bar]:
    """A ribbon over [start, end). Nothing is thinner than can be seen; trouble is drawn last, above the rest."""
    x = _scale(start, end)
    found = []
    for stretch in stretches:
        left, right = max(0.0, x(stretch.start_utc)), min(WIDE, x(stretch.end_utc))
        if right <= left:
            continue
        trouble = stretch.tone != "good"
        if right - left < THINNEST:
            left = min(left, WIDE - THINNEST)
            right = left + THINNEST
        found.append((trouble, Bar(_n(left), _n(right - left), stretch.tone.value)))
    return [bar for _, bar in sorted(found, key=lambda pair: pair[0])]


def _scale(start: float, end: float) -> Callable[[float], float]:
    factor = WIDE / (end - start)
    return lambda at: (at - start) * factor


def _gap(x: Callable[[float], float], step: float) -> float:
    """Neighbours further apart than this are not joined."""
    return (x(step) - x(0.0)) * 1.6


def _y(value: float | None, top: float) -> float | None:
    return HIGH - min(value / top, 1.0) * HIGH if value is not None else None


def _runs(points: Iterable[tuple[float, float | None]], gap: float) -> list[list[tuple[float, float]]]:
    """Points that belong together; a missing one, or too wide a step, begins a new run."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
            continue
        if runs[-1] and x - runs[-1][-1][0] > gap:
            runs.append([])
        runs[-1].append((x, y))
    return [run for run in runs if run]


def _line(points: Sequence[tuple[float, float | None]], gap: float) -> str:
    pieces = []
    for run in _runs(points, gap):
        if len(run) == 1:  # a point alone is a short dash
            run.append((run[0][0] + min(gap, 6.0) / 1.6, run[0][1]))
        pieces.append("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in run))
    return "".join(pieces)


def _band(low: Sequence[tuple[float, float | None]], high: Sequence[tuple[float, float | None]], gap: float) -> str:
    pieces = []
    for below, above in zip(_runs(low, gap), _runs(high, gap), strict=True):
        if len(below) > 1:
            pieces.append("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in [*above, *reversed(below)]) + "Z")
    return "".join(pieces)


def _loss(points: Iterable[Point], x: Callable[[float], float], step: float, *, least: float = LEAST_LOSS) -> str:
    pieces = []
    for p in points:
        if p.lost and p.sent:
            high = max(HIGH * p.lost / p.sent, least)
            left, wide = x(p.start_utc), max(min(x(p.start_utc + step), WIDE) - x(p.start_utc), 2.5)
            pieces.append(f"M{_n(max(left, 0.0))} 0h{_n(wide)}v{_n(high)}h-{_n(wide)}Z")
    return "".join(pieces)


def _nice(value: float) -> float:
    """The next of 1, 2, 5, 10 ... that is not below the value."""
    size = 10.0 ** floor(log10(value))
    return next(step * size for step in (1, 2, 3, 5, 10) if step * size >= value * (1 - 1e-9))


def _percent(value: float) -> str:
    return f"{_n(value)}%"


def _n(value: float) -> str:
    return f"{ceil(value * 10 - 0.5) / 10:g}"
