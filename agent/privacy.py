"""What the devices' clients are called outside this box: by a keyed hash of their MAC address, or not at all.

HMAC-SHA-256 with a random key that never leaves the box, cut to 48 bits: the same client has the same name wherever it
is heard and after every restart, and without the key 2^48 addresses cannot be tried (an unkeyed hash of a MAC address
is broken in seconds). Applied where something leaves: documents of the API, and what is said to the broker. Switches,
access points and other gear of the network itself keep their addresses: who looks after them needs those.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.settings.models import ClientNames
from kpi.fabric import is_end_station
from kpi.gear import Neighbor

log = logging.getLogger("sonda.privacy")

FILE = "privacy.key"
KEY_OCTETS = 32
DIGITS = 12
"""Hexadecimal digits of a hash: among 10,000 clients two are alike once in 5 million sites."""
LEFT_OUT = "…"
_COLUMN_ARCS = 10
"""No column of a table has a shorter OID; what follows may be an index."""
_OCTETS = r"[0-9a-f]{1,2}([:\- ])[0-9a-f]{1,2}(?:\1[0-9a-f]{1,2}){4,}"
_WORDS = r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[0-9a-f]{6}[:\-.][0-9a-f]{6}"
_ARCS = r"(?:\d{1,3}\.){5,}\d{1,3}"
_MAC = re.compile(rf"(?<![0-9a-f])(?:{_OCTETS}|{_WORDS}|{_ARCS}|[0-9a-f]{{12,}})(?![0-9a-f])", re.IGNORECASE)
"""A MAC address as it is written anywhere (00:11:.., 00-11-.., 0:1:.., 0011.2233.4455, 001122-334455, bare digits, as
the decimal arcs of an index), and what is longer and may hold one."""


class Privacy:
    """Names for clients. One a run."""

    def __init__(self, key: bytes, names: Callable[[], ClientNames]) -> None:
        """``names()`` is the setting in force."""
        self._key = key
        self._names = names

    @property
    def tells(self) -> bool:
        """Whether single clients are told of at all."""
        return self._names() == "hash"

    def client(self, identity: str) -> str:
        """The hash of a MAC address in any notation; of any other name of a client, of that. "" where clients are left
        out."""
        if not self.tells:
            return ""
        digest = hmac.new(self._key, _canonical(identity) or identity.encode(), hashlib.sha256)
        return digest.hexdigest()[:DIGITS]

    def text(self, text: str) -> str:
        """A text with each MAC address replaced."""
        return _MAC.sub(lambda found: self.client(found[0]) or LEFT_OUT, text)

    def oid(self, oid: str) -> str:
        """An OID without an index that may be a MAC address."""
        arcs = oid.split(".")
        for at in range(_COLUMN_ARCS, len(arcs) - 5):
            if all(arc.isdigit() and int(arc) <= 0xFF for arc in arcs[at : at + 6]):
                return ".".join([*arcs[:at], self.client(".".join(arcs[at:])) or LEFT_OUT])
        return oid

    def neighbor(self, neighbor: Neighbor) -> Neighbor | None:
        """A telephone or computer under its hash, None where clients are left out; the network's own gear as it is."""
        if not is_end_station(neighbor):
            return neighbor
        if not self.tells:
            return None
        return replace(
            neighbor,
            remote_name=self.text(neighbor.remote_name),
            remote_port=self.text(neighbor.remote_port),
            remote_chassis=self.text(neighbor.remote_chassis),
            remote_descr=self.text(neighbor.remote_descr),
            remote_port_descr=self.text(neighbor.remote_port_descr),
            remote_end="",
        )

    def trap(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """The body of ``event/trap``: nobody knows whose addresses a trap holds, so none leaves."""
        varbinds = [{"oid": self.oid(v["oid"]), "value": self._value(v["value"])} for v in told["varbinds"]]
        return {**told, "varbinds": varbinds}

    def _value(self, value: int | str) -> int | str:
        if isinstance(value, int):
            return value
        return self.oid(value) if _is_oid(value) else self.text(value)


def load_key(folder: Path) -> bytes:
    """The key beside the database; made where there is none. Where it cannot be kept, one for this run: clients then
    have other names after the next start, and nothing else is lost."""
    path = folder / FILE
    try:
        key = path.read_bytes()
        if len(key) == KEY_OCTETS:
            return key
        log.warning("The key %s is damaged: a new one is made, and clients have other names from now on.", path)
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        return _unkept(path, error)
    key = secrets.token_bytes(KEY_OCTETS)
    draft = path.with_name(f"{FILE}.new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        return _unkept(path, error)
    return key


def _unkept(path: Path, error: OSError) -> bytes:
    log.warning("The key %s cannot be kept (%s): clients have other names after the next start.", path, error.strerror)
    return secrets.token_bytes(KEY_OCTETS)


def _canonical(text: str) -> bytes | None:
    """The six octets of a MAC address; None where the text is none."""
    if re.fullmatch(_ARCS, text):
        arcs = [int(arc) for arc in text.split(".")]
        return bytes(arcs) if len(arcs) == 6 and max(arcs) <= 0xFF else None
    parts = re.split(r"[:\- ]", text)
    digits = "".join(part.zfill(2) for part in parts) if len(parts) == 6 else re.sub(r"[:\-.]", "", text)
    return bytes.fromhex(digits) if re.fullmatch(r"[0-9a-fA-F]{12}", digits) else None


def _is_oid(text: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+){6,}", text) is not None
