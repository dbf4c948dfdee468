"""The answers of a running agent as a screen: worst first, in 80 columns. What an agent does not say is left out."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.ask import Answers
from agent.cli.terminal import printable
from agent.cli.units import duration, scaled

_WORST_FIRST = ("down", "unknown", "maintenance", "up")
_COLOURS = {"up": "green", "down": "red", "degraded": "yellow", "unknown": "yellow", "maintenance": "blue"}
_SENTENCES = {
    "up": "everything answers",
    "degraded": "something does not answer",
    "down": "the site does not answer",
    "unknown": "no information yet",
}


def whole(answers: Answers) -> RenderableType:
    """Everything, for a pipe or a long terminal."""
    return Group(_heading(answers), *_incidents(answers), _devices(answers, answers.devices), *_agent(answers.agent))


def screen(answers: Answers, trouble: str, console: Console) -> RenderableType:
    """What fits on the screen; how many devices do not is said."""
    devices = sorted(answers.devices, key=_rank)
    shown = min(len(devices), console.height)
    while True:
        hidden = len(devices) - shown
        group = Group(
            _heading(answers),
            *_incidents(answers)[:5],
            _devices(answers, devices[:shown]),
            *([Text(f"and {hidden} more devices", style="dim")] if hidden else []),
            *_agent(answers.agent),
            Text(trouble or "Ctrl-C ends this.", style="red" if trouble else "dim"),
        )
        over = len(console.render_lines(group, pad=False)) - console.height
        if over <= 0 or shown == 0:
            return group
        shown = max(0, shown - max(1, over // 4))


def _heading(answers: Answers) -> Text:
    site = answers.site
    state = str(site.get("state", "unknown"))
    text = Text(printable(site.get("name", "Sonda")), style="bold")
    text.append(f"  {_SENTENCES.get(state, printable(state))}", style=_COLOURS.get(state, ""))
    if time := _when(site.get("time")):
        text.append(f"  {time.astimezone():%H:%M:%S}", style="dim")
    return text


def _incidents(answers: Answers) -> list[Text]:
    lines = []
    for incident in answers.site.get("incidents") or ():
        line = Text("! ", style="yellow")
        line.append(printable(f"{incident.get('name')}: {incident.get('kind')}"))
        line.append(f" for {duration(incident.get('seconds'))}", style="dim")
        if hides := incident.get("hides"):
            line.append(f", hides {len(hides)}", style="dim")
        lines.append(line)
    return lines


def _devices(answers: Answers, devices: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("state", no_wrap=True)
    table.add_column("device", overflow="fold", min_width=16)
    table.add_column("role", no_wrap=True)
    table.add_column("response", justify="right", no_wrap=True)
    table.add_column("lost", justify="right", no_wrap=True)
    table.add_column("SNMP", no_wrap=True)
    table.add_column("since", justify="right", no_wrap=True)
    now = _when(answers.site.get("time"))
    for device in sorted(devices, key=_rank):
        state = str(device.get("state", "unknown"))
        table.add_row(
            Text(printable(state), style=_COLOURS.get(state, "")),
            Text(printable(device.get("name", "-"))),
            Text(printable(device.get("role", "-"))),
            _figure(device.get("rtt_ms"), "ms", 2),
            _figure(device.get("loss_pct"), "%", 1),
            Text(printable((device.get("snmp") or {}).get("state", ""))),
            _since(device.get("since"), now),
        )
    return table


def _rank(device: Mapping[str, Any]) -> tuple[int, list[tuple[int, str]]]:
    """Worst first, then by name, with "AP 4" before "AP 10"."""
    state = str(device.get("state"))
    words = re.findall(r"[0-9]+|[^0-9]+", str(device.get("name")).casefold())
    order = [(int(word), "") if word.isdecimal() and word.isascii() else (0, word) for word in words]
    return (_WORST_FIRST.index(state) if state in _WORST_FIRST else 0, order)


def _agent(agent: Mapping[str, Any]) -> list[Text]:
    """The agent itself in two lines: since when, what waits to be sent."""
    broker, vitals = agent.get("broker") or {}, agent.get("vitals") or {}
    words = [f"Sonda {agent['version']}"] if agent.get("version") else []
    if agent.get("uptime_s") is not None:
        words.append(f"runs for {duration(agent['uptime_s'])}")
    memory = next((vitals[name] for name in ("rss_bytes", "memory_bytes", "resident_bytes") if name in vitals), None)
    if memory is not None:
        words.append(f"{scaled(memory, 'B')} of memory")
    lines = [", ".join(words)] if words else []
    if broker:
        backlog = broker.get("backlog")
        waiting = backlog.get("messages") if isinstance(backlog, dict) else backlog
        said = "connected" if broker.get("connected") else "not connected"
        if broker.get("enabled") is False:
            said = "none"
        lines.append(f"broker: {said}" + (f", {waiting} messages wait" if waiting is not None else ""))
    return [Text(printable(line), style="dim") for line in lines]


def _figure(value: object, unit: str, digits: int) -> str:
    return f"{value:.{digits}f} {unit}" if isinstance(value, int | float) else "-"


def _since(value: object, now: datetime | None) -> str:
    began = _when(value)
    return duration((now - began).total_seconds()) if began and now else "-"


def _when(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
