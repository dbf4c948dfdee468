"""The lines of the Wi-Fi and power tiles, out of what the store has kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.gear_past import Amount, GearPast
from agent.history_view import Overview
from agent.page.charts import spark_of
from agent.page.past import FEWEST_AMOUNTS, tile_lines
from agent.page.say import Say
from agent.store.model import WindowRow
from agent.windows import GEAR
from kpi.entities import SITE
from kpi.entry import Part
from kpi.gear_counts import GearCounts, Level
from kpi.model import Role

T = 1_700_006_400
EN, IT = (Say(language, ZoneInfo("Europe/Rome")) for language in ("en", "it"))
ROLES = {"ups": Role.UPS, "ap": Role.ACCESS_POINT}


def level(low: float, high: float) -> Level:
    return Level(5, 300_000, round(low * 100), round(high * 100), round((low + high) / 2 * 100) * 300_000)


@dataclass
class Kept:
    """A store that is a list; remembers what was asked."""

    rows: list[WindowRow] = field(default_factory=list)
    asked: list[tuple[str | None, int, int]] = field(default_factory=list)

    def put(self, entity: str, start: int, **levels: Level) -> None:
        self.rows.append(WindowRow(entity, GEAR, 300, "b", 0.0, start, GearCounts(levels=levels).to_plain()))

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        self.asked.append((entity, from_utc, to_utc))
        return [r for r in self.rows if r.entity == entity and from_utc <= (r.start_utc or 0) < to_utc]


async def test_clients_are_the_sites_and_the_battery_is_the_weakest() -> None:
    store = Kept()
    for n in range(3):
        store.put(SITE, T + 300 * n, clients=level(10 * n, 10 * n + 4))
        store.put("ups", T + 300 * n, runtime=level(30 - n, 40))
        store.put("ups-2", T + 300 * n, runtime=level(12, 12))
        store.put("ap", T + 300 * n, clients=level(1, 1))
    past = GearPast(store)
    found = await past.read(ROLES, T + 900)
    assert found[Part.WIFI] == [Amount(T, 2), Amount(T + 300, 12), Amount(T + 600, 22)]
    assert [a.value for a in found[Part.POWER]] == [30, 29, 28]
    found = await past.read({**ROLES, "ups-2": Role.UPS}, T + 900)
    assert [a.value for a in found[Part.POWER]] == [12, 12, 12]


async def test_only_what_came_since_is_read_again_and_a_day_is_kept() -> None:
    store = Kept()
    store.put(SITE, T, clients=level(4, 4))
    past = GearPast(store)
    await past.read(ROLES, T + 300)
    store.asked.clear()
    store.put(SITE, T + 300, clients=level(6, 6))
    found = await past.read(ROLES, T + 600)
    assert store.asked == [(SITE, T + 300, T + 600), ("ups", T + 300, T + 600)]
    assert [a.value for a in found[Part.WIFI]] == [4, 6]
    assert await past.read(ROLES, T + 90_000) == {}


async def test_a_site_without_them_has_no_lines() -> None:
    assert await GearPast(Kept()).read({"sw": Role.SWITCH}, T) == {}


def test_the_tiles_draw_them_once_there_are_enough() -> None:
    amounts = [Amount(T + 300 * n, 40.0 + n) for n in range(3)]
    past = Overview(end_utc=T + 900, since_utc=T, amounts={Part.WIFI: amounts, Part.POWER: amounts})
    lines = tile_lines(past, EN, Boundary())
    assert lines["wifi"]["caption"] == "Devices, last hour: mostly 41"
    assert lines["power"]["caption"].replace("\u00a0", " ") == "Battery, last hour: at least 40 min"
    assert lines["wifi"]["line"].line.count("L") == 2
    assert (
        tile_lines(past, IT, Boundary())["power"]["caption"].replace("\u00a0", " ")
        == "Batteria, ultima ora: almeno 40 min"
    )
    fewer = tile_lines(
        Overview(end_utc=T + 900, since_utc=T, amounts={Part.WIFI: amounts[: FEWEST_AMOUNTS - 1]}), EN, Boundary()
    )
    assert fewer["wifi"]["line"].line == ""


def test_a_gap_stays_a_gap_and_an_empty_wifi_lies_on_the_ground() -> None:
    line = spark_of([Amount(T, 0.0), Amount(T + 300, 0.0), Amount(T + 1500, 0.0)], T, T + 3600, 300).line
    assert line.count("M") == 2
    assert all(point.split()[1] == "100" for point in line.replace("M", "L").split("L")[1:])
    assert spark_of([], T, T + 3600, 300).line == ""
