"""What a number off the wire can be, by the kind of reading it is for: decided here once, for every profile.

SNMP has no signed gauge, so agents put negative numbers into Gauge32 (-2 degrees is 4294967294), and counts beyond 2^31
into Integer32, where they look negative. The end of a type stands for "nothing": 65535 seconds, minutes or ticks of a
UPS, 2^31-1, -2^31, all ones. And no reading is beyond what its kind can be (kpi/gear.py:RANGES).
"""

from kpi.gear import RANGES, Kind

_WORD = 1 << 32
_LONG = 1 << 64
_COUNTERS = frozenset(
    {
        Kind.DOT11_RETRIES, Kind.DOT11_TRANSMITTED, Kind.DOT11_FAILED, Kind.DOT11_FCS_ERRORS, Kind.DOT11_RECEIVED,
        Kind.LINE_BADS, Kind.ON_BATTERY_SECONDS,
    }
)  # fmt: skip
"""They pass every number on their way up, the ends of types too."""
_BLOCKS = frozenset({Kind.STORAGE_USED, Kind.MEMORY_USED})
"""Counted in allocation units (hrStorageUsed, Integer32), of which a large file system has more than 2^31."""
_LARGE = _BLOCKS | {Kind.BITRATE, Kind.TX_BITRATE, Kind.RX_BITRATE}
"""Whose numbers may well be those of 16 bits."""
_ENDS_16 = frozenset({65535.0, 32767.0, -32768.0})
_ENDS_32 = frozenset({2.0**31 - 1, -(2.0**31), 2.0**63 - 1, -(2.0**63)})
_ENDS_UNSIGNED = frozenset({2.0**31, 2.0**32 - 2, 2.0**32 - 1, 2.0**64 - 1})
"""Of what cannot be negative: 2^32-1 is -1 and 2^32-2 is -2 there, which mean "unknown" and "none" in many MIBs."""
_RUNTIME_END_MIN = 65535 / 60
"""65535 s, turned into ticks or minutes on its way."""


def meant(kind: Kind, raw: float) -> float | None:
    """The number that the device means by ``raw``, before scaling; None where it means nothing."""
    if kind in _COUNTERS:
        return raw if raw >= 0 else _unsigned(raw)
    if raw in _ENDS_32 or (raw in _ENDS_16 and kind not in _LARGE):
        return None
    if RANGES[kind][0] < 0:
        return _signed(raw)
    if raw in _ENDS_UNSIGNED and (kind not in _BLOCKS or raw == _WORD - 1):
        return None
    if raw < 0:
        return _unsigned(raw) if kind in _BLOCKS else None
    return raw


def possible(kind: Kind, value: float) -> bool:
    """Whether a reading of that kind can have the value, in the unit of the kind."""
    least, most = RANGES[kind]
    return least <= value <= most and not (kind is Kind.BATTERY_RUNTIME and abs(value - _RUNTIME_END_MIN) < 1e-3)


def _signed(raw: float) -> float | None:
    """A negative number that was sent as one without a sign."""
    if _WORD / 2 <= raw < _WORD:
        raw -= _WORD
    elif _LONG / 2 <= raw <= _LONG:
        raw -= _LONG
    return None if raw in _ENDS_32 else raw


def _unsigned(raw: float) -> float | None:
    """A count of 32 bits that was sent as one with a sign."""
    return raw + _WORD if raw >= -_WORD / 2 else None
