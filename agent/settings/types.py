"""The kinds of values that settings have, each with the words that say what is expected of it.

``Expects`` is read by reference.py (the tables of config/README.md) and by wording.py (faults): one source for both.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

from agent.settings.sources import PlacedText


@dataclass(frozen=True, slots=True)
class Expects:
    """What a value of this type must be, as the end of the sentence "expected ..."."""

    text: str


def refuse(message: str, hint: str = "") -> NoReturn:
    """Refuse a value in a validator. ``message`` completes the sentence after the setting's name; no secret in it."""
    raise PydanticCustomError("setting", "{message}", {"message": message, "hint": hint})


SEGMENT = re.compile(r"[a-z0-9-]{1,40}")


def slug(text: str) -> str:
    """The nearest thing to ``text`` that may stand in an MQTT topic: [a-z0-9-]{1,40}; "" where nothing is left."""
    import unicodedata  # noqa: PLC0415 - needed for the few names that are not plain

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


def _segment(text: str) -> str:
    if SEGMENT.fullmatch(text):
        return text
    near = slug(text)
    refuse(f"found {quoted(text)}, expected 1 to 40 of a-z, 0-9 and -", f'Did you mean "{near}"?' if near else "")


_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")


def _address(text: str) -> str:
    """IPv4, IPv6 (with a scope: fe80::1%eth0) or a host name (RFC 1123, underscores let pass)."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return _host_name(text)
    if ip.is_multicast or ip.is_unspecified or text == "255.255.255.255":
        refuse(f"found {quoted(text)}, which is no single machine's address")
    return text


def _plain_address(text: str) -> str:
    try:
        ipaddress.ip_address(_address(text))
    except ValueError as error:
        if isinstance(error, PydanticCustomError):
            raise
        refuse(f"found {quoted(text)}, expected an IPv4 or IPv6 address", "A name may have several; write one address.")
    return text


def _host_name(text: str) -> str:
    expected = f"found {quoted(text)}, expected an IPv4 or IPv6 address or a host name"
    if "://" in text or "@" in text:
        refuse("found a URL, expected an address or a host name alone", "Leave out the scheme, user and password.")
    if "/" in text:
        refuse(expected, "Write the address alone, without a network length or path.")
    if text.startswith("[") or re.fullmatch(r"[^:]+:\d+", text):
        refuse(expected, "Write the address alone; a port has a setting of its own.")
    if _DIGITS_AND_DOTS.fullmatch(text):
        refuse(expected, "An IPv4 address is four numbers from 0 to 255 without leading zeros.")
    if ":" in text:
        refuse(expected, "This is not a valid IPv6 address.")
    name = text.removesuffix(".")
    if not name or len(name) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in name.split(".")):
        refuse(expected)
    return text


def _listen(text: str) -> str:
    return text if text in {"0.0.0.0", "::"} else _address(text)  # noqa: S104 - rules.py asks for an access code then


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _name(text: str) -> str:
    if not text.strip() or _CONTROL.search(text) or len(text) > 80:
        refuse(f"found {quoted(text)}, expected 1 to 80 characters in one line")
    return text.strip()


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MOST_DIGITS = 30
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")


def _size(value: Any) -> Any:
    """Bytes as a number, or text with a unit: "4 GB" (decimal), "512 MiB" (binary)."""
    if not isinstance(value, str):
        return value
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    match = _SIZE.fullmatch(value)
    if match is None or (factor := units.get(match[2].lower())) is None:
        refuse(f"found {quoted(value)}, expected a size", 'Write it like "4 GB", "500 MB" or "64 MiB".')
    if len(match[1]) > MOST_DIGITS:
        refuse(f"found {quoted(value)}, expected a size that a disk can have")
    return round(float(match[1]) * factor)


def _path(value: Any) -> Any:
    """Absolute; a relative path is meant from the folder of the file it stands in. ~ is the user's home."""
    if not isinstance(value, str):
        return value
    if not value.strip() or "\0" in value:
        refuse(f"found {quoted(value)}, expected the path of a file")
    folder = value.folder if isinstance(value, PlacedText) else Path()
    try:
        written = Path(str(value)).expanduser()
    except RuntimeError:  # no such user, or one without a home
        refuse(f"found {quoted(value)}, and whose home that is cannot be known", "Write the path from / on.")
    return Path(os.path.normpath((folder / written).absolute()))


def quoted(text: str, limit: int = 60) -> str:
    """The text as a fault shows it: in quotes, control characters made visible, long ones cut."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return '"' + _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", shown) + '"'


Flag = Annotated[bool, Strict(), Expects("true or false")]
Segment = Annotated[str, AfterValidator(_segment), Expects("1 to 40 of a-z, 0-9 and -")]
Address = Annotated[str, AfterValidator(_address), Expects("an IPv4 or IPv6 address or a host name")]
PlainAddress = Annotated[str, AfterValidator(_plain_address), Expects("an IPv4 or IPv6 address")]
ListenAddress = Annotated[str, AfterValidator(_listen), Expects("an address of this machine, 0.0.0.0 or :: for all")]
Name = Annotated[str, AfterValidator(_name), Expects("text of 1 to 80 characters")]
ConfigPath = Annotated[Path, BeforeValidator(_path), Expects("the path of a file, relative to this file or absolute")]
Bytes = Annotated[int, BeforeValidator(_size), Strict(), Expects('a size like "4 GB" or a number of bytes')]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Count = Annotated[int, Strict()]
Seconds = Annotated[float, Strict(), Field(allow_inf_nan=False)]
EchoSeconds = Annotated[Seconds, Field(ge=0.2, le=60)]
Days = Annotated[int, Strict(), Field(ge=1, le=36500)]
Pattern = Annotated[str, Field(min_length=1), Expects("a port name in which * and ? stand for anything")]
