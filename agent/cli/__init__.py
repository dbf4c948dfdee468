"""The command line. Each command is one file here that parses, calls and prints; the work is done elsewhere.

Heavy imports stand inside the commands, so that `sonda --help` and `sonda --version` answer at once. Exit codes are in
exits.py; every command prints JSON with --json.
"""

import sys
from typing import Annotated

import typer

from agent.cli.check import check
from agent.cli.demo import demo
from agent.cli.doctor import doctor
from agent.cli.exits import Exit
from agent.cli.handbook import handbook
from agent.cli.kpis import kpis
from agent.cli.poll import poll
from agent.cli.profile import app as profile
from agent.cli.run import run
from agent.cli.status import status

_EPILOG = (
    "Exit codes: 0 all is well · 1 something wrong was found · 2 wrong usage · 3 the agent cannot be reached · "
    "4 the configuration cannot be used · 5 the agent cannot start."
)

app = typer.Typer(
    name="sonda",
    help="Measures a site's network from within.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, and those may be secrets
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"sonda {version('sonda')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measures a site's network from within."""


app.add_typer(profile, name="profile")
for command in (run, demo, status, check, doctor, poll, kpis):
    app.command(epilog=_EPILOG)(command)
app.command("help", epilog=_EPILOG)(handbook)


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
