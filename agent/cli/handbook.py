"""`sonda help TOPIC`: the handbook, as it stands in the READMEs, without a network and without this repository."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import JsonOption, out, print_json, printable

ROOT = Path(__file__).resolve().parents[2]
"""Where agent/, config/ and kpi/ lie: this repository, or site-packages."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One part of the handbook."""

    says: str
    text: Callable[[], str]


def _file(name: str) -> str:
    return _COMMENT.sub("", (ROOT / name).read_text(encoding="utf-8")).lstrip()


_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
"""What is for whoever writes the text."""


def _readme() -> str:
    """The README of this repository; an installation has it as the description of the package."""
    file = ROOT / "README.md"
    if file.is_file() and (ROOT / "pyproject.toml").is_file():
        return file.read_text(encoding="utf-8")
    from importlib.metadata import metadata

    return str(metadata("sonda").json.get("description", ""))


def _section(whole: Callable[[], str], heading: str) -> str:
    """A section with its heading, to the next one as high."""
    sections = _sections(whole())
    return next((text for title, text in sections if title == heading), "")


def _sections(text: str, level: int = 2) -> list[tuple[str, str]]:
    """Titles of that level with their texts; # within a fenced block begins none."""
    found: list[tuple[str, list[str]]] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else re.match(r"(#+) (.*)", line)
        if match and len(match[1]) <= level:
            found.append((match[2] if len(match[1]) == level else "", [line]))
        elif found:
            found[-1][1].append(line)
    return [(title, "\n".join(lines).rstrip() + "\n") for title, lines in found if title]


_CONFIG = partial(_file, "config/README.md")
TOPICS = {
    "install": Topic("how to install Sonda on a real site", partial(_section, _readme, "A real site")),
    "config": Topic("every setting; `sonda help config mqtt` has one section of it", _CONFIG),
    "secrets": Topic("where communities and passwords stand", partial(_section, _CONFIG, "Secrets")),
    "profiles": Topic("how to teach Sonda a device", partial(_section, _CONFIG, "Profiles of your own")),
    "topics": Topic("what is published over MQTT: topics, events, messages", partial(_section, _readme, "Topics")),
    "kpis": Topic("what the figures mean, and the rules they follow", partial(_file, "kpi/README.md")),
    "troubles": Topic("what is seen, what it means, what to do", partial(_section, _readme, "Troubles")),
    "decisions": Topic("how Sonda works inside, and why", partial(_file, "agent/README.md")),
}
_ALIASES = {
    "settings": "config", "configuration": "config", "events": "topics", "mqtt": "topics", "kpi": "kpis",
    "figures": "kpis", "profile": "profiles", "secret": "secrets", "trouble": "troubles", "agent": "decisions",
}  # fmt: skip


def _complete(incomplete: str) -> list[str]:
    return [name for name in TOPICS if name.startswith(incomplete)]


def handbook(
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="One of the list.", autocompletion=_complete)
    ] = None,
    word: Annotated[
        str | None, typer.Argument(metavar="SECTION", help="Only its sections with this in their heading.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read the handbook: settings, topics, KPIs, troubles. Without TOPIC, the list of them."""
    if topic is None:
        _list(json=json)
        return
    name = topic.casefold()
    name = _ALIASES.get(name, name)
    if name not in TOPICS:
        near = difflib.get_close_matches(name, [*TOPICS, *_ALIASES], n=1)
        hint = f'Did you mean "{near[0]}"?' if near else "`sonda help` lists them all."
        raise typer.BadParameter(f'there is no topic "{topic}". {hint}')
    text = TOPICS[name].text()
    if word is not None:
        whole, text = text, _of(text, word)
        if not text:
            raise typer.BadParameter(f'nothing in "{name}" has "{word}" in its heading. {_meant(whole, word)}')
    if json:
        print_json({"topic": name, "text": text})
    elif out().is_terminal:
        from rich.markdown import Markdown

        out().print(Markdown(text, hyperlinks=False))
    else:
        typer.echo(printable(text), nl=False)
    raise typer.Exit(Exit.OK)


def _of(text: str, word: str) -> str:
    """The sections, at any level, whose headings have the word; of one within another the outer one alone."""
    for level in (2, 3):
        found = [body for title, body in _sections(text, level) if word.casefold() in title.casefold()]
        if found:
            return "\n".join(found)
    return ""


def _meant(text: str, word: str) -> str:
    """The word of a heading that was probably meant, else all headings."""
    headings = [title.replace("`", "") for level in (2, 3) for title, _ in _sections(text, level)]
    words = [part for title in headings for part in re.findall(r"\w{3,}", title.casefold())]
    near = difflib.get_close_matches(word.casefold(), words, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(headings)}."


def _list(*, json: bool) -> None:
    if json:
        print_json({name: topic.says for name, topic in TOPICS.items()})
        return
    width = max(map(len, TOPICS))
    for name, topic in TOPICS.items():
        typer.echo(f"{name:{width}}  {topic.says}")
