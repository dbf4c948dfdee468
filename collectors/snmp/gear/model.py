"""A device profile as the engine uses it: what to ask, and what the answers mean. Profiles are data
(config/profiles/*.toml); agent/profiles/ reads them into these types and refuses a bad one.

OIDs are dotted text here; the engine encodes them once a device. Every number is in the unit of its kind
(kpi/gear.py:UNITS) after scaling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kpi.gear import Kind


class Every(StrEnum):
    """How often a table is read: with port status (60 s), with counters (300 s), or with static columns (1 h)."""

    STATUS = "status"
    COUNTERS = "counters"
    STATIC = "static"


class Form(StrEnum):
    """What the octets or arcs of a value are read as."""

    TEXT = "text"
    NUMBER = "number"
    MAC = "mac"
    HEX = "hex"
    OCTETS = "octets"
    """Text, or where it is none "B8 A4 4F"."""
    IP = "ip"
    """4 or 16 octets as an address, also an IpAddress or a written one."""
    FAMILY_ADDRESS = "family_address"
    """The IANA address family number in one octet and then the address, as LLDP has it (802.1AB section 8.5.2.3)."""
    OID = "oid"
    BRIDGE_ID = "bridge_id"
    """8 octets, also written as hexadecimal digits: priority and MAC address; the MAC address counts."""
    CHASSIS = "chassis"
    """A MAC address where there are six octets that are no text, else text."""
    CHANNEL_MHZ = "channel_mhz"
    """The centre frequency in MHz of the 802.11 channel that the number says (2.4 and 5 GHz)."""


class Part(StrEnum):
    """How a part of a row's index is written (RFC 2578 section 7.7)."""

    INT = "int"
    IPV4 = "ipv4"
    MAC = "mac"
    STRING = "string"
    """Length, then that many octets."""
    IMPLIED = "implied"
    """The rest, as octets."""
    INET = "inet"
    """InetAddressType, length, octets (RFC 4001)."""
    REST = "rest"
    """The rest, as arcs."""


class System(StrEnum):
    """What is known of a device before its profile is."""

    DESCR = "sysDescr"
    OBJECT_ID = "sysObjectID"
    NAME = "sysName"
    ENTITY_VENDOR = "entity.vendor"
    ENTITY_MODEL = "entity.model"
    ENTITY_FIRMWARE = "entity.firmware"
    ENTITY_HARDWARE = "entity.hardware"
    ENTITY_SOFTWARE = "entity.software"
    ENTITY_SERIAL = "entity.serial"
    ENTITY_DESCR = "entity.descr"
    ENTITY_NAME = "entity.name"


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value comes from, and how it is read. Exactly one of the first group is set."""

    column: str | None = None
    """A column of the table's own entry, in this row ("5", "1.2")."""
    oid: str | None = None
    """In a table: the column, whole, of another table, at the row ``at`` names. In ``identity``: one instance."""
    first: str | None = None
    """identity only: a column, whole; its first row with a value."""
    system: System | None = None
    index: int | None = None
    """Part of the row's index, from 1."""
    text: str | None = None
    """These words."""
    join: tuple["Source", ...] = ()
    """Several sources, put together by ``template``."""

    at: tuple["Source", ...] = ()
    """For ``oid`` in a table: the index there; () is this row's own index."""
    form: Form | None = None
    pattern: re.Pattern[str] | None = None
    """Searched for in the text; group 1 (or the whole match) is the value, all groups with ``template``."""
    template: str | None = None
    """"{1} {2}": the groups of ``pattern``, or the parts of ``join``."""
    map: Mapping[str, str] | None = None
    """By the value's text; what is not in it is no value, unless it has "*"."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A row or a value counts only where this holds."""

    source: Source
    within: frozenset[str] | None = None
    """The value's text is one of these; no value is none of them."""
    outside: frozenset[str] | None = None
    """It is none of these; no value is none of them, and passes."""
    pattern: re.Pattern[str] | None = None


