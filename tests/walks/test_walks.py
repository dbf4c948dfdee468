"""Every recorded walk here, polled as if it were the device: what its profile makes of it stands beside it.

NAME.snmprec is a walk (`sonda profile record`), NAME.json the parts of the poll document that it must give, readings as
[kind, name, value]. The walks here are made up after the MIBs, not taken from anybody's device.

`python -m tests.walks.test_walks` writes what new walks give, to be read before it is committed.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.profiles import load_library
from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.document import PollTarget, poll_document
from tests.collectors.snmp_device.scripted import OID, ScriptedAgent, Typed, arcs, serving

LIBRARY = load_library()

HERE = Path(__file__).parent
WALKS = sorted(path.stem for path in HERE.glob("*.snmprec"))
IP_ADDRESS = 0x40
_READINGS = frozenset({"wireless", "sensors", "other"})
_PARTS = ("identity", "wireless", "sensors", "other", "neighbors", "bgp_peers", "ospf_neighbors", "stp")


def agent_of(file: Path) -> ScriptedAgent:
    """An agent that says what the walk says."""
    values = {}
    for row in file.read_text(encoding="ascii").splitlines():
        name, tag, said = row.split("|", 2)
        values[arcs(name)] = _typed(tag, said)
    return ScriptedAgent(values)


def _typed(tag: str, said: str) -> Typed:
    if tag.endswith("x"):
        return int(tag[:-1]), bytes.fromhex(said)
    kind = int(tag)
    if kind == OID:
        return kind, arcs(said)
    if kind == IP_ADDRESS:
        return kind, bytes(arcs(said))
    return (kind, said.encode()) if kind == 4 else (kind, int(said))


def told(document: dict[str, Any], part: str) -> Any:
    """A part of the document as the expectation writes it."""
    if part in _READINGS:
        return [[one["kind"], one["name"], one["value"]] for one in document[part]]
    if isinstance(document[part], list):
        return [{key: value for key, value in row.items() if value not in {"", None}} for row in document[part]]
    return document[part]


def test_there_are_walks() -> None:
    assert len(WALKS) >= 3


async def polled(file: Path) -> dict[str, Any]:
    """The poll document of a device that says what the walk says."""
    async with serving(agent_of(file)) as agent, SnmpClient(SystemClock()) as client:
        target = PollTarget(file.stem, "127.0.0.1", agent.port, Community("2c", b"public"))
        return await poll_document(client, SystemClock(), target, LIBRARY)


@pytest.mark.parametrize("name", WALKS)
async def test_a_walk_gives_what_stands_beside_it(name: str) -> None:
    beside = HERE / f"{name}.json"
    assert beside.exists(), "what must come of it is missing: python -m tests.walks.test_walks writes what comes of it"
    expected = json.loads(beside.read_text())
    document = await polled(HERE / f"{name}.snmprec")
    assert document["errors"] == []
    assert {part: told(document, part) for part in expected} == expected


def expectation(document: dict[str, Any]) -> str:
    """All that the device has, a row a line."""
    parts = []
    for part in _PARTS:
        if said := told(document, part):
            rows = [json.dumps(row) for row in said] if isinstance(said, list) else []
            parts.append(f'  "{part}": ' + ("[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else json.dumps(said)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    for missing in (HERE / f"{name}.json" for name in WALKS):
        if not missing.exists():
            missing.write_text(expectation(asyncio.run(polled(missing.with_suffix(".snmprec")))))
            print(f"{missing}\n{missing.read_text()}", end="")
