"""What the kernel knows of its clock: adjtimex(2) with modes = 0, which reads and changes nothing."""

import ctypes
from dataclasses import dataclass

_UNSYNCHRONISED, _NANO = 0x0040, 0x2000  # linux/timex.h: STA_UNSYNC, STA_NANO
_ERROR = 5  # TIME_ERROR


class _Timeval(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long)]


class _Timex(ctypes.Structure):
    """struct timex of sys/timex.h, the parts that are read; the rest is room for every architecture."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("room", ctypes.c_long * 32),
    ]


@dataclass(frozen=True, slots=True)
class KernelClock:
    """Seconds. ``offset_s`` is what is still to be corrected, ``error_s`` the most it may be wrong by."""

    synchronised: bool
    offset_s: float
    error_s: float


def read_kernel_clock() -> KernelClock | None:
    """None where the kernel does not say (a strict seccomp profile)."""
    words = _Timex()
    answer = int(_libc.adjtimex(ctypes.byref(words)))
    if answer == -1:
        return None
    scale = 1e9 if words.status & _NANO else 1e6
    good = answer != _ERROR and not words.status & _UNSYNCHRONISED
    return KernelClock(good, words.offset / scale, words.maxerror / 1e6)


_libc = ctypes.CDLL(None, use_errno=True)
