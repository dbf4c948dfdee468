"""`sonda poll TARGET...`: one SNMP poll now, as tables or as the poll document (DESIGN section 9), a line a target."""

import ipaddress
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import (
    ConfigOption,
    JsonOption,
    aside,
    complain,
    config_paths,
    is_there,
    out,
    print_json,
    progress,
    say,
)

if TYPE_CHECKING:
    from agent.settings import Settings
    from collectors.snmp.credentials import Credential
    from collectors.snmp.document import PollTarget


T = TypeVar("T", bound=StrEnum)


class Version(StrEnum):
    V1 = "1"
    V2C = "2c"
    V3 = "3"


@dataclass(frozen=True, slots=True)
class Given:
    """The credentials as the command line has them."""

    community: str | None
    version: Version | None
    user: str | None
    auth: str | None
    auth_secret_file: Path | None
    priv: str | None
    priv_secret_file: Path | None
    context: str
    name: str | None


def _secret_option(text: str, metavar: str = "TEXT", *names: str, default: str | bool = True) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, show_default=default, rich_help_panel="Credentials")


def _waiting_option(text: str, most: float) -> Any:
    return typer.Option(metavar="N", min=0.1, max=most, help=text, rich_help_panel="Waiting")


def poll(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET", help="HOST[:PORT] (IPv6 as [::1]:161), or a device of the configuration."),
    ],
    community: Annotated[
        str | None, _secret_option("Community of SNMP 1 and 2c. There is no default.", "TEXT", "--community", "-c")
    ] = None,
    snmp_version: Annotated[
        Version | None, _secret_option("SNMP version.", "1|2c|3", default="3 with --user, else 2c")
    ] = None,
    user: Annotated[str | None, _secret_option("SNMPv3 user.")] = None,
    auth: Annotated[str | None, _secret_option("md5, sha1, sha224, sha256, sha384 or sha512.", "NAME")] = None,
    auth_secret_file: Annotated[Path | None, _secret_option("File with the passphrase in one line.", "PATH")] = None,
    priv: Annotated[str | None, _secret_option("des, aes128, aes192, aes256, aes192c or aes256c.", "NAME")] = None,
    priv_secret_file: Annotated[Path | None, _secret_option("File with the passphrase in one line.", "PATH")] = None,
    context: Annotated[str, _secret_option("SNMPv3 context.", default=False)] = "",
    credential: Annotated[str | None, _secret_option("A credential of the configuration.", "NAME")] = None,
    timeout: Annotated[float, _waiting_option("Seconds one request waits.", 60)] = 2.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, max=10, help="How often it is repeated.", rich_help_panel="Waiting")
    ] = 1,
    deadline: Annotated[float, _waiting_option("Seconds one target may take.", 3600)] = 60.0,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="UDP port of targets that name none.", show_default="161"),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Ask devices once by SNMP and show what they are: system and interfaces.

    Answers are printed as they arrive, not as they were asked. Exit 1: a target did not answer.
    """
    import asyncio

    given = Given(community, snmp_version, user, auth, auth_secret_file, priv, priv_secret_file, context, credential)
    settings = _settings(config, needed=credential is not None)
    wanted = [_target(label, given, settings, port) for label in dict.fromkeys(targets)]
    missed = asyncio.run(_poll(wanted, timeout_s=timeout, retries=retries, deadline_s=deadline, json=json))
    raise typer.Exit(Exit.WRONG if missed else Exit.OK)


async def _poll(
    targets: Sequence["PollTarget"], *, timeout_s: float, retries: int, deadline_s: float, json: bool
) -> int:
    """Polls and prints. How many did not answer."""
    from collectors.clock import SystemClock
    from collectors.snmp.client import SnmpClient
    from collectors.snmp.document import poll_documents

    clock, missed = SystemClock(), 0
    with progress("Polling", len(targets)) as bar:
        async with SnmpClient(clock) as client:
            documents: AsyncIterator[dict[str, Any]] = poll_documents(
                client, clock, targets, timeout_s=timeout_s, retries=retries, deadline_s=deadline_s
            )
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


def _settings(config: list[Path] | None, *, needed: bool) -> "Settings | None":
    """The configuration where one is named, wanted or at its usual place."""
    paths = config_paths(config)
    if config is None and not needed and not is_there(paths[0]):
        return None
    from agent.settings import Surroundings, examine

    examined = examine(paths, surroundings=Surroundings(credentials_required=False))
    if examined.settings is None:
        if config is None and not needed:
            say(f"The configuration {paths[0]} cannot be used (`sonda check` says why): polling without it.")
            return None
        complain(examined.faults)
        raise typer.Exit(Exit.CONFIGURATION)
    return examined.settings


def _target(label: str, given: Given, settings: "Settings | None", port: int | None) -> "PollTarget":
    """What the label means: a device of the configuration by name or id, else an address with a port."""
    from collectors.snmp.document import PollTarget

    for device in settings.devices if settings else ():
        if label.casefold() in {device.name.casefold(), device.id}:
            name = given.name or device.snmp
            return PollTarget(
                label, device.address, port or device.snmp_port, _credential(label, given, settings, name)
            )
    host, own_port = parse(label)
    return PollTarget(label, host, own_port or port or 161, _credential(label, given, settings, given.name))


def parse(label: str) -> tuple[str, int | None]:
    """Host and port of HOST, HOST:PORT, [IPv6]:PORT and a bare IPv6 address."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", label)
    try:
        ipaddress.ip_address(label)
    except ValueError:
        pass
    else:
        return label, None
    match = bracketed or re.fullmatch(r"([^:\[\]]+)(?::(\d{1,5}))?", label)
    if match is None or not 0 < int(match[2] or 161) < 65536:
        raise typer.BadParameter(f'"{label}" is not HOST, HOST:PORT or [IPv6]:PORT.')
    return match[1], int(match[2]) if match[2] else None


