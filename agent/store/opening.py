"""Opening and closing the database on the writer thread: lock, damage, migrations, the first stream."""

import fcntl
import glob
import logging
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from agent.messages import MessageDraft
from agent.store.ballast import Ballast, give_up_set_aside
from agent.store.carrying import Damaged, carry_rows, carry_windows
from agent.store.db import Connection, check, check_header, open_writer, translated
from agent.store.errors import DiskFull, StoreCorrupt, StoreError, StoreFault, StoreInUse
from agent.store.model import NOT_OPENED, Opened, StoreSettings
from agent.store.noted import Known, Noted
from agent.store.outbox import Identity
from agent.store.schema import migrate
from agent.store.write_side import REFUSALS, WriteSide
from collectors.clock import Clock

log = logging.getLogger("sonda.store")

_SIDE_FILES = ("-wal", "-shm")


class Opening:
    """A context manager for the writer thread, entered again after a disk was away. Beside ``sonda.db`` stand ``.lock``
    (who holds it), ``.ballast``, ``.stream`` (noted.py) and, after damage was met while running, ``.suspect``; while a
    damaged one is carried over, ``.new``."""

    def __init__(self, path: Path, settings: StoreSettings, clock: Clock, identity: Identity) -> None:
        self._path, self._settings, self._clock, self._identity = path, settings, clock, identity
        self._stack = ExitStack()
        self.ballast = Ballast(path, settings.ballast_bytes)
        self._noted = Noted(path)
        self._inodes: dict[str, int] = {}
        """Of the database and its side files as they were opened last."""
        self.opened = NOT_OPENED

    def __enter__(self) -> WriteSide:
        with ExitStack() as stack, translated(self._path):
            self._make_folder()
            stack.callback(self._lock())
            self._leave_former_log()
            self._keep_private()
            try:
                side = self._open(stack)
            except DiskFull:
                if not self.ballast.release() + give_up_set_aside(self._path):
                    raise
                side = self._open(stack)
            self.ballast.reserve()
            self._inodes = {suffix: self._inode(suffix) for suffix in ("", *_SIDE_FILES)}
            self._stack = stack.pop_all()
            return side

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if isinstance(error, StoreCorrupt):
                with suppress(OSError):
                    self._beside(".suspect").write_text(str(error))

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except PermissionError as error:
            raise StoreFault(
                f"The folder {self._path.parent} cannot be made ({error.strerror}): make it, give it to the agent's "
                "user, or set `path` in [store] elsewhere."
            ) from error

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _lock(self) -> "_Unlock":
        file = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 20).decode(errors="replace").strip()
            os.close(file)
            raise StoreInUse(
                f"The database {self._path} is in use by process {holder or '?'}: another Sonda is running. Stop it, "
                "or give this one a [store] path of its own."
            ) from None
        with suppress(OSError):  # on a full disk the lock holds without a name in it
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        return _Unlock(file)

    def _inode(self, suffix: str) -> int:
        """0 where there is no such file."""
        try:
            return self._beside(suffix).stat().st_ino
        except FileNotFoundError:
            return 0

    def _leave_former_log(self) -> None:
        """Where another file stands in the database's place than was opened last, or none, SQLite would take the former
        one's log, which stands there still, for a part of it: what comes out is neither of them."""
        if not self._inodes or self._inode("") == self._inodes[""]:
            return
        former = [
            suffix for suffix in _SIDE_FILES if self._inodes[suffix] and self._inode(suffix) == self._inodes[suffix]
        ]
        log.error(
            "The database %s was %s while Sonda ran. It goes on from what stands there now, in a new stream.",
            self._path,
            "exchanged for another file" if self._inode("") else "taken away",
        )
        for suffix in former:
            self._beside(suffix).unlink(missing_ok=True)

    def _keep_private(self) -> None:
        """What is measured at a client's is nobody else's on this machine: the database, which gives its log and its
        index their modes, and whatever stands beside it, also what an earlier run left."""
        with suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for file in self._path.parent.glob(f"{glob.escape(self._path.name)}*"):
            with suppress(OSError):
                if file.is_file() and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o077:
                    file.chmod(mode & 0o700)

    def _open(self, stack: ExitStack) -> WriteSide:
        known, suspect, new = self._noted.read(), self._beside(".suspect"), self._beside(".new")
        existed = self._path.exists() and self._path.stat().st_size > 0
        clean = not self._beside("-wal").exists()
        opened = Opened(False, clean, "not needed", ())
        self._finish_carrying(new, existed=existed)
        try:
            if existed and suspect.exists():
                raise StoreCorrupt(suspect.read_text(errors="replace") or "damage was met while running")  # noqa: TRY301 - handled alike
            side, checked, migrations = self._try(stack, self._path, must_check=existed, clean=clean)
        except StoreCorrupt as error:
            opened = self._carry_over(str(error), known, new, clean=clean)
            side, checked, migrations = self._try(stack, self._path, must_check=False, clean=True)
        suspect.unlink(missing_ok=True)
        if opened.set_aside is None:
            opened = replace(opened, check=checked, migrations=migrations, fresh=not side.stream.id)
            opened = self._agree(side, opened, known)
        side.note()
        self.opened = opened
        return side

    def _agree(self, side: WriteSide, opened: Opened, known: Known | None) -> Opened:
        """The database against what is noted beside it: a new or an older file begins a stream of its own."""
        own, last = side.stream, side.backlog.last_seq
        if not own.id:
            former = known.stream if known is not None else None
            lost = known.unsent() if known is not None else []
            side.new_stream(former, "lost" if former else "first", lost)
            return replace(opened, predecessor=former, lost=tuple(lost))
        if known is None or known.last_seq is None or known.stream == own.predecessor:
            return opened
        if known.stream == own.id:
            if known.last_seq <= last:
                return opened
            side.acknowledge(range(side.backlog.acked_to + 1, min(known.acked_to, last) + 1))
            lost = [(max(last, known.acked_to) + 1, known.last_seq)] if known.acked_to < known.last_seq else []
        else:
            lost = known.unsent()
        log.warning("The database is older than what was sent of it: a new stream begins.")
        side.new_stream(known.stream, "rolled_back", lost)
        return replace(opened, predecessor=known.stream, lost=tuple(lost), reason="older than what was sent of it")

    def _try(
        self, stack: ExitStack, path: Path, *, must_check: bool, clean: bool
    ) -> tuple[WriteSide, str, tuple[str, ...]]:
        """The open database, how its check ended, the migrations applied. Raises StoreCorrupt with nothing open."""
        with ExitStack() as own, translated(path):
            if must_check:
                check_header(path)
            con = open_writer(path, self._settings.wal_bytes)
            own.callback(con.close)
            checked = "not needed"
            if must_check:
                checked = check(con, self._deadline(self._settings.check_clean_s if clean else self._settings.check_s))
            if checked not in {"not needed", "ok", "unfinished"}:
                raise StoreCorrupt(f"The database {path} is damaged: {checked}")
            try:
                migrations = migrate(con)
                side = self._write_side(con, path, self._noted)
            except (*REFUSALS, AssertionError) as error:
                raise StoreCorrupt(f"The database {path} is damaged: {type(error).__name__}: {error}") from error
            stack.push(own.pop_all())
        return side, checked, migrations

    def _write_side(self, con: Connection, path: Path, noted: Noted) -> WriteSide:
        return WriteSide(
            con,
            path=path,
            settings=self._settings,
            clock=self._clock,
            identity=self._identity,
            ballast=self.ballast,
            noted=noted,
        )

    def _deadline(self, seconds: float) -> Callable[[], bool]:
        until = self._clock.monotonic() + seconds
        return lambda: self._clock.monotonic() > until

    def _carry_over(self, reason: str, known: Known | None, new: Path, *, clean: bool) -> Opened:
        """A new database with what is readable of the damaged one, in its place; that one under a dated name. Killed
        in the midst of it, it begins anew; where that has happened twice, nothing is carried."""
        tries = self._beside(".suspect")
        before = tries.read_text(errors="replace") if tries.exists() else reason
        tries.write_text(before + "\nIt is carried over.")
        give_up_set_aside(self._path)
        damaged = Damaged(self._path, known, self._deadline(self._settings.carry_s))
        try:
            opened = self._fill(damaged, new, reason, known, windows=before.count("\nIt is carried over.") < 2)
        except StoreError:
            tries.write_text(before)  # no room, say: that was no try
            raise
        finally:
            damaged.close()
        return replace(opened, clean=clean, set_aside=self._set_aside(new))

    def _fill(self, damaged: Damaged, new: Path, reason: str, known: Known | None, *, windows: bool) -> Opened:
        """Writes the new database beside the damaged one; its stream comes last and says that it is whole."""
        _unlink(new)
        predecessor = damaged.stream or (known.stream if known is not None else None)
        with ExitStack() as stack, translated(new):
            con = open_writer(new, self._settings.wal_bytes)
            stack.callback(con.close)
            migrate(con)
            drafts: list[MessageDraft] = []
            said_again: list[tuple[int, int]] = []
            lost = known.unsent() if known is not None else []
            with suppress(*REFUSALS):  # random bytes may look like anything
                drafts, said_again, lost = damaged.unsent()
            carried: dict[str, int] = {"messages": len(drafts)}
            if windows:
                with suppress(*REFUSALS):
                    carried |= carry_rows(damaged, con)
                    carried |= carry_windows(damaged, con, self._deadline(self._settings.carry_s))
            side = self._write_side(con, new, Noted(new))
            side.begin_carried(predecessor, "corrupt" if predecessor else "first", lost, said_again, drafts)
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _sync(new)
        return Opened(
            fresh=True,
            clean=False,
            check="damaged",
            migrations=(),
            reason=reason,
            predecessor=predecessor,
            lost=tuple(lost),
            carried={kind: count for kind, count in carried.items() if count},
        )

    def _set_aside(self, new: Path) -> Path:
        """Moves the damaged file and its log to a dated name, and the new one to its place."""
        stamp = datetime.fromtimestamp(self._identity.utc(), UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self._beside(f".corrupt-{stamp}")
        self._path.rename(target)
        for suffix in _SIDE_FILES:
            with suppress(FileNotFoundError):
                self._beside(suffix).rename(target.with_name(target.name + suffix))
        new.rename(self._path)
        return target

    def _finish_carrying(self, new: Path, *, existed: bool) -> None:
        """Killed between the two renames: the new database is whole. Killed before: it is made anew."""
        if not existed and new.exists() and list(self._path.parent.glob(f"{self._path.name}.corrupt-*")):
            for suffix in _SIDE_FILES:
                with suppress(FileNotFoundError):
                    self._beside(suffix).unlink()
            new.rename(self._path)
        _unlink(new)


def _unlink(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES, ".stream"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """The file and its name are on the disk."""
    for what in (path, path.parent):
        file = os.open(what, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)


class _Unlock:
    """Closes the lock's descriptor, which unlocks. The file stays: deleting it would let two hold two locks."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __call__(self) -> None:
        os.close(self._file)
