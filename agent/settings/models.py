"""The settings as the agent uses them: one frozen model a section, unknown keys refused.

    Settings
      .site          SiteSettings        tenant, site, probe, name, timezone, language; .zone
      .network       NetworkSettings     interface, gateway, internet
      .echo          EchoSettings        infrastructure_s, internet_s, endpoint_s
      .snmp          SnmpSettings        status_s, counters_s, timeout_s, retries
      .credentials   tuple[CredentialSettings]   name, version, community | user, auth, auth_secret, priv, priv_secret
      .devices       tuple[DeviceSettings]       name, id, role, address, parents, snmp, ports, echo, echo_s, ...
      .maintenance   tuple[MaintenanceSettings]  devices, start, end, reason
      .mqtt          MqttSettings        enabled, host, port, transport, protocol, username, password, tls, ...
      .traps         TrapsSettings       enabled, host, port
      .radio         RadioSettings       enabled, scan
      .privacy       PrivacySettings     clients
      .topology      TopologySettings    parents
      .http          HttpSettings        enabled, host, port, access_code, cert, key, plain_http, hosts
      .store         StoreSettings       path, max_bytes, ballast_bytes, keep_...
      .log           LogSettings         level

What one value may be stands here; what values must be to each other stands in rules.py. Secrets are secret.py:Secret.
"""

