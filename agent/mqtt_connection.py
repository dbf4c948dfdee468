"""What the publisher needs of an MQTT connection, and the words for how one fails.

agent/mqtt.py makes real ones; tests script their own.

    BrokerError
    ├── DialError         no connection came about
    └── LostError         one stood and ended
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

Version = Literal["5", "3.1.1"]

REFUSED_FROM = 0x80
"""Reason codes from here on are refusals (MQTT 5, 2.4)."""


class Fault(StrEnum):
    """Why there is no connection; stable names for metrics and translation."""

    NAME = "name_not_found"
    REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_HOSTNAME = "tls_hostname"
    TLS_UNKNOWN_CA = "tls_unknown_ca"
    TLS_CLIENT_CERTIFICATE = "tls_client_certificate"
    TLS_FILES = "tls_files"
    TLS = "tls"
    WEBSOCKET = "websocket"
    VERSION = "protocol_version"
    CREDENTIALS = "bad_credentials"
    NOT_AUTHORISED = "not_authorised"
    BROKER = "broker_refused"
    PROTOCOL = "protocol_error"
    TAKEN_OVER = "session_taken_over"
    SILENT = "no_puback"
    TOO_LARGE = "packet_too_large"
    UNASKED = "unasked_message"
    """The broker sends in a way that our subscription rules out, or reads nothing of what it makes us answer."""
    STOPPED = "stopped"


SLOW = frozenset({Fault.CREDENTIALS, Fault.NOT_AUTHORISED})
"""Hurrying does not help and may lock us out."""


class BrokerError(Exception):
    """``str()`` is the sentence for people, without secrets; ``fault`` its stable name."""

    def __init__(self, fault: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class DialError(BrokerError):
    """No connection came about."""


class LostError(BrokerError):
    """A connection ended, or was given up."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What the broker sent us. ``retained``: it was kept from before our subscription."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained with QoS 1, should we vanish."""

    topic: str
    payload: bytes


class Events(Protocol):
    """Plain calls from the loop; they must not block, raise or publish."""

    def acknowledged(self, ticket: int, reason: int, text: str) -> None:
        """A PUBACK. ``reason`` is 0 under 3.1.1, which has none."""

    def received(self, message: Inbound) -> None:
        """A message of a subscription of ours."""

    def lost(self, error: LostError) -> None:
        """The connection is gone; once, and nothing after it."""


class Connection(Protocol):
    """An accepted connection. It has no queue: whoever publishes keeps to ``receive_maximum``."""

    @property
    def version(self) -> Version:
        """What is spoken."""

    @property
    def receive_maximum(self) -> int:
        """Publishes that the broker takes without a PUBACK between; 65535 where it says nothing (MQTT 5, 3.2.2.3.3)."""

    @property
    def maximum_packet(self) -> int | None:
        """Octets of the largest packet the broker takes; None where it says nothing."""

    @property
    def retains(self) -> bool:
        """False where the broker said that it keeps no retained messages."""

    @property
    def tls(self) -> str | None:
        """The TLS version, None where the link is plain."""

    def publish(self, topic: str, payload: bytes, *, retain: bool, delivery: str | None) -> int:
        """QoS 1; the ticket comes back in ``Events.acknowledged``. LostError when the connection is gone.
        ``delivery`` is a user property, left out under 3.1.1."""

    async def subscribe(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        """QoS 1; a reason code for each, refused from 0x80 on. LostError when the connection goes meanwhile."""

    async def disconnect(self) -> None:
        """Says goodbye, so that the broker drops the last will. Bounded to a second; never raises."""


class Dialler(Protocol):
    """Makes connections to one broker."""

    @property
    def place(self) -> str:
        """Host, port and transport, for people."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is weak about the settings, as sentences."""

    def connect(self, version: Version, will: Will, events: Events) -> AbstractAsyncContextManager[Connection]:
        """Entering dials and waits for the CONNACK: DialError when there is none. Leaving drops the socket, with no
        goodbye. Cancelling either leaves no thread and no descriptor behind."""
