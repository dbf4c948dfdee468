"""The map: what the probe reaches through what, as a tree from the probe downwards. Geometry in rem, made by the
server, so that it stands there with scripts dead, prints, and grows with the reader's letters; a row a device, so that
it fits a phone however many there are."""

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.live import LinkNow, NodeNow, TopologyNow
from agent.page.now import TONES
from agent.page.say import Say
from agent.page.words import STATES
from kpi.model import Role
from kpi.seen import Tone, bare_name

INDENT, LINE, CAPTION, SPACE = 1.5, 1.4, 1.2, 0.6
"""In rem: a level; a line of a name, of the words under it; what stands between two devices."""
TEXT_AT = 1.6
WIDE_REM, LETTER_REM, FEWEST_LETTERS = 20.0, 0.56, 12
"""A phone is 20 rem wide within its margins; names wrap to it."""
MOST_ALIKE = 6
"""More devices than this that are at an end, well and beside each other are summed up."""
ENDS = frozenset({Role.PRINTER, Role.CAMERA, Role.ENDPOINT, Role.SERVER, Role.INTERNET})
_ORDER = {role.value: place for place, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Line:
    """In rem. ``kind``: "trunk" downwards from a parent; to a child "sure" or "assumed"."""

    x1: str
    y1: str
    x2: str
    y2: str
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One device, or several that are summed up (``ids``). ``lines`` of its name and where each stands, in rem."""

    id: str
    ids: str
    tone: str
    x: str
    y: str
    text_x: str
    lines: Sequence[tuple[str, str]]
    word: str
    port: str
    caption_y: str
    says: str


def site_map(topology: TopologyNow, say: Say) -> dict[str, Any] | None:
    """None for a site of which nothing is known but that the probe reaches each device by itself."""
    drawing = _Drawing(topology, say)
    return drawing.draw() if any(drawing.children) else None


class _Drawing:
    """One tree. Each device hangs below the first of its parents that is there; one without is next to the probe,
    whose id is ""."""

    def __init__(self, topology: TopologyNow, say: Say) -> None:
        self.say = say
        self.probe = topology.probe
        self.nodes = {node.id: node for node in topology.nodes}
        self.children: dict[str, list[NodeNow]] = defaultdict(list)
        for node in sorted(topology.nodes, key=lambda n: (_ORDER[n.role], n.name.casefold(), n.id)):
            self.children[next((p for p in node.parents if p in self.nodes), "")].append(node)
        self.links: dict[tuple[str, str], LinkNow] = {}
        for link in topology.links:
            for pair in ((link.a.device, link.b.device), (link.b.device, link.a.device)):
                if pair not in self.links or link.confirmed:
                    self.links[pair] = link
        self.rows: list[Row] = []
        self.lines: list[Line] = []
        self.height = LINE + SPACE

    def draw(self) -> dict[str, Any]:
        """What the template needs."""
        y = 0.5 * LINE
        self._below("", 1, y)
        return {"rows": self.rows, "lines": self.lines, "height": _rem(self.height), "probe_y": _rem(y)}

    def _below(self, parent: str, depth: int, parent_y: float) -> None:
        children = self.children.get(parent, ())
        alike = [n for n in children if n.state == "up" and n.role in ENDS and n.id not in self.children]
        if len(alike) <= MOST_ALIKE:
            alike = []
        x, y = depth * INDENT, parent_y
        for node in children:
            if node not in alike:
                y = self._join(x, "sure" if self._sure(node.id, parent) else "assumed")
                self._row(node, parent, x)
                self._below(node.id, depth + 1, y)
        if alike:
            y = self._join(x, "assumed")
            self._sum(alike, x)
        if children:
            middle = _rem(x - INDENT + 0.5)
            self.lines.append(Line(middle, _rem(parent_y + 0.6), middle, _rem(y), "trunk"))

    def _join(self, x: float, kind: str) -> float:
        """A line to what comes next; at which height that is."""
        y = self.height + 0.5 * LINE
        self.lines.append(Line(_rem(x - INDENT + 0.5), _rem(y), _rem(x), _rem(y), kind))
        return y

    def _row(self, node: NodeNow, parent: str, x: float) -> None:
        top, say = self.height, self.say
        name, word = bare_name(node.name), say.of(STATES[node.state])
        letters = max(FEWEST_LETTERS, int((WIDE_REM - x - TEXT_AT) / LETTER_REM))
        wrapped = textwrap.wrap(name, letters) or [name]
        port = self._port(node.id, parent)
        through = bare_name(self.nodes[parent].name) if parent else say("map_probe")
        row = Row(
            id=node.id,
            ids="",
            tone=TONES[node.state].value,
            x=_rem(x),
            y=_rem(top + 0.5 * LINE - 0.5),
            text_x=_rem(x + TEXT_AT),
            lines=[(text, _rem(top + LINE * n + 1.05)) for n, text in enumerate(wrapped)],
            word=word,
            port=say("map_port", port=bare_name(port)) if port else "",
            caption_y=_rem(top + LINE * len(wrapped) + 0.85),
            says=say("map_says", name=name, word=word, parent=through),
        )
        self.rows.append(row)
        self.height += LINE * len(wrapped) + CAPTION + SPACE

    def _sum(self, alike: Sequence[NodeNow], x: float) -> None:
        top, text = self.height, self.say("map_others", n=len(alike))
        row = Row(
            id="",
            ids=" ".join(node.id for node in alike),
            tone=Tone.GOOD.value,
            x=_rem(x),
            y=_rem(top + 0.5 * LINE - 0.5),
            text_x=_rem(x + TEXT_AT),
            lines=[(text, _rem(top + 1.05))],
            word="",
            port="",
            caption_y="0",
            says=text,
        )
        self.rows.append(row)
        self.height += LINE + SPACE

    def _sure(self, device: str, parent: str) -> bool:
        """Whether the line is known and not only assumed: both ends tell of it, or it is the probe's own port."""
        if not parent:
            return self.probe is not None and self.probe.device == device
        link = self.links.get((parent, device))
        return link is not None and link.confirmed

    def _port(self, device: str, parent: str) -> str:
        """The parent's port; next to the probe, the device's own that the probe is on."""
        if not parent:
            return self.probe.port if self.probe is not None and self.probe.device == device else ""
        link = self.links.get((parent, device))
        if link is None:
            return ""
        return link.a.port if link.a.device == parent else link.b.port


def _rem(value: float) -> str:
    return f"{round(value, 2):g}rem"