import difflib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from agent.settings.secret import Secret
from agent.settings.types import (
    Address,
    Bytes,
    ConfigPath,
    Count,
    Days,
    EchoSeconds,
    Expects,
    Flag,
    ListenAddress,
    Name,
    Pattern,
    PlainAddress,
    Port,
    Seconds,
    Segment,
    quoted,
    refuse,
    slug,
)
from collectors.snmp.credentials import AuthProtocol, PrivProtocol
from kpi.model import Role


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _time_zone(text: str) -> str:
    """The zone's name as the system's time zone data has it; a city alone is enough for the suggestion."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads a directory

    zones = available_timezones()
    if text not in zones:
        _refuse_zone(text, zones)
    return text


def _refuse_zone(text: str, zones: set[str]) -> NoReturn:
    short = {zone.rpartition("/")[2].lower(): zone for zone in sorted(zones, reverse=True)}
    lower = {zone.lower(): zone for zone in zones}
    near = difflib.get_close_matches(text.lower(), [*lower, *short], n=1, cutoff=0.7)
    meant = (lower.get(near[0]) or short[near[0]]) if near else ""
    hint = f'Did you mean "{meant}"?' if meant else "timedatectl list-timezones lists them all."
    refuse(f"found {quoted(text)}, expected the name of a time zone, such as Europe/Rome", hint)


TimeZone = Annotated[str, AfterValidator(_time_zone), Expects("the name of a time zone, such as Europe/Rome")]


class SiteSettings(Section):
    """Who this probe is. Tenant, site and probe are the MQTT topics below sonda/v1 and identify its data for ever."""

    tenant: Segment = Field(description="The client, as the central servers name it.")
    site: Segment = Field(description="The place this probe measures.")
    probe: Segment = Field(description="This probe; no other probe of the tenant's site may have the same name.")
    name: Name = Field(
        "", validate_default=False, description="What the page calls the site. Default: the value of `site`."
    )
    timezone: TimeZone = Field("UTC", description="Days and months begin by it, and the page shows its time.")
    language: Literal["en", "it"] = Field(
        "en", description="Of reports, and of the page where a browser asks for neither."
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        return self if self.name else self.model_copy(update={"name": self.site})

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class NetworkSettings(Section):
    """Where the probe stands in the network."""

    interface: Annotated[str, Field(min_length=1, max_length=15), Expects('an interface name or "auto"')] = Field(
        "auto", description="Its own link. `auto`: the one of the default route."
    )
    gateway: Annotated[Address, Expects('an address, "auto" or "none"')] = Field(
        "auto",
        description="What everything outside lies behind. `auto`: the default route's; `none`: there is none.",
    )
    internet: tuple[Address, ...] = Field(
        (),
        description="Targets outside, at least three with different operators: "
        "the internet counts as up while the gateway and one of them answer.",
    )


ENDPOINTS = frozenset({Role.ENDPOINT, Role.PRINTER, Role.CAMERA})
"""Roles that sleep, and limit."""
ROLE_OF = {
    word: role
    for role, words in {
        Role.ROUTER: "firewall utm vpn modem ont cpe load-balancer balancer sd-wan radio radio-link bridge lte",
        Role.SWITCH: "hub olt core distribution stack",
        Role.ACCESS_POINT: "ap wifi wi-fi wlan accesspoint repeater mesh",
        Role.CONTROLLER: "wlc wireless-controller",
        Role.SERVER: "nas storage san nvr dvr recorder hypervisor vm host pbx database bmc ipmi",
        Role.UPS: "pdu power battery rectifier generator ats",
        Role.PRINTER: "copier scanner mfp plotter",
        Role.CAMERA: "cctv webcam",
        Role.ENDPOINT: "phone telephone voip intercom pc workstation desktop laptop notebook client tablet tv display "
        "terminal pos plc sensor iot thermostat door clock projector",
        Role.INTERNET: "wan external outside dns",
    }.items()
    for word in words.split()
}
"""What devices are called that are one of the roles: what a role is for is how closely it is watched, which figures are
expected of it, and what an outage of it means. A firewall is a router in all of this."""


class EchoSettings(Section):
    """Seconds between two ICMP echoes to a device, by its role; a device may set its own."""

    infrastructure_s: EchoSeconds = Field(
        1.0,
        description="Gateways, routers, switches, access points, controllers, servers and UPSs. "
        "One a second gives a five-minute window the 300 echoes that a loss threshold of 0.1 % needs.",
    )
    internet_s: EchoSeconds = Field(5.0, description="Internet targets.")
    endpoint_s: EchoSeconds = Field(10.0, description="Printers, cameras and other endpoints: they sleep, and limit.")

    def seconds_of(self, role: Role) -> float:
        """Between two echoes to a device of this role that sets none of its own."""
        if role is Role.INTERNET:
            return self.internet_s
        return self.endpoint_s if role in ENDPOINTS else self.infrastructure_s


StatusSeconds = Annotated[Seconds, Field(ge=10, le=3600)]
CounterSeconds = Annotated[Seconds, Field(ge=10, le=300)]


class SnmpSettings(Section):
    """How SNMP devices are polled; a device may set its own intervals."""

    status_s: StatusSeconds = Field(60.0, description="Seconds between two readings of the ports' status.")
    counters_s: CounterSeconds = Field(300.0, description="Seconds between two readings of the ports' counters.")
    timeout_s: Annotated[Seconds, Field(ge=0.1, le=30)] = Field(2.0, description="How long one request waits.")
    retries: Annotated[Count, Field(ge=0, le=5)] = Field(2, description="How often an unanswered request is repeated.")


class TrapsSettings(Section):
    """Traps and informs that devices send: the device is asked at once, and an event is said; they are no figures.

    Only devices in this file are heard, and only with a community or SNMPv3 user of a `[[credential]]`. Port 162 is
    opened by systemd (`systemctl enable sonda-traps.socket`, then `systemctl restart sonda`); `host` and `port` then do
    not count."""

    enabled: Flag = Field(False, description="Whether the agent listens for them.")
    host: ListenAddress = Field("0.0.0.0", description="Address to listen on; `::` takes IPv4 and IPv6.")  # noqa: S104 - devices speak from the LAN
    port: Port = Field(162, description="UDP port. Below 1024 it takes systemd, or a privilege the agent does not ask.")


class RadioSettings(Section):
    """The probe's own Wi-Fi, where the box has one: how well it hears its access point, and what else is in the air.

    It is read by `iw`, or out of /proc/net/wireless where `iw` is not installed."""

    enabled: Flag = Field(True, description="Whether it is read.")
    scan: Flag = Field(
        False,
        description="Whether the agent makes a scan every five minutes to hear all networks around. It takes air time "
        "and CAP_NET_ADMIN, which the unit does not give; without it those are listed that the system heard by itself.",
    )


ClientNames = Literal["hash", "none"]


class PrivacySettings(Section):
    """What leaves the box of the people who use the network."""

    clients: ClientNames = Field(
        "hash",
        description="What stands for a client's MAC address in the API, on the page and in messages: `hash`, a keyed "
        "hash of 12 digits whose key stays beside the database; `none`, nothing, and single clients are not told of.",
    )


class TopologySettings(Section):
    """What is made of the links between the devices, which are shown in any case."""

    parents: Literal["derived", "declared"] = Field(
        "derived",
        description="What a device is reached through where it names no `parents` itself: `derived`, what the links "
        "between the devices say; `declared`, nothing but the gateway where the routing table says so.",
    )


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CredentialSettings(Section):
    """How to ask SNMP devices. Devices name one by `snmp`. There are no default credentials."""

    name: Name = Field(description="What devices call it.")
    version: Annotated[Literal["1", "2c", "3"], BeforeValidator(_number_as_text)] = Field(description="SNMP version.")
    community: Secret | None = Field(None, description="Versions 1 and 2c: the community.")
    user: Annotated[str, Field(min_length=1, max_length=32), Expects("text of 1 to 32 characters")] | None = Field(
        None, description="Version 3: the user name (usmUserName)."
    )
    auth: AuthProtocol | None = Field(None, description="Version 3: authentication; without it, none.")
    auth_secret: Secret | None = Field(
        None, description="Version 3: the authentication passphrase, 8 characters or more."
    )
    priv: PrivProtocol | None = Field(
        None, description="Version 3: encryption; without it, none. A `c` is Cisco's key extension."
    )
    priv_secret: Secret | None = Field(None, description="Version 3: the encryption passphrase, 8 characters or more.")
    context: Annotated[str, Field(max_length=32), Expects("text of up to 32 characters")] = Field(
        "", description="Version 3: the context name, where the device has several."
    )


class PortsSettings(Section):
    """Which ports of a device are measured. Patterns fit ifName, ifDescr or ifAlias, in any case."""

    include: tuple[Pattern, ...] = Field((), description="Only these. Default: all.")
    exclude: tuple[Pattern, ...] = Field((), description="Not these, even where `include` has them.")
    access: tuple[Pattern, ...] = Field(
        (), description="Ports of desks and guests: they come and go, which is not counted as flapping."
    )
    fast: tuple[Pattern, ...] = Field(
        (),
        description="Uplinks and the like: their counters are read as often as status (`status_s`), not every "
        "`counters_s`.",
    )
    billed: tuple[Pattern, ...] = Field(
        (),
        description="Lines that are paid for by their traffic: the 95th percentile (`p95_rate_bps`) of their "
        "five-minute averages is said for the last 30 days and for each month.",
    )


DeviceName = Annotated[str, Expects("the name of a device")]


class DeviceSettings(Section):
    """One thing to watch."""

    name: Name = Field(description="What the page, the reports and `parents` call it.")
    id: Segment = Field(
        "",
        validate_default=False,
        description="The id in topics and in the store, for ever. Default: from the name; set it before you rename.",
    )
    role: Role = Field(
        description="What it does at the site. A firewall is a router, a NAS a server, a PDU a ups, "
        "a phone an endpoint."
    )
    address: Address = Field(description="Where it answers.")
    parents: tuple[DeviceName, ...] = Field(
        (),
        description="Names of the devices it is reached through; while all of them are down it is unknown, not down. "
        "Default: see `[topology]`.",
    )
    echo: Flag = Field(True, description="Whether it is sent ICMP echoes.")
    echo_s: EchoSeconds | None = Field(None, description="Seconds between two echoes. Default: by role, see `[echo]`.")
    snmp: str | None = Field(None, description="Name of the credential to poll it with. Default: no SNMP.")
    snmp_port: Port = Field(161, description="UDP port of its SNMP agent.")
    snmp_answers_from: PlainAddress | None = Field(
        None,
        description="The address its SNMP answers and traps come from, where that is not the one it is asked at "
        "(several addresses, VRRP). Answers from elsewhere are not believed. Default: `address`.",
    )
    status_s: StatusSeconds | None = Field(None, description="Seconds between readings of status. Default: `[snmp]`.")
    counters_s: CounterSeconds | None = Field(
        None, description="Seconds between readings of counters. Default: `[snmp]`."
    )
    ports: PortsSettings = Field(PortsSettings(), description="Which ports are measured.")

    @model_validator(mode="after")
    def _with_id(self) -> Self:
        if self.id:
            return self
        if not (made := slug(self.name)):
            refuse("id is missing, and the name has no letters a-z or digits to make one of", 'Write id = "...".')
        return self.model_copy(update={"id": made})


class MaintenanceSettings(Section):
    """A planned time in which what happens does not count, entered before, meanwhile or up to 31 days afterwards. An
    echo leaves with its minute, what comes by SNMP with its five minutes and the five after the work."""

    devices: tuple[DeviceName, ...] = Field((), description="Names of the devices. Default: the whole site.")
    start: Annotated[datetime, Strict()] = Field(description="Beginning; without an offset, in the site's time zone.")
    end: Annotated[datetime, Strict()] = Field(description="End.")
    reason: Name = Field("", validate_default=False, description="What is done.")

    def between(self, zone: ZoneInfo) -> tuple[float, float]:
        """[start, end) in seconds since the epoch; times without an offset are the site's."""
        start, end = (moment if moment.tzinfo else moment.replace(tzinfo=zone) for moment in (self.start, self.end))
        return start.timestamp(), end.timestamp()


