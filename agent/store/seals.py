"""A checksum of each row, kept in its column ``seal``: a flipped bit in a key, a number, a name or a packed payload is
found when the row is read, and costs that row alone. SQLite itself checks the structure of its pages, not what is in
them. A row without a seal was written before there were any, and is believed."""

import zlib

Column = int | float | str | None


def seal(*columns: Column, body: bytes = b"") -> int:
    """CRC-32 over all other columns of the row, in their order; real numbers as ``float``."""
    return zlib.crc32(repr(columns).encode(), zlib.crc32(body))


def sound(found: object, *columns: Column, body: object = b"") -> bool:
    """Whether a row is as it was written; ``found`` is its column ``seal``."""
    if not isinstance(body, bytes):
        return False
    return found is None or found == seal(*columns, body=body)
