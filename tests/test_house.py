"""The house rules that a program can hold: imports run one way, and each outside part has one owner.

OWNERS is the room map: who wants to know where SQLite, MQTT or a clock is touched looks here.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"kpi": set[str](), "collectors": {"kpi"}, "config": set[str](), "agent": {"kpi", "collectors", "config"}}

OWNERS = {
    "sqlite3": ("agent/store/db.py",),
    "sqlite_utils": ("agent/store/db.py",),
    "aiomqtt": ("agent/mqtt.py",),
    "paho": ("agent/mqtt.py",),
    "cryptography": ("collectors/snmp/usm.py", "agent/doctor/certificate.py"),
    "psutil": ("agent/vitals.py",),
    "time": ("collectors/clock.py",),  # and with it the wall clock: see test_the_wall_clock_is_read_in_one_place
    "fcntl": ("collectors/link.py", "agent/store/opening.py"),  # interface flags; the lock on the database
    "fastapi": ("agent/api/",),
    "starlette": ("agent/api/",),
    "uvicorn": ("agent/api/",),
    "jinja2": ("agent/api/",),
    "typer": ("agent/cli/",),
    "rich": ("agent/cli/",),
    "pydantic": ("agent/settings/", "agent/profiles/", "agent/api/"),
    "annotated_types": ("agent/settings/",),
    "pydantic_core": ("agent/settings/", "agent/profiles/"),
    "icmplib": ("agent/doctor/second_icmp.py",),
    "pysnmp": ("agent/demo/snmp.py", "agent/doctor/second_snmp.py", "collectors/snmp/traps/decoder.py"),
    "amqtt": ("agent/demo/broker.py",),
    "pyasn1": ("collectors/snmp/traps/decoder.py",),  # stands below pysnmp, which lets its errors through
    # only tests use these: packet captures, browsers
    "scapy": (),
    "httpx": (),
    "playwright": (),
}
PURE = {"time", "asyncio", "threading", "socket", "logging", "random", "os", "pathlib", "io", "subprocess", "datetime"}
"""What kpi/ must not import even though it is the standard library: it would read a clock, or do input and output."""


def modules() -> list[Path]:
    return [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno


def wrong_imports(path: Path, relative: str) -> list[str]:
    """What this file imports against the rules, one sentence each; ``relative`` says where it is taken to lie."""
    room = relative.split("/", maxsplit=1)[0]
    found = []
    for name, line in imports(path):
        top = name.split(".")[0]
        if (top in ROOMS or top == "tests") and top != room and top not in ROOMS[room]:
            found.append(
                f"{relative}:{line} imports {name}: {room} may import {sorted(ROOMS[room]) or 'no other room'}"
            )
        if room == "kpi" and top != "kpi" and (top not in sys.stdlib_module_names or top in PURE):
            found.append(f"{relative}:{line} imports {name}: kpi is pure and takes the standard library only")
        if top in OWNERS and not any(
            relative == o or (o.endswith("/") and relative.startswith(o)) for o in OWNERS[top]
        ):
            found.append(f"{relative}:{line} imports {name}: it belongs to {OWNERS[top] or 'tests alone'}")
        if top not in OWNERS and top not in ROOMS and top not in sys.stdlib_module_names:
            found.append(f"{relative}:{line} imports {name}, which has no owner in tests/test_house.py")
    return found


def test_imports_run_one_way_and_every_part_has_its_owner() -> None:
    found = [w for path in modules() for w in wrong_imports(path, path.relative_to(ROOT).as_posix())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("relative", "code"),
    [
        ("kpi/x.py", "import agent.app"),
        ("kpi/x.py", "from collectors.clock import Clock"),
        ("kpi/x.py", "import asyncio"),
        ("collectors/x.py", "from agent import scheduler"),
        ("agent/x.py", "import sqlite3"),
        ("agent/x.py", "def f():\n    import paho.mqtt"),
        ("agent/x.py", "import time"),
        ("agent/x.py", "import requests"),
        ("agent/x.py", "from tests.doubles import ManualClock"),
    ],
)
def test_the_check_itself_can_fail(tmp_path: Path, relative: str, code: str) -> None:
    path = tmp_path / "x.py"
    path.write_text(code)
    assert wrong_imports(path, relative)


def test_the_wall_clock_is_read_in_one_place() -> None:
    found = []
    for path in modules():
        relative = path.relative_to(ROOT).as_posix()
        if relative == "collectors/clock.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"now", "utcnow", "today"}
                and ast.unparse(node.value) in {"datetime", "date", "datetime.datetime", "datetime.date"}
            ):
                found.append(f"{relative}:{node.lineno} reads a clock ({ast.unparse(node)})")
    assert not found, "\n".join(found)


BOUNDARIES = {
    "agent/boundary.py": "the one place that catches the unexpected",
    "agent/store/writer.py": "hands what went wrong in the writer's thread to whoever waits for it",
}


def test_there_is_one_boundary() -> None:
    """Elsewhere everything may only be caught to clean up and raise it again."""
    found = []
    for path in modules():
        relative = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and relative not in BOUNDARIES:
                names = {ast.unparse(node.type)} if node.type else {"everything"}
                raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                if names & {"Exception", "BaseException", "everything"} and not raises_again:
                    found.append(f"{relative}:{node.lineno} catches {names}")
    assert not found, "\n".join(found)


def test_nothing_is_left_open() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "NotImpl" + "emented")
    found = [f"{path.relative_to(ROOT)}: {word}" for path in modules() for word in words if word in path.read_text()]
    assert not found, "\n".join(found)


def makers() -> set[str]:
    """The makes that profiles name."""
    found = set()
    for path in (ROOT / "config" / "profiles").glob("*.toml"):
        sources = tomllib.loads(path.read_text()).get("identity", {}).get("vendor", [])
        for source in sources if isinstance(sources, list) else [sources]:
            found |= {source["text"]} if "text" in source else set()
    return found - ORDINARY_WORDS


ORDINARY_WORDS = frozenset({"Delta", "HP"})
"""Makes that are words of another meaning too: a difference, and the letters of a struct's format."""
KEYS_ALONE = frozenset(
    {
        "agent/doctor/second_snmp.py",
        "agent/settings/models.py",
        "collectors/snmp/credentials.py",
        "collectors/snmp/traps/decoder.py",
    }
)
"""SNMPv3 has a way of lengthening keys that goes by a make's name and no other."""
CITING = "kpi/entries_"
"""The catalogue cites whoever published a threshold."""


