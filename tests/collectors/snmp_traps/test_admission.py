"""Who may speak: the sender's time (RFC 3414 section 3.2), the handshake, octets that are no message; and the decoder
behind it, where many engines come."""

import random

import pytest

from collectors.snmp import ber, message, oid, v3
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser
from collectors.snmp.keys import KeyRing
from collectors.snmp.traps.admission import (
    ENGINE_KEPT_S,
    ENGINES_MAX,
    INFORM,
    TRAP,
    TRAP_V1,
    WINDOW_S,
    Admission,
    Admitted,
)
from collectors.snmp.traps.decoder import ROWS_MAX, Decoder
from collectors.snmp.traps.model import Fate, Trap, Trusted
from tests.doubles import ManualClock

OURS, THEIRS = b"\x80\x00\x4f\xb8\x05ours-now", b"\x80\x00\x1f\x88\x04theirs"
SIGNED = UsmUser("signed", AuthProtocol.SHA256, "auth-marzipan")
PRIVATE = UsmUser("private", AuthProtocol.SHA256, "auth-marzipan", PrivProtocol.AES128, "priv-krokant")
OPEN = UsmUser("open")
KEYS = KeyRing()


def pdu(kind: int = TRAP) -> bytes:
    told = [
        ber.VarBind(oid.parse("1.3.6.1.2.1.1.3.0"), ber.TIME_TICKS, 1),
        ber.VarBind(oid.parse("1.3.6.1.6.3.1.1.4.1.0"), ber.OBJECT_IDENTIFIER, oid.parse("1.3.6.1.6.3.1.1.5.4")),
    ]
    return message.encode_pdu(kind, 5, 0, 0, told)


def signed(boots: int, seconds: int, *, user: UsmUser = SIGNED, engine: bytes = THEIRS, flags: int = v3.AUTH) -> bytes:
    """An authentic v3 trap of that time, not encrypted."""
    keys = KEYS.keys(user, engine)
    octets = keys.signer.octets if keys.signer else 0
    whole, at = v3.encode(
        message.ID_MIN + 1,
        flags,
        security=v3.security_head(engine, boots, seconds, user.name.encode()),
        auth_octets=octets,
        salt=b"",
        body=ber.element(ber.SEQUENCE, ber.element(4, engine) + ber.element(4, b"") + pdu()),
    )
    digest = keys.signer.sign(whole) if keys.signer else b""
    return whole[:at] + digest + whole[at + octets :]


def admission(clock: ManualClock, *credentials: Credential) -> Admission:
    return Admission(clock, OURS, Trusted.of(credentials or (SIGNED, PRIVATE, OPEN, Community("2c", b"zwieback"))))


def test_what_was_recorded_is_refused_when_it_is_said_again_too_late() -> None:
    clock = ManualClock()
    judge = admission(clock)
    recorded = signed(3, 5000)
    assert isinstance(judge.admit(recorded), Admitted)
    assert isinstance(judge.admit(recorded), Admitted), "within the window it may have come twice"
    assert isinstance(judge.admit(signed(3, 5000 + WINDOW_S + 1)), Admitted)
    assert judge.admit(recorded) is Fate.NOT_IN_TIME_WINDOW


async def test_time_goes_on_while_nothing_comes_and_is_forgotten_in_the_end() -> None:
    clock = ManualClock()
    judge = admission(clock)
    assert isinstance(judge.admit(signed(3, 5000)), Admitted)
    await clock.advance(WINDOW_S - 1)
    assert isinstance(judge.admit(signed(3, 5000)), Admitted)
    await clock.advance(2)
    assert judge.admit(signed(3, 5000)) is Fate.NOT_IN_TIME_WINDOW
    await clock.advance(ENGINE_KEPT_S)
    assert isinstance(judge.admit(signed(3, 10)), Admitted), "an agent that does not count its boots restarted"


def test_a_restarted_sender_is_believed_and_its_life_before_is_over() -> None:
    judge = admission(ManualClock())
    assert isinstance(judge.admit(signed(3, 5000)), Admitted)
    assert isinstance(judge.admit(signed(4, 1)), Admitted)
    assert judge.admit(signed(3, 5001)) is Fate.NOT_IN_TIME_WINDOW
    assert judge.admit(signed(v3.INT31_MAX, 1)) is Fate.NOT_IN_TIME_WINDOW


def test_forged_time_does_not_move_the_window() -> None:
    judge = admission(ManualClock())
    assert isinstance(judge.admit(signed(3, 5000)), Admitted)
    forged = bytearray(signed(900, 5000))
    forged[-1] ^= 1
    assert judge.admit(bytes(forged)) is Fate.WRONG_DIGEST
    assert isinstance(judge.admit(signed(3, 5001)), Admitted)


def test_the_times_of_many_engines_are_bounded() -> None:
    judge = admission(ManualClock())
    for number in range(ENGINES_MAX + 20):
        assert isinstance(judge.admit(signed(3, 5000, engine=THEIRS + number.to_bytes(2, "big"))), Admitted)
    assert len(judge._times) == ENGINES_MAX


