"""A poll document as tables that fit 80 columns; long names wrap, nothing is cut."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.gear_tables import cost, gear
from agent.cli.terminal import printable
from agent.cli.units import duration, scaled

_COLOURS = {"up": "green", "down": "red"}


def tables(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A heading, what the device says of itself, its interfaces, what it has beyond them, and what went wrong."""
    answered = document["answered"]
    heading = Text(printable(document["target"]), style="bold")
    heading.append(
        f"  answered in {document['seconds']:.2f} s" if answered else f"  no answer after {document['seconds']:.2f} s",
        style="green" if answered else "red",
    )
    yield heading
    if answered:
        yield _system(document)
        if document["interfaces"]:
            yield _interfaces(document["interfaces"])
        yield from gear(document)
        if document.get("cost"):
            yield cost(document["cost"])
    wrong = (*document["errors"], *document.get("remarks", ()))
    for sentence in wrong:
        yield Text(f"! {printable(sentence)}", style="yellow")
    if wrong or not document["interfaces"]:
        yield ""  # below the table its own box leaves a line


def _system(document: dict[str, Any]) -> Table:
    system, identity = document["system"], document["identity"]
    rows = {
        "name": system["sys_name"],
        "description": system["sys_descr"],
        "location": system["sys_location"],
        "up for": duration(system["uptime_seconds"]) if system["uptime_seconds"] is not None else None,
        "vendor": identity["vendor"],
        "model": identity["model"],
        "firmware": identity["firmware"],
        "serial": identity["serial"],
        "object id": system["sys_object_id"],
        "profile": identity["profile"],
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(Text(name, style="dim"), Text(printable(value)))
    return table


def _interfaces(interfaces: list[dict[str, Any]]) -> Table:
    """The faulty ones show: packets with errors or discarded have columns of their own only where there are any."""
    faulty = any(
        port[f"{way}_{kind}"] for port in interfaces for way in ("in", "out") for kind in ("errors", "discards")
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("port", overflow="fold", min_width=12)
    table.add_column("state", no_wrap=True)
    for name in ("speed", "in", "out", *(("errors", "discards") if faulty else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for port in interfaces:
        cells: list[RenderableType] = [
            _name(port),
            _state(port),
            _speed(port),
            scaled(port["in_octets"], "B"),
            scaled(port["out_octets"], "B"),
        ]
        if faulty:
            cells += [_pair(port, "errors"), _pair(port, "discards")]
        table.add_row(*cells)
    return table


def _name(port: dict[str, Any]) -> Text:
    text = Text(printable(port["name"] or port["descr"] or f"index {port['index']}"))
    if port["alias"] and port["alias"] != port["name"]:
        text.append(f" {printable(port['alias'])}", style="dim")
    return text


def _state(port: dict[str, Any]) -> Text:
    if port["admin_status"] == "down":
        return Text("off", style="dim")
    state = port["oper_status"] or "-"
    return Text(state, style=_COLOURS.get(state, ""))


def _speed(port: dict[str, Any]) -> str:
    return scaled(port["speed_bps"], "bit/s") if port["speed_bps"] else "-"


def _pair(port: dict[str, Any], kind: str) -> str:
    """In / out."""
    values = [port[f"in_{kind}"], port[f"out_{kind}"]]
    return " / ".join("-" if value is None else f"{value}" for value in values)
