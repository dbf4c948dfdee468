"""What a device has beyond its ports, as tables: readings, neighbours, BGP, OSPF, the spanning tree; and its cost."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.terminal import printable
from agent.cli.units import scaled

Rows = Sequence[dict[str, Any]]
_UNITS = {"1": "", "Cel": "°C", "min": "min"}
_SCALED = frozenset({"bit/s"})
_GOOD = frozenset({"established", "full", "twoWay"})


def gear(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A table for each part that the device has."""
    for heading, part in (("wireless", "wireless"), ("sensor", "sensors"), ("also", "other")):
        if document.get(part):
            yield _readings(heading, document[part])
    if document["neighbors"]:
        yield _table(
            ("port", "neighbour", "its port", "by"),
            [
                (row["local_port"], row["remote_name"] or row["remote_chassis"], row["remote_port"], row["protocol"])
                for row in document["neighbors"]
            ],
        )
    if document["bgp_peers"]:
        yield _table(
            ("BGP peer", "AS", "state"),
            [
                (
                    row["remote_address"],
                    "-" if row["remote_as"] is None else str(row["remote_as"]),
                    _state(row["state"]),
                )
                for row in document["bgp_peers"]
            ],
        )
    if document["ospf_neighbors"]:
        yield _table(
            ("OSPF neighbour", "address", "state"),
            [(row["router_id"], row["address"], _state(row["state"])) for row in document["ospf_neighbors"]],
        )
    if document["stp"] and document["stp"]["designated_root"]:
        changes = document["stp"]["topology_changes"]
        said = [(document["stp"]["designated_root"], "-" if changes is None else str(changes))]
        yield _table(("spanning tree's root", "topology changes"), said)


def cost(spent: dict[str, Any]) -> Table:
    """What watching it takes."""
    names = {"first_contact": "first contact", "status": "states", "counters": "counters", "hourly": "hourly"}
    rows = [
        (said, str(spent[name]["requests"]), str(spent[name]["varbinds"]), scaled(spent[name]["octets"], "B"))
        for name, said in names.items()
    ]
    table = _table(("a poll of", "requests", "varbinds", "answers"), rows)
    table.caption = (
        f"{spent['packets_a_minute']:g} packets a minute, both ways, and {spent['varbinds_a_minute']:g} varbinds: "
        "the average of an hour"
    )
    return table


def _readings(heading: str, readings: Rows) -> Table:
    return _table(
        (heading, "of", "value"),
        [(row["kind"].replace("_", " "), row["name"], _value(row)) for row in readings],
    )


def _value(row: dict[str, Any]) -> str:
    if row["unit"] in _SCALED:
        return scaled(row["value"], row["unit"])
    value = round(row["value"], 1 if abs(row["value"]) >= 10 else 2)
    return f"{value:g} {_UNITS.get(row['unit'], row['unit'])}".rstrip()


def _state(state: str) -> Text:
    return Text(state, style="green" if state in _GOOD else "yellow")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return table
