"""/proc/net/wireless, the wireless extensions' view of each radio (iw_statistics): what is left where `iw` is not."""

import math

from collectors.radio.model import Quality

MOST = 16


def qualities(text: str) -> dict[str, Quality]:
    """By interface. Lines that are none are left out."""
    found: dict[str, Quality] = {}
    for line in text.split("\n")[2:]:
        name, colon, rest = line.strip().partition(":")
        fields = rest.split()
        if not colon or not 0 < len(name) <= 15 or len(fields) < 8 or len(found) >= MOST:
            continue
        link, level, noise = (_number(field) for field in fields[1:4])
        if link is not None:
            found[name] = Quality(link, _dbm(level), _dbm(noise), _count(fields[7]))
    return found


def _number(field: str) -> float | None:
    """A dot at the end says that the value is new since it was read last."""
    try:
        value = float(field.rstrip("."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _dbm(value: float | None) -> float | None:
    """An old driver gives the octet itself, 200 for -56; -256 and 0 are none."""
    if value is None:
        return None
    if 128 <= value < 256:
        value -= 256
    return value if -128 <= value < 0 else None


def _count(field: str) -> int:
    return int(field) if field.isascii() and field.isdigit() and len(field) <= 18 else 0
