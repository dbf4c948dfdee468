"""IF-MIB (RFC 2863): the columns of ifTable and ifXTable, and what a port's row of them means. Pure functions.

A row maps a column to the varbind the agent gave; a column it lacks, or answered with an exception, is not in it.
"""

import re
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.errors import DecodeError
from collectors.snmp.slices import at_once
from collectors.snmp.text import NAME_LIMIT, clean_text, mac_text, number_in_opaque, number_in_text
from kpi.model import PortIdentity


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its MIB name, and its OID without the instance."""

    name: str
    prefix: bytes


def _table(entry: str, names: Mapping[str, int]) -> dict[str, Column]:
    return {name: Column(name, oid.parse(f"{entry}.{number}")) for name, number in names.items()}


COLUMNS = _table(
    "1.3.6.1.2.1.2.2.1",
    {
        "ifDescr": 2,
        "ifType": 3,
        "ifMtu": 4,
        "ifSpeed": 5,
        "ifPhysAddress": 6,
        "ifAdminStatus": 7,
        "ifOperStatus": 8,
        "ifLastChange": 9,
        "ifInOctets": 10,
        "ifInUcastPkts": 11,
        "ifInNUcastPkts": 12,
        "ifInDiscards": 13,
        "ifInErrors": 14,
        "ifOutOctets": 16,
        "ifOutUcastPkts": 17,
        "ifOutNUcastPkts": 18,
        "ifOutDiscards": 19,
        "ifOutErrors": 20,
    },
) | _table(
    "1.3.6.1.2.1.31.1.1.1",
    {
        "ifName": 1,
        "ifInMulticastPkts": 2,
        "ifInBroadcastPkts": 3,
        "ifOutMulticastPkts": 4,
        "ifOutBroadcastPkts": 5,
        "ifHCInOctets": 6,
        "ifHCInUcastPkts": 7,
        "ifHCInMulticastPkts": 8,
        "ifHCInBroadcastPkts": 9,
        "ifHCOutOctets": 10,
        "ifHCOutUcastPkts": 11,
        "ifHCOutMulticastPkts": 12,
        "ifHCOutBroadcastPkts": 13,
        "ifHighSpeed": 15,
        "ifAlias": 18,
        "ifCounterDiscontinuityTime": 19,
    },
)
"""Every column that is read, by its MIB name."""

_BY_PREFIX = {column.prefix: column for column in COLUMNS.values()}
_IF_OCTETS = len(COLUMNS["ifDescr"].prefix)
"""Octets of a column of ifEntry; one of ifXEntry has one more."""

STATIC = ("ifDescr", "ifType", "ifMtu", "ifSpeed", "ifPhysAddress", "ifName", "ifHighSpeed", "ifAlias")
STATUS = ("ifAdminStatus", "ifOperStatus", "ifLastChange")

ADMIN_STATES = {1: "up", 2: "down", 3: "testing"}
OPER_STATES = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}

Row = Mapping[str, VarBind]

OID_OCTETS_MAX = 640
"""128 arcs of 32 bits (RFC 2578 section 3.5); a longer one is not an answer."""

KEYS_AT_ONCE = 256
"""Keys given before the loop gets its turn."""
_DOTTED = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10}){1,127}")
_WORD = 1 << 32
_LONG = 1 << 64
_EXCEPTIONS = frozenset({ber.NO_SUCH_OBJECT, ber.NO_SUCH_INSTANCE, ber.END_OF_MIB_VIEW, ber.NULL})
_MAX_MEGABITS = 10_000_000
"""10 Tb/s: an ifHighSpeed of that or more was given in bit/s by mistake."""
_LEAST_BPS = 1_000_000
"""1BASE5, the slowest Ethernet."""
_BEYOND_BPS = _WORD - 1
"""What ifSpeed says of a speed that it cannot hold."""
_BEYOND_MEGABITS = frozenset({4294, 4295, _BEYOND_BPS})
"""The same in Mbit/s, rounded either way, or once more as it is."""
_ETHERNET = frozenset({6, 7, 62, 69, 117})
"""IANAifType: ethernetCsmacd, iso88023Csmacd, fastEther, fastEtherFX, gigabitEthernet."""
ETHERNET_MEGABITS = frozenset({10, 100, 1000, 2500, 5000, 10_000, 25_000, 40_000, 50_000, 100_000, 200_000, 400_000})
"""The rates of IEEE 802.3."""


def column_of(name: bytes) -> Column | None:
    """The column that an instance belongs to."""
    return _BY_PREFIX.get(name[:_IF_OCTETS]) or _BY_PREFIX.get(name[: _IF_OCTETS + 1])


def is_present(bind: VarBind) -> bool:
    """Whether the agent gave a value, and not an exception (RFC 3416 section 4.2.1) or nothing."""
    return bind.tag not in _EXCEPTIONS


def number(bind: VarBind | None) -> int | None:
    """The number in ``bind``, also where the agent sent it as text; None where there is none."""
    if bind is None:
        return None
    if isinstance(bind.value, int):
        return bind.value
    if bind.value is None:
        return None
    if bind.tag == ber.OCTET_STRING:
        return number_in_text(bind.value)
    return number_in_opaque(bind.value) if bind.tag == ber.OPAQUE else None


def unsigned(bind: VarBind | None) -> int | None:
    """As ``number``, for counters, gauges and ticks: 0 <= n < 2^64. A negative 32-bit value is one whose leading
    zero octet the agent forgot."""
    return without_sign(number(bind))


def without_sign(found: int | None) -> int | None:
    """The number that ``unsigned`` makes of one that was read."""
    if found is None or 0 <= found < _LONG:
        return found
    return found + _WORD if -_WORD // 2 <= found < 0 else None


def text(bind: VarBind | None, limit: int = NAME_LIMIT) -> str:
    """The text in ``bind`` (collectors/snmp/text.py), "" where there is none; a number where text belongs is
    written out."""
    if bind is None or bind.value is None:
        return ""
    if isinstance(bind.value, int):
        return str(bind.value)
    if bind.tag == ber.OBJECT_IDENTIFIER:
        return object_id(bind) or ""
    return clean_text(bind.value, limit)


def object_id(bind: VarBind | None) -> str | None:
    """An object identifier as dotted decimal; also one sent as text."""
    if bind is None or not isinstance(bind.value, bytes):
        return None
    if bind.tag != ber.OBJECT_IDENTIFIER:
        said = clean_text(bind.value).removeprefix(".")
        return said if _DOTTED.fullmatch(said) else None
    try:
        return oid.text(bind.value) if len(bind.value) <= OID_OCTETS_MAX else None
    except DecodeError:
        return None


def state(bind: VarBind | None, names: Mapping[int, str]) -> str | None:
    """ifAdminStatus or ifOperStatus by RFC 2863's name; also where the name itself was sent as text."""
    found = number(bind)
    if found is not None:
        return names.get(found)
    said = text(bind)
    return said if said in names.values() else None