class Reduce(StrEnum):
    """Several rows made one value."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    COUNT = "count"
    """How many rows there are, whatever they hold; 0 where the table has none but the agent has the table's
    neighbours (``Table.witness``)."""


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """One reading a row: (number + plus) x scale x scale_by / divide_by / 10^decimals_by + offset, negated where
    asked, then judged."""

    kind: Kind | None
    """None where ``kind_by`` tells it for each row."""
    source: Source
    kind_by: Source | None = None
    """Its text, after ``map``, is the kind; a row without one has no reading."""
    scale: float = 1.0
    plus: tuple[Source, ...] = ()
    """The numbers of these are first added, of those that have one; read anew with the value."""
    scale_by: tuple[Source, ...] = ()
    """Each one's number, after ``map``, is multiplied in."""
    divide_by: tuple[Source, ...] = ()
    """Each one's number is divided by; read anew with the value. By 0 there is no value."""
    share_with: tuple[Source, ...] = ()
    """The number is first made its share of the sum of itself and the numbers of these (used and free: 0 to 1); read
    anew with the value. Of 0 there is no share."""
    decimals_by: Source | None = None
    """Its number p divides by 10^p (entPhySensorPrecision)."""
    offset: float = 0.0
    negate: bool = False
    absolute: bool = False
    mask: int | None = None
    """Only these bits of the number count."""
    drop: frozenset[float] = frozenset()
    """Numbers as the agent says them, before scaling, that are no value (0, 65535, ...)."""
    least: float | None = None
    most: float | None = None
    """After scaling; what lies outside is no value."""
    where: tuple[Condition, ...] = ()
    name: tuple[Source, ...] = ()
    """The first that says something; else the table's."""
    reduce: Reduce | None = None
    group_by: Source | None = None
    """Reduced a group; without it all rows are one."""
    limit: Source | None = None
    """Scaled as the value."""
    port: Source | None = None
    """Its number is an ifIndex."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below one entry, read into readings (``values``) or into facts of one sort (``sort``, ``fields``)."""

    name: str
    entry: str
    """Dotted OID of the entry; of a scalar group where ``scalar``."""
    scalar: bool = False
    """Columns have the instance 0 and are asked by GET."""
    index: tuple[Part, ...] = ()
    """How the index is made of parts; () is every arc an int."""
    every: Every = Every.COUNTERS
    volatile: bool = False
    """Rows come and go: walked each time, where otherwise known instances are asked."""
    changed: str | None = None
    """A scalar that moves when rows came or went: a volatile table is walked only then, and with the static ones."""
    where: tuple[Condition, ...] = ()
    label: tuple[Source, ...] = ()
    """The row's name: the first source that says something, else the index."""
    alternative: str | None = None
    """Of the tables with this word, in their order, the first that yields anything counts."""
    witness: str | None = None
    """An OID below which something must lie for a count of 0 to be believed."""
    values: tuple[ValueSpec, ...] = ()
    sort: str | None = None
    """One of kpi/gear.py:SORTS; each row becomes one of that type."""
    fields: Mapping[str, tuple[Source, ...]] | None = None
    """By the type's field names: the first source that says something."""


@dataclass(frozen=True, slots=True)
class Match:
    """One way to recognise a device; all that is set must hold."""

    object_ids: tuple[str, ...] = ()
    """sysObjectID is one of these or below."""
    descr: re.Pattern[str] | None = None
    """Searched for in sysDescr."""
    not_descr: re.Pattern[str] | None = None
    present: str | None = None
    """The agent has something at or below this OID."""
    value: Source | None = None
    """A source of ``oid``, ``first`` or ``system``; with ``pattern``, that is found in it."""


@dataclass(frozen=True, slots=True)
class IdentitySpec:
    """The first source that says something, each."""

    vendor: tuple[Source, ...] = ()
    model: tuple[Source, ...] = ()
    firmware: tuple[Source, ...] = ()
    serial: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with everything it inherits."""

    name: str
    matches: tuple[Match, ...]
    identity: IdentitySpec
    tables: tuple[Table, ...]
    priority: int = 0
