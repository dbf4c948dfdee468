"""The store itself, read and never written: can it be read, how large is it, what does it hold, what waits?"""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from agent.doctor.model import Case, Finding, attention, ok, problem, spoken
from agent.settings.convert import store_limits
from agent.settings.models import Settings
from agent.store.db import open_reader, translated
from agent.store.errors import StoreCorrupt, StoreError
from agent.store.model import Report
from agent.store.report import report
from agent.threads import in_thread

GOOD = ok("store.ok")
NONE = ok("store.none", "The agent makes it at its first start.")
DAMAGED = problem(
    "store.damaged",
    "At its next start the agent sets the file aside under a dated name and begins a new one; a message says what is "
    "missing.",
    "Restart the agent. If it happens again, the disk or card is failing: replace it.",
)
UNREADABLE = attention(
    "store.unreadable",
    "What the store holds could not be looked at; this says nothing of the agent, which runs as another user.",
    "Run the doctor as root or as the agent's user.",
)
STRANGE = problem(
    "store.strange",
    "The agent cannot use it, and does not start.",
    "Set `path` in [store] to a file of Sonda's own, or move this one away.",
)
WAITING = attention(
    "store.waiting",
    "The broker has not taken them yet: see the section Broker. They are kept while there is room.",
    "Mend the connection; they are then sent by themselves, the newest first.",
)
AHEAD = problem(
    "store.ahead",
    "Either the clock was wrong then, or it is wrong now. What is measured has no dates until it passes that time.",
    "Set the clock right, see the section Clock. If it was wrong then, move the store away and restart.",
)
WAITING_DAYS = 0.5
AHEAD_S = 120.0
DAY_S = 86400.0
BY_THE_DAY = {"acknowledged", "digests"}
"""Their age counts from midnight: a store of this minute would hold twelve hours at noon."""


async def check(case: Case) -> list[Finding]:
    if case.settings is None:
        return []
    return await in_thread(_look, case, case.settings)


def _look(case: Case, settings: Settings) -> list[Finding]:
    path = settings.store.path
    try:
        if not path.exists():
            return [NONE.found(f"There is no store at {path} yet.")]
        held, newest = _read(case, settings, path)
    except StoreCorrupt as error:
        if "no such table" in str(error.__cause__):
            return [STRANGE.found(f"{path} is a database, and none of Sonda's.")]
        return [DAMAGED.found(f"{path} is damaged ({error.__cause__ or 'SQLite says so'}).")]
    except (StoreError, PermissionError) as error:
        cause = error.__cause__ or error
        return [UNREADABLE.found(f"{path} cannot be read by this user ({cause}).")]
    unsent = next(kind for kind in held.held if kind.kind == "unsent")
    days = max((kind.days for kind in held.held if kind.kind not in BY_THE_DAY), default=0.0)
    left = f", room for {spoken(held.days_left * DAY_S)} more" if held.days_left is not None else ""
    seen = f"{path}: {held.bytes_file / 1e6:.1f} MB, holds {spoken(days * DAY_S)}{left}; {_messages(unsent.rows)}."
    facts = {"bytes": held.bytes_file, "days": round(days, 2), "days_left": held.days_left, "unsent": unsent.rows}
    found = [GOOD.found(seen, facts=facts)]
    if unsent.rows and unsent.days > WAITING_DAYS:
        found.append(WAITING.found(f"{_messages(unsent.rows)}, the oldest since {_day(unsent.oldest_utc)}."))
    if newest is not None and newest > case.clock.utc() + AHEAD_S:
        now = _minute(case.clock.utc())
        found.append(AHEAD.found(f"The newest entry is of {_minute(newest)}, and the clock shows {now}."))
    return found


def _read(case: Case, settings: Settings, path: Path) -> tuple[Report, float | None]:
    """What is held, and when the agent was last alive in UTC. Raises StoreError."""
    alone = not path.with_name(f"{path.name}-wal").exists()
    with translated(path), closing(open_reader(path, alone=alone)) as con:
        held = report(con, path, store_limits(settings.store), case.clock.utc(), 0)
        row = con.execute("SELECT max(utc_at) FROM counters").fetchone()
    return held, row[0]


def _messages(count: int) -> str:
    return "1 message waits" if count == 1 else f"{count} messages wait"


def _day(utc: float | None) -> str:
    return "a day that is not known" if utc is None else f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%d}"


def _minute(utc: float) -> str:
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%d %H:%M} UTC"
