"""Readings as a device would give them, in few words."""

from kpi.gear import Kind, Reading, Readings


def reading(
    kind: Kind,
    value: float,
    instance: str = "1",
    *,
    name: str = "",
    limit: float | None = None,
    port: int | None = None,
) -> Reading:
    """One reading of a table "t"; the instance is the row."""
    return Reading(kind, f"t.{kind}.{instance}", name or instance, value, limit, port)


def rows(kind: Kind, *values: float) -> list[Reading]:
    """A row each, numbered from 1."""
    return [reading(kind, value, str(number)) for number, value in enumerate(values, 1)]


def poll(*readings: Reading, uptime_cs: int | None = None, missed: dict[str, str] | None = None) -> Readings:
    """What one poll gave."""
    return Readings(uptime_cs, readings, missed or {})
