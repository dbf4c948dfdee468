"""`sonda poll TARGET...`: one SNMP poll now, as tables or as the poll document (agent/README.md), a line a target."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.targets import Given, device_names, settings_of, target_of, with_credentials
from agent.cli.terminal import ConfigOption, JsonOption, aside, complain, out, print_json, progress, say

if TYPE_CHECKING:
    from collectors.snmp.document import PollTarget, Remarks
    from collectors.snmp.gear.library import Library


def _waiting_option(text: str, most: float) -> Any:
    return typer.Option(metavar="N", min=0.1, max=most, help=text, rich_help_panel="Waiting")


@with_credentials
def poll(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET",
            help="HOST[:PORT] (IPv6 as [::1]:161), or a device of the configuration.",
            autocompletion=device_names,
        ),
    ],
    given: Given,
    timeout: Annotated[float, _waiting_option("Seconds one request waits.", 60)] = 2.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, max=10, help="How often it is repeated.", rich_help_panel="Waiting")
    ] = 1,
    deadline: Annotated[float, _waiting_option("Seconds one target may take.", 3600)] = 60.0,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="UDP port of targets that name none.", show_default="161"),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read every target by this profile, to try it, and say what it did not get."),
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", metavar="", help="Also what watching it costs, by eight polls in a row.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Ask devices once by SNMP and show what they are: system, interfaces, radios, sensors, neighbours.

    Answers are printed as they arrive, not as they were asked. Exit 1: a target did not answer.
    """
    import asyncio

    settings = settings_of(config, needed=given.credential is not None)
    asked = [target_of(label, given, settings, port) for label in dict.fromkeys(targets)]
    waiting = {"timeout_s": timeout, "retries": retries, "deadline_s": deadline}
    library, remarks = _library(profile)
    missed = asyncio.run(_poll(asked, library, {**waiting, "remarks": remarks, "cost": cost}, json=json))
    if missed and not json:
        say("Why a device does not answer is what `sonda doctor` finds out, for those of the configuration.")
    raise typer.Exit(Exit.WRONG if missed else Exit.OK)


def _library(profile: Path | None) -> tuple["Library", "Remarks | None"]:
    """The profiles; or one alone, and what tells of it what it did not get."""
    from functools import partial

    from agent.profiles import OneProfile, load_library, load_profile
    from agent.profiles.unread import unread
    from agent.settings import SettingsError

    library = load_library()
    if profile is None:
        return library, None
    try:
        return OneProfile(load_profile(profile, library), library), partial(unread, profile)
    except SettingsError as error:
        complain(error.faults)
        raise typer.Exit(Exit.CONFIGURATION) from None


async def _poll(targets: Sequence["PollTarget"], library: "Library", how: dict[str, Any], *, json: bool) -> int:
    """Polls and prints. How many did not answer."""
    from collectors.clock import SystemClock
    from collectors.snmp.client import SnmpClient
    from collectors.snmp.document import poll_documents

    clock, missed = SystemClock(), 0
    with progress("Polling", len(targets)) as bar:
        async with SnmpClient(clock) as client:
            documents: AsyncIterator[dict[str, Any]] = poll_documents(client, clock, targets, library, **how)
            async for document in documents:
                missed += not document["answered"]
                with aside(bar):
                    _show(document, json=json)
                if bar is not None:
                    bar.advance(bar.task_ids[0])
    return missed


def _show(document: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(document, one_line=True)
        return
    from agent.cli.poll_tables import tables

    console = out()
    for part in tables(document):
        console.print(part)
    console.file.flush()
