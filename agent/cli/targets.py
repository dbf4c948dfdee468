"""Whom a command asks by SNMP: a target as it is written, and its credentials from options or the configuration."""

import difflib
import ipaddress
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from agent.cli.exits import Exit
from agent.cli.terminal import complain, config_paths, is_there, say

if TYPE_CHECKING:
    from agent.settings import DeviceSettings, Settings
    from collectors.snmp.credentials import Credential
    from collectors.snmp.document import PollTarget


T = TypeVar("T", bound=StrEnum)

COMMUNITY_VARIABLE = "SONDA_COMMUNITY"
"""The community of targets for which neither an option nor the configuration has a credential."""


class Version(StrEnum):
    V1 = "1"
    V2C = "2c"
    V3 = "3"


def _option(text: str, metavar: str = "TEXT", *names: str, default: str | bool = True) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, show_default=default, rich_help_panel="Credentials")


Community = Annotated[
    str | None,
    _option(
        "Community of SNMP 1 and 2c, readable for every user of this machine (`ps`); better is --community-file. "
        "There is no default.",
        "TEXT",
        "--community",
        "-c",
        default=f"${COMMUNITY_VARIABLE}",
    ),
]
CommunityFile = Annotated[Path | None, _option("File with the community in one line.", "PATH")]
SnmpVersion = Annotated[Version | None, _option("SNMP version.", "1|2c|3", default="3 with --user, else 2c")]
User = Annotated[str | None, _option("SNMPv3 user.")]
Auth = Annotated[str | None, _option("md5, sha1, sha224, sha256, sha384 or sha512.", "NAME")]
AuthSecretFile = Annotated[Path | None, _option("File with the passphrase in one line.", "PATH")]
Priv = Annotated[str | None, _option("des, aes128, aes192, aes256, aes192c or aes256c.", "NAME")]
PrivSecretFile = Annotated[Path | None, _option("File with the passphrase in one line.", "PATH")]
Context = Annotated[str, _option("SNMPv3 context.", default=False)]
CredentialName = Annotated[str | None, _option("A credential of the configuration.", "NAME")]


@dataclass(frozen=True, slots=True)
class Given:
    """The credentials as the command line has them: each field is an option of that name."""

    community: Community = None
    community_file: CommunityFile = None
    snmp_version: SnmpVersion = None
    user: User = None
    auth: Auth = None
    auth_secret_file: AuthSecretFile = None
    priv: Priv = None
    priv_secret_file: PrivSecretFile = None
    context: Context = ""
    credential: CredentialName = None


