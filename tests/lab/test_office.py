"""The whole agent finds out by itself how an office is wired, and what a dead switch takes along (kpi/README.md R1)."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import NotReadyError, wait_until
from tests.lab.hosts import states
from tests.lab.office import ADDRESSES, Office
from tests.programs import need_lab

pytestmark = pytest.mark.lab

BEHIND = {
    "switch-1": [],
    "router": ["switch-1"],
    "host-1": ["switch-1"],
    "switch-2": ["switch-1"],
    "host-2": ["switch-2"],
}
LINKS = {
    ("router", "uplink", "switch-1", "to-router", "lldp", True),
    ("switch-1", "to-switch-2", "switch-2", "to-switch-1", "lldp", True),
    ("host-1", "", "switch-1", "to-host-1", "forwarding", False),
    ("host-2", "", "switch-2", "to-host-2", "forwarding", False),
}  # fmt: skip
WIRED_S = 150
"""The agent looks once a minute, and two looks running must agree."""
DOWN_S, UP_S = 5.5, 3.0
"""agent/README.md: so soon is a device down, or up again."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    need_lab("snmpd", "lldpd", "ping")
    with Office(tmp_path) as made:
        yield made


def topology(sonda: SondaRun) -> dict[str, Any]:
    found: dict[str, Any] = sonda.json("/api/v1/topology")
    return found


def parents(sonda: SondaRun) -> dict[str, list[str]]:
    return {node["id"]: node["parents"] for node in topology(sonda)["nodes"]}


def open_incidents(sonda: SondaRun) -> list[dict[str, Any]]:
    return [incident for incident in sonda.json("/api/v1/incidents") if incident["closed"] is None]


def becomes(sonda: SondaRun, expected: dict[str, str], within_s: float) -> None:
    """Waits for these states. NotReadyError says how it went."""
    seen: list[dict[str, str]] = []

    def there() -> bool:
        now = states(sonda)
        if now not in seen[-1:]:
            seen.append(now)
        return now == expected

    try:
        wait_until(there, f"states {expected}", within_s)
    except NotReadyError as fault:
        fault.add_note("\n".join(map(str, [*seen, open_incidents(sonda)])))
        raise


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_tree_is_found_and_a_dead_switch_hides_what_is_behind_it(office: Office) -> None:
    with office.sonda() as sonda:
        wait_until(lambda: set(states(sonda).values()) == {"up"}, "all are up", 15)
        began = time.monotonic()
        wait_until(lambda: parents(sonda) == BEHIND, "parents are known", WIRED_S, every_s=1)
        print(f"wired after {time.monotonic() - began:.0f} s")
        found = topology(sonda)
        print(found["links"], found["probe"])
        assert {n["id"] for n in found["nodes"] if n["derived"]} == set(BEHIND) - {"switch-1"}
        ends = [(x["a"], x["b"], x["by"], x["confirmed"]) for x in found["links"]]
        assert {(a["device"], a["port"], b["device"], b["port"], by, sure) for a, b, by, sure in ends} == LINKS
        assert (found["probe"]["device"], found["probe"]["port"]) == ("switch-1", "to-probe")

        for switch, port, dead, behind in (
            ("switch-1", "probe", "switch-1", {"router", "switch-2", "host-1", "host-2"}),
            ("switch-1", "switch-2", "switch-2", {"host-2"}),
        ):
            office.cut(switch, port)
            expected = {name: "unknown" if name in behind else "up" for name in ADDRESSES} | {dead: "down"}
            becomes(sonda, expected, DOWN_S + 1)
            time.sleep(2)  # nothing else follows
            assert states(sonda) == expected
            (incident,) = open_incidents(sonda)
            print(incident)
            assert (incident["entity"], set(incident["hides"])) == (dead, behind)
            office.mend(switch, port)
            becomes(sonda, dict.fromkeys(ADDRESSES, "up"), UP_S + 3)
            assert open_incidents(sonda) == []
        assert parents(sonda) == BEHIND
        assert len(sonda.json("/api/v1/incidents")) == 2
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log
