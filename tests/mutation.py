"""Small faults put at random into kpi/ and the stages of the data path: how many of them do the tests notice?

``make mutation ARGS="--number 300 --seed 7"`` lets cosmic-ray make the faults (a comparison, an operator, a constant, and
for or, a loop that does nothing), each in a copy of the tree, and runs the tests of its room. It prints each fault that
survived, and the share that was noticed; exit 1 where that is below 95 %.
"""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COSMIC_RAY = ROOT / ".venv-mutation" / "bin" / "cosmic-ray"
SHARE = 0.95
TIMEOUT_S = 300.0
"""A fault that makes a loop endless is noticed by this."""
NO_FAULTS = ("core/ReplaceBinaryOperator_BitOr_%", "core/RemoveDecorator", "core/ExceptionReplacer")
"""Of annotations (int | None), of dataclasses and of imports: what these break does not even load."""


class Room(NamedTuple):
    """Modules that are changed, and the tests that have to notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


_STAGES = (
    "monitor",
    "polled",
    "timeline",
    "windows",
    "summaries",
    "statuses",
    "folds",
    "restating",
    "history",
    "recorder",
)
ROOMS = (
    Room(("kpi",), ("tests/kpi",)),
    Room(tuple(f"agent/{stage}.py" for stage in _STAGES), ("tests/agent/test_*.py",)),
    Room(("agent/store/outbox.py", "agent/store/retention.py", "agent/store/packing.py"), ("tests/agent/store",)),
    Room(("agent/publisher_drain.py", "agent/publisher_acks.py", "agent/publisher_refusals.py"), ("tests/agent/mqtt",)),
)


class Fault(NamedTuple):
    outcome: str
    diff: str


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300, help="faults, at random over all rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only modules whose path begins so")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        found = _run(Path(folder), chosen.number, random.Random(chosen.seed), chosen.jobs, chosen.only)
    counted = Counter(fault.outcome for fault in found)
    for fault in found:
        if fault.outcome == "SURVIVED":
            print(fault.diff, end="\n\n")
    noticed = counted["KILLED"]
    print(f"{noticed} of {noticed + counted['SURVIVED']} faults were noticed, {counted['INCOMPETENT']} did not load.")
    return 0 if noticed >= SHARE * (noticed + counted["SURVIVED"]) else 1


def _run(folder: Path, number: int, rng: random.Random, jobs: int, only: str) -> list[Fault]:
    """Every room's faults are listed in one database each; a job gets a share of each and a tree of its own."""
    listed = []
    for index, room in enumerate(ROOMS):
        modules = [m for m in room.modules if m.startswith(only) or only.startswith(m)]
        if modules:
            session = folder / f"room-{index}.sqlite"
            _list_faults(_copy(folder / f"listing-{index}"), session, room, modules)
            listed += [(session, room, job) for job in _job_ids(session, only)]
    drawn = rng.sample(listed, min(number, len(listed)))
    print(f"{len(drawn)} of {len(listed)} possible faults, seed as given, {jobs} side by side", flush=True)
    shares: dict[tuple[int, Path], list[str]] = {}
    rooms = {session: room for session, room, _ in drawn}
    for turn, (session, _, job) in enumerate(drawn):
        shares.setdefault((turn % jobs, session), []).append(job)
    trees = [_copy(folder / f"tree-{worker}") for worker in range(jobs)]
    for room in set(rooms.values()):
        subprocess.run(["sh", "-c", _tests_of(room)], cwd=trees[0], check=True, stdout=subprocess.DEVNULL)

    def work(worker: int) -> list[Fault]:
        found: list[Fault] = []
        for (owner, session), ids in shares.items():
            if owner == worker:
                mine = folder / f"{worker}-{session.name}"
                shutil.copy(session, mine)
                _keep(mine, ids)
                _cosmic_ray(trees[worker], "exec", _configuration(mine, rooms[session], rooms[session].modules), mine)
                found += _outcomes(mine)
                print(f"{len(found)} faults of {session.stem} and before it are through", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return [fault for found in pool.map(work, range(jobs)) for fault in found]


def _copy(tree: Path) -> Path:
    """What git knows of, as it is in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    return tree


def _tests_of(room: Room) -> str:
    """As a line for the shell; without a fault it must pass, or every fault would look noticed."""
    return f"{sys.executable} -m pytest -x -q -m 'not long' -p no:cacheprovider {' '.join(room.tests)}"


def _configuration(session: Path, room: Room, modules: Sequence[str]) -> Path:
    file = session.with_suffix(".toml")
    file.write_text(
        "[cosmic-ray]\n"
        f"module-path = {list(modules)}\n"
        f"timeout = {TIMEOUT_S}\nexcluded-modules = []\n"
        f'test-command = "sh -c \\"{_tests_of(room)}\\""\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    return file


def _list_faults(tree: Path, session: Path, room: Room, modules: Sequence[str]) -> None:
    _cosmic_ray(tree, "init", _configuration(session, room, modules), session)
    with sqlite3.connect(session) as db:
        for pattern in NO_FAULTS:
            _drop(db, "SELECT job_id FROM mutation_specs WHERE operator_name LIKE ?", (pattern,))


def _cosmic_ray(tree: Path, what: str, *paths: Path) -> None:
    subprocess.run([str(COSMIC_RAY), what, *map(str, paths)], cwd=tree, check=True, stdout=subprocess.DEVNULL)


def _job_ids(session: Path, only: str) -> list[str]:
    with sqlite3.connect(session) as db:
        query = (
            "SELECT job_id FROM mutation_specs WHERE module_path LIKE ? ORDER BY module_path, operator_name, occurrence"
        )
        rows = db.execute(query, (f"{only}%",)).fetchall()
    return [job for (job,) in rows]


def _keep(session: Path, jobs: Sequence[str]) -> None:
    with sqlite3.connect(session) as db:
        db.execute("CREATE TEMP TABLE kept (job_id)")
        db.executemany("INSERT INTO kept VALUES (?)", [(job,) for job in jobs])
        _drop(db, "SELECT job_id FROM mutation_specs WHERE job_id NOT IN (SELECT job_id FROM kept)", ())


def _drop(db: sqlite3.Connection, which: str, values: Sequence[str]) -> None:
    ids = db.execute(which, values).fetchall()
    for table in ("mutation_specs", "work_items"):
        db.executemany(f"DELETE FROM {table} WHERE job_id = ?", ids)


def _outcomes(session: Path) -> list[Fault]:
    with sqlite3.connect(session) as db:
        rows = db.execute("SELECT test_outcome, worker_outcome, diff FROM work_results").fetchall()
    return [Fault(outcome if worker == "NORMAL" else "INCOMPETENT", diff or "") for outcome, worker, diff in rows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
