"""What is known of the stream outside the database: ``<database>.stream``.

A database that was rolled back, lost or damaged cannot say by itself which numbers it had given out. The last number is
on the disk here before a message of it is published, and how far the broker has acknowledged follows. Two places in the
file are written in turn, each with a checksum, so that a power cut leaves one of them whole; they are never more than
overwritten, which works on a full disk as well.
"""

import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PLACE = 4096
_MOST = 512


@dataclass(frozen=True, slots=True)
class Known:
    """Of ``stream`` numbers up to ``last_seq`` may have been published; all up to ``acked_to`` were acknowledged, or
    named by a gap."""

    stream: str
    last_seq: int | None = None
    """None in a file of an earlier version, which knew the name alone."""
    acked_to: int = 0

    def unsent(self) -> list[tuple[int, int]]:
        """Numbers that may never have arrived."""
        return (
            [(self.acked_to + 1, self.last_seq)] if self.last_seq is not None and self.acked_to < self.last_seq else []
        )


class Noted:
    """The file. Used by the writer thread alone."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".stream")
        self._turn = 0
        self._said: Known | None = None

    def read(self) -> Known | None:
        """The newest whole record; None where there is none."""
        try:
            raw = self._path.read_bytes()[: 2 * _PLACE]
        except OSError:
            return None
        found: Known | None = None
        for at in (0, _PLACE):
            line, _, _ = raw[at : at + _MOST].partition(b"\n")
            body, _, crc = line.rpartition(b" ")
            with suppress(ValueError, KeyError, TypeError):
                if int(crc, 16) == zlib.crc32(body):
                    plain = json.loads(body)
                    if plain["turn"] >= self._turn:
                        self._turn = plain["turn"]
                        found = Known(plain["stream"], plain["last_seq"], plain["acked_to"])
        if found is None:
            with suppress(ValueError, KeyError, TypeError):
                found = Known(str(json.loads(raw)["stream"]))
        self._said = found
        return found

    def trouble(self, error: OSError) -> str:
        """For the technician: why nothing is published."""
        return (
            f"Nothing new is published, because {self._path} cannot be written ({error.strerror or error}): it must be "
            "a file that the agent's user may write, on a disk with room. What is measured is stored, and sent then."
        )

    def write(self, known: Known, *, last: bool) -> None:
        """``last``: the record is on the disk before this returns. Raises OSError."""
        if known == self._said:
            return
        self._turn += 1
        plain = {"stream": known.stream, "last_seq": known.last_seq, "acked_to": known.acked_to, "turn": self._turn}
        body = json.dumps(plain, separators=(",", ":")).encode()
        record = (body + b" %08x\n" % zlib.crc32(body)).ljust(_MOST)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size != 2 * _PLACE:
                os.ftruncate(file, 0)
                os.pwrite(file, b" " * (2 * _PLACE), 0)
            os.pwrite(file, record, _PLACE * (self._turn % 2))
            if last:
                os.fdatasync(file)
        finally:
            os.close(file)
        self._said = known
