"""Notifications of net-snmp: every version, level and algorithm it has; what is not authentic follows nothing."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.agent.traps.hearing import COMMUNITY, LINK_DOWN, LINK_UP, SOURCE, STRANGER, Hearing, hearing
from tests.lab.snmpd import AUTHENTICATIONS, PRIVACIES, User, user
from tests.programs import need

pytestmark = pytest.mark.lab

PORT_7 = ("1.3.6.1.2.1.2.2.1.1.7", "i", "7", "1.3.6.1.2.1.2.2.1.8.7", "i", "2")
ENGINE = "0x80001f880401020304"
PRIVATE = User("monitor", "SHA-256", "auth-marzipan", "AES", "priv-krokant")
SIGNED = User("signed", "SHA", "auth-nougat")
OPEN = User("open")
V2C = ("-v2c", "-c", COMMUNITY)
V2C_DOWN = ("1234", LINK_DOWN, *PORT_7)


async def sends(heard: Hearing, *arguments: str, program: str = "snmptrap", told: Sequence[str] = V2C_DOWN,
                source: str = SOURCE, tmp: Path) -> int | None:  # fmt: skip
    """What the program sent to the agent; its exit code."""
    need(program)
    env = {**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": str(tmp / "netsnmp")}
    command = [program, f"--clientaddr={source}", "-r", "0", "-t", "2", *arguments, f"127.0.0.1:{heard.port}", *told]
    sent = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.DEVNULL)
    return await sent.wait()


async def test_linkdown_of_v2c_asks_its_device_and_says_so(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        await sends(heard, *V2C, tmp=tmp_path)
        assert await heard.dealt_with(1) == {"accepted": 1}
        assert heard.asked == ["one"]
        assert heard.said == [
            {
                "device": "one",
                "trap": "linkDown",
                "oid": LINK_DOWN,
                "version": "2c",
                "inform": False,
                "ifindex": 7,
                "varbinds": [{"oid": PORT_7[0], "value": 7}, {"oid": PORT_7[3], "value": 2}],
            }
        ]
        assert heard.traps.now()["by_name"] == {"linkDown": 1}


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (("1.3.6.1.4.1.9.1.1", SOURCE, "0", "0", "1"), "coldStart"),
        (("1.3.6.1.4.1.9.1.1", SOURCE, "1", "0", "1"), "warmStart"),
        (("1.3.6.1.4.1.9.1.1", SOURCE, "2", "0", "1", *PORT_7), "linkDown"),
        (("1.3.6.1.4.1.9.1.1", SOURCE, "3", "0", "1", *PORT_7), "linkUp"),
        (("1.3.6.1.4.1.9.1.1", SOURCE, "4", "0", "1"), "authenticationFailure"),
        (("1.3.6.1.2.1.17", SOURCE, "6", "2", "1"), "topologyChange"),
        (("1.3.6.1.2.1.33.2", SOURCE, "6", "1", "1"), "upsTrapOnBattery"),
        (("1.3.6.1.4.1.318", SOURCE, "6", "5", "1"), "upsOnBattery"),
    ],
)
async def test_v1_traps_have_the_names_that_rfc_3584_gives(tmp_path: Path, told: Sequence[str], name: str) -> None:
    async with hearing(tmp_path) as heard:
        await sends(heard, "-v1", "-c", COMMUNITY, told=told, tmp=tmp_path)
        assert await heard.dealt_with(1) == {"accepted": 1}
        assert [(e["trap"], e["version"]) for e in heard.said] == [(name, "1")]
        assert heard.asked == ["one"]
        assert COMMUNITY not in str(heard.said)


async def test_an_inform_is_answered_and_a_forged_one_is_not(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        assert await sends(heard, *V2C, program="snmpinform", tmp=tmp_path) == 0
        assert heard.fates() == {"accepted": 1}
        assert heard.said[0]["inform"]
        assert await sends(heard, "-v2c", "-c", "wrong", "-t", "0.2", program="snmpinform", tmp=tmp_path) == 1
        assert heard.fates() == {"accepted": 1, "bad_community": 1}
        assert heard.traps.counters.answered == 1


ALGORITHMS = (
    OPEN,
    *(user(auth) for auth in AUTHENTICATIONS),
    *(user("SHA-256", priv) for priv in PRIVACIES),
    *(user(auth, "AES-256") for auth in ("MD5", "SHA-512")),
    User("sha-aes192c", "SHA", "auth of cisco", "AES-192-C", "priv of cisco"),
    User("md5-aes256c", "MD5", "auth of cisco", "AES-256-C", "priv of cisco"),
)


async def test_v3_at_every_level_and_with_every_algorithm(tmp_path: Path) -> None:
    async with hearing(tmp_path, ALGORITHMS) as heard:
        for number, known in enumerate(ALGORITHMS, 1):
            await sends(heard, *known.arguments(), "-e", ENGINE, tmp=tmp_path)
            assert await heard.dealt_with(number) == {"accepted": number}, known
        assert {e["version"] for e in heard.said} == {"3"}
        assert {e["ifindex"] for e in heard.said} == {7}


async def test_v3_informs_find_our_engine_by_themselves_or_are_told(tmp_path: Path) -> None:
    async with hearing(tmp_path, [PRIVATE, SIGNED, OPEN]) as heard:
        ours = f"0x{heard.traps.now()['engine_id']}"
        for known in (PRIVATE, SIGNED, OPEN):
            assert await sends(heard, *known.arguments(), program="snmpinform", tmp=tmp_path) == 0, known
        assert await sends(heard, *PRIVATE.arguments(), "-e", ours, program="snmpinform", tmp=tmp_path) == 0
        assert heard.fates() == {"accepted": 4, "handshake": 4}
        assert all(e["inform"] for e in heard.said)


@pytest.mark.parametrize(
    ("claimed", "fate"),
    [
        (User("nobody", "SHA-256", "auth-marzipan", "AES", "priv-krokant"), "unknown_user"),
        (User("monitor", "SHA-256", "auth-wrong-one", "AES", "priv-krokant"), "wrong_digest"),
        (User("monitor", "SHA-512", "auth-marzipan", "AES", "priv-krokant"), "wrong_digest"),
        (User("monitor", "SHA-256", "auth-marzipan", "AES", "priv-wrong-one"), "undecryptable"),
        (User("monitor", "SHA-256", "auth-marzipan"), "wrong_level"),
        (User("monitor"), "wrong_level"),
        (User("open", "SHA-256", "auth-marzipan"), "wrong_level"),
    ],
)
async def test_what_is_not_authentic_is_counted_and_follows_nothing(tmp_path: Path, claimed: User, fate: str) -> None:
    async with hearing(tmp_path, [PRIVATE, OPEN]) as heard:
        await sends(heard, *claimed.arguments(), "-e", ENGINE, tmp=tmp_path)
        assert await heard.dealt_with(1) == {fate: 1}
        assert (heard.asked, heard.said) == ([], [])
        assert heard.traps.counters.answered == 0


async def test_a_wrong_community_and_a_stranger(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        await sends(heard, "-v2c", "-c", COMMUNITY[:-1], tmp=tmp_path)
        await sends(heard, *V2C, source=STRANGER, tmp=tmp_path)
        assert await heard.dealt_with(2) == {"bad_community": 1, "unknown_source": 1}
        assert (heard.asked, heard.said) == ([], [])


async def test_a_trap_that_nobody_named_does_nothing(tmp_path: Path) -> None:
    async with hearing(tmp_path) as heard:
        await sends(heard, *V2C, told=("1", "1.3.6.1.4.1.99999.0.1"), tmp=tmp_path)
        await sends(heard, *V2C, told=("1", LINK_UP), tmp=tmp_path)
        assert await heard.dealt_with(2) == {"unknown_trap": 1, "accepted": 1}
        assert [e["trap"] for e in heard.said] == ["linkUp"]
