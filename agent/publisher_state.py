"""What the publisher says of itself, for the page, the API, the metrics and the retained info."""

from dataclasses import dataclass, field

from agent.mqtt_connection import Fault, Version


@dataclass(frozen=True, slots=True)
class RefusedTopic:
    """A topic, or a family of them ("summary/device/+"), that the broker refuses. Its messages are kept."""

    topic: str
    reason: int | None
    """MQTT 5 reason code, None where the broker gave none."""
    text: str
    since_utc: float
    times: int
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class Clash:
    """Another box publishes as this probe. ``boot`` is its boot id, where it was seen."""

    boot: str | None
    how: str
    at_utc: float


@dataclass(frozen=True, slots=True)
class PublisherState:
    """A snapshot. Times are UTC seconds; counts are since the start of the agent."""

    place: str
    connected: bool = False
    since_utc: float | None = None
    """When the present connection, or the present time without one, began."""
    version: Version | None = None
    tls: str | None = None
    window: int = 0
    in_flight: int = 0
    one_at_a_time: bool = False
    """The broker closed connections without saying why: the culprit is looked for."""
    refused: tuple[RefusedTopic, ...] = ()
    warnings: tuple[str, ...] = ()
    last_puback_utc: float | None = None
    published: int = 0
    acknowledged: int = 0
    unheard: int = 0
    """Acknowledged with "no matching subscribers" (0x10): nobody listens at the broker."""
    refusals: int = 0
    oversize: int = 0
    """Kept back because they are larger than the broker's maximum packet."""
    reconnects: int = 0
    fault: Fault | None = None
    last_error: str | None = None
    """Why there is no connection, or why the last one ended; a sentence without secrets."""
    last_error_utc: float | None = None
    clash: Clash | None = None


@dataclass(slots=True)
class Counters:
    """Counts of a run, over all its connections."""

    published: int = 0
    acknowledged: int = 0
    unheard: int = 0
    refusals: int = 0
    oversize: int = 0
    connections: int = 0
    last_puback_utc: float | None = None
    oversize_topics: set[str] = field(default_factory=set)