@pytest.mark.parametrize(
    ("user", "flags", "fate"),
    [
        (SIGNED, 0, Fate.WRONG_LEVEL),
        (PRIVATE, v3.AUTH, Fate.WRONG_LEVEL),
        (PRIVATE, 0, Fate.WRONG_LEVEL),
        (OPEN, v3.AUTH, Fate.WRONG_LEVEL),
        (UsmUser("stranger"), 0, Fate.UNKNOWN_USER),
    ],
)
def test_a_user_keeps_its_level(user: UsmUser, flags: int, fate: Fate) -> None:
    assert admission(ManualClock()).admit(signed(1, 1, user=user, flags=flags)) is fate


def test_two_credentials_may_share_a_name() -> None:
    other = UsmUser("signed", AuthProtocol.SHA1, "auth-nougat")
    judge = admission(ManualClock(), SIGNED, other)
    for user in (SIGNED, other):
        found = judge.admit(signed(1, 1, user=user))
        assert isinstance(found, Admitted)
        assert found.user == user


def discovery(flags: int = v3.REPORTABLE, engine: bytes = b"") -> bytes:
    security = v3.security_head(engine, 0, 0, b"")
    body = ber.element(ber.SEQUENCE, ber.element(4, b"") + ber.element(4, b"") + pdu(INFORM))
    return v3.encode(message.ID_MIN, flags, security=security, auth_octets=0, salt=b"", body=body)[0]


def test_our_engine_is_told_where_a_user_could_follow() -> None:
    judge = admission(ManualClock())
    assert isinstance(judge.admit(discovery()), Admitted)
    assert judge.admit(discovery(0)) is Fate.UNKNOWN_USER
    assert judge.admit(discovery(engine=THEIRS)) is Fate.UNKNOWN_USER
    assert admission(ManualClock(), Community("2c", b"x")).admit(discovery()) is Fate.UNKNOWN_USER


@pytest.mark.parametrize(
    ("version", "kind", "good"),
    [("1", TRAP_V1, True), ("2c", TRAP, True), ("2c", INFORM, True), ("2c", TRAP_V1, False), ("1", TRAP, False),
     ("2c", message.GET, False), ("2c", message.RESPONSE, False), ("1", 0xA3, False)],
)  # fmt: skip
def test_only_notifications_of_their_own_version_pass(version: str, kind: int, good: bool) -> None:
    found = admission(ManualClock()).admit(message.encode_community(version, b"zwieback", pdu(kind)))
    assert isinstance(found, Admitted) if good else found is Fate.UNDECODABLE


@pytest.mark.parametrize("given", [b"", b"zwiebac", b"zwiebackk", b"Zwieback", b"\xff" * 300])
def test_a_community_is_right_as_a_whole(given: bytes) -> None:
    assert admission(ManualClock()).admit(message.encode_community("2c", given, pdu())) is Fate.BAD_COMMUNITY


def test_octets_of_any_kind_have_a_fate() -> None:
    judge, chance = admission(ManualClock()), random.Random(3)
    whole = [signed(1, 1), discovery(), message.encode_community("2c", b"zwieback", pdu())]
    for _ in range(3000):
        changed = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        assert isinstance(judge.admit(bytes(changed[: chance.randrange(1, len(changed) + 1)])), Admitted | Fate)


def test_users_of_many_engines_are_bounded_and_the_first_is_still_read() -> None:
    trusted = Trusted((), (SIGNED, OPEN))
    decoder, judge = Decoder(OURS, 1, trusted), Admission(ManualClock(), OURS, trusted)
    for number in range(ROWS_MAX + 2):
        octets = signed(3, 5000, engine=THEIRS + number.to_bytes(2, "big"))
        admitted = judge.admit(octets)
        assert isinstance(admitted, Admitted)
        read, reply = decoder.decode(octets, admitted, float(number))
        assert isinstance(read, Trap) and reply is None
        assert (read.oid, read.version, read.confirmed) == ("1.3.6.1.6.3.1.1.5.4", "3", False)
    assert len(decoder._rows) == ROWS_MAX
    for engine in (THEIRS + bytes(2), THEIRS + b"\x00\x09"):
        octets = signed(3, 5000, engine=engine)
        admitted = judge.admit(octets)
        assert isinstance(admitted, Admitted)
        assert isinstance(decoder.decode(octets, admitted, 999.0)[0], Trap)
    for number in range(5):  # a user without keys takes one row, whatever engine it claims
        octets = signed(3, 5000, user=OPEN, engine=THEIRS + number.to_bytes(2, "big"), flags=0)
        admitted = judge.admit(octets)
        assert isinstance(admitted, Admitted)
        assert isinstance(decoder.decode(octets, admitted, 999.0)[0], Trap)
    assert len([1 for _, name in decoder._rows if name == "open"]) == 1