def test_no_make_is_named_outside_its_profile() -> None:
    """A new make is data: the engine knows none (STYLE.md 2)."""
    words = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, makers()))) + r")\b")
    found = []
    for room in ("agent", "collectors", "kpi"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in {".py", ".html", ".js", ".css"}:
                relative = path.relative_to(ROOT).as_posix()
                if relative in KEYS_ALONE or relative.startswith(CITING):
                    continue
                for number, text in enumerate(path.read_text().splitlines(), 1):
                    if match := words.search(text):
                        found.append(f"{relative}:{number} names {match[0]}")
    assert len(makers()) > 40
    assert not found, "\n".join(found)


def test_nothing_sends_its_reader_to_a_document_that_is_not_in_this_repository() -> None:
    """What code cites stands in the READMEs: rules R1 to R12 in kpi/README.md, what is asked of the agent in its own."""
    elsewhere = re.compile(r"\b(?:KPI|DESIGN|FIELD|PAGE|STYLE)\.md\b|\bDESIGN,? section\b")
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    found = []
    for name in listed.splitlines():
        path = ROOT / name
        if path == Path(__file__) or path.suffix in {".png", ".snmprec"} or not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [
            f"{name}:{number} cites {at[0]}" for number, line in enumerate(lines, 1) if (at := elsewhere.search(line))
        ]
    assert not found, "\n".join(found)
    rules = (ROOT / "kpi/README.md").read_text()
    cited = {int(at) for name in listed.splitlines() if name.endswith(".py")
             for at in re.findall(r"(?:rule|kpi/README\.md) R(\d+)\b", (ROOT / name).read_text())}  # fmt: skip
    assert cited and all(f"**R{number} " in rules or f"**R{number}." in rules for number in cited), cited
