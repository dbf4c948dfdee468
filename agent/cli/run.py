"""`sonda run`: the daemon."""

from typing import Annotated

import typer

from agent.cli.check import fault_document
from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, complain, config_paths, print_json, say


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
    json: Annotated[
        bool, typer.Option("--json", metavar="", help="Say in JSON what is wrong with the configuration.")
    ] = False,
) -> None:
    """Run the agent until it is stopped. SIGHUP reads the configuration again, SIGTERM and Ctrl-C stop it.

    Exit 4: the configuration cannot be used. Exit 5: the agent cannot start.
    """
    from agent.app import main_run
    from agent.settings import Overrides, SettingsError

    try:
        code = main_run(config_paths(config), Overrides(http_port=http_port, mqtt_port=mqtt_port))
    except SettingsError as error:
        if json:
            print_json({"ok": False, "faults": [fault_document(fault) for fault in error.faults]})
        else:
            complain(error.faults)
            say("The configuration cannot be used.")
        raise typer.Exit(Exit.CONFIGURATION) from None
    raise typer.Exit(code)