class TlsSettings(Section):
    """Encryption of the connection to the broker. Writing this section turns it on."""

    enabled: Flag = Field(True, description="Whether TLS is used. Default: true where the section is written.")
    ca: ConfigPath | None = Field(None, description="Certificates to trust (PEM). Default: the system's.")
    cert: ConfigPath | None = Field(
        None, description="The probe's own certificate (PEM), where the broker asks for one."
    )
    key: ConfigPath | None = Field(None, description="Its key (PEM). Default: in the file of `cert`.")
    key_password: Secret | None = Field(None, description="The passphrase of the key.")
    minimum_version: Literal["1.2", "1.3"] = Field("1.2", description="The oldest TLS that is spoken.")
    check_hostname: Flag = Field(True, description="Whether the broker's certificate must name `host`.")
    verify: Flag = Field(True, description="Whether the broker's certificate is checked. Only a lab turns it off.")


def _mqtt_port(validated: dict[str, Any]) -> int:
    tls = validated.get("tls")
    encrypted = isinstance(tls, TlsSettings) and tls.enabled
    if validated.get("transport") == "websocket":
        return 443 if encrypted else 80
    return 8883 if encrypted else 1883


class MqttSettings(Section):
    """The broker of the central servers. Without this section nothing is published, and all is kept on the probe."""

    enabled: Flag = Field(True, description="Whether anything is published.")
    host: Address | None = Field(None, description="The broker. Needed where `enabled`.")
    transport: Literal["tcp", "websocket"] = Field("tcp", description="`websocket` passes proxies and port 443.")
    tls: TlsSettings = Field(TlsSettings(enabled=False), description="Encryption.")
    port: Port = Field(
        default_factory=_mqtt_port,
        description="Its port. Default: 1883; 8883 with TLS; 80 by WebSocket, 443 by WebSocket with TLS.",
    )
    path: Annotated[str, Field(pattern=r"^/\S*$"), Expects('a path such as "/mqtt"')] = Field(
        "/mqtt", description="The path of the WebSocket."
    )
    protocol: Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_number_as_text)] = Field(
        "auto", description="MQTT version. `auto`: 5, and 3.1.1 where the broker refuses it."
    )
    username: Annotated[str, Field(min_length=1), Expects("text")] | None = Field(None, description="User name.")
    password: Secret | None = Field(None, description="Password.")
    keepalive_s: Annotated[Count, Field(ge=5, le=3600)] = Field(
        30, description="The broker says `offline` after one and a half times this silence."
    )


