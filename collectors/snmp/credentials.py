"""What a device is asked with: a community, or an SNMPv3 user. Secrets never stand in a repr."""

from dataclasses import dataclass, field
from enum import StrEnum


class AuthProtocol(StrEnum):
    """RFC 3414 (MD5, SHA-1) and RFC 7860 (SHA-2)."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA224 = "sha224"
    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"


class PrivProtocol(StrEnum):
    """RFC 3414 (DES) and RFC 3826 (AES-128). Longer AES was never standardised: agents extend a short key after
    draft-blumenthal-aes-usm-04 ("aes192", "aes256": net-snmp), or as draft-reeder-snmpv3-usm-3desede-00 does
    ("aes192c", "aes256c": Cisco and many others)."""

    DES = "des"
    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"
    AES192C = "aes192c"
    AES256C = "aes256c"


class SecretKind(StrEnum):
    """How far a secret has come on the way of RFC 3414 section 2.6."""

    PASSWORD = "password"  # noqa: S105 -- the name of a kind of secret
    MASTER = "master"
    """Ku: the digest of the password, good for every engine."""
    LOCALISED = "localised"
    """Kul: good for one engine."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A password as UTF-8 octets, or a key."""

    octets: bytes = field(repr=False)
    kind: SecretKind = SecretKind.PASSWORD

    def __post_init__(self) -> None:
        if not self.octets:
            raise ValueError("an SNMPv3 secret cannot be empty")

    @classmethod
    def from_hex(cls, digits: str, kind: SecretKind = SecretKind.LOCALISED) -> "Secret":
        """A key written in hexadecimal, as net-snmp's -3k and -3m take it ("0x" and separators are allowed).

        Raises ValueError, which does not quote the digits.
        """
        try:
            octets = bytes.fromhex(digits.strip().removeprefix("0x").replace(":", ""))
        except ValueError:
            raise ValueError("an SNMPv3 key is hexadecimal digits") from None
        return cls(octets, kind)


@dataclass(frozen=True, slots=True)
class Community:
    """SNMP "1" or "2c"."""

    version: str
    community: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.version not in ("1", "2c"):
            raise ValueError(f"a community belongs to version 1 or 2c, not {self.version!r}")


@dataclass(frozen=True, slots=True, init=False)
class UsmUser:
    """SNMPv3 by the User-based Security Model (RFC 3414). A secret given as text is a password."""

    name: str
    auth: AuthProtocol | None
    auth_secret: Secret | None = field(repr=False)
    priv: PrivProtocol | None
    priv_secret: Secret | None = field(repr=False)
    context: str
    """contextName; "" is the default context."""
    context_engine: bytes | None
    """contextEngineID; None is the agent's own."""

    def __init__(
        self,
        name: str,
        auth: AuthProtocol | None = None,
        auth_secret: Secret | str | None = None,
        priv: PrivProtocol | None = None,
        priv_secret: Secret | str | None = None,
        *,
        context: str = "",
        context_engine: bytes | None = None,
    ) -> None:
        """Raises ValueError where protocol and secret do not go together."""
        if (auth is None) != (auth_secret is None) or (priv is None) != (priv_secret is None):
            raise ValueError(f"user {name!r}: a protocol needs a secret, and a secret its protocol")
        if priv is not None and auth is None:
            raise ValueError(f"user {name!r}: privacy needs authentication (RFC 3414 section 1.4)")
        if not 0 < len(name.encode()) <= 32:
            raise ValueError("an SNMPv3 user name has 1 to 32 octets (RFC 3414 section 5)")
        put = object.__setattr__
        put(self, "name", name)
        put(self, "auth", auth)
        put(self, "auth_secret", _secret(auth_secret))
        put(self, "priv", priv)
        put(self, "priv_secret", _secret(priv_secret))
        put(self, "context", context)
        put(self, "context_engine", context_engine)

    @property
    def version(self) -> str:
        return "3"

    @property
    def level(self) -> str:
        """noAuthNoPriv, authNoPriv or authPriv."""
        return ("auth" if self.auth else "noAuth") + ("Priv" if self.priv else "NoPriv")


Credential = Community | UsmUser


def _secret(given: Secret | str | None) -> Secret | None:
    return Secret(given.encode()) if isinstance(given, str) else given