def _credential(label: str, given: Given, settings: "Settings | None", name: str | None) -> "Credential":
    """From the options, else the named credential of the configuration. Raises BadParameter where there is none."""
    if given.community is not None or given.user is not None:
        return _given(given)
    if settings is not None and name is not None:
        from agent.settings.convert import snmp_credential

        try:
            return snmp_credential(settings.credential(name))
        except KeyError:
            known = ", ".join(credential.name for credential in settings.credentials) or "none"
            raise typer.BadParameter(f'there is no credential "{name}" in the configuration; known: {known}') from None
    raise typer.BadParameter(
        f'no credentials for "{label}", and there are no default ones. Give --community, or --user for SNMPv3, '
        "or --credential NAME of the configuration, or name one of its devices that has `snmp` set."
    )


def _given(given: Given) -> "Credential":
    from collectors.snmp.credentials import AuthProtocol, Community, PrivProtocol, UsmUser

    version = given.version or (Version.V3 if given.user is not None else Version.V2C)
    if given.community is not None and given.user is not None:
        raise typer.BadParameter("give either --community or --user, not both.")
    if (version is Version.V3) != (given.user is not None):
        need = "--user" if version is Version.V3 else "--community"
        raise typer.BadParameter(f"SNMP version {version} needs {need}.")
    if given.community is not None:
        return Community(version, given.community.encode())
    assert given.user is not None
    try:
        return UsmUser(
            given.user,
            _protocol(AuthProtocol, given.auth),
            _secret(given.auth_secret_file),
            _protocol(PrivProtocol, given.priv),
            _secret(given.priv_secret_file),
            context=given.context,
        )
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def _protocol(kind: type[T], name: str | None) -> T | None:
    if name is None:
        return None
    try:
        return kind(name.lower())
    except ValueError:
        raise typer.BadParameter(f'"{name}" is none of {", ".join(kind)}.') from None


def _secret(file: Path | None) -> str | None:
    if file is None:
        return None
    from agent.settings.secret import read_secret

    try:
        return read_secret(file)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
