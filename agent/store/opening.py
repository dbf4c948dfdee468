"""Opening and closing the database on the writer thread: lock, damage, migrations, the first stream."""

import fcntl
import json
import os
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from agent.store.ballast import Ballast, give_up_set_aside
from agent.store.db import open_reader, open_writer, quick_check, translated
from agent.store.errors import DiskFull, StoreCorrupt, StoreError, StoreInUse
from agent.store.model import Opened, StoreSettings
from agent.store.outbox import Identity
from agent.store.schema import migrate
from agent.store.write_side import WriteSide
from collectors.clock import Clock

_SIDE_FILES = ("-wal", "-shm")


class Opening:
    """A context manager for the writer thread. Beside ``sonda.db`` stand ``.lock`` (who holds it), ``.ballast``,
    ``.stream`` (the present stream's id, so that a successor can name it whatever happens to the file) and, after
    damage was met while running, ``.suspect``."""

    def __init__(self, path: Path, settings: StoreSettings, clock: Clock, identity: Identity) -> None:
        self._path, self._settings, self._clock, self._identity = path, settings, clock, identity
        self._stack = ExitStack()
        self.ballast = Ballast(path, settings.ballast_bytes)
        self.opened: Opened | None = None

    def __enter__(self) -> WriteSide:
        with ExitStack() as stack, translated(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(self._lock())
            try:
                side = self._open(stack)
            except DiskFull:
                if not self.ballast.release() and not give_up_set_aside(self._path):
                    raise
                side = self._open(stack)
            self.ballast.reserve()
            self._stack = stack.pop_all()
            return side

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if isinstance(error, StoreCorrupt):
                with suppress(OSError):
                    self._beside(".suspect").write_text(str(error))

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _lock(self) -> "_Unlock":
        file = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
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

    def _open(self, stack: ExitStack) -> WriteSide:
        existed = self._path.exists() and self._path.stat().st_size > 0
        clean = not self._beside("-wal").exists()
        predecessor, lost, set_aside, reason = None, None, None, None
        suspect = self._beside(".suspect")
        try:
            if existed and suspect.exists():
                raise StoreCorrupt(suspect.read_text() or "damage was met while running")  # noqa: TRY301 - handled alike
            side, check, migrations = self._try(stack, must_check=existed and not clean)
        except StoreCorrupt as error:
            predecessor, lost = salvage(self._path)
            reason, set_aside = str(error), self._set_aside()
            side, check, migrations = self._try(stack, must_check=False)
        suspect.unlink(missing_ok=True)
        if fresh := not side.stream.id:
            predecessor = predecessor or self._former_stream()
            why = "corrupt" if set_aside else "lost" if predecessor else "first"
            side.new_stream(predecessor, why, lost)
        self.note_stream(side.stream.id)
        self.opened = Opened(fresh, clean, check, migrations, set_aside, reason, predecessor, lost)
        return side

    def _try(self, stack: ExitStack, *, must_check: bool) -> tuple[WriteSide, str, tuple[str, ...]]:
        """The open database, how its check ended, the migrations applied. Raises StoreCorrupt with nothing open."""
        with ExitStack() as own, translated(self._path):
            con = open_writer(self._path)
            own.callback(con.close)
            check = "not needed"
            if must_check:
                until = self._clock.monotonic() + self._settings.check_s
                check = quick_check(con, lambda: self._clock.monotonic() > until)
            if check not in {"not needed", "ok", "unfinished"}:
                raise StoreCorrupt(f"The database {self._path} is damaged: {check}")
            migrations = migrate(con)
            side = WriteSide(
                con,
                path=self._path,
                settings=self._settings,
                clock=self._clock,
                identity=self._identity,
                ballast=self.ballast,
            )
            stack.push(own.pop_all())
        return side, check, migrations

    def _set_aside(self) -> Path:
        """Moves the damaged file and its log to a dated name; an earlier one set aside is given up."""
        give_up_set_aside(self._path)
        stamp = datetime.fromtimestamp(self._identity.utc(), UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self._beside(f".corrupt-{stamp}")
        self._path.rename(target)
        for suffix in _SIDE_FILES:
            with suppress(FileNotFoundError):
                self._beside(suffix).rename(target.with_name(target.name + suffix))
        return target

    def note_stream(self, stream: str) -> None:
        """Writes the stream's id beside the database; without it a successor cannot name it, and that is all."""
        with suppress(OSError):
            self._beside(".stream").write_text(json.dumps({"stream": stream}))

    def _former_stream(self) -> str | None:
        try:
            return str(json.loads(self._beside(".stream").read_text())["stream"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


class _Unlock:
    """Closes the lock's descriptor, which unlocks. The file stays: deleting it would let two hold two locks."""

    def __init__(self, file: int) -> None:
        self._file = file

    def __call__(self) -> None:
        os.close(self._file)


def salvage(path: Path) -> tuple[str | None, tuple[int, int] | None]:
    """From a damaged database: its stream and the numbers it may not have sent, as far as they can be read."""
    stream = None
    try:
        con = open_reader(path)
    except StoreError:
        return None, None
    try:
        with translated(path):
            stream, base = con.execute("SELECT id, base FROM stream ORDER BY number DESC LIMIT 1").fetchone()
            first = con.execute("SELECT min(first) FROM waiting").fetchone()[0]
            last = con.execute("SELECT max(last) FROM waiting").fetchone()[0]
            if first is not None:
                return str(stream), (first - base, last - base)
    except (StoreError, TypeError):
        return stream, None
    finally:
        con.close()
    return str(stream), None
