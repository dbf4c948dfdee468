"""`sonda run`: the daemon."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, complain, config_paths, say

if TYPE_CHECKING:
    from agent.settings import Fault


def run(
    config: ConfigOption = None,
    http_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="Port of the page, whatever the configuration says."),
    ] = None,
    mqtt_port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="Port of the broker, whatever the configuration says."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Log in JSON, an object a line.")] = False,
) -> None:
    """Run the agent until it is stopped. SIGHUP reads the configuration anew, SIGTERM and Ctrl-C stop it.

    Exit 4: the configuration cannot be used. Exit 5: the agent cannot start.
    """
    from agent.app import main_run
    from agent.cli.log_lines import log_json
    from agent.settings import Overrides, SettingsError

    if json:
        log_json()
    try:
        code = main_run(config_paths(config), Overrides(http_port=http_port, mqtt_port=mqtt_port))
    except SettingsError as error:
        _refuse(error.faults, json=json)
        raise typer.Exit(Exit.CONFIGURATION) from None
    raise typer.Exit(code)


def _refuse(faults: Sequence["Fault"], *, json: bool) -> None:
    """Each fault, in the form the log would have."""
    import logging

    if json:
        for fault in faults:
            logging.getLogger("sonda.settings").error("%s", fault)
        return
    complain(faults)
    say("The configuration cannot be used.")
