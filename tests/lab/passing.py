"""A MIB of a test's own, told by a real snmpd: the other end of `pass_persist` (snmpd.conf(5)).

A module of the lab that is run as a program calls ``serve``; ``line`` is what snmpd's configuration says of it.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

Oid = tuple[int, ...]
_ROOT = Path(__file__).parents[2]


class Told(NamedTuple):
    """A value as snmpd wants it: "integer", "gauge", "counter", "timeticks", "string", "octet" (hex) or "objectid"."""

    kind: str
    text: str


def line(base: str, module: str, *arguments: str) -> str:
    """Everything at and below ``base`` is told by this module ("tests.lab.bridge_mib")."""
    command = f"/usr/bin/env PYTHONPATH={_ROOT} {sys.executable} -m {module} {' '.join(arguments)}"
    return f"pass_persist .{base} {command}"


def whole(number: int) -> Told:
    return Told("integer", str(number))


def octets(value: bytes) -> Told:
    return Told("octet", value.hex(" "))


def arcs(text: str) -> Oid:
    return tuple(map(int, text.strip(".").split(".")))


def serve(values: Callable[[], Mapping[Oid, Told]]) -> None:
    """Answers snmpd until it goes; ``values()`` is asked at each question."""
    while word := sys.stdin.readline():
        if word.strip() == "PING":
            print("PONG", flush=True)
            continue
        asked = arcs(sys.stdin.readline())
        if word.strip() == "set":
            sys.stdin.readline()
            print("not-writable", flush=True)
            continue
        now = values()
        found = asked if word.strip() == "get" else min((oid for oid in now if oid > asked), default=())
        if found in now:
            print(f".{'.'.join(map(str, found))}\n{now[found].kind}\n{now[found].text}", flush=True)
        else:
            print("NONE", flush=True)
