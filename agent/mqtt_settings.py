"""What the publisher must know of the broker. The settings room maps its TOML onto these; no reading, no defaults of
a site here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Transport = Literal["tcp", "websocket"]
ProtocolSetting = Literal["auto", "5", "3.1.1"]
TlsVersion = Literal["1.2", "1.3"]


class Concealed(Protocol):
    """A secret that no repr shows (agent/settings/secret.py:Secret)."""

    def reveal(self) -> str:
        """The secret itself, for the one call that sends it."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the broker is checked and what we show it. Without ``ca`` the machine's own authorities count."""

    ca: Path | None = None
    """PEM file with the authorities that may have signed the broker's certificate."""
    certificate: Path | None = None
    """PEM file with our client certificate, and its chain."""
    key: Path | None = None
    """PEM file with its key; None where the certificate's file holds it."""
    key_password: Concealed | None = field(default=None, repr=False)
    minimum_version: TlsVersion = "1.2"
    check_hostname: bool = True
    insecure: bool = False
    """Take any certificate. The link is then encrypted and not authenticated, and the state says so."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """One broker. ``protocol`` "auto" is MQTT 5, and 3.1.1 where the broker refuses it."""

    host: str
    port: int = 1883
    transport: Transport = "tcp"
    path: str = "/mqtt"
    """Of the WebSocket; unused over TCP."""
    protocol: ProtocolSetting = "auto"
    tls: TlsSettings | None = None
    username: str | None = None
    password: Concealed | None = field(default=None, repr=False)
    keepalive_s: int = 30
    """The broker publishes the last will after 1.5 times this silence (MQTT 5, 3.1.2.10)."""
    dial_timeout_s: float = 30.0
    """For name, TCP, TLS, WebSocket and CONNACK together."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how long to wait, how much at once. The defaults suit a site of 100 devices on an ADSL line."""

    window: int = 50
    """Messages on the way without a PUBACK; the broker's receive maximum lowers it."""
    history_per_s: float = 100.0
    """What waited before the connection came up, messages a second: 30 days of 30,000 a day drain in 2.5 hours."""
    history_tick_s: float = 0.1
    """Mean time between two portions of history; each is drawn from 0.5 to 1.5 times it."""
    history_start_s: float = 5.0
    """History starts up to this long after the connection, at random: a broker that restarts meets all its probes."""
    puback_timeout_s: float = 20.0
    """No PUBACK for so long while something is on the way: the connection is dropped."""
    backoff_base_s: float = 1.0
    backoff_cap_s: float = 60.0
    slow_floor_s: float = 30.0
    """Refused credentials are tried again after this at the least: brokers lock out those who hurry."""
    slow_cap_s: float = 300.0
    held_s: float = 30.0
    """A connection that stood so long resets the backoff."""
    own_info_s: float = 2.0
    """How long the retained info of ourselves is waited for before anything is published."""
    info_every_s: float = 300.0
    info_gap_s: float = 5.0
    """Two infos are at least this far apart, however much changes."""
    online_again_s: float = 5.0
    online_again_cap_s: float = 300.0
    """Whoever says `offline` in our name is contradicted at once, then after the first, doubling to the cap."""
    new_stream_s: float = 3600.0
    """What a retained info says of our stream is believed against the database once in so long."""
    refused_first_s: float = 60.0
    refused_cap_s: float = 3600.0
    """A refused topic is tried again after the first, doubling to the cap."""
    ack_linger_s: float = 1.0
    """PUBACKs of this long share one commit: each commit is an fsync on an SD card."""
    five_again_s: float = 6 * 3600.0
    """A broker that refused MQTT 5 is asked again at the first dial after this."""
    finish_s: float = 2.0
    """On stop, so long for what is already committed, and as long again for the farewell."""
