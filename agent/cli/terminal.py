"""What commands share in speaking: JSON for scripts, tables for people, progress only where somebody looks."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agent.cli.exits import Exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from agent.settings import Fault

JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON for scripts.")]
ConfigOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="PATH",
        help="Configuration file; may be given more than once.",
        show_default="$SONDA_CONFIG or /etc/sonda/sonda.toml",
    ),
]

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def config_paths(given: Sequence[Path] | None) -> list[Path]:
    """The files named, else $SONDA_CONFIG, else the system's."""
    if given:
        return list(given)
    from agent.settings.sources import DEFAULT_FILE

    return [Path(os.environ.get("SONDA_CONFIG") or DEFAULT_FILE)]


def is_there(file: Path) -> bool:
    """Whether the file exists; also where this user may not look, so that whoever reads it says so."""
    try:
        return file.is_file()
    except PermissionError:
        return True


def printable(text: object) -> str:
    """Text from elsewhere, fit for a terminal: what would steer it is shown as an escape."""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", str(text))


def print_json(document: Any, *, one_line: bool = False) -> None:
    """One JSON document on stdout, flushed."""
    text = json.dumps(document, ensure_ascii=False, indent=None if one_line else 2, default=str)
    text = re.sub(r"[\x7f-\x9f\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        closed_pipe()


def closed_pipe() -> NoReturn:
    """Whoever read the output has gone: nothing to complain about, and nothing more to write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still in the buffer would fail again
    raise SystemExit(Exit.CLOSED_PIPE)


def out() -> "Console":
    """Stdout: the terminal's width, 80 columns elsewhere; no colour where it is piped or NO_COLOR is set."""
    return _console(stderr=False)


def err() -> "Console":
    """Stderr, in the same way."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    console.on_broken_pipe = closed_pipe  # type: ignore[method-assign]  # rich's own ends with 1, which is a finding
    return console


def flow(console: "Console", text: object) -> None:
    """A sentence of any length: wrapped between words on a terminal, one line where a script reads it. A line break in
    one of its values is shown, and begins no line."""
    console.print(
        re.sub(r"[\n\r\u2028\u2029]", lambda at: f"\\x{ord(at[0]):02x}", printable(text)),
        soft_wrap=not console.is_terminal,
    )


def say(text: object) -> None:
    """A sentence on stderr."""
    flow(err(), text)


def complain(faults: Sequence["Fault"]) -> None:
    """Faults on stderr, a line each."""
    for fault in faults:
        say(fault)


@contextmanager
def progress(what: str, total: int | None) -> Iterator["Progress | None"]:
    """A bar on stderr while a command waits, None where stderr is no terminal. The bar goes when it is done; without a
    total it counts."""
    console = err()
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    bar.add_task(what, total=total)
    with bar:
        yield bar


@contextmanager
def aside(bar: "Progress | None") -> Iterator[None]:
    """Takes the bar away while something is printed on the same terminal."""
    if bar is None:
        yield
        return
    bar.stop()
    try:
        yield
    finally:
        bar.start()
