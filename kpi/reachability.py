"""Is a device there? The state machine of kpi/README.md R1 and R2, and agent/README.md ("Down"), for one device.

Pure: every time is an argument (seconds of the monotonic clock), what is to be done next is returned. A loss alone
never says down: it starts confirmation echoes, and only CONFIRMATIONS of them unanswered in a row do. Any answer,
however late, says up.

What a check says holds for VALID_PERIODS after it. A check that comes later than that, the agent having been stopped
meanwhile, first ends what held: the state was unknown in between, whoever notices it first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kpi.model import State
from kpi.states import VALID_PERIODS, whole_ms

CONFIRMATIONS = 8
CONFIRM_EVERY_S = 0.25
CONFIRM_WAIT_S = 1.0
"""How long the last confirmation echo is waited for."""
CHECK_AGAIN_S = 10.0
"""For checks other than echoes, the second failure must come within this of the first (kpi/README.md R2)."""
WAY_CUT = ("own_link", "parent")
"""The reasons for unknown that also end a known down: the probe cannot see this far any more."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """From ``at`` on the device is in ``state``. ``at`` may lie in the past (down is backdated to the first loss), but
    never before the state that this one replaces has begun. It is a whole number of milliseconds, so that times of
    states mean the same on every clock."""

    device: str
    at: float
    state: State
    reason: str


class Upstream(Protocol):
    """What a device is reached through: the probe's own link, then parents of which any one is enough."""

    def link_up(self, device: str) -> bool:
        """Whether the probe's own link towards this device has carrier now."""

    def parents(self, device: str) -> Sequence["Reachability"]:
        """The devices in front of this one; none where the probe reaches it by its own link."""


@dataclass(slots=True)
class _Suspicion:
    first_loss: float
    next_send: float
    sent: int = 0
    last_sent: float = 0.0


