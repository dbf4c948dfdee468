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
    "maintenance": "planned maintenance",
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
    counts = site.get("devices") or {}
    if state == "unknown" and counts.get("up"):
        text.append(f"  no information about {counts.get('unknown')} of {sum(counts.values())} devices", style="yellow")
    else:
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
    """The agent itself: since when, what waits to be sent, how long the store reaches; then what is wrong with it."""
    vitals, store = agent.get("vitals") or {}, agent.get("store") or {}
    words = [f"Sonda {agent['version']}"] if agent.get("version") else []
    if agent.get("uptime_s") is not None:
        words.append(f"runs for {duration(agent['uptime_s'])}")
    if vitals.get("rss_bytes") is not None:
        words.append(f"{scaled(vitals['rss_bytes'], 'B')} of memory")
    if store.get("bytes_used") is not None:
        words.append(f"{scaled(store['bytes_used'], 'B')} of {scaled(store.get('bytes_limit'), 'B')} stored")
    lines = [Text(printable(", ".join(words)), style="dim")] if words else []
    lines += [Text(printable(line), style="dim") for line in _broker(agent.get("broker") or {})]
    return lines + [Text(f"! {printable(line)}", style="yellow") for line in _troubles(agent)]


def _broker(broker: Mapping[str, Any]) -> list[str]:
    if not broker:
        return []
    if broker.get("configured") is False:
        return ["broker: none, nothing is published"]
    said = "connected" if broker.get("connected") else "not connected"
    waiting = broker.get("backlog_messages")
    return [f"broker: {said}" + (f", {waiting} messages wait" if waiting is not None else "")]


def _troubles(agent: Mapping[str, Any]) -> list[str]:
    """Sentences the agent says of itself."""
    publisher = (agent.get("broker") or {}).get("state") or {}
    troubles = [(agent.get("store") or {}).get("trouble")]
    if publisher and not publisher.get("connected"):
        troubles.append(publisher.get("last_error"))
    troubles += [
        f"the broker refuses {topic.get('topic')}: {topic.get('text')}" for topic in publisher.get("refused") or ()
    ]
    if publisher.get("clash"):
        troubles.append("another box speaks as this probe: each needs a `probe` of its own in [site]")
    if (agent.get("settings") or {}).get("reload_faults"):
        troubles.append("the settings were not taken over at the last reload: `sonda check` says why")
    modes = ((agent.get("icmp") or {}).get("modes") or {}).values()
    if {"tcp", "none"} & set(modes):
        troubles.append("no permission for ICMP echoes: the log says how to mend it")
    return [str(trouble) for trouble in troubles if trouble]


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
