"""No secret ever in a log, an API answer, a page, a topic, a payload or the database (agent/README.md)."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.store import Store, StoreSettings
from collectors.clock import SystemClock
from tests.lab.agent import Answer, SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import HEAD, Hosts, bodies, sonda_before_five_end
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.lab.snmpd import Snmpd, User
from tests.programs import need_lab

pytestmark = pytest.mark.lab

COMMUNITY, WRONG_COMMUNITY = "community-zwieback", "wrong-community-nougat"
USER = User("monitor", "SHA-256", "auth-secret-marzipan", "AES", "priv-secret-krokant")
WRONG_AUTH = "wrong-auth-pistazie"
PASSWORD, WRONG_PASSWORD = "password-lebkuchen", "wrong-password-baiser"
CODE = "access-code-florentiner"
SECRETS = (COMMUNITY, WRONG_COMMUNITY, USER.auth_secret, USER.priv_secret, WRONG_AUTH, PASSWORD, WRONG_PASSWORD, CODE)
PATHS = (
    "/",
    "/api",
    "/api/v1/site",
    "/api/v1/devices",
    "/api/v1/devices/good-v2c",
    "/api/v1/devices/good-v3",
    "/api/v1/devices/wrong-v2c",
    "/api/v1/devices/wrong-v3",
    "/api/v1/devices/nobody",
    "/api/v1/kpis",
    "/api/v1/incidents",
    "/api/v1/agent",
    "/api/v1/openapi.json",
    "/metrics",
    "/livez",
    "/readyz",
)


def shapes(secret: str) -> Iterator[bytes]:
    """As it is, and as a basic header or an opaque field would carry it."""
    yield secret.encode()
    yield secret.encode().hex().encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")


def found_in(text: bytes) -> list[str]:
    return [secret for secret in SECRETS for shape in shapes(secret) if shape in text]


def text_of(port: int, broker: int) -> str:
    def device(name: str, address: str, credential: str) -> str:
        return (
            f'[[device]]\nname = "{name}"\nrole = "switch"\naddress = "{address}"\nsnmp = "{credential}"\n'
            f"snmp_port = {port}\n"
        )

    def v3(name: str, auth: str) -> str:
        return (
            f'[[credential]]\nname = "{name}"\nversion = "3"\nuser = "{USER.name}"\nauth = "sha256"\n'
            f'auth_secret = {{ env = "{auth}" }}\npriv = "aes128"\npriv_secret = {{ env = "PRIV" }}\n'
        )

    return (
        HEAD
        + '[network]\ngateway = "none"\n[log]\nlevel = "debug"\n[snmp]\nstatus_s = 10\ntimeout_s = 0.5\nretries = 0\n'
        '[[credential]]\nname = "v2c"\nversion = "2c"\ncommunity = { env = "COMMUNITY" }\n'
        '[[credential]]\nname = "wrong-v2c"\nversion = "2c"\ncommunity = { env = "WRONG_COMMUNITY" }\n'
        + v3("v3", "AUTH")
        + v3("wrong-v3", "WRONG_AUTH")
        + device("Good v2c", "10.40.0.1", "v2c")
        + device("Good v3", "10.40.0.10", "v3")
        + device("Wrong v2c", "10.40.0.11", "wrong-v2c")
        + device("Wrong v3", "10.40.0.12", "wrong-v3")
        + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker}\nusername = "probe-1"\npassword = {{ env = "PASSWORD" }}\n'
    )


async def stored(path: Path) -> bytes:
    """Everything the database says, unpacked."""
    async with Store.open(path, StoreSettings(), SystemClock(), probe_id="probe-1", boot_id="reader") as store:
        far = 1 << 40
        rows: list[object] = [
            *[row for kind in ("echo", "state", "ports", "restarts") for length in (60, 300, 3600)
              for row in await store.windows(None, kind, length, 0, far)],
            *await store.state_changes(None, 0, far),
            *await store.incidents(0, far),
            *await store.devices(),
            *await store.all_counters(),
            *await store.messages(1, far),
        ]  # fmt: skip
    assert len(rows) > 20
    return repr(rows).encode()


def test_no_secret_ever_shows(tmp_path: Path) -> None:
    need_lab("snmpd", "mosquitto", "mosquitto_sub")
    assert found_in(b"x " + PASSWORD.encode()) == [PASSWORD], "the search itself can find"
    with ExitStack() as stack:
        hosts = Hosts(stack.enter_context(Network()), 3)
        snmpd = stack.enter_context(
            Snmpd(tmp_path, place=hosts.far, address="0.0.0.0", community=COMMUNITY, users=[USER])
        )
        users = {"probe-1": PASSWORD, "server": "s"}
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, users=users))
        recorder = stack.enter_context(broker.recorder("#", user="server"))
        env = {
            "COMMUNITY": COMMUNITY,
            "WRONG_COMMUNITY": WRONG_COMMUNITY,
            "AUTH": USER.auth_secret,
            "WRONG_AUTH": WRONG_AUTH,
            "PRIV": USER.priv_secret,
            "PASSWORD": PASSWORD,
            "CODE": CODE,
        }
        folder = tmp_path / "agent"
        folder.mkdir()
        command = sonda_before_five_end(6, folder / "sonda.toml")
        sonda = SondaRun(folder, "", place=hosts.probe, command=command, env=env)
        page = f'[http]\nhost = "127.0.0.1"\nport = {sonda.port}\naccess_code = {{ env = "CODE" }}\n'
        sonda.write(text_of(snmpd.port, broker.port) + page)
        broker.reload(users={"probe-1": "another", "server": "s"})  # refused at first
        stack.enter_context(sonda)

        def get(path: str, code: str = CODE) -> Answer:
            basic = base64.b64encode(f"me:{code}".encode()).decode()
            return sonda.get(path, headers={"Authorization": f"Basic {basic}"})

        wait_until(lambda: b"does not let this user in" in get("/api/v1/agent").body, "the broker's refusal", 10)
        shown = [get(path) for path in PATHS]
        broker.reload(users=users)
        assert sonda.get("/api/v1/site").status == 401
        assert get("/api/v1/site", WRONG_PASSWORD).status == 401
        sonda.reload(sonda.config.read_text().replace('"PASSWORD" }', '"PASSWORD" }\nkeepalive_s = 20'))
        recorder.wait_for(lambda _: bodies(recorder, "summary/site"), "five minutes are closed", 30)
        # faults of settings that stand beside secrets
        sonda.reload(sonda.config.read_text().replace('probe-1"\npass', 'probe-1"\npasword = "x"\npass'))
        wait_until(lambda: "not taken over" in sonda.log, "the refusal")
        time.sleep(0.5)
        shown += [get(path) for path in PATHS]
        assert [answer.status for answer in shown].count(200) == 2 * (len(PATHS) - 1)
        for answer, path in zip(shown, 2 * PATHS, strict=True):
            assert not found_in(answer.body + repr(answer.headers).encode()), path
        listed = json.loads(get("/api/v1/devices").body)
        reasons = {device["id"]: device["snmp"]["reason"] for device in listed}
        assert reasons["good-v2c"] is None and reasons["good-v3"] is None
        assert reasons["wrong-v3"] == "wrong_digest" and reasons["wrong-v2c"] == "timeout"
        assert sonda.stop() == 0
        messages = recorder.messages
    assert len(messages) >= 7
    for message in messages:
        assert not found_in(message.topic.encode() + message.payload), message.topic
    assert not found_in(sonda.log.encode())
    assert not found_in(asyncio.run(stored(sonda.database)))
    for file in folder.iterdir():
        assert not found_in(file.read_bytes()), file
