"""Keys and ciphers. Where a vector comes from stands beside it; what has none is held against pysnmp."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysnmp.entity import config
from pysnmp.proto.rfc1902 import OctetString
from pysnmp.proto.secmod.rfc3414 import localkey

from collectors.snmp import usm
from collectors.snmp.credentials import AuthProtocol, Community, PrivProtocol, Secret, SecretKind, UsmUser
from collectors.snmp.errors import DecodeError
from collectors.snmp.keys import KeyRing
from collectors.snmp.peer import Peer

ROOT = Path(__file__).resolve().parents[3]
ENGINE = bytes.fromhex("000000000000000000000002")
PASSWORD = b"maplesyrup"
DIGESTS = {
    AuthProtocol.MD5: hashlib.md5,
    AuthProtocol.SHA1: hashlib.sha1,
    AuthProtocol.SHA224: hashlib.sha224,
    AuthProtocol.SHA256: hashlib.sha256,
    AuthProtocol.SHA384: hashlib.sha384,
    AuthProtocol.SHA512: hashlib.sha512,
}
PYSNMP_AUTH = {
    AuthProtocol.MD5: config.USM_AUTH_HMAC96_MD5,
    AuthProtocol.SHA1: config.USM_AUTH_HMAC96_SHA,
    AuthProtocol.SHA224: config.USM_AUTH_HMAC128_SHA224,
    AuthProtocol.SHA256: config.USM_AUTH_HMAC192_SHA256,
    AuthProtocol.SHA384: config.USM_AUTH_HMAC256_SHA384,
    AuthProtocol.SHA512: config.USM_AUTH_HMAC384_SHA512,
}
PYSNMP_PRIV = {
    PrivProtocol.DES: config.PRIV_SERVICES[config.USM_PRIV_CBC56_DES],
    PrivProtocol.AES128: config.PRIV_SERVICES[config.USM_PRIV_CFB128_AES],
    PrivProtocol.AES192: config.PRIV_SERVICES[config.USM_PRIV_CFB192_AES_BLUMENTHAL],
    PrivProtocol.AES256: config.PRIV_SERVICES[config.USM_PRIV_CFB256_AES_BLUMENTHAL],
    PrivProtocol.AES192C: config.PRIV_SERVICES[config.USM_PRIV_CFB192_AES],
    PrivProtocol.AES256C: config.PRIV_SERVICES[config.USM_PRIV_CFB256_AES],
}


@pytest.mark.parametrize(
    ("protocol", "ku", "kul"),
    [  # RFC 3414 appendices A.3.1 and A.3.2
        (AuthProtocol.MD5, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        (
            AuthProtocol.SHA1,
            "9fb5cc0381497b3793528939ff788d5d79145211",
            "6695febc9288e36282235fc7151f128497b38f3f",
        ),
    ],
)
def test_keys_from_passwords_are_those_of_rfc_3414(protocol: AuthProtocol, ku: str, kul: str) -> None:
    master = usm.master_key(protocol, PASSWORD)
    assert master.hex() == ku
    assert usm.localised_key(protocol, master, ENGINE).hex() == kul


@pytest.mark.parametrize(
    ("protocol", "key"),
    [  # the sample of draft-reeder-snmpv3-usm-3desede-00: the same password and engine, chained
        (AuthProtocol.MD5, "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"),
        (AuthProtocol.SHA1, "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"),
    ],
)
def test_keys_are_extended_as_the_reeder_draft_does(protocol: AuthProtocol, key: str) -> None:
    kul = usm.localised_key(protocol, usm.master_key(protocol, PASSWORD), ENGINE)
    assert usm.extended_key(protocol, PrivProtocol.AES256C, kul, ENGINE).hex() == key
    assert usm.extended_key(protocol, PrivProtocol.AES192C, kul, ENGINE).hex() == key[:48]


@pytest.mark.parametrize("protocol", AuthProtocol)
def test_keys_are_those_of_pysnmp(protocol: AuthProtocol) -> None:
    digest = DIGESTS[protocol]
    theirs = localkey.hash_passphrase(PASSWORD, digest)
    assert usm.master_key(protocol, PASSWORD) == bytes(theirs)
    kul = usm.localised_key(protocol, bytes(theirs), ENGINE)
    assert kul == bytes(localkey.localize_key(theirs, OctetString(ENGINE), digest))
    for priv, service in PYSNMP_PRIV.items():
        key = bytes(service.localize_key(PYSNMP_AUTH[protocol], theirs, OctetString(ENGINE)))
        assert usm.extended_key(protocol, priv, kul, ENGINE)[: len(key)] == key, priv


@given(st.integers(1, 100))
def test_a_password_is_repeated_to_one_mebioctet(length: int) -> None:
    password = bytes(range(1, length + 1))
    expanded = (password * (1 + (1 << 20) // length))[: 1 << 20]
    assert usm.master_key(AuthProtocol.SHA256, password) == hashlib.sha256(expanded).digest()


@pytest.mark.parametrize("protocol", AuthProtocol)
def test_digests_are_hmac_cut_to_the_length_of_the_rfc(protocol: AuthProtocol) -> None:
    key = usm.localised_key(protocol, usm.master_key(protocol, PASSWORD), ENGINE)
    signer = usm.Signer(protocol, key)
    lengths = {"md5": 12, "sha1": 12, "sha224": 16, "sha256": 24, "sha384": 32, "sha512": 48}
    assert signer.octets == lengths[protocol]
    for message in (b"", b"some octets", bytes(1500)):
        block = 128 if protocol in (AuthProtocol.SHA384, AuthProtocol.SHA512) else 64
        padded = key.ljust(block, b"\0")  # RFC 2104, spelt out
        inner = DIGESTS[protocol](bytes(octet ^ 0x36 for octet in padded) + message).digest()
        wanted = DIGESTS[protocol](bytes(octet ^ 0x5C for octet in padded) + inner).digest()[: signer.octets]
        assert signer.sign(message) == wanted
        assert signer.right(message, wanted)
        assert not signer.right(message, wanted[:-1] + bytes((wanted[-1] ^ 1,)))
        assert not signer.right(message, wanted[:-1])


@pytest.mark.parametrize("priv", PrivProtocol)
@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, 1501])
def test_pysnmp_decrypts_what_we_encrypt_and_we_what_it_does(priv: PrivProtocol, length: int) -> None:
    plain = bytes(number % 251 for number in range(length))
    boots, engine_time = 0x01020304, 0x05060708
    master = usm.master_key(AuthProtocol.SHA1, PASSWORD)
    kul = usm.localised_key(AuthProtocol.SHA1, master, ENGINE)
    key = usm.extended_key(AuthProtocol.SHA1, priv, kul, ENGINE)
    ours: usm.AesCipher | usm.DesCipher = usm.DesCipher(key) if priv == PrivProtocol.DES else usm.AesCipher(key)
    theirs = PYSNMP_PRIV[priv]
    octets, salt = ours.encrypt(plain, boots, engine_time)
    assert len(salt) == 8
    assert ours.decrypt(octets, salt, boots, engine_time)[:length] == plain
    if length:
        parameters = (boots, engine_time, OctetString(salt))
        assert bytes(theirs.decrypt_data(OctetString(key), parameters, OctetString(octets)))[:length] == plain
        made, given_salt = theirs.encrypt_data(OctetString(key), (boots, engine_time, None), plain)
        assert ours.decrypt(bytes(made), bytes(given_salt), boots, engine_time)[:length] == plain


@pytest.mark.parametrize("cipher", [usm.AesCipher(bytes(16)), usm.DesCipher(bytes(16))])
def test_a_salt_never_comes_twice(cipher: usm.AesCipher | usm.DesCipher) -> None:
    assert len({cipher.encrypt(b"x", 1, 1)[1] for _ in range(1000)}) == 1000


def test_what_no_cipher_made_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        usm.DesCipher(bytes(16)).decrypt(bytes(9), bytes(8), 1, 1)
    for cipher in (usm.AesCipher(bytes(16)), usm.DesCipher(bytes(16))):
        with pytest.raises(DecodeError):
            cipher.decrypt(bytes(8), bytes(7), 1, 1)


def test_secrets_may_be_passwords_master_keys_or_localised_keys() -> None:
    ku = usm.master_key(AuthProtocol.SHA256, PASSWORD)
    kul = usm.localised_key(AuthProtocol.SHA256, ku, ENGINE)
    ring = KeyRing()
    signed = set()
    for secret in (
        PASSWORD.decode(),
        Secret(ku, SecretKind.MASTER),
        Secret.from_hex("0x" + kul.hex()),
        Secret.from_hex(kul.hex(":").upper()),
    ):
        user = UsmUser("u", AuthProtocol.SHA256, secret, PrivProtocol.AES256, secret)
        keys = ring.keys(user, ENGINE)
        assert keys is ring.keys(user, ENGINE)
        assert keys.signer
        assert keys.cipher
        signed.add(keys.signer.sign(b"octets"))
        assert keys.cipher.decrypt(*usm.AesCipher(kul).encrypt(b"plain", 1, 2), 1, 2) == b"plain"
    assert len(signed) == 1


def test_the_key_ring_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.snmp.keys.KEYS_MAX", 10)
    monkeypatch.setattr(usm, "MASTERS_MAX", 10)
    ring = KeyRing()
    user = UsmUser("u", AuthProtocol.MD5, "password")
    for number in range(50):
        ring.keys(user, number.to_bytes(5, "big"))
        ring.keys(UsmUser("u", AuthProtocol.MD5, Secret(bytes((number,)), SecretKind.PASSWORD)), ENGINE)
    assert len(ring._keys) == 10
    assert ring._maker is not None
    assert len(ring._maker._masters) == 10


def test_cryptography_is_loaded_for_the_first_user_who_signs() -> None:
    """It is 7 MB of the daemon's memory."""
    code = (
        "import sys, agent.app\n"
        "from collectors.snmp.credentials import AuthProtocol, UsmUser\n"
        "from collectors.snmp.keys import KeyRing\n"
        "ring = KeyRing()\n"
        "for user in (UsmUser('open'), UsmUser('u', AuthProtocol.SHA256, 'password')):\n"
        "    ring.keys(user, b'12345')\n"
        "    print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["False", "True"], "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": ""}, "1 to 32"),
        ({"name": "x" * 33}, "1 to 32"),
        ({"name": "u", "auth": AuthProtocol.MD5}, "needs a secret"),
        ({"name": "u", "auth_secret": "x"}, "needs a secret"),
        ({"name": "u", "priv": PrivProtocol.DES, "priv_secret": "x"}, "needs authentication"),
        ({"name": "u", "auth": AuthProtocol.MD5, "auth_secret": ""}, "cannot be empty"),
    ],
)
def test_users_that_cannot_be_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        UsmUser(**arguments)


def test_a_community_belongs_to_version_1_or_2c() -> None:
    with pytest.raises(ValueError, match="not '3'"):
        Community("3", b"public")


def test_secrets_stand_in_no_repr() -> None:
    user = UsmUser("operator", AuthProtocol.SHA1, "auth-hush", PrivProtocol.AES128, Secret(b"priv-hush"))
    peer = Peer("127.0.0.1", 161, user)
    peer.engine.keys = KeyRing().keys(user, ENGINE)
    shown = f"{user} {user!r} {peer} {user.auth_secret!r} {Community('2c', b'comm-hush')} {peer.engine.keys!r}"
    assert "hush" not in shown
    assert "operator" in shown
    with pytest.raises(ValueError) as caught:
        Secret.from_hex("hush-zz")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "level"),
    [
        (UsmUser("u"), "noAuthNoPriv"),
        (UsmUser("u", AuthProtocol.MD5, "secret"), "authNoPriv"),
        (UsmUser("u", AuthProtocol.MD5, "secret", PrivProtocol.DES, "secret"), "authPriv"),
    ],
)
def test_the_level_follows_from_the_protocols(user: UsmUser, level: str) -> None:
    assert user.level == level
    assert user.version == "3"
