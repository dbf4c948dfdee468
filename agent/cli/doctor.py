"""`sonda doctor`: what is wrong with this machine, its devices and its broker, each with the mend."""

import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, JsonOption, config_paths, is_there, out, print_json, progress

if TYPE_CHECKING:
    from pathlib import Path

    from agent.doctor.model import Case, Check
    from agent.doctor.runner import Report


def _names(incomplete: str) -> list[str]:
    """The checks that a shell offers behind --only."""
    from agent.doctor.checks import CHECKS

    return [check.name for check in CHECKS if check.name.startswith(incomplete)]


def doctor(
    config: ConfigOption = None,
    json: JsonOption = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="One check alone; may be given more than once.",
            show_default="all",
            autocompletion=_names,
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", metavar="", help="Name every device that is well, and explain what is well.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", metavar="", help="What needs attention counts as wrong.")] = False,
) -> None:
    """Examine the machine: permission, clock, disk, devices, broker. Each fault comes with its mend.

    Nothing is changed. Sends echoes and one SNMP question to each configured device, and one message to the broker
    that it reads back. Exit 0: all is well. Exit 1: something is wrong.
    """
    import asyncio

    report = asyncio.run(_examine(config, _chosen(only)))
    from agent.doctor.model import Severity

    wrong = report.count(Severity.PROBLEM) + (report.count(Severity.ATTENTION) if strict else 0)
    if json:
        from agent.cli.doctor_tables import document

        print_json(document(report, good=not wrong))
    else:
        from agent.cli.doctor_tables import print_report

        print_report(out(), report, everything=everything)
    raise typer.Exit(Exit.WRONG if wrong else Exit.OK)


def _chosen(only: list[str] | None) -> "tuple[Check, ...]":
    from agent.doctor.checks import CHECKS
    from agent.doctor.runner import known

    if not only:
        return CHECKS
    names = {check.name for check in CHECKS}
    for name in only:
        if name not in names:
            near = difflib.get_close_matches(name.casefold(), names, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise typer.BadParameter(f'there is no check "{name}"; there are {known(CHECKS)}.{hint}')
    return tuple(check for check in CHECKS if check.name in only)


async def _examine(config: "list[Path] | None", checks: "tuple[Check, ...]") -> "Report":
    from agent.doctor.checks import CHECKS
    from agent.doctor.runner import examine

    case = _case(config)
    if case.examined is not None and case.settings is None and CHECKS[0] not in checks:
        checks = (CHECKS[0], *checks)  # its faults are why the others find nothing
    left = [check.title for check in checks]
    with progress("Examining", len(checks)) as bar:

        def ended(check: "Check") -> None:
            left.remove(check.title)
            if bar is not None:
                bar.update(bar.task_ids[0], advance=1, description=f"Waiting for {', '.join(left[:2])}")

        return await examine(case, checks, ended)


def _case(config: "list[Path] | None") -> "Case":
    from agent.doctor.model import Case
    from agent.doctor.running import RunningAgent
    from agent.settings import DEFAULT_FILE, Surroundings, examine
    from collectors.clock import SystemClock

    paths = config_paths(config)
    examined = None
    if config is not None or is_there(paths[0]):
        examined = examine(paths, surroundings=Surroundings(credentials_required=False))
    settings = examined.settings if examined else None
    serves = examined is not None and any(file.is_relative_to(DEFAULT_FILE.parent) for file in examined.files)
    user = "sonda" if serves else None
    return Case(SystemClock(), RunningAgent(settings.http if settings else None), examined, service_user=user)
