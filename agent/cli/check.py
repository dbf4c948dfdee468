"""`sonda check`: the configuration and the user's own profiles, every fault with file, line and what was expected."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import ConfigOption, JsonOption, config_paths, flow, out, print_json, printable

if TYPE_CHECKING:
    from agent.profiles import Checked
    from agent.settings import Examined, Fault, Settings


def check(
    config: ConfigOption = None,
    json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", metavar="", help="Warnings count as faults.")] = False,
) -> None:
    """Check the configuration and your own profiles: every fault with file, line and what was expected.

    Exit 0: all can be used. Exit 1: something has faults.
    """
    from agent.profiles import check_own
    from agent.settings import Surroundings, examine

    examined = examine(config_paths(config), surroundings=Surroundings(credentials_required=False))
    profiles = check_own()
    warnings = (*examined.warnings, *profiles.warnings)
    good = not examined.faults and not profiles.faults and not (strict and warnings)
    if json:
        print_json(_document(examined, profiles, good=good))
    else:
        _print(examined)
        _print_profiles(profiles)
    raise typer.Exit(Exit.OK if good else Exit.WRONG)


def _print(examined: "Examined") -> None:
    from rich.table import Table

    console = out()
    for fault in (*examined.faults, *examined.warnings):
        flow(console, fault)
    faults, warnings = len(examined.faults), _count(len(examined.warnings), "warning")
    if examined.settings is None:
        console.print(f"{_count(faults, 'fault')}, {warnings}. The configuration cannot be used.")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _summary(examined.settings).items():
        table.add_row(name, printable(value))
    table.add_row("files", "\n".join(printable(file) for file in examined.files))
    for override in examined.overrides:
        table.add_row("overrides", printable(f"{override.setting}: {override.place} replaces {override.replaced}"))
    console.print(table)
    console.print(f"The configuration can be used{f', with {warnings}' if examined.warnings else ''}.")


def _print_profiles(profiles: "Checked") -> None:
    from agent.profiles import SHIPPED

    console = out()
    for fault in (*profiles.faults, *profiles.warnings):
        flow(console, fault)
    if profiles.faults:
        count = _count(len(profiles.faults), "fault")
        flow(console, f"{count} in your profiles. The agent does without the files that have one.")
    elif profiles.files:
        flow(console, f"{_count(len(profiles.files), 'profile')} of your own in {profiles.directory}.")
    if replacing := [file.name for file in profiles.files if (SHIPPED / file.name).exists()]:
        flow(console, f"In the place of shipped ones: {', '.join(replacing)}.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _summary(settings: "Settings") -> dict[str, str]:
    """What is set, a line each."""
    from agent.site import devices_in_words, plan_site
    from collectors.link import read_routes

    site, mqtt, http = settings.site, settings.mqtt, settings.http
    roles = Counter(str(device.role) for device in settings.devices)
    polled = Counter(device.snmp for device in settings.devices if device.snmp)
    credentials = [f"{c.name} (SNMP {c.version}, {_count(polled[c.name], 'device')})" for c in settings.credentials]
    how = f"MQTT {mqtt.protocol}, {mqtt.transport}, {'TLS' if mqtt.tls.enabled else 'not encrypted'}"
    return {
        "site": f"{site.tenant}/{site.site}/{site.probe}, {site.name}, {site.timezone}",
        "devices": devices_in_words(plan_site(settings, read_routes(), {}), settings),
        "roles": ", ".join(f"{count} {role}" for role, count in roles.most_common()) or "none listed",
        "SNMP": ", ".join(credentials) or "no credentials",
        "ports": _ports(polled.total()),
        "broker": f"{mqtt.host}:{mqtt.port}, {how}" if mqtt.enabled else "none: nothing is published",
        "page": _page(settings) if http.enabled else "not served",
        "traps": f"heard on UDP port {settings.traps.port}" if settings.traps.enabled else "not heard",
        "store": f"{settings.store.path}, up to {settings.store.max_bytes / 1e9:g} GB",
    }


def _ports(devices: int) -> str:
    """How many there may be: how many there are only the devices know."""
    from agent.polled import MOST_PORTS, MOST_PORTS_IN_ALL

    if not devices:
        return "none: no device is asked by SNMP"
    each = min(MOST_PORTS, MOST_PORTS_IN_ALL // devices)
    many = f"; {each:,} each, where all {devices:,} have as many" if each < MOST_PORTS else ""
    return f"at most {MOST_PORTS_IN_ALL:,} are measured, {MOST_PORTS:,} of one device{many}"


def _page(settings: "Settings") -> str:
    from agent.api.address import page_urls
    from agent.vitals import own_addresses

    guarded = "access code" if settings.http.access_code else "no access code"
    return f"{', '.join(page_urls(settings.http, own_addresses()))}, {guarded}"


def _document(examined: "Examined", profiles: "Checked", *, good: bool) -> dict[str, Any]:
    return {
        "ok": good,
        "files": [str(file) for file in examined.files],
        "faults": [fault_document(fault) for fault in examined.faults],
        "warnings": [fault_document(fault) for fault in examined.warnings],
        "overrides": [
            {"setting": o.setting, "place": str(o.place), "replaced": str(o.replaced)} for o in examined.overrides
        ],
        "profiles": {
            "files": [str(file) for file in profiles.files],
            "faults": [fault_document(fault) for fault in profiles.faults],
            "warnings": [fault_document(fault) for fault in profiles.warnings],
        },
        "summary": _summary(examined.settings) if examined.settings else None,
    }


def fault_document(fault: "Fault") -> dict[str, Any]:
    """A fault for scripts."""
    place = fault.place
    return {
        "file": str(place.file) if place else None,
        "line": place.line if place else None,
        "setting": fault.setting,
        "message": fault.message,
        "hint": fault.hint,
        "overrides": str(fault.overrides) if fault.overrides else None,
    }
