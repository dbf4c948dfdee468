"""The geometry of lines and ribbons: what is drawn stays within the plot, and a gap stays open."""

import re

from agent.boundary import Boundary
from agent.history_view import Overview, Point, Stretch
from agent.page.charts import bars, spark
from agent.page.past import tile_lines
from agent.page.say import Say
from kpi.entry import Part
from kpi.seen import Tone
from tests.agent.page.test_say import ROME

T = 1_767_870_000


def points(*starts: int, lost: int = 0) -> list[Point]:
    return [Point(start, 2.0, 1.0, 3.0, 100, lost) for start in starts]


def xs(path: str) -> list[float]:
    return [float(x) for x in re.findall(r"[ML](-?[\d.]+) ", path)]


def test_a_line_ends_where_the_plot_ends() -> None:
    drawn = spark(points(T - 600, T - 300, T - 10, lost=1), T - 600, T, 300)
    assert max(xs(drawn.line)) == 1000
    left, wide = re.findall(r"M([\d.]+) 0h([\d.]+)", drawn.loss)[-1]
    assert float(left) + float(wide) <= 1000


def test_a_gap_stays_open_and_a_point_alone_is_seen() -> None:
    drawn = spark(points(T, T + 60, T + 300), T, T + 600, 60)
    assert drawn.line.count("M") == 2
    assert len(xs(drawn.line)) == 4


def test_seconds_of_trouble_can_be_seen_in_seven_days() -> None:
    week = 7 * 86_400
    drawn = bars([Stretch(T, T + 5, Tone.PROBLEM), Stretch(T + 5, T + week, Tone.GOOD)], T, T + week)
    assert [(b.tone, b.width) for b in drawn] == [("good", "1000"), ("problem", "2.5")]


def test_a_young_site_is_drawn_by_the_minute() -> None:
    minutes = points(*range(T - 300, T, 60))
    past = Overview(T, T - 300.0, {Part.NETWORK: points(T - 300)}, {Part.NETWORK: minutes})
    drawn = tile_lines(past, Say("en", ROME), Boundary())["network"]
    assert len(xs(drawn["line"].line)) == 5
    assert drawn["caption"].replace("\u00a0", " ") == "Response time, last 10 min: mostly 2.0 ms"
    assert tile_lines(Overview(), Say("it", ROME), Boundary())["network"]["caption"].startswith("Ancora nessun grafico")
