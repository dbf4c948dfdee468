"""`sonda status`: the running agent, asked by its API and shown live in the terminal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, JsonOption, config_paths, is_there, out, print_json, say

if TYPE_CHECKING:
    from agent.cli.ask import Agent, Answers
    from agent.settings import HttpSettings

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
    Exit 4: the configuration cannot be read, and nothing else says where the agent listens.
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
    from agent.runtime import running_url

    code = None
    if access_code_file is not None:
        try:
            code = access_code_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{access_code_file} cannot be read: {error}") from None
    paths = config_paths(config)
    if url is not None:
        return Agent(url, code)
    running = None if config else running_url()
    if config is None and not is_there(paths[0]):
        return Agent(running or URL, code)
    from agent.settings import Surroundings, examine

    examined = examine(paths, surroundings=Surroundings(credentials_required=False))
    if examined.settings is not None:
        return _as_set(examined.settings.http, code)
    trouble = f"The configuration {paths[0]} cannot be used: `sonda check` says why."
    if hidden := _hidden(paths):
        trouble = f"You may not read {hidden}: run `sudo sonda status`."
    if running is not None:
        say(f"{trouble} Asking the agent that runs at {running}.")
        return Agent(running, code)
    if examined.http is not None:
        agent = _as_set(examined.http, code)
        say(f"{trouble} Asking {agent.url}, as its [http] says.")
        return agent
    say(f"{trouble} An agent at {URL} may be another one; to ask it: `sonda status --url {URL}`.")
    raise typer.Exit(Exit.CONFIGURATION)


def _as_set(http: "HttpSettings", code: str | None) -> "Agent":
    """The agent that listens as these settings say."""
    from agent.api.address import own_url
    from agent.cli.ask import Agent

    if code is None and http.access_code is not None:
        code = http.access_code.reveal() or None
    return Agent(own_url(http), code, http.cert)


def _hidden(paths: Sequence[Path]) -> Path | None:
    """The first of these files that this user may not read."""
    for file in paths:
        try:
            file.open("rb").close()
        except PermissionError:
            return file
        except OSError:
            continue
    return None


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