def with_credentials(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of Given, which reach it as its argument ``given``."""
    hints = get_type_hints(Given, include_extras=True)
    options = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name])
        for field in fields(Given)
    ]
    own = signature(command, eval_str=True)

    @wraps(command)
    def called(**values: Any) -> None:
        command(given=Given(**{name: values.pop(name) for name in hints}), **values)

    parameters = [
        parameter.replace(kind=Parameter.KEYWORD_ONLY)
        for parameter in own.parameters.values()
        if parameter.name != "given"
    ]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, *options)}
    called.__dict__["__signature__"] = own.replace(parameters=[*parameters, *options])
    return called


def settings_of(config: list[Path] | None, *, needed: bool) -> "Settings | None":
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


def target_of(label: str, given: Given, settings: "Settings | None", port: int | None) -> "PollTarget":
    """What the label means: a device of the configuration by name or id, else an address with a port."""
    from collectors.snmp.document import PollTarget

    device = _configured(label, port, settings) if settings is not None else None
    if device is not None:
        name = given.credential or device.snmp
        credential = _credential(label, given, settings, name, device=device.name)
        return PollTarget(label, device.address, port or device.snmp_port, credential, device.snmp_answers_from)
    host, own_port = parse(label)
    if settings is not None and (meant := _meant(host, settings)):
        raise typer.BadParameter(
            f'"{host}" is no device of the configuration, and no name that resolves. Did you mean "{meant}"? '
            "`sonda doctor` examines them all."
        )
    return PollTarget(label, host, own_port or port or 161, _credential(label, given, settings, given.credential))


def _configured(label: str, port: int | None, settings: "Settings") -> "DeviceSettings | None":
    """The device of that name or id; else the one at that address, where a port is named the one at that port."""
    for device in settings.devices:
        if label.casefold() in {device.name.casefold(), device.id}:
            return device
    try:
        host, own_port = parse(label)
    except typer.BadParameter:  # a name with spaces or colons: the caller says so
        return None
    there = [device for device in settings.devices if _same_host(device.address, host)]
    if own_port is not None:
        return next((device for device in there if device.snmp_port == own_port), None)
    return next((device for device in there if device.snmp_port == port), there[0] if there else None)


def _same_host(one: str, other: str) -> bool:
    """Whether the two mean the same address, or are the same name."""
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return one.casefold() == other.casefold()


def _meant(host: str, settings: "Settings") -> str:
    """The device whose name was probably meant, "" where the host is an address, or a name that has one."""
    by_word = {word.casefold(): device.name for device in settings.devices for word in (device.name, device.id)}
    near = difflib.get_close_matches(host.casefold(), by_word, n=1, cutoff=0.7)
    if not near:
        return ""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return by_word[near[0]]
    return ""


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


def _credential(
    label: str, given: Given, settings: "Settings | None", name: str | None, *, device: str = ""
) -> "Credential":
    """From the options, else the named credential of the configuration. Raises BadParameter where there is none."""
    if given.community is not None or given.community_file is not None or given.user is not None:
        return _given(given)
    if settings is not None and name is not None:
        from agent.settings.convert import snmp_credential

        try:
            return snmp_credential(settings.credential(name))
        except KeyError:
            known = ", ".join(credential.name for credential in settings.credentials) or "none"
            raise typer.BadParameter(f'there is no credential "{name}" in the configuration; known: {known}') from None
    if community := os.environ.get(COMMUNITY_VARIABLE):
        return _given(replace(given, community=community))
    if device:
        raise typer.BadParameter(
            f'the device "{device}" of the configuration has no `snmp`: it is watched by echoes alone. Set that to the '
            "name of a credential, or give --credential, --community-file or --user."
        )
    if settings is None and not _is_address(label):
        say(f'No configuration is read, so that "{label}" is taken for a host, not for the name of a device.')
    raise typer.BadParameter(
        f'no credentials for "{label}", and there are no default ones. Give --community-file, or --user for SNMPv3, '
        "or --credential NAME of the configuration, or name one of its devices that has `snmp` set."
    )


def _is_address(label: str) -> bool:
    try:
        ipaddress.ip_address(parse(label)[0])
    except ValueError:
        return False
    return True


def _given(given: Given) -> "Credential":
    from collectors.snmp.credentials import AuthProtocol, Community, PrivProtocol, UsmUser

    version = given.snmp_version or (Version.V3 if given.user is not None else Version.V2C)
    community = given.community
    if given.community_file is not None:
        if community is not None:
            raise typer.BadParameter("give either --community or --community-file, not both.")
        community = _secret(given.community_file)
    if community is not None and given.user is not None:
        raise typer.BadParameter("give either a community or --user, not both.")
    if (version is Version.V3) != (given.user is not None):
        need = "--user" if version is Version.V3 else "--community-file or --community"
        raise typer.BadParameter(f"SNMP version {version} needs {need}.")
    if community is not None:
        return Community(version, community.encode())
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


def device_names(context: typer.Context, incomplete: str) -> list[str]:
    """The devices that a shell offers: their ids, which need no quotes; nothing where the settings cannot be read."""
    from agent.settings import Surroundings, examine

    named = context.params.get("config")
    try:
        examined = examine(
            config_paths([Path(file) for file in named or ()]), surroundings=Surroundings(credentials_required=False)
        )
    except OSError:
        return []
    devices = examined.settings.devices if examined.settings is not None else ()
    return [device.id for device in devices if device.id.startswith(incomplete)]
