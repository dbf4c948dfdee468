"""`sonda profile record HOST`: the walk that a new profile is tested with, names blanked out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.targets import Given, device_names, settings_of, target_of, with_credentials
from agent.cli.terminal import ConfigOption, JsonOption, print_json, progress, say

app = typer.Typer(help="Device profiles: record the walk that one is written and tested with.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Device profiles."""


@app.command()
@with_credentials
def record(
    target: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="HOST[:PORT], or a device of the configuration.", autocompletion=device_names
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where it is written.")],
    given: Given,
    root: Annotated[list[str] | None, typer.Option(metavar="OID", help="Also what lies below this OID.")] = None,
    deadline: Annotated[float, typer.Option(metavar="S", min=1, max=3600, help="Seconds it may take.")] = 600.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Walk a device and write down what it said, for the test of a profile.

    Written: what the standard MIBs and the make's own say. The community and the names that people gave (device,
    contact, place, ports, neighbours) are replaced by "name" wherever they stand, if a standard MIB tells them; what
    only the make's own tables tell stays, as do serial numbers and addresses.
    Exit 1: the device did not answer, fell silent, or something could not be had; it is said where.
    """
    import asyncio

    asked = target_of(target, given, settings_of(config, needed=given.credential is not None), None)
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; name another file.", param_hint="--out")
    found = asyncio.run(_record(asked, root or (), deadline))
    if not found.lines:
        say(f"{target} said nothing: {found.trouble or 'no answer'}. Nothing was written.")
        raise typer.Exit(Exit.WRONG)
    out.write_text("\n".join(found.lines) + "\n", encoding="ascii")
    if json:
        print_json({"file": str(out), "instances": len(found.lines), "trouble": found.trouble, "gaps": found.gaps})
    else:
        say(
            f"{len(found.lines)} values in {out}. "
            "Serial numbers, addresses and names of the make's own tables are in it: look through it."
        )
        if found.trouble:
            say(f"It ends early: {found.trouble}.")
        for gap in found.gaps:
            say(f"Not in it: {gap}.")
    raise typer.Exit(Exit.WRONG if found.trouble or found.gaps else Exit.OK)


class _Found:
    """What was recorded, and why it ends early where it does."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.trouble: str | None = None
        self.gaps: list[str] = []
        """Where something could not be had, and why."""


async def _record(asked: Any, more: Any, deadline_s: float) -> _Found:
    from agent.profiles import load_library
    from collectors.clock import SystemClock
    from collectors.snmp import oid, system
    from collectors.snmp.client import SnmpClient
    from collectors.snmp.contact import Contact, DeadlineReached, Tally
    from collectors.snmp.credentials import Community
    from collectors.snmp.document import resolve
    from collectors.snmp.errors import SnmpError
    from collectors.snmp.interfaces import object_id
    from collectors.snmp.peer import Peer
    from collectors.snmp.recording import Blanker, line, names_of, roots_of, walk

    clock, found, binds = SystemClock(), _Found(), []
    secrets = (asked.credential.community,) if isinstance(asked.credential, Community) else ()
    standard = load_library().profile(None)
    blanker = Blanker(names_of(standard), secrets)
    async with SnmpClient(clock) as client:
        try:
            peer = Peer(await resolve(asked.host), asked.port, asked.credential)
            ends_at = clock.monotonic() + deadline_s
            contact = Contact(client, peer, clock, Tally(), ends_at=ends_at, timeout_s=2.0, retries=2)
            reply = await contact.get([system.SCALARS["sysObjectID"]])
            with progress("Recording", None) as bar:
                roots = roots_of(object_id(reply.varbinds[0]), standard, more)
                async for bind in walk(contact, roots, found.gaps):
                    blanker.learn(bind)
                    binds.append(bind)
                    if bar is not None:
                        bar.advance(bar.task_ids[0])
        except (OSError, SnmpError, ValueError) as error:
            found.trouble = str(error)
        except DeadlineReached:
            found.trouble = f"the {deadline_s:g} s of --deadline are over"
    binds.sort(key=lambda bind: oid.arcs(bind.oid))
    found.lines = [line(blanker.blank(bind)) for bind in binds]
    return found
