"""Keys, digests and ciphers of the User-based Security Model, on ``cryptography``; the only file here that imports it.

RFC 3414 (MD5, SHA-1, DES, keys from passwords), RFC 7860 (SHA-2), RFC 3826 (AES-128); AES-192 and AES-256 with short
keys extended as draft-blumenthal-aes-usm-04 section 3.1.2.1 or draft-reeder-snmpv3-usm-3desede-00 section 2.1 do.

DES, MD5 and CFB are decrepit, and ``cryptography`` keeps DES and CFB in modules of that name: they are here because
agents in the field have nothing better, and a credential must name them to get them.
"""

import secrets

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hmac import HMAC

from collectors.snmp.credentials import AuthProtocol, PrivProtocol, Secret, SecretKind, UsmUser
from collectors.snmp.errors import DecodeError

PASSWORD_EXPANDED = 1 << 20
"""RFC 3414 appendix A.2: octets of repeated password that are digested."""
SALT_OCTETS = 8
"""msgPrivacyParameters of every privacy protocol here."""
MASTERS_MAX = 2048
"""Digested passwords kept, some 200 octets each."""

_HASHES: dict[AuthProtocol, tuple[hashes.HashAlgorithm, int]] = {
    AuthProtocol.MD5: (hashes.MD5(), 12),  # noqa: S303 -- RFC 3414; named by the credential, never a default
    AuthProtocol.SHA1: (hashes.SHA1(), 12),  # noqa: S303 -- the same
    AuthProtocol.SHA224: (hashes.SHA224(), 16),
    AuthProtocol.SHA256: (hashes.SHA256(), 24),
    AuthProtocol.SHA384: (hashes.SHA384(), 32),
    AuthProtocol.SHA512: (hashes.SHA512(), 48),
}
"""Digest and how many of its octets a message carries (RFC 3414 sections 6 and 7, RFC 7860 section 4.1)."""

_KEY_OCTETS = {
    PrivProtocol.DES: 16,
    PrivProtocol.AES128: 16,
    PrivProtocol.AES192: 24,
    PrivProtocol.AES256: 32,
    PrivProtocol.AES192C: 24,
    PrivProtocol.AES256C: 32,
}
"""Of DES eight are the key and eight the pre-IV (RFC 3414 section 8.1.1.1)."""
_REEDER = (PrivProtocol.AES192C, PrivProtocol.AES256C)


