"""Small faults put at random into kpi/ and the stages of the data path: how many of them do the tests notice?

``make mutation ARGS="--number 300 --seed 7"`` lets cosmic-ray make the faults (a comparison, an operator, a constant, and
for or, a loop that does nothing), each in a copy of the tree, and runs the tests of its room. It prints each fault that
survived, with its explanation where tests/mutation.toml has one, and the share that was noticed; exit 1 where that is
below 95 %, or where a survivor has no explanation.
"""

import argparse
import importlib
import operator
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COSMIC_RAY = ROOT / ".venv-mutation" / "bin" / "cosmic-ray"
SHARE = 0.95
TIMEOUT_S = 300.0
"""A fault that makes a loop endless is noticed by this."""
NO_FAULTS = ("core/ReplaceBinaryOperator_BitOr_%", "core/RemoveDecorator", "core/ExceptionReplacer")
"""Of annotations (int | None), of dataclasses and of imports: what these break does not even load."""
EXPLAINED = ROOT / "tests" / "mutation.toml"
_COMPARISON = re.compile(r"core/ReplaceComparisonOperator_(Is|IsNot)_(Eq|NotEq|Lt|LtE|Gt|GtE)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "Is": operator.is_, "IsNot": operator.is_not, "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt,
    "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge,
}  # fmt: skip


class Room(NamedTuple):
    """Modules that are changed, and the tests that have to notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


_STAGES = {
    "monitor": "core measuring",
    "polled": "gear fabric core",
    "timeline": "timeline core_clock life",
    "windows": "core core_maintenance entities",
    "summaries": "summaries billed",
    "statuses": "statuses statuses_kept",
    "folds": "folds billed",
    "restating": "restating restating_kinds",
    "history": "history core",
    "recorder": "recorder",
}
"""The stages of the data path, and which tests are asked first: most faults are noticed by a stage's own, in seconds."""
ROOMS = (
    Room(("kpi",), ("tests/kpi",)),
    *(
        Room(
            (f"agent/{stage}.py",), (*(f"tests/agent/test_{own}.py" for own in first.split()), "tests/agent/test_*.py")
        )
        for stage, first in _STAGES.items()
    ),
    Room(("agent/store/outbox.py", "agent/store/retention.py", "agent/store/packing.py"), ("tests/agent/store",)),
    Room(("agent/publisher_drain.py", "agent/publisher_acks.py", "agent/publisher_refusals.py"), ("tests/agent/mqtt",)),
)


class Fault(NamedTuple):
    outcome: str
    diff: str

    def because(self, explained: Sequence["Explanation"]) -> str:
        """Why nobody can notice it; "" where that is not known."""
        lines = self.diff.splitlines()
        was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
        is_ = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
        alike = (e for e in explained if f"--- a/{e.module}" in lines and was == [e.line] and {*is_} <= {*e.becomes})
        return next((e.because for e in alike), "")


class Explanation(NamedTuple):
    """A line of a module, what it may become without anybody noticing, and why."""

    module: str
    line: str
    becomes: tuple[str, ...]
    because: str

    def is_stale(self) -> bool:
        """The module has no such line any more."""
        lines = (ROOT / self.module).read_text(encoding="utf-8").splitlines()
        return self.line not in {line.strip() for line in lines}


def explanations() -> list[Explanation]:
    table = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["explained"]
    return [Explanation(row["module"], row["line"], tuple(row["becomes"]), row["because"]) for row in table]


def no_fault(module: str, made_by: str, after: str) -> bool:
    """Whether what ``made_by`` puts in the place of an operator changes nothing; ``after`` is the text of the line
    behind that operator.

    The star of keyword-only parameters is no multiplication: as a slash it lets callers do more, as anything else the
    module does not load. A comparison with a member of an enumeration (``is State.DOWN``) is the same comparison where
    the other operator gives the same for each of its members, as ``==`` does, and ``<=`` for the one that sorts first.
    """
    if made_by.startswith("core/ReplaceBinaryOperator_Mul_"):
        return after.startswith(",")
    found, member = _COMPARISON.fullmatch(made_by), re.match(r"\s*(\w+)\.(\w+)", after)
    if found is None or member is None:
        return False
    kind = getattr(importlib.import_module(module.removesuffix(".py").replace("/", ".")), member[1], None)
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return False
    was, is_ = (_COMPARE[name] for name in found.groups())
    try:
        return all(was(each, kind[member[2]]) == is_(each, kind[member[2]]) for each in kind)
    except TypeError:  # members of this enumeration have no order
        return False


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300, help="faults, at random over all rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only modules whose path begins so")
    chosen = parser.parse_args(arguments)
    explained = explanations()
    if stale := [one for one in explained if one.is_stale()]:
        print(*(f"{EXPLAINED.name} explains what is not in {one.module}: {one.line}" for one in stale), sep="\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        found = _run(Path(folder), chosen.number, random.Random(chosen.seed), chosen.jobs, chosen.only)
    counted = Counter(fault.outcome for fault in found)
    survived = [(fault, fault.because(explained)) for fault in found if fault.outcome == "SURVIVED"]
    for fault, because in survived:
        print(fault.diff, because or "NOT EXPLAINED", sep="\n", end="\n\n")
    noticed = counted["KILLED"]
    print(f"{noticed} of {noticed + counted['SURVIVED']} faults were noticed, {counted['INCOMPETENT']} did not load.")
    enough = noticed >= SHARE * (noticed + counted["SURVIVED"])
    return 0 if enough and all(because for _, because in survived) else 1


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
    every = Room((), tuple(sorted({tests for room in rooms.values() for tests in room.tests})))
    subprocess.run(["sh", "-c", _tests_of(every)], cwd=trees[0], check=True, stdout=subprocess.DEVNULL)

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
        specs = db.execute(
            "SELECT job_id, module_path, operator_name, start_pos_row, end_pos_col FROM mutation_specs"
        ).fetchall()
        for job, module, made_by, row, end in specs:
            line = (tree / module).read_text(encoding="utf-8").splitlines()[row - 1]
            if no_fault(module, made_by, line[end:]):
                _drop(db, "SELECT ?", (job,))


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
