"""The one file that imports sqlite3 and sqlite_utils: connections, their settings, and what their errors mean."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from agent.store.errors import DiskFault, DiskFull, StoreCorrupt, StoreError, StoreFault, StoreRefused

__all__ = ["Connection", "DatabaseError", "Migrations"]

Connection = sqlite3.Connection
DatabaseError = sqlite3.Error

PAGE_SIZE = 2048
"""Each commit rewrites the last page of each table. Measured by tests/bench/store.py, MB written a day: 278 at 2048,
306 at 4096, 367 at 8192, 285 at 1024."""

BUSY_S = 5.0
_SCARCE_BYTES = 1 << 20


def _text(raw: bytes) -> str:
    """A name that damage has made no text is still a row, which its seal then leaves out."""
    return raw.decode(errors="replace")


def open_writer(path: Path, log_bytes: int = 8_000_000) -> Connection:
    """The writing connection: WAL, every commit on the disk before it returns. ``log_bytes``: the file of the log is
    cut down to this when it begins anew. Raises StoreError."""
    with translated(path):
        con = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            con.execute(f"PRAGMA page_size={PAGE_SIZE}")
            con.execute("PRAGMA journal_mode=WAL")
            con.execute("PRAGMA synchronous=FULL")
            # Debian builds SQLite to overwrite what is deleted with zeros: half as much again to write, and nothing
            # here is secret.
            con.execute("PRAGMA secure_delete=OFF")
            con.execute("PRAGMA wal_autocheckpoint=0")
            con.execute(f"PRAGMA journal_size_limit={log_bytes}")
            con.execute("PRAGMA cell_size_check=ON")
            con.text_factory = _text
            # New rows go to the end of their tables: 4 MB of cache write as much as 1 MB, and stay resident (measured).
            con.execute("PRAGMA cache_size=-1000")
            con.execute("PRAGMA temp_store=MEMORY")
        except BaseException:
            con.close()
            raise
        return con


def open_reader(path: Path, *, alone: bool = False) -> Connection:
    """A read-only connection, used by one thread at a time and closed by another. Raises StoreError.

    ``alone``: nobody writes and there is no write-ahead log; then no side file is made (which another user could not
    remove, and which looks like an unclean end)."""
    with translated(path):
        uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
        con = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            con.execute("PRAGMA query_only=ON")
            con.execute("PRAGMA cache_size=-1000")
            con.text_factory = _text
        except BaseException:
            con.close()
            raise
        return con


@contextmanager
def in_memory() -> Iterator[Connection]:
    """An empty database that is gone afterwards."""
    con = sqlite3.connect(":memory:", isolation_level=None)
    try:
        yield con
    finally:
        con.close()


def pragma(con: Connection, name: str) -> int:
    """The integer that a PRAGMA answers."""
    return int(con.execute(f"PRAGMA {name}").fetchone()[0])


def tools(con: Connection) -> Any:
    """sqlite-utils over a connection, for schema, migrations and inspection."""
    return Database(con, recursive_triggers=False, execute_plugins=False)


def check_header(path: Path) -> None:
    """Raises StoreCorrupt where the first bytes are none of a database of ours. SQLite takes an unknown version of the
    format for a database that may be read and never written, which waiting does not mend (fileformat2.html, 1.3)."""
    with translated(path), path.open("rb") as file:
        head = file.read(100)
    if len(head) == 100 and head.startswith(b"SQLite format 3\0") and head[18] in {1, 2} and head[19] in {1, 2}:
        return
    raise StoreCorrupt(f"The database {path} is damaged: its header is none.")


INDEXED = ("word", "state", "incident", "device")
"""Tables whose indexes are compared with them; quick_check does not."""


def check(con: Connection, out_of_time: Callable[[], bool]) -> str:
    """ "ok", "unfinished" where ``out_of_time`` said so, else SQLite's finding. Reads the whole file."""
    con.set_progress_handler(out_of_time, 20_000)
    try:
        for question in ("quick_check(1)", *(f"integrity_check({table})" for table in INDEXED)):
            found = str(con.execute(f"PRAGMA {question}").fetchone()[0])
            if found != "ok":
                return found
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return "unfinished"
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table that a later migration makes
            return "ok"
        raise
    finally:
        con.set_progress_handler(None, 0)
    return "ok"


_WRONG_PATH = {
    errno.EACCES,
    errno.EPERM,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns sqlite3's errors and the file system's into the StoreError family."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, path) from error
    except OverflowError as error:
        raise StoreRefused(f"The database takes no number of more than 63 bits: {error}.") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(path) from error
        if error.errno in _WRONG_PATH:
            raise StoreFault(
                f"{error.filename or path} may not be written ({error.strerror}): give the folder {path.parent} to the "
                "agent's user, or set `path` in [store] elsewhere."
            ) from error
        raise disk_fault(path, str(error.strerror or error)) from error


_RETRY = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
}
_REFUSED = {
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISUSE,
}
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_ERROR,  # our questions are fixed: a table or a column that is missing was damaged
    sqlite3.SQLITE_FORMAT,
}


def _meaning(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else sqlite3.SQLITE_MISUSE  # a value that could not be bound
    if primary in _DAMAGED:
        return StoreCorrupt(f"The database {path} is damaged ({error}). Restart Sonda: it sets the file aside.")
    # ENOSPC while the shared memory file or a directory grows is reported as an input/output error.
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and 0 <= free_bytes(path) < _SCARCE_BYTES):
        return disk_full(path)
    if primary in _RETRY:
        return disk_fault(path, str(error))
    if primary in _REFUSED:
        return StoreRefused(f"The database refuses a row: {error}.")
    if primary == sqlite3.SQLITE_PERM:
        return StoreFault(f"The database {path} cannot be opened for writing ({error}): check who owns its directory.")
    return StoreFault(f"The database {path} failed: {error} ({getattr(error, 'sqlite_errorname', '?')}).")


def disk_fault(path: Path, why: str) -> DiskFault:
    return DiskFault(
        f"{path} cannot be written ({why}). Check that disk, and whether it is mounted read-only: what is measured is "
        "kept in memory, as much as there is room for, and written then."
    )


def disk_full(path: Path) -> DiskFull:
    return DiskFull(
        f"No room is left for {path} ({free_bytes(path) / 1e6:.1f} MB free on its disk) and nothing more can be given "
        "up. Free some space on that disk: what was measured is kept in memory and written then."
    )


def free_bytes(path: Path) -> int:
    """What a process may still write on the file system of ``path``; -1 where it cannot be asked."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return -1
    return found.f_bavail * found.f_frsize
