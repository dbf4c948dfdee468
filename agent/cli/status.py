"""`sonda status`: the running agent, asked by its API and shown live in the terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, JsonOption, config_paths, is_there, out, print_json, say

if TYPE_CHECKING:
    from agent.cli.ask import Agent, Answers

URL = "http://127.0.0.1:8080"


def status(
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where the agent listens.", show_default=f"as configured, else {URL}"),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", metavar="", help="Print it once, as is done where stdout is no terminal.")
    ] = False,
    every: Annotated[float, typer.Option(metavar="N", min=0.2, max=3600, help="Seconds between two looks.")] = 2.0,
    access_code_file: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="File with the access code of the page.", show_default="as configured"),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show the running agent, live until Ctrl-C.

    Exit 0: the site is up (or Ctrl-C). Exit 1: with --once or --json, the site is not up. Exit 3: no agent answers.
    """
    from agent.cli.ask import Unreachable

    agent = _agent(url, access_code_file, config)
    try:
        answers = agent.ask()
    except Unreachable as error:
        say(error)
        raise typer.Exit(Exit.UNREACHABLE) from None
    if json:
        print_json(answers.document())
    elif once or not sys.stdout.isatty():
        from agent.cli.status_tables import whole

        out().print(whole(answers))
    else:
        _live(agent, answers, every)
        return
    raise typer.Exit(Exit.OK if answers.site.get("state") == "up" else Exit.WRONG)


def _agent(url: str | None, access_code_file: Path | None, config: list[Path] | None) -> "Agent":
    """Where and how to ask: the options, else the configuration where it can be read."""
    from agent.cli.ask import Agent

    code = None
    if access_code_file is not None:
        try:
            code = access_code_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{access_code_file} cannot be read: {error}") from None
    paths = config_paths(config)
    if url is not None or (config is None and not is_there(paths[0])):
        return Agent(url or URL, code)
    from agent.settings import Surroundings, examine

    settings = examine(paths, surroundings=Surroundings(credentials_required=False)).settings
    if settings is None:
        say(f"The configuration {paths[0]} cannot be used (`sonda check` says why): asking {URL}.")
        return Agent(URL, code)
    http = settings.http
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - from where it listens to whom to ask
    host = f"[{host}]" if ":" in host else host
    if code is None and http.access_code is not None:
        code = http.access_code.reveal() or None
    return Agent(f"{'https' if http.cert else 'http'}://{host}:{http.port}", code, http.cert)


def _live(agent: "Agent", answers: "Answers", every: float) -> None:
    from threading import Event

    from rich.live import Live

    from agent.cli.ask import Unreachable
    from agent.cli.status_tables import screen

    console, trouble, pause = out(), "", Event()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(screen(answers, trouble, console), refresh=True)
                pause.wait(every)
                try:
                    answers, trouble = agent.ask(), ""
                except Unreachable as error:
                    trouble = str(error)
    except KeyboardInterrupt:
        return
