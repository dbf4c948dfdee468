"""A file of real blocks beside the database, given back to the file system when the disk is full, so that deleting
and saying what was deleted can still be written."""

import os
from pathlib import Path

from agent.store.db import free_bytes

_BLOCK = 1 << 20


class Ballast:
    """``<database>.ballast``. Used by the writer thread alone; a failure to reserve is no error, only no reserve."""

    def __init__(self, database: Path, bytes_: int) -> None:
        self._path = database.with_name(database.name + ".ballast")
        self._wanted = bytes_

    @property
    def bytes(self) -> int:
        """What is reserved now."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    @property
    def in_place(self) -> bool:
        return self.bytes >= self._wanted

    def reserve(self) -> bool:
        """Reserves where the disk has room for it twice over; whether the reserve is in place."""
        if self.in_place:
            return True
        if free_bytes(self._path) < 2 * self._wanted:
            return False
        try:
            with self._path.open("wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, self._wanted)
                except OSError:  # a file system without it: write zeros, which a compressing one would not keep
                    left = self._wanted
                    while left > 0:
                        left -= file.write(os.urandom(min(left, _BLOCK)))
                os.fsync(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> int:
        """Gives the blocks back; how many bytes."""
        had = self.bytes
        self._path.unlink(missing_ok=True)
        return had


def give_up_set_aside(path: Path) -> bool:
    """Deletes what was set aside earlier; whether there was any."""
    found = list(path.parent.glob(f"{path.name}.corrupt-*"))
    for file in found:
        file.unlink(missing_ok=True)
    return bool(found)
