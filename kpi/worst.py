"""The worst of several devices: what stands beside every sum over a site (kpi/README.md R9)."""

from collections.abc import Mapping
from dataclasses import replace

from kpi.catalogue import entry_of
from kpi.entry import Better
from kpi.model import Figure


def worst_of(each: Mapping[str, Figure], on: str) -> tuple[str, float] | None:
    """The device whose figure is worst, and how bad; None where none has a value. ``on`` is "value" or a companion."""
    values = {device: f.value if on == "value" else f.parts.get(on) for device, f in each.items()}
    known = [(value, device) for device, value in values.items() if value is not None]
    if not known:
        return None
    high = entry_of(next(iter(each.values())).kpi).better is Better.HIGH
    value, device = min(known) if high else max(known)
    return device, value


def beside_worst(figure: Figure, part: str, worst: tuple[str, float] | None) -> Figure:
    """The site's figure with the worst device's value as ``part`` and its name as a flag."""
    if worst is None:
        return figure
    device, value = worst
    return replace(figure, parts={**figure.parts, part: value}, flags=(*figure.flags, f"worst:{device}"))
