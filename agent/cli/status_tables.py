"""The answers of a running agent as a screen: worst first, in as many columns as the terminal has. What an agent does
not say is left out."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from agent.cli.ask import Answers
from agent.cli.terminal import printable
from agent.cli.units import duration, scaled

_WORST_FIRST = ("down", "unknown", "maintenance", "up")
_COLOURS = {"up": "green", "down": "red", "degraded": "yellow", "unknown": "yellow", "maintenance": "blue"}
_TONES = {"good": "green", "problem": "red", "attention": "yellow", "maintenance": "blue"}
MOST_WRONG = 5
"""More that is wrong is counted, on a screen."""


def whole(answers: Answers) -> RenderableType:
    """Everything, for a pipe or a long terminal."""
    return Group(_heading(answers), *_wrong(answers), _Devices(answers, answers.devices), *_agent(answers.agent))


def screen(answers: Answers, trouble: str, console: Console) -> RenderableType:
    """What fits on the screen; how many devices do not is said."""
    devices, wrong = sorted(answers.devices, key=_rank), _wrong(answers)
    shown = min(len(devices), console.height)
    while True:
        hidden = len(devices) - shown
        group = Group(
            _heading(answers),
            *wrong[:MOST_WRONG],
            *([Text(f"and {len(wrong) - MOST_WRONG} more", style="dim")] if len(wrong) > MOST_WRONG else []),
            _Devices(answers, devices[:shown]),
            *([Text(f"and {hidden} more devices", style="dim")] if hidden else []),
            *_agent(answers.agent),
            Text(trouble or "Ctrl-C ends this.", style="red" if trouble else "dim"),
        )
        over = len(console.render_lines(group, pad=False)) - console.height
        if over <= 0 or shown == 0:
            return group
        shown = max(0, shown - max(1, over // 4))


def _heading(answers: Answers) -> Text:
    """The page's sentence, and at what time it is true."""
    text = Text(printable(answers.site.get("name", "Sonda")), style="bold")
    sentence = answers.now.get("sentence") or answers.site.get("state", "unknown")
    text.append(f"  {printable(sentence)}", style=_TONES.get(str(answers.now.get("tone")), "yellow"))
    if time := _when(answers.site.get("time")):
        text.append(f"  {time.astimezone():%H:%M:%S}", style="dim")
    return text


def _wrong(answers: Answers) -> list[Text]:
    """What the page says is wrong, a line each."""
    lasting = {i.get("id"): i.get("seconds") for i in answers.site.get("incidents") or ()}
    lines = []
    for item in answers.now.get("wrong") or ():
        tone = str(item.get("tone"))
        line = Text("! ", style=_TONES.get(tone, "yellow"))
        line.append(printable(f"{item.get('name') or ''} {item.get('says')}".strip()))
        when = f"for {duration(lasting[item['id']])}" if item.get("id") in lasting else item.get("when")
        if when:
            line.append(f", {printable(when)}", style="dim")
        lines.append(line)
    return lines


_RIGHT = {"response", "lost", "since"}
_DROPPED_FIRST = ("role", "SNMP", "lost", "since", "response")
"""Which columns a narrow terminal does without. State and name are always there."""
_NAME_WIDTH = 24
"""A longer name goes over two lines before a column with figures goes. The role goes before any name is broken."""


class _Devices:
    """The table of devices, in as many columns as there is room for."""

    def __init__(self, answers: Answers, devices: Sequence[Mapping[str, Any]]) -> None:
        now = _when(answers.site.get("time"))
        self._rows = [_row(device, now) for device in sorted(devices, key=_rank)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = list(_row({}, None))
        widths = {name: max([len(name), *(row[name].cell_len for row in self._rows)]) for name in columns}
        for name in _DROPPED_FIRST:
            needed = sum(width for column, width in widths.items() if column != "device" and column in columns)
            width = widths["device"] if name == "role" else min(widths["device"], _NAME_WIDTH)
            if needed + width + 2 * len(columns) <= options.max_width:
                break
            columns.remove(name)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for name in columns:
            if name == "device":
                table.add_column(name, overflow="fold", min_width=min(widths["device"], 12))
            else:
                table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=True)
        for row in self._rows:
            table.add_row(*(row[name] for name in columns))
        yield table


def _row(device: Mapping[str, Any], now: datetime | None) -> dict[str, Text]:
    """One device's cells by their columns, in order."""
    state = str(device.get("state", "unknown"))
    return {
        "state": Text(printable(state), style=_COLOURS.get(state, "")),
        "device": Text(printable(device.get("name", "-"))),
        "role": Text(printable(device.get("role", "-"))),
        "response": Text(_figure(device.get("rtt_ms"), "ms", 2)),
        "lost": Text(_figure(device.get("loss_pct"), "%", 1)),
        "SNMP": Text(printable((device.get("snmp") or {}).get("state", ""))),
        "since": Text(_since(device.get("since"), now)),
    }


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
