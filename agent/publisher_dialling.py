"""When to dial, and in which version."""

import random

from agent.mqtt_connection import SLOW, BrokerError, DialError, Fault, Version
from agent.mqtt_settings import Pace, ProtocolSetting
from collectors.clock import Clock

WEAK_S = 600.0
"""How long MQTT 3.1.1 stays chosen where the broker merely closed at MQTT 5, which a restart does as well."""
WEAK_FROM = 2


class VersionChoice:
    """MQTT 5 first; 3.1.1 where the broker refuses it, remembered, and 5 again now and then ("auto")."""

    def __init__(self, setting: ProtocolSetting, clock: Clock, again_s: float) -> None:
        self._setting = setting
        self._clock = clock
        self._again_s = again_s
        self._older_until: float | None = None
        self._trying_older = False
        self._refused = False
        self._closed = 0

    def next(self) -> Version:
        if self._setting != "auto":
            return self._setting
        if self._trying_older:
            return "3.1.1"
        if self._older_until is not None and self._clock.monotonic() < self._older_until:
            return "3.1.1"
        return "5"

    def failed(self, version: Version, error: DialError) -> bool:
        """True where the other version is to be tried at once."""
        if self._setting != "auto":
            return False
        if version == "3.1.1":
            self._trying_older = False
            if error.fault is Fault.VERSION and self._older_until is not None:
                self._older_until = None
                return True
            return False
        self._refused = error.fault is Fault.VERSION
        self._closed = self._closed + 1 if error.fault in {Fault.CLOSED, Fault.PROTOCOL} else 0
        self._trying_older = self._refused or self._closed >= WEAK_FROM
        return self._trying_older

    def connected(self, version: Version) -> None:
        self._closed = 0
        if self._trying_older and version == "3.1.1":
            self._older_until = self._clock.monotonic() + (self._again_s if self._refused else WEAK_S)
        self._trying_older = False


class Backoff:
    """Full jitter, exponential, for ever (a thousand probes must not come back in step)."""

    def __init__(self, pace: Pace, rng: random.Random) -> None:
        self._pace = pace
        self._rng = rng
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_s(self, error: BrokerError) -> float:
        pace, doubled = self._pace, 2.0 ** min(self._failures, 30)
        self._failures += 1
        if isinstance(error, DialError) and error.fault in SLOW:
            return self._rng.uniform(pace.slow_floor_s, min(pace.slow_cap_s, 2 * pace.slow_floor_s * doubled))
        return self._rng.uniform(0, min(pace.backoff_cap_s, pace.backoff_base_s * doubled))
