"""One integer key a window: length, start, kind, entity, piece, from the highest bit down.

Rows of one commit become neighbours and rows are only ever appended, so that a page is written once. Measured with
random payloads of the sizes that the site of agent/README.md has, in pages of 4096 bytes: 377 MB written and 130 MB
held a day, where a WITHOUT ROWID table with these parts as its key writes 546 and holds 206 (its pages are split in the
middle, and long blobs spill into half-empty ones). auto_vacuum=INCREMENTAL writes 2 % more; freed pages are used again.

    bits  61..59  58..32        31..26  25..8   7..0
          length  start minute  kind    entity  piece

Minutes since the epoch fit until 2225; 64 kinds, 262,144 entities, 256 pieces of one window.
"""

from agent.store.errors import StoreCorrupt, StoreRefused
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, MONTH

LENGTHS = (MINUTE, FIVE_MINUTES, HOUR, DAY, MONTH)
"""A length's place here is its code: never reorder."""

PIECES = 1 << 8
ENTITIES = 1 << 18
KINDS = 1 << 6
_MINUTES = 1 << 27


def window_key(length_s: int, start_utc: int, kind: int, entity: int, piece: int = 0) -> int:
    """The key of a window; ``start_utc`` in seconds, a whole minute. Raises ValueError where a part is out of range."""
    minute, rest = divmod(start_utc, 60)
    if rest or not 0 <= minute < _MINUTES:
        raise ValueError(f"a window starts on a whole minute between 1970 and 2225, not at {start_utc} s")
    if length_s not in LENGTHS:
        raise ValueError(f"no window has a length of {length_s} s; lengths are {LENGTHS} (0 is a month)")
    if not (0 <= kind < KINDS and 0 <= entity < ENTITIES and 0 <= piece < PIECES):
        raise StoreRefused(f"too many kinds, entities or pieces of a window: {kind}, {entity}, {piece}")
    return LENGTHS.index(length_s) << 59 | minute << 32 | kind << 26 | entity << 8 | piece


def key_parts(key: int) -> tuple[int, int, int, int, int]:
    """(length_s, start_utc, kind, entity, piece) of a key. Raises StoreCorrupt where it is none."""
    if not 0 <= key >> 59 < len(LENGTHS):
        raise StoreCorrupt(f"The database is damaged: {key} is no key of a window. Restart Sonda: it sets it aside.")
    return (
        LENGTHS[key >> 59],
        (key >> 32 & _MINUTES - 1) * 60,
        key >> 26 & KINDS - 1,
        key >> 8 & ENTITIES - 1,
        key & PIECES - 1,
    )