class Reachability:
    """One device. Feed it answers and losses; call ``tick`` at least every CONFIRM_EVERY_S while ``suspect``."""

    __slots__ = (
        "_changed",
        "_checked_since",
        "_confirm",
        "_hidden_since",
        "_last_check",
        "_period_then",
        "_suspicion",
        "_upstream",
        "answered_sent_at",
        "device",
        "period_s",
        "reason",
        "since",
        "state",
    )

    def __init__(
        self,
        device: str,
        *,
        at: float,
        period_s: float,
        upstream: Upstream,
        changed: Callable[[StateChange], None],
        confirm: Callable[[str], None],
    ) -> None:
        """``changed`` gets every change; ``confirm(device)`` is called when a confirmation echo is to be sent."""
        self.device = device
        self.state = State.UNKNOWN
        self.reason = "starting"
        self.since = whole_ms(at)
        self.period_s = period_s
        self.answered_sent_at = float("-inf")
        """When the youngest echo that was answered had been sent: the proof for devices behind this one."""
        self._upstream = upstream
        self._changed = changed
        self._confirm = confirm
        self._suspicion: _Suspicion | None = None
        self._hidden_since: float | None = None
        self._last_check = at
        self._period_then = period_s
        """The period at the last check: a reload that shortens it does not make that check too old."""
        self._checked_since = at
        """From here on checks have followed one another in time. Down begins no earlier."""

    @property
    def suspect(self) -> bool:
        """Confirmation echoes are under way."""
        return self._suspicion is not None

    def answered(self, sent_at: float, at: float) -> None:
        """An echo, a confirmation echo or another check sent at ``sent_at`` was answered at ``at``."""
        self._checked(sent_at, at)
        self.answered_sent_at = max(self.answered_sent_at, sent_at)
        if self.state is State.UP and self._suspicion is None:
            return
        over = at + VALID_PERIODS * self.period_s
        if over < self._checked_since:  # read long after it came: it proves nothing of the present
            if self.since < over and self.state is not State.UP:
                self._go(State.UP, at, "answered")
                self._go(State.UNKNOWN, over, "not_checked")
            return
        self._suspicion = None
        self._hidden_since = None
        if self.state is not State.UP:
            self._go(State.UP, at, "answered")

    def unanswered(self, sent_at: float, at: float) -> None:
        """An echo sent at ``sent_at`` is overdue or lost; the first one of a row starts the confirmation."""
        self._checked(sent_at, at)
        if self.state is State.DOWN or self._suspicion is not None or sent_at <= self.answered_sent_at:
            return
        if self._hidden_since is not None and not self._parents_well():
            return  # nothing can be learnt of a device whose way is cut
        self._suspicion = _Suspicion(first_loss=sent_at, next_send=at)
        for parent in self._upstream.parents(self.device):
            self._confirm(parent.device)  # a proof younger than the loss is needed before this one may be called down
        self.tick(at)

    def not_measured(self, at: float, reason: str) -> None:
        """The probe itself could not measure (rule R1: unknown, never down). A device that is down stays so over a
        fault of ours, until it was not checked for two periods; what cuts its way ends what is known of it."""
        self.lapse(at)
        if self.state is State.DOWN and reason not in WAY_CUT:
            return
        self._checked(at, at)
        self._suspicion = None
        self._hidden_since = at if reason == "parent" else None
        if self.state is not State.UNKNOWN or self.reason != reason:
            self._go(State.UNKNOWN, at, reason)

    def checks_failed(self, first_at: float, second_at: float, at: float) -> bool:
        """Two failures of a check that is not an echo; down where the second came within CHECK_AGAIN_S of the first.
        True where that decided it."""
        self._checked(first_at, second_at)
        self._checked(second_at, at)
        if self.state is State.DOWN or second_at - first_at > CHECK_AGAIN_S:
            return False
        self._decide(first_at, at)
        return True

    def tick(self, now: float) -> None:
        """Send what is due, decide what is ripe, and let go of what nobody checked for two periods."""
        self.lapse(now)
        suspicion = self._suspicion
        if suspicion is None:
            if self._hidden_since is not None:
                self._resolve_hidden()
            return
        if suspicion.sent < CONFIRMATIONS:
            if now >= suspicion.next_send:
                suspicion.sent += 1
                suspicion.last_sent = now
                self._checked(now, now)
                suspicion.next_send = max(suspicion.next_send + CONFIRM_EVERY_S, now + CONFIRM_EVERY_S / 2)
                self._confirm(self.device)
        elif now >= suspicion.last_sent + CONFIRM_WAIT_S:
            self._suspicion = None
            self._decide(suspicion.first_loss, now)

    def lapse(self, at: float) -> None:
        """Let go of what nobody checked for two periods before ``at``. Confirmations begin anew: their answers may wait
        to be read. A loss before the gap proves nothing of the time in it."""
        valid_until = self._last_check + VALID_PERIODS * max(self._period_then, self.period_s)
        if at <= valid_until:
            return
        self._checked_since = at
        if self._suspicion is not None:
            self._suspicion = _Suspicion(first_loss=at, next_send=at)
        if self._hidden_since is not None:
            self._hidden_since = at
        if self.state is not State.UNKNOWN:
            self._go(State.UNKNOWN, valid_until, "not_checked")

    def _checked(self, sent_at: float, at: float) -> None:
        """A check went out at ``sent_at``, and what it says is of ``at``."""
        for time in (sent_at, at):
            self.lapse(time)
            if time >= self._last_check:
                self._last_check, self._period_then = time, self.period_s

    def _decide(self, first_loss: float, now: float) -> None:
        first_loss = max(first_loss, self._checked_since)
        if not self._upstream.link_up(self.device):
            if self.state is not State.UNKNOWN or self.reason != "own_link":
                self._go(State.UNKNOWN, max(first_loss, self.since), "own_link")
            return
        parents = self._upstream.parents(self.device)
        if not parents or any(p.answered_sent_at > first_loss for p in parents):
            self._hidden_since = None
            self._go(State.DOWN, first_loss, "no_reply")
            return
        self._hidden_since = first_loss
        if self.state is not State.UNKNOWN or self.reason != "parent":
            self._go(State.UNKNOWN, max(first_loss, self.since), "parent")
        self._last_check = now

    def _resolve_hidden(self) -> None:
        """A parent that never fell and has answered since the loss proves that this device is down; one that fell
        takes the proof with it: the device is asked anew once the parent is back."""
        if self._hidden_since is None or not self._upstream.link_up(self.device):
            return
        parents = self._upstream.parents(self.device)
        for parent in parents:
            if parent.state is State.UP and parent.since <= self._hidden_since < parent.answered_sent_at:
                first_loss, self._hidden_since = self._hidden_since, None
                self._go(State.DOWN, first_loss, "no_reply")
                return

    def _parents_well(self) -> bool:
        parents = self._upstream.parents(self.device)
        return self._upstream.link_up(self.device) and (
            not parents or any(p.state is State.UP and not p.suspect for p in parents)
        )

    def _go(self, state: State, at: float, reason: str) -> None:
        self.state, self.since, self.reason = state, max(whole_ms(at), self.since), reason
        self._changed(StateChange(self.device, self.since, state, reason))
