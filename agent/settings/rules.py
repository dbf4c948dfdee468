"""What settings must be to each other. Each rule is one function over a Draft and yields its faults.

A Draft holds what was valid by itself, with the position each item has in the files, so that one bad device does not
hide the faults of the others and does not make its children "unknown".
"""

import difflib
import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from agent.settings.faults import Severity
from agent.settings.lines import Key
from agent.settings.models import (
    CredentialSettings,
    DeviceSettings,
    EchoSettings,
    HttpSettings,
    MaintenanceSettings,
    MqttSettings,
    NetworkSettings,
    SnmpSettings,
    StoreSettings,
    TlsSettings,
)
from agent.settings.secret import Secret, others_may_read
from agent.settings.sources import read_bounded
from collectors.snmp.credentials import AuthProtocol, PrivProtocol
from kpi.model import Role


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold: at this key, with this message (after the setting's name) and suggestion."""

    key: Key
    message: str
    hint: str = ""
    severity: Severity = Severity.FAULT
    other: Key | None = None
    """What it clashes with, whose place is said."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The valid parts of a configuration; sections are None where nothing in them is. A rule names the key that is to
    be written or changed, and is not heard where that key is faulty by itself (loader.py)."""

    devices: Mapping[int, DeviceSettings]
    credentials: Mapping[int, CredentialSettings]
    maintenance: Mapping[int, MaintenanceSettings]
    device_names: frozenset[str]
    """Of all devices, the faulty ones included."""
    credential_names: frozenset[str]
    zone: ZoneInfo
    """The site's, or UTC where that is faulty."""
    network: NetworkSettings | None
    echo: EchoSettings | None
    snmp: SnmpSettings | None
    mqtt: MqttSettings | None
    http: HttpSettings | None
    store: StoreSettings | None
    whole: bool
    """Whether nothing is faulty so far: warnings on what is *absent* wait for that."""


def broken(draft: Draft) -> Iterator[Broken]:
    """Every rule that does not hold."""
    for rule in RULES:
        yield from rule(draft)


def _warn(key: Key, message: str, hint: str = "", other: Key | None = None) -> Broken:
    return Broken(key, message, hint, Severity.WARNING, other)


def _near(name: str, names: Sequence[str] | frozenset[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return f'Did you mean "{close[0]}"?' if close else ""


MOST_DEVICES, MANY_DEVICES = 1000, 500
"""Where it ends, measured (agent/README.md has the decision): a page of 1,000 devices is 0.7 MB, takes 1 s, and nothing
on the loop more than 50 ms; up to 500 a Raspberry Pi does the same with room to spare."""
MOST_PLANNED = 500
"""Entries of planned work; each is looked through for each device."""
MANY_ECHOES_S = 1000
"""Echoes a second: each costs 35 us, and three times that on a Raspberry Pi."""


def sizes_can_be_watched(draft: Draft) -> Iterator[Broken]:
    count = len(draft.devices)
    if count > MOST_DEVICES:
        yield Broken(
            ("device", sorted(draft.devices)[MOST_DEVICES]),
            f"this is one of {count:,} devices, and one probe watches at most {MOST_DEVICES:,}",
            "Share the site out between several probes.",
        )
    elif count > MANY_DEVICES:
        yield _warn(
            ("device", sorted(draft.devices)[MANY_DEVICES]),
            f"this is one of {count:,} devices: more than {MANY_DEVICES} need a faster machine than a Raspberry Pi",
        )
    if len(draft.maintenance) > MOST_PLANNED:
        yield Broken(
            ("maintenance", sorted(draft.maintenance)[MOST_PLANNED]),
            f"this is one of {len(draft.maintenance):,} planned times, and at most {MOST_PLANNED} are looked at",
            "Take out those that are over by more than a month.",
        )
    if draft.echo is not None:
        rate = sum(
            1 / (device.echo_s or draft.echo.seconds_of(device.role))
            for device in draft.devices.values()
            if device.echo
        )
        if rate > MANY_ECHOES_S:
            yield _warn(
                ("echo",),
                f"all devices together get {rate:,.0f} echoes a second: more than {MANY_ECHOES_S:,} need a faster "
                "machine than a Raspberry Pi",
            )


def names_are_unique(draft: Draft) -> Iterator[Broken]:
    for kind, items in (("device", draft.devices), ("credential", draft.credentials)):
        first: dict[str, int] = {}
        for position, item in items.items():
            before = first.setdefault(item.name.casefold(), position)
            if before != position:
                yield Broken(
                    (kind, position, "name"), f'another {kind} is named "{item.name}"', other=(kind, before, "name")
                )


def ids_are_unique(draft: Draft) -> Iterator[Broken]:
    first: dict[str, int] = {}
    for position, device in draft.devices.items():
        before = first.setdefault(device.id, position)
        if before != position and draft.devices[before].name.casefold() != device.name.casefold():
            yield Broken(
                ("device", position, "id"),
                f'"{draft.devices[before].name}" has the id "{device.id}" already',
                'Write a different id = "...".',
                other=("device", before, "id"),
            )


def parents_exist(draft: Draft) -> Iterator[Broken]:
    for position, device in draft.devices.items():
        for number, parent in enumerate(device.parents):
            key = ("device", position, "parents", number)
            if parent == device.name:
                yield Broken(key, "a device cannot be its own parent")
            elif parent not in draft.device_names:
                yield Broken(key, f'there is no device named "{parent}"', _near(parent, draft.device_names))


def parents_make_no_cycle(draft: Draft) -> Iterator[Broken]:
    """One fault a cycle, at its first device in the file."""
    parents = {device.name: device.parents for device in draft.devices.values()}
    position = {device.name: number for number, device in draft.devices.items()}
    done: set[str] = set()
    for start, above in parents.items():
        way: list[str] = []
        stack = [(start, iter(above))]
        while stack and start not in done:
            name, rest = stack[-1]
            if name not in way:
                way.append(name)
            following = next((parent for parent in rest if parent in parents and parent not in done), None)
            if following is None:
                done.add(name)
                way.pop()
                stack.pop()
            elif following in way:
                circle = way[way.index(following) :]
                if len(circle) > 1:
                    at = min(position[member] for member in circle)
                    named = [f'"{member}"' for member in [*circle, following]]
                    shown = " -> ".join(
                        named if len(named) < 10 else [*named[:4], f"{len(named) - 6} more", *named[-2:]]
                    )
                    yield Broken(("device", at, "parents"), f"parents go round in a circle: {shown}")
                done.update(way)
                break
            else:
                stack.append((following, iter(parents[following])))


def credentials_exist(draft: Draft) -> Iterator[Broken]:
    for position, device in draft.devices.items():
        if device.snmp is not None and device.snmp not in draft.credential_names:
            hint = _near(device.snmp, draft.credential_names) or "Write a [[credential]] with that name."
            yield Broken(("device", position, "snmp"), f'there is no credential named "{device.snmp}"', hint)


def addresses_are_told_apart(draft: Draft) -> Iterator[Broken]:
    first: dict[tuple[str, int], int] = {}
    for position, device in draft.devices.items():
        before = first.setdefault((device.address, device.snmp_port), position)
        if before != position:
            message = f'"{draft.devices[before].name}" has the address "{device.address}" too'
            yield _warn(("device", position, "address"), message, other=("device", before, "address"))


def devices_are_measured(draft: Draft) -> Iterator[Broken]:
    for position, device in draft.devices.items():
        if not device.echo and device.snmp is None:
            yield _warn(("device", position), "nothing measures it: echo is off and snmp names no credential")
        elif device.role is Role.INTERNET and not device.echo:
            yield _warn(("device", position, "echo"), "an internet target without echoes never counts as up")
    if draft.whole and not draft.devices and not (draft.network and draft.network.internet):
        yield _warn(("device",), "there is nothing to watch", "Write a [[device]] with name, role and address.")


def polls_end_before_the_next(draft: Draft) -> Iterator[Broken]:
    """The deadline of a request with its retries lies below the interval of polling."""
    if draft.snmp is None:
        return
    longest = draft.snmp.timeout_s * (draft.snmp.retries + 1)
    if longest >= draft.snmp.status_s:
        yield Broken(
            ("snmp", "timeout_s"),
            f"{draft.snmp.timeout_s:g} s and {draft.snmp.retries} retries take {longest:g} s, "
            f"which is not below status_s ({draft.snmp.status_s:g} s)",
        )
    for position, device in draft.devices.items():
        if device.status_s is not None and longest >= device.status_s:
            yield Broken(
                ("device", position, "status_s"),
                f"a poll may take {longest:g} s ([snmp] timeout_s, retries), not below {device.status_s:g} s",
            )


def internet_has_three(draft: Draft) -> Iterator[Broken]:
    if draft.network is None or not draft.whole:
        return
    outside = {device.address for device in draft.devices.values() if device.role is Role.INTERNET}
    count = len(outside | set(draft.network.internet))
    if count < 3:
        yield _warn(
            ("network", "internet"),
            f"{count or 'no'} internet target{'s' if count != 1 else ''}: network_uptime_pct needs at least 3",
            "Name three addresses of different operators.",
        )


_EXAMPLES = tuple(
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
"""RFC 5737 and RFC 3849: for documents, routed nowhere."""
_EXAMPLE_NAMES = re.compile(r"(?:^|\.)example\.(?:com|net|org)$", re.IGNORECASE)
"""RFC 2606."""


def addresses_are_no_examples(draft: Draft) -> Iterator[Broken]:
    """What was pasted out of a document: nothing at the site has such an address."""
    network, mqtt = draft.network, draft.mqtt
    named: dict[Key, Sequence[str]] = {
        ("device", position, "address"): (device.address,) for position, device in draft.devices.items()
    }
    if network is not None:
        named |= {("network", "gateway"): (network.gateway,), ("network", "internet"): network.internet}
    if mqtt is not None and mqtt.host is not None:
        named[("mqtt", "host")] = (mqtt.host,)
    for key, addresses in named.items():
        if found := [address for address in addresses if _is_example(address)]:
            what = "is an example's address" if len(found) == 1 else "are addresses of an example"
            message = f"{' and '.join(found)} {what}, which nothing at a site has"
            yield _warn(key, message, "Write your own in its place.")


def _is_example(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return _EXAMPLE_NAMES.search(address) is not None
    return any(found in network for network in _EXAMPLES if network.version == found.version)


def maintenance_is_sound(draft: Draft) -> Iterator[Broken]:
    for position, entry in draft.maintenance.items():
        start, end = entry.between(draft.zone)
        if end <= start:
            yield Broken(("maintenance", position, "end"), "the end is not after the start")
        for number, name in enumerate(entry.devices):
            if name not in draft.device_names:
                key = ("maintenance", position, "devices", number)
                yield Broken(key, f'there is no device named "{name}"', _near(name, draft.device_names))


_COMMUNITY_ONLY = ("community",)
_USER_ONLY = ("user", "auth", "auth_secret", "priv", "priv_secret", "context")


def credentials_are_whole(draft: Draft) -> Iterator[Broken]:
    for position, credential in draft.credentials.items():
        by_user = credential.version == "3"
        other = _COMMUNITY_ONLY if by_user else _USER_ONLY
        needed = "user" if by_user else "community"
        for name in other:
            if name in credential.model_fields_set:
                yield Broken(("credential", position, name), f"version {credential.version} has no {name}")
        if getattr(credential, needed) is None:
            yield Broken(("credential", position, needed), f"is missing: version {credential.version} needs it")
        if by_user:
            yield from _user_is_whole(position, credential)


def _user_is_whole(position: int, credential: CredentialSettings) -> Iterator[Broken]:
    if credential.priv is not None and credential.auth is None:
        yield Broken(("credential", position, "auth"), "is missing: encryption (priv) needs authentication")
    for what in ("auth", "priv"):
        protocol, secret = getattr(credential, what), getattr(credential, f"{what}_secret")
        if protocol is not None and secret is None:
            yield Broken(("credential", position, f"{what}_secret"), f"is missing: {what} needs it")
        if protocol is None and secret is not None:
            yield Broken(("credential", position, what), f"is missing: it names the algorithm of {what}_secret")
        if secret is not None and secret.known and len(secret.reveal_bytes()) < 8:
            yield Broken(
                ("credential", position, f"{what}_secret"), "the passphrase is shorter than 8 characters (RFC 3414)"
            )


def algorithms_are_strong(draft: Draft) -> Iterator[Broken]:
    for position, credential in draft.credentials.items():
        if credential.auth in (AuthProtocol.MD5, AuthProtocol.SHA1):
            yield _warn(
                ("credential", position, "auth"), f'"{credential.auth}" is weak', 'Use "sha256" if the device can.'
            )
        if credential.priv is PrivProtocol.DES:
            yield _warn(("credential", position, "priv"), '"des" is weak', 'Use "aes128" if the device can.')
        if credential.community is not None and credential.community.reveal() in {"public", "private"}:
            yield _warn(
                ("credential", position, "community"), "this community is a factory default that everybody tries"
            )


def broker_is_reachable(draft: Draft) -> Iterator[Broken]:
    mqtt = draft.mqtt
    if mqtt is None or not mqtt.enabled:
        return
    if mqtt.host is None:
        yield Broken(("mqtt", "host"), "is missing: expected the broker's address or name", "Or write enabled = false.")
    if mqtt.password is not None and mqtt.username is None:
        yield Broken(("mqtt", "username"), "is missing: a password needs it")
    if mqtt.transport == "tcp" and "path" in mqtt.model_fields_set:
        yield Broken(("mqtt", "path"), 'a path is for transport = "websocket" alone')
    if mqtt.password is not None and not mqtt.tls.enabled and not loopback(mqtt.host or ""):
        yield _warn(("mqtt", "password"), "the password crosses the network readable", "Write a section [mqtt.tls].")
    if mqtt.tls.key is not None and mqtt.tls.cert is None:
        yield Broken(("mqtt", "tls", "cert"), "is missing: a key needs its certificate")
    yield from _tls_files(mqtt.tls)
    if mqtt.tls.enabled and not mqtt.tls.verify:
        yield _warn(("mqtt", "tls", "verify"), "anybody can pose as the broker while its certificate is not checked")


def _tls_files(tls: TlsSettings) -> Iterator[Broken]:
    unread = [fault for name in ("ca", "cert", "key") for fault in _readable(("mqtt", "tls", name), getattr(tls, name))]
    if unread:
        yield from unread
        return
    if tls.ca is not None and not _holds(tls.ca, _CERTIFICATE):
        what = "a private key" if _holds(tls.ca, _PRIVATE_KEY) else "no certificate in PEM"
        yield Broken(
            ("mqtt", "tls", "ca"),
            f"{tls.ca} holds {what}, expected the certificate of the authority that signs the broker's",
            "An authority's own key belongs on no probe." if what == "a private key" else "",
        )
    elif tls.ca is not None and _holds(tls.ca, _PRIVATE_KEY):
        yield Broken(
            ("mqtt", "tls", "ca"),
            f"{tls.ca} holds a private key beside its certificate",
            "Write the certificate alone into a file: an authority's own key belongs on no probe.",
        )
    yield from _keys_are_kept(("mqtt", "tls"), tls.cert, tls.key)
    password = tls.key_password
    if tls.cert is not None and (password is None or password.known):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                tls.cert, tls.key, password=lambda: password.reveal() if password else ""
            )
        except (OSError, ValueError):
            yield Broken(
                ("mqtt", "tls", "cert"),
                "is no certificate that can be shown with its key",
                "Both are PEM files, the key belongs to the certificate, and key_password opens it where it has one.",
            )


_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def _holds(file: Path, what: re.Pattern[bytes]) -> bool:
    try:
        return what.search(read_bounded(file, 1_000_000) or b"") is not None
    except OSError:
        return False


def _keys_are_kept(section: Key, cert: Path | None, key: Path | None) -> Iterator[Broken]:
    """Whoever reads a private key can pose as this probe, or as its page."""
    for name, file in (("cert", cert), ("key", key)):
        if file is not None and others_may_read(file) and _holds(file, _PRIVATE_KEY):
            yield Broken(
                (*section, name),
                f"everybody on this machine can read {file}, which holds a private key",
                f"sudo chown root:sonda {file} && sudo chmod 640 {file}",
            )


def page_is_guarded(draft: Draft) -> Iterator[Broken]:
    """agent/README.md: on a LAN address an access code, over HTTPS, or plain HTTP where that is said."""
    http = draft.http
    if http is None or not http.enabled:
        return
    if http.key is not None and http.cert is None:
        yield Broken(("http", "cert"), "is missing: a key needs its certificate")
    unread = [fault for name in ("cert", "key") for fault in _readable(("http", name), getattr(http, name))]
    yield from unread or (*_certificate(http), *_keys_are_kept(("http",), http.cert, http.key))
    code = http.access_code
    if code is not None and code.known and len(code.reveal()) < 8:
        yield Broken(("http", "access_code"), "the access code is shorter than 8 characters")
    if loopback(http.host):
        return
    if code is None:
        yield Broken(
            ("http", "access_code"),
            f'is missing: host = "{http.host}" is reached from the LAN',
            'Write access_code = { file = "/etc/sonda/secrets/page" }, or host = "127.0.0.1".',
        )
    if http.cert is None and not http.plain_http:
        yield Broken(
            ("http", "cert"),
            f'is missing: host = "{http.host}" is reached from the LAN, which needs HTTPS',
            "Or say plain_http = true: the access code then crosses the LAN readable.",
        )


def _certificate(http: HttpSettings) -> Iterator[Broken]:
    if http.cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.cert, http.key, password=lambda: "")
    except (OSError, ValueError):  # ssl.SSLError is one; ValueError: a key with a password
        yield Broken(
            ("http", "cert"),
            "is no certificate that can be served with its key",
            "Both are PEM files, the key belongs to the certificate and has no password.",
        )


def store_is_a_file(draft: Draft) -> Iterator[Broken]:
    store = draft.store
    if store is None:
        return
    if os.path.isdir(store.path):  # noqa: PTH112 - Path's raises where this user may not look
        yield Broken(("store", "path"), f"{store.path} is a directory", f'Did you mean "{store.path / "sonda.db"}"?')
    if store.ballast_bytes * 2 > store.max_bytes:
        yield Broken(("store", "ballast_bytes"), "takes more than half of max_bytes")
    for finer, coarser in pairwise(("keep_minute_days", "keep_five_minutes_days", "keep_hour_days")):
        if getattr(store, finer) > getattr(store, coarser):
            yield Broken(("store", coarser), f"is less than {finer}: coarser windows are kept longer than finer ones")


def secrets_are_kept(draft: Draft) -> Iterator[Broken]:
    """What reading a secret wanted to say: everybody may read its file, or it could not be checked here."""
    for kind, items in (("credential", draft.credentials), ("mqtt", {0: draft.mqtt}), ("http", {0: draft.http})):
        for position, item in items.items():
            for key, secret in _secrets(item, (kind, position) if kind == "credential" else (kind,)):
                for warning in secret.warnings:
                    yield _warn(key, warning)


def _secrets(value: Any, key: Key) -> Iterator[tuple[Key, Secret]]:
    if isinstance(value, Secret):
        yield key, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), (*key, name))


def loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _readable(key: Key, file: Path | None) -> Iterator[Broken]:
    if file is None:
        return
    try:
        with file.open("rb"):
            pass
    except FileNotFoundError:
        yield Broken(key, f"there is no file {file}")
    except OSError as error:
        yield Broken(key, f"{file} cannot be read: {error.strerror or error}")


RULES: tuple[Callable[[Draft], Iterator[Broken]], ...] = (
    sizes_can_be_watched,
    names_are_unique,
    ids_are_unique,
    parents_exist,
    parents_make_no_cycle,
    credentials_exist,
    credentials_are_whole,
    algorithms_are_strong,
    addresses_are_told_apart,
    devices_are_measured,
    polls_end_before_the_next,
    internet_has_three,
    addresses_are_no_examples,
    maintenance_is_sound,
    broker_is_reachable,
    page_is_guarded,
    store_is_a_file,
    secrets_are_kept,
)
