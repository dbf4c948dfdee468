"""`sonda demo`: the whole agent against a simulated site on this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import JsonOption, flow, out, print_json

if TYPE_CHECKING:
    from agent.demo.run import Running


def demo(
    http_port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port of the page.")] = 8080,
    mqtt_port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port of the demo's broker.")] = 1883,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same delays and losses.")] = 1,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=1, help="End after so long.", show_default="until Ctrl-C")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run everything against a simulated site: no root, no configuration, nothing leaves this machine.

    The devices' SNMP and web pages and the MQTT broker are real, on loopback addresses; their echoes are simulated.
    Exit 5: it cannot start.
    """
    from agent.demo.run import Told, Wanted, main_demo
    from agent.settings import SettingsError

    wanted = Wanted(http_port, mqtt_port, seed, seconds)
    told = Told(lambda _line: None, _print_json) if json else Told(lambda line: flow(out(), line), _print)
    try:
        code = main_demo(wanted, told)
    except SettingsError as error:  # the demo's own configuration was changed by hand
        from agent.cli.terminal import complain

        complain(error.faults)
        raise typer.Exit(Exit.CONFIGURATION) from None
    raise typer.Exit(code)


def _print_json(running: "Running") -> None:
    from dataclasses import asdict

    print_json(asdict(running), one_line=True)


def _print(running: "Running") -> None:
    console = out()
    flow(console, f"All {running.devices} devices are up after {running.seconds:.1f} s.")
    console.print()
    flow(console, f"  Page     {running.page}")
    flow(console, f"  Status   sonda status --url {running.page.rstrip('/')}")
    flow(console, f"  Topics   {running.topics}   on the broker {running.broker}")
    console.print()
    flow(
        console,
        "Events and states reach page and broker at once; summaries come as their windows close, every five minutes by "
        "the clock. In the first two minutes the access point in the garden loses its power and comes back, a loose "
        "cable makes a link flap (switch on the first floor, port 14), and the guests' Wi-Fi fills up; after three "
        "and a half the mains fails, and the UPS takes over.",
    )
    flow(console, "Stop it with Ctrl-C; it leaves nothing behind.")
