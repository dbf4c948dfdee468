"""Figures as they are published: as many digits as they are worth, and never rounded to perfect (rule R9)."""

from math import isfinite, log10


def shortened(value: float | None, digits: int, whole: float | None = None) -> float | int | None:
    """``value`` with so many significant digits, whole numbers in full. ``whole`` is what a share is a share of (100
    for percent): what is less than all of it stays less. What is no number is None."""
    if value is None or not isfinite(value):
        return None
    if value == int(value):
        return int(value)
    rounded = float(f"{value:.{digits}g}")
    if whole is not None and value < whole <= rounded:
        rounded = float(f"{whole - 10.0 ** (round(log10(whole)) - digits):.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded
