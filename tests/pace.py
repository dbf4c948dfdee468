"""What a bound in time is a ratio to: the CPU that this machine, as busy as it is, takes for a fixed piece of Python.

A processor half as fast takes twice as long for both, so that the ratio stands still where microseconds do not.
"""

import gc
import time
from collections.abc import Callable

STEPS = 2000
ROUNDS = 9


def yardstick() -> None:
    """STEPS turns of what accumulators do: look up, compare, add, put back."""
    kept: dict[int, float] = {}
    for step in range(STEPS):
        key = step & 63
        before = kept.get(key, 0.0)
        kept[key] = before + step * 0.5 if step > before else before


def turns(run: Callable[[], object]) -> float:
    """What ``run()`` costs, in turns of the yardstick: CPU time of this thread, the least of ROUNDS alternating runs."""
    gc.disable()  # a collection looks through what every test before this one left
    try:
        times = [(_cpu(run), _cpu(yardstick)) for _ in range(ROUNDS)]
    finally:
        gc.enable()
    return min(ours for ours, _ in times) / (min(theirs for _, theirs in times) / STEPS)


def _cpu(run: Callable[[], object]) -> float:
    began = time.thread_time()
    run()
    return time.thread_time() - began