class HttpSettings(Section):
    """The page and the API."""

    enabled: Flag = Field(True, description="Whether the page is served.")
    host: ListenAddress = Field(
        "127.0.0.1", description="Address to listen on. Anything but loopback needs `access_code`."
    )
    port: Port = Field(8080, description="TCP port.")
    access_code: Secret | None = Field(None, description="What a browser is asked for, 8 characters or more.")
    cert: ConfigPath | None = Field(None, description="Certificate for HTTPS (PEM).")
    key: ConfigPath | None = Field(None, description="Its key (PEM).")
    plain_http: Flag = Field(
        False, description="Allow a LAN address without HTTPS: the access code then crosses the LAN readable."
    )
    hosts: tuple[Address, ...] = Field(
        (), description="Further names the page may be called by. Default: the machine's own names and addresses."
    )


class StoreSettings(Section):
    """Where measurements are kept, and how long. What is unsent goes last."""

    path: ConfigPath = Field(Path("/var/lib/sonda/sonda.db"), description="The database.")
    max_bytes: Annotated[Bytes, Field(ge=64_000_000), Expects('64 MB or more, as "4 GB" or a number of bytes')] = Field(
        4_000_000_000, description="Most the database may take; fine windows go first."
    )
    ballast_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        16_000_000, description="Space taken by a file that is given up when the disk is full."
    )
    keep_minute_days: Days = Field(2, description="How long one-minute windows are kept.")
    keep_five_minutes_days: Days = Field(90, description="How long five-minute windows are kept.")
    keep_hour_days: Days = Field(731, description="How long one-hour windows are kept; days and months for ever.")
    keep_acknowledged_days: Days = Field(35, description="How long messages that the broker has stay for replay.")
    keep_acknowledged_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        1_000_000_000, description="Most that these may take."
    )


class LogSettings(Section):
    """The log goes to standard error, which systemd keeps in the journal."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is said.")


class Settings(Section):
    """Everything. TOML names of the lists are singular: [[device]], [[credential]], [[maintenance]]."""

    site: SiteSettings
    network: NetworkSettings = NetworkSettings()
    echo: EchoSettings = EchoSettings()
    snmp: SnmpSettings = SnmpSettings()
    traps: TrapsSettings = TrapsSettings()
    radio: RadioSettings = RadioSettings()
    privacy: PrivacySettings = PrivacySettings()
    topology: TopologySettings = TopologySettings()
    credentials: tuple[CredentialSettings, ...] = Field((), alias="credential")
    devices: tuple[DeviceSettings, ...] = Field((), alias="device")
    maintenance: tuple[MaintenanceSettings, ...] = ()
    mqtt: MqttSettings = MqttSettings(enabled=False)
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    log: LogSettings = LogSettings()

    def credential(self, name: str) -> CredentialSettings:
        """The credential of that name. Raises KeyError; rules.py made sure of those that devices name."""
        for credential in self.credentials:
            if credential.name == name:
                return credential
        raise KeyError(name)
