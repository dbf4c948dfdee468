"""How full the store is, from totals kept with each transaction; only the oldest of each kind is looked up."""

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agent.store.db import Connection, free_bytes, pragma
from agent.store.keys import LENGTHS, key_parts
from agent.store.model import MONTH, Dropped, Held, Report, StoreSettings
from agent.store.outbox import sound_messages
from agent.store.packing import Unpacker
from agent.store.words import UNSENT_FIRST

_DAY_S = 86400.0


def nothing(path: Path, settings: StoreSettings) -> Report:
    """Where the database cannot be read now."""
    free = max(free_bytes(path), 0)
    return Report(0, 0, settings.max_bytes, free, 0, (), (), None, 0, 0)


def report(con: Connection, path: Path, settings: StoreSettings, now_utc: float, ballast_bytes: int) -> Report:
    """For `info`, page and `sonda status`."""
    tally: dict[str, int] = dict(con.execute("SELECT name, value FROM tally").fetchall())
    page_size, pages, free = (pragma(con, name) for name in ("page_size", "page_count", "freelist_count"))
    used = (pages - free) * page_size + _log_bytes(path, settings.wal_bytes) + ballast_bytes
    held = [_windows(con, tally, length_s, now_utc) for length_s in LENGTHS]
    held += _messages(con, tally, now_utc)
    held.append(Held("undated", tally.get("undated/rows", 0), tally.get("undated/bytes", 0), None, 0.0))
    return Report(
        bytes_used=used,
        bytes_file=pages * page_size,
        bytes_limit=settings.max_bytes,
        bytes_free_on_disk=max(free_bytes(path), 0),
        ballast_bytes=ballast_bytes,
        held=tuple(held),
        dropped=_dropped(tally),
        days_left=_days_left(settings, held, (pages - free) * page_size, settings.max_bytes - used),
        page_size=page_size,
        freelist_bytes=free * page_size,
    )


def _log_bytes(path: Path, meant: int) -> int:
    """Of the write-ahead log: what it is meant to take, or what it does take where a reader has made it grow."""
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return meant
    return size if size > 2 * meant else meant


def _held(kind: str, rows: int, bytes_: int, oldest_utc: int | None, now_utc: float) -> Held:
    days = max(now_utc - oldest_utc, 0.0) / _DAY_S if oldest_utc is not None else 0.0
    return Held(kind, rows, bytes_, oldest_utc, days)


def _windows(con: Connection, tally: dict[str, int], length_s: int, now_utc: float) -> Held:
    low = LENGTHS.index(length_s) << 59
    first = con.execute("SELECT min(key) FROM window WHERE key >= ? AND key < ?", (low, low + (1 << 59))).fetchone()[0]
    name = "windows 1 month" if length_s == MONTH else f"windows {length_s} s"
    oldest = key_parts(first)[1] if first is not None else None
    rows, bytes_ = tally.get(f"window/{length_s}/rows", 0), tally.get(f"window/{length_s}/bytes", 0)
    return _held(name, rows, bytes_, oldest, now_utc)


def _messages(con: Connection, tally: dict[str, int], now_utc: float) -> list[Held]:
    unsent = con.execute("SELECT coalesce(sum(last - first + 1), 0), min(first) FROM waiting").fetchone()
    oldest = con.execute("SELECT min(id) FROM message").fetchone()[0]
    digests = con.execute("SELECT min(id), max(id) FROM digest").fetchone()
    rows, bytes_, waiting = (tally.get(name, 0) for name in ("message/rows", "message/bytes", "waiting/bytes"))
    count = digests[1] - digests[0] + 1 if digests[0] is not None else 0
    return [
        _held("acknowledged", rows - unsent[0], bytes_ - waiting, _day_of(con, oldest), now_utc),
        _held("unsent", unsent[0], waiting, _made_at(con, unsent[1]), now_utc),
        _held("digests", count, 32 * count, _day_of(con, digests[0]), now_utc),
    ]


def _made_at(con: Connection, number: int | None) -> int | None:
    """When a message was made; its day where it cannot be read. A day would be too coarse here: at noon what was made a
    moment ago would seem to have waited for half a day."""
    if number is None:
        return None
    found = sound_messages(con, Unpacker(), number, number).get(number)
    with suppress(ValueError, KeyError, TypeError):
        return int(datetime.fromisoformat(json.loads(found[2] if found else b"")["made_at"]).timestamp())
    return _day_of(con, number)


def _day_of(con: Connection, number: int | None) -> int | None:
    """The beginning of the UTC day in which a message was made."""
    if number is None:
        return None
    row = con.execute("SELECT max(utc_day) FROM day WHERE first_id <= ?", (number,)).fetchone()
    return int(row[0]) * 86400 if row[0] is not None else None


def _dropped(tally: dict[str, int]) -> tuple[Dropped, ...]:
    kinds = sorted({name.split("/")[1] for name in tally if name.startswith("dropped/")})
    return tuple(
        Dropped(
            kind,
            tally.get(f"dropped/{kind}/age", 0),
            tally.get(f"dropped/{kind}/space", 0),
            tally.get(UNSENT_FIRST) if kind == "unsent" else None,
        )
        for kind in kinds
    )


def _days_left(settings: StoreSettings, held: list[Held], stored: int, room: int) -> float | None:
    """Each kind grows by what it holds over the days it holds it, until its age limit; bytes on disk in proportion to
    packed bytes. The days until growth fills the room, None where it never does or is not known yet."""
    limits = {
        "windows 60 s": settings.keep_minute_days,
        "windows 300 s": settings.keep_five_minutes_days,
        "windows 3600 s": settings.keep_hour_days,
        "acknowledged": settings.keep_acknowledged_days,
        "digests": settings.keep_digest_days,
    }
    packed = sum(kind.bytes for kind in held)
    if not packed or max(kind.days for kind in held) < 1:
        return None
    factor = max(stored / packed, 1.0)
    growing = [
        (kind.bytes / max(kind.days, 1.0) * factor, max(limits.get(kind.kind, float("inf")) - kind.days, 0.0))
        for kind in held
        if kind.bytes
    ]
    elapsed, left = 0.0, float(room)
    for until in sorted({days for _, days in growing if days > 0}):
        rate = sum(a_day for a_day, days in growing if days > elapsed)
        if rate > 0 and left / rate <= until - elapsed:
            return elapsed + max(left, 0.0) / rate
        if until == float("inf"):
            return None
        left -= rate * (until - elapsed)
        elapsed = until
    return None