def reported_speed_bps(row: Row) -> int | None:
    """ifHighSpeed x 10^6, or ifSpeed where that is 0 or absent (if_util_pct), as the agent says it: 0 for an
    interface without a bandwidth; None for 2^32-1, which is "more than can be said" (RFC 2863 section 3.1.8), also
    where an agent makes its ifHighSpeed of it. Agents that give ifHighSpeed in bit/s by mistake are seen through, and
    so are those that give an Ethernet port's ifSpeed in Mbit/s: no Ethernet has 1,000 bit/s."""
    high, low = unsigned(row.get("ifHighSpeed")), unsigned(row.get("ifSpeed"))
    if low == _BEYOND_BPS and high in _BEYOND_MEGABITS:
        high = None
    if high:
        in_bits = high >= _MAX_MEGABITS or (high == low and high >= _LEAST_BPS)
        return (high if in_bits else high * 1_000_000) if high != _BEYOND_BPS else None
    if low in ETHERNET_MEGABITS and _is_ethernet(row):
        return low * 1_000_000
    return (low if low != _BEYOND_BPS else None) if low is not None else high


def speed_bps(row: Row) -> int | None:
    """The speed to reckon with: None where the agent says 0, cannot say, or says of an Ethernet port what none has."""
    reported = reported_speed_bps(row)
    if not reported or (reported < _LEAST_BPS and _is_ethernet(row)):
        return None
    return reported


def _is_ethernet(row: Row) -> bool:
    return number(row.get("ifType")) in _ETHERNET


def mac(row: Row) -> str | None:
    """ifPhysAddress as colon-separated octets."""
    bind = row.get("ifPhysAddress")
    return mac_text(bind.value) if bind is not None and isinstance(bind.value, bytes) else None


def identify(rows: Mapping[int, Row]) -> dict[int, PortIdentity]:
    """Who each port is, by ifIndex."""
    return with_keys({index: identity_of(index, row) for index, row in rows.items()})


def with_keys(ports: Mapping[int, PortIdentity]) -> dict[int, PortIdentity]:
    """As ``with_keys_in_steps``, at once."""
    return at_once(with_keys_in_steps(ports))


def with_keys_in_steps(ports: Mapping[int, PortIdentity]) -> Generator[None, None, dict[int, PortIdentity]]:
    """The ports with their ``key``: ifName, else ifDescr, else "if" and the index; where several ports share one, the
    MAC address is added if that tells them apart, else the index (kpi/README.md R12)."""
    bases = {index: port.name or port.descr or f"if{index}" for index, port in ports.items()}
    shared = Counter(bases.values())
    with_mac = {i: f"{base} [{ports[i].mac}]" for i, base in bases.items() if shared[base] > 1 and ports[i].mac}
    told_apart = Counter(with_mac.values())
    taken = {base for base, times in shared.items() if times == 1}
    found = {}
    for at, index in enumerate(sorted(ports)):
        if at % KEYS_AT_ONCE == 0:
            yield
        key = bases[index]
        if shared[key] > 1:
            candidate = with_mac.get(index)
            key = candidate if candidate is not None and told_apart[candidate] == 1 else f"{key} #{index}"
            while key in taken:
                key = f"{key} #{index}"
            taken.add(key)
        found[index] = ports[index] if ports[index].key == key else replace(ports[index], key=key)
    return found


def identity_of(index: int, row: Row) -> PortIdentity:
    """The static columns of one port, its ``key`` not yet given. A MAC address of zeros, which many logical ports
    share, is none."""
    address = mac(row)
    return PortIdentity(
        key="",
        index=index,
        name=text(row.get("ifName")),
        descr=text(row.get("ifDescr")),
        alias=text(row.get("ifAlias")),
        if_type=number(row.get("ifType")),
        mtu=unsigned(row.get("ifMtu")),
        speed_bps=speed_bps(row),
        mac=address if address is not None and address.strip("0:") else None,
    )
