"""The states of each entity as far back as an open window or an open outage needs them; the rest is in the store."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from kpi.model import State
from kpi.states import Turn

KEEP_S = 3 * 3600.0
"""How far back changes are kept in memory, beyond the last "up" before that."""

MOST = 2000
"""Changes of one entity that are kept at most; 100 kB. Three hours of flapping each 6 s are 1,800."""


class StateHistory:
    """Changes by entity, oldest decision first (what kpi.states.state_seconds takes)."""

    def __init__(self) -> None:
        self._turns: dict[str, list[Turn]] = {}

    def add(self, entity: str, at: float, state: State) -> None:
        """A decision: from ``at`` (monotonic) the entity is in ``state``; no earlier than the decision before it."""
        turns = self._turns.setdefault(entity, [])
        turns.append(Turn(max(at, turns[-1].at) if turns else at, state))

    def of(self, entity: str) -> Sequence[Turn]:
        """The decisions, in the order in which they were made."""
        return self._turns.get(entity, ())

    def insert(self, entity: str, at: float, state: State) -> None:
        """As the store has it: by time, and of two that begin together the later decision last."""
        turns = self._turns.setdefault(entity, [])
        turns.insert(bisect_right(turns, at, key=lambda turn: turn.at), Turn(at, state))

    def forget_between(self, start: float, end: float) -> None:
        """What began from ``start`` to before ``end`` is not so any more."""
        for entity, turns in self._turns.items():
            self._turns[entity] = [turn for turn in turns if not start <= turn.at < end]

    def entities(self) -> Sequence[str]:
        """Those of which anything is known."""
        return list(self._turns)

    def at(self, entity: str, at: float) -> State:
        """What it is at this time."""
        known = [turn.state for turn in self.of(entity) if turn.at <= at]
        return known[-1] if known else State.UNKNOWN

    def forget_before(self, at: float) -> None:
        """Drop what no window after ``at`` needs: all before the last "up" that lies before it."""
        for _ in self.forgetting_before(at):
            pass

    def forgetting_before(self, at: float) -> Iterator[None]:
        """As ``forget_before``, an entity at a time."""
        for entity in list(self._turns):
            turns = self._turns.get(entity, [])
            last = _last_up_before(turns, at)
            kept = turns[last:]
            if len(kept) > MOST:  # never up for weeks, and in and out of doubt: the beginning and what is recent
                kept = kept[:2] + kept[2 - MOST :]
            if len(kept) < len(turns):
                self._turns[entity] = kept
            yield

    def forget(self, entity: str) -> None:
        """It is watched no more; should it come back, nothing is known of the time between."""
        self._turns.pop(entity, None)


def _last_up_before(turns: Sequence[Turn], at: float) -> int:
    return max((i for i, t in enumerate(turns) if t.state is State.UP and t.at <= at), default=0)
