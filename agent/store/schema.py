"""The tables, as named migrations that are applied in order and never changed afterwards."""

from collections.abc import Callable
from typing import Any

from agent.store.db import Connection, Migrations, in_memory, tools
from agent.store.errors import StoreCorrupt, StoreTooNew

migrations: Any = Migrations("store")

_Step = Callable[[Any], None]


def _step(function: _Step) -> _Step:
    migrations()(function)
    return function


@_step
def m001_windows(db: Any) -> None:
    """Windows by packed key (keys.py); names that occur in every row as numbers; undated windows by arrival."""
    db.create_table(
        "word", {"number": int, "sort": str, "text": str}, pk=("sort", "number"), not_null={"text"}, strict=True
    )
    db["word"].create_index(["sort", "text"], unique=True)
    db.create_table("boot", {"number": int, "id": str, "offset_s": float}, pk="number", strict=True)
    packed = {"boot": int, "mono_start": float, "revision": int, "dictionary": int, "body": bytes}
    db.create_table("window", {"key": int} | packed, pk="key", strict=True)
    db.create_table("undated", {"id": int, "entity": int, "kind": int, "length_s": int} | packed, pk="id", strict=True)
    db.create_table("dictionary", {"number": int, "label": str, "body": bytes}, pk="number", strict=True)
    db.execute("CREATE TABLE tally (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    db.create_table("setting", {"name": str, "value": str}, pk="name", strict=True)


@_step
def m002_outbox(db: Any) -> None:
    """Messages by a running number that goes on over streams: seq = id - stream.base. ``waiting`` holds the ranges of
    ids without a PUBACK, so that a delivery mark rewrites a row or two, never the message. ``day`` says which id was
    the first of a UTC day."""
    db.create_table(
        "stream",
        {"number": int, "id": str, "base": int, "predecessor": str, "reason": str, "began_utc": int},
        pk="number",
        strict=True,
    )
    db.create_table(
        "message",
        {"id": int, "topic": int, "retain": int, "size": int, "dictionary": int, "body": bytes},
        pk="id",
        strict=True,
    )
    db.create_table("digest", {"id": int, "sha256": bytes}, pk="id", strict=True)
    db.create_table("waiting", {"first": int, "last": int}, pk="first", strict=True)
    db.create_table("day", {"utc_day": int, "first_id": int}, pk="utc_day", strict=True)


@_step
def m003_ledger(db: Any) -> None:
    """State changes, incidents, last counter readings, the registry of devices."""
    db.create_table(
        "state",
        {
            "id": int,
            "entity": int,
            "aspect": str,
            "boot": int,
            "mono_at": float,
            "utc_at": float,
            "state": str,
            "reason": str,
        },
        pk="id",
        strict=True,
    )
    db["state"].create_index(["entity", "utc_at"])
    db.create_table(
        "incident", {"id": str, "opened_utc": float, "closed_utc": float, "body": str}, pk="id", strict=True
    )
    db["incident"].create_index(["opened_utc"])
    db.create_table(
        "counters",
        {"entity": int, "boot": int, "mono_at": float, "utc_at": float, "dictionary": int, "body": bytes},
        pk="entity",
        strict=True,
    )
    db.create_table(
        "device", {"id": str, "name": str, "first_seen_utc": float, "keys": str, "about": str}, pk="id", strict=True
    )


SEALED = (
    "word",
    "boot",
    "window",
    "undated",
    "dictionary",
    "tally",
    "stream",
    "message",
    "waiting",
    "state",
    "incident",
    "counters",
    "device",
)


@_step
def m004_seals(db: Any) -> None:
    """A checksum a row (seals.py), as the last column: rows written before have none."""
    for table in SEALED:
        db.execute(f"ALTER TABLE {table} ADD COLUMN seal INTEGER")


def migrate(con: Connection) -> tuple[str, ...]:
    """Apply what is missing; the names of what was applied. Raises StoreTooNew where the file knows later ones."""
    db = tools(con)
    applied = {step.name for step in migrations.applied(db)}
    own = own_migrations()
    if (later := sorted(applied - own)) and own - applied:
        raise StoreCorrupt(f"The list of its tables' versions is damaged: {', '.join(later)}.")
    if later:
        raise StoreTooNew(
            f"The database was written by a later Sonda ({', '.join(later)}). Install that version, or move the file "
            "away to start again."
        )
    pending = tuple(step.name for step in migrations.pending(db))
    migrations.apply(db)
    return pending


def own_migrations() -> set[str]:
    """The names of all migrations this version knows."""
    with in_memory() as empty:
        return {step.name for step in migrations.pending(tools(empty))}
