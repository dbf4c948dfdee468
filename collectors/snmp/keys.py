"""What a user signs and encrypts with towards one engine: made when it is first needed, and kept."""

from typing import TYPE_CHECKING

from collectors.snmp.credentials import UsmUser

if TYPE_CHECKING:
    from collectors.snmp.usm import AesCipher, DesCipher, KeyMaker, Signer

KEYS_MAX = 2048
"""Localised keys kept, some 2 kB each: ten times what 200 devices need, so that engine ids made up by a peer that
changes its own at every report cannot fill the memory."""


class Keys:
    """What a user signs and encrypts with towards one engine."""

    __slots__ = ("cipher", "proven", "signer")

    def __init__(self, signer: "Signer | None", cipher: "AesCipher | DesCipher | None") -> None:
        self.signer = signer
        self.cipher = cipher
        self.proven = cipher is None
        """Has an answer been decrypted with them? Until then silence may mean a wrong privacy secret."""


class KeyRing:
    """Keys by user and engine. Bounded; oldest out first."""

    def __init__(self) -> None:
        self._maker: KeyMaker | None = None
        self._keys: dict[tuple[UsmUser, bytes], Keys] = {}

    def keys(self, user: UsmUser, engine_id: bytes) -> Keys:
        """The same object every time, because its salts must not repeat."""
        at = (user, engine_id)
        found = self._keys.get(at)
        if found is None:
            found = self._keys[at] = self._make(user, engine_id)
            if len(self._keys) > KEYS_MAX:
                del self._keys[next(iter(self._keys))]
        return found

    def _make(self, user: UsmUser, engine_id: bytes) -> Keys:
        if user.auth is None or user.auth_secret is None:
            return Keys(None, None)
        if self._maker is None:
            from collectors.snmp.usm import KeyMaker  # noqa: PLC0415 - cryptography: 7 MB that SNMPv2c does without

            self._maker = KeyMaker()
        return Keys(*self._maker.make(user, user.auth, user.auth_secret, engine_id))