def master_key(protocol: AuthProtocol, password: bytes) -> bytes:
    """Ku (RFC 3414 section 2.6). Digests 1 MiB: some milliseconds. Raises ValueError for an empty password."""
    if not password:
        raise ValueError("an SNMPv3 password cannot be empty")
    repeated = password * (PASSWORD_EXPANDED // len(password) + 1)
    return _digest(protocol, repeated[:PASSWORD_EXPANDED])


def localised_key(protocol: AuthProtocol, ku: bytes, engine_id: bytes) -> bytes:
    """Kul (RFC 3414 section 2.6): good for one engine alone."""
    return _digest(protocol, ku + engine_id + ku)


def extended_key(auth: AuthProtocol, priv: PrivProtocol, kul: bytes, engine_id: bytes) -> bytes:
    """As many octets as the privacy protocol needs, of a localised key that may be too short."""
    wanted = _KEY_OCTETS[priv]
    if priv in _REEDER:
        last = kul
        while len(kul) < wanted:
            last = localised_key(auth, master_key(auth, last), engine_id)
            kul += last
    else:
        while len(kul) < wanted:
            kul += _digest(auth, kul)
    return kul[:wanted]


def _digest(protocol: AuthProtocol, octets: bytes) -> bytes:
    digest = hashes.Hash(_HASHES[protocol][0])
    digest.update(octets)
    return digest.finalize()


class Signer:
    """msgAuthenticationParameters with one localised key; the key's part of HMAC is computed once."""

    __slots__ = ("_base", "octets")

    def __init__(self, protocol: AuthProtocol, key: bytes) -> None:
        algorithm, self.octets = _HASHES[protocol]
        self._base = HMAC(key, algorithm)

    def sign(self, message: bytes) -> bytes:
        """The truncated digest of a message whose own parameters are zeros."""
        digest = self._base.copy()
        digest.update(message)
        return digest.finalize()[: self.octets]

    def right(self, message: bytes, given: bytes) -> bool:
        """Is ``given`` the digest of the message with zeros in its place? In constant time."""
        return bytes_eq(self.sign(message), given)


class AesCipher:
    """AES in CFB-128 (RFC 3826 section 3.1): the IV is boots, time and a salt that never comes twice."""

    __slots__ = ("_algorithm", "_salt")

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.AES(key)
        self._salt = secrets.randbits(64)

    def encrypt(self, plain: bytes, boots: int, engine_time: int) -> tuple[bytes, bytes]:
        """(ciphertext, msgPrivacyParameters)."""
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        salt = self._salt.to_bytes(8, "big")
        mode = CFB(((boots << 32) | engine_time).to_bytes(8, "big") + salt)
        return Cipher(self._algorithm, mode).encryptor().update(plain), salt

    def decrypt(self, octets: bytes, salt: bytes, boots: int, engine_time: int) -> bytes:
        """The plain octets, whatever they are. Raises DecodeError for a salt of another length."""
        if len(salt) != SALT_OCTETS:
            raise DecodeError("msgPrivacyParameters have not eight octets")
        mode = CFB(((boots << 32) | engine_time).to_bytes(8, "big") + salt)
        return Cipher(self._algorithm, mode).decryptor().update(octets)


class DesCipher:
    """DES in CBC (RFC 3414 section 8): the salt is boots and a counter, the IV salt XOR pre-IV."""

    __slots__ = ("_algorithm", "_counter", "_pre_iv")

    def __init__(self, key: bytes) -> None:
        self._algorithm = TripleDES(key[:8] * 3)  # three times the same key is single DES
        self._pre_iv = int.from_bytes(key[8:16], "big")
        self._counter = secrets.randbits(32)

    def _mode(self, salt: bytes) -> modes.CBC:
        return modes.CBC((int.from_bytes(salt, "big") ^ self._pre_iv).to_bytes(8, "big"))

    def encrypt(self, plain: bytes, boots: int, engine_time: int) -> tuple[bytes, bytes]:  # noqa: ARG002 -- as AesCipher
        """(ciphertext, msgPrivacyParameters); the padding is outside the scoped PDU's own length."""
        self._counter = (self._counter + 1) & 0xFFFFFFFF
        salt = ((boots & 0xFFFFFFFF) << 32 | self._counter).to_bytes(8, "big")
        padded = plain + bytes(-len(plain) % 8)
        return Cipher(self._algorithm, self._mode(salt)).encryptor().update(padded), salt

    def decrypt(self, octets: bytes, salt: bytes, boots: int, engine_time: int) -> bytes:  # noqa: ARG002 -- as AesCipher
        """The plain octets with their padding. Raises DecodeError for lengths that DES cannot have made."""
        if len(salt) != SALT_OCTETS or len(octets) % 8:
            raise DecodeError("not made by CBC-DES")
        return Cipher(self._algorithm, self._mode(salt)).decryptor().update(octets)


class KeyMaker:
    """Signer and cipher of a user towards one engine. Keeps the slow part (Ku) by password, bounded."""

    def __init__(self) -> None:
        self._masters: dict[tuple[AuthProtocol, bytes], bytes] = {}

    def make(
        self, user: UsmUser, auth: AuthProtocol, secret: Secret, engine_id: bytes
    ) -> tuple[Signer, AesCipher | DesCipher | None]:
        """``auth`` and ``secret`` are what the user authenticates with; no cipher where there is no privacy."""
        signer = Signer(auth, self._localised(auth, secret, engine_id))
        if user.priv is None or user.priv_secret is None:
            return signer, None
        kul = self._localised(auth, user.priv_secret, engine_id)
        key = extended_key(auth, user.priv, kul, engine_id)
        return signer, DesCipher(key) if user.priv == PrivProtocol.DES else AesCipher(key)

    def _localised(self, auth: AuthProtocol, secret: Secret, engine_id: bytes) -> bytes:
        if secret.kind == SecretKind.LOCALISED:
            return secret.octets
        if secret.kind == SecretKind.MASTER:
            return localised_key(auth, secret.octets, engine_id)
        at = (auth, secret.octets)
        ku = self._masters.get(at)
        if ku is None:
            ku = self._masters[at] = master_key(auth, secret.octets)
            if len(self._masters) > MASTERS_MAX:
                del self._masters[next(iter(self._masters))]
        return localised_key(auth, ku, engine_id)
