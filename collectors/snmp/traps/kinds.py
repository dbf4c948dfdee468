"""The names of traps, by snmpTrapOID: data (config/traps.toml), no code."""

from collections.abc import Mapping


class Kinds:
    """Which traps are known, and what they are called."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Names by OID, dotted."""
        self._names = {_same(oid): name for oid, name in names.items()}

    def __len__(self) -> int:
        return len(self._names)

    def name(self, oid: str) -> str | None:
        """None where it is not known."""
        return self._names.get(_same(oid))


def _same(oid: str) -> str:
    """The OID without a 0 before its last arc. RFC 3584 section 3.1 puts one there when it makes an OID of a v1 trap,
    whether the MIB has it (BRIDGE-MIB) or not (UPS-MIB); so both spellings are one trap."""
    head, _, last = oid.rpartition(".")
    return f"{head.removesuffix('.0')}.{last}"
