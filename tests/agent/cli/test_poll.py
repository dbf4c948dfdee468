"""`sonda poll` against agents that answer, refuse, err and lie."""

import json
import os
import pty
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
import typer

from agent.cli import gear_tables
from agent.cli.targets import COMMUNITY_VARIABLE, Given, parse, target_of
from agent.settings import load
from collectors.snmp.credentials import Community
from tests.agent.cli.console import SONDA, Json, sentence, sonda, widest
from tests.agent.settings.writing import write
from tests.lab.daemon import free_port
from tests.lab.snmpd import Snmpd, user
from tests.programs import need

COMMUNITY = "only-for-this-test"
SHA = user("SHA-256", "AES")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    need("snmpd")
    with Snmpd(tmp_path_factory.mktemp("snmpd"), community=COMMUNITY, users=[SHA], name="core") as running:
        yield running


@pytest.mark.parametrize(
    ("label", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", None),
        ("192.0.2.1:1161", "192.0.2.1", 1161),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[fe80::1%eth0]:1161", "fe80::1%eth0", 1161),
        ("core.example:161", "core.example", 161),
    ],
)
def test_targets(label: str, host: str, port: int | None) -> None:
    assert parse(label) == (host, port)


@pytest.mark.parametrize("label", ["", ":161", "host:", "host:0", "host:65536", "[::1]:x", "a:b:c", "[host"])
def test_what_is_no_target(label: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse(label)


@pytest.mark.lab
def test_one_document_a_line(agent: Snmpd) -> None:
    there, nowhere = f"127.0.0.1:{agent.port}", f"127.0.0.1:{free_port()}"
    ended = sonda("poll", "--json", "--community", COMMUNITY, there, nowhere)
    documents: dict[str, Json] = {found["target"]: found for found in map(json.loads, ended.out.splitlines())}
    assert ended.code == 1
    assert set(documents) == {there, nowhere}
    assert documents[there]["system"]["sys_name"] == "core"
    assert "lo" in {port["name"] for port in documents[there]["interfaces"]}
    assert not documents[nowhere]["answered"]
    assert documents[nowhere]["errors"]
    assert ended.err == ""


@pytest.mark.lab
def test_answers_come_as_they_arrive(agent: Snmpd) -> None:
    """The answer of a quick device is on stdout while a silent one is still waited for."""
    options = ["poll", "--json", "-c", COMMUNITY, "--timeout", "10", "--retries", "0"]
    with Silent() as silent:
        process = subprocess.Popen(
            [SONDA, *options, silent.target, f"127.0.0.1:{agent.port}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            first = json.loads(process.stdout.readline())
            assert process.poll() is None
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
    assert first["answered"]


@pytest.mark.lab
def test_tables_fit_80_columns(agent: Snmpd) -> None:
    ended = sonda("poll", "-c", COMMUNITY, f"127.0.0.1:{agent.port}")
    assert (ended.code, ended.err) == (0, "")
    assert widest(ended.out) <= 80
    assert "core" in ended.out
    assert "lo" in ended.out


@pytest.mark.lab
def test_v3_by_options(agent: Snmpd, tmp_path: Path) -> None:
    (tmp_path / "auth").write_text(SHA.auth_secret + "\n")
    (tmp_path / "priv").write_text(SHA.priv_secret)
    options = ["--user", SHA.name, "--auth", "sha256", "--auth-secret-file", tmp_path / "auth"]
    options += ["--priv", "aes128", "--priv-secret-file", tmp_path / "priv"]
    ended = sonda("poll", "--json", *options, f"127.0.0.1:{agent.port}")
    assert ended.code == 0
    assert json.loads(ended.out)["system"]["sys_name"] == "core"


@pytest.mark.lab
def test_a_device_of_the_configuration_by_its_name(agent: Snmpd, tmp_path: Path) -> None:
    (tmp_path / "community").write_text(COMMUNITY)
    (tmp_path / "community").chmod(0o600)
    text = f"""
[[credential]]
name = "site"
version = "2c"
community = {{ file = "community" }}
[[device]]
name = "Core switch"
role = "switch"
address = "127.0.0.1"
snmp = "site"
snmp_port = {agent.port}
"""
    file = write(tmp_path, text)
    ended = sonda("poll", "--json", "--config", file, "core switch", "core-switch")
    assert ended.code == 0
    assert [json.loads(line)["system"]["sys_name"] for line in ended.out.splitlines()] == ["core", "core"]
    ended = sonda("poll", "--json", "--config", file, "--credential", "site", f"127.0.0.1:{agent.port}")
    assert ended.code == 0
    ended = sonda("poll", "--config", file, "--credential", "sito", "127.0.0.1")
    assert ended.code == 2
    assert 'no credential "sito" in the configuration; known: site' in sentence(ended)


@pytest.mark.lab
def test_a_community_that_nobody_else_reads_by_ps(agent: Snmpd, tmp_path: Path) -> None:
    there, secret = f"127.0.0.1:{agent.port}", tmp_path / "community"
    secret.write_text(COMMUNITY + "\n")
    secret.chmod(0o600)
    for options, env in (
        (["--community-file", secret], {}),
        ([], {"SONDA_COMMUNITY": COMMUNITY}),
        (["--community-file", secret], {"SONDA_COMMUNITY": "an option counts more"}),
    ):
        ended = sonda("poll", "--json", *options, there, env=env)
        assert ended.code == 0
        assert json.loads(ended.out)["system"]["sys_name"] == "core"
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.snmprec"
        assert sonda("profile", "record", *options, "--out", out, there, env=env).code == 0
    shown = sonda("poll", "--help").out
    assert "--community-file" in shown and "$SONDA_COMMUNITY" in shown


def test_the_community_of_the_environment_is_for_what_has_no_other(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[[credential]]\nname = "site"\nversion = "2c"\ncommunity = { env = "OWN" }\n'
        '[[device]]\nname = "Core"\nrole = "switch"\naddress = "127.0.0.1"\nsnmp = "site"\n',
    )
    env = {"OWN": "of-the-configuration", COMMUNITY_VARIABLE: "of-the-environment"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        settings, nothing = load([file]), Given()
        assert target_of("Core", nothing, settings, None).credential == Community("2c", b"of-the-configuration")
        assert target_of("127.0.0.9", nothing, settings, None).credential == Community("2c", b"of-the-environment")


def test_an_address_of_the_configuration_has_the_settings_of_its_device(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[[credential]]\nname = "site"\nversion = "2c"\ncommunity = { env = "OWN" }\n'
        '[[device]]\nname = "Core"\nrole = "switch"\naddress = "127.0.0.31"\nsnmp = "site"\nsnmp_port = 1161\n'
        '[[device]]\nname = "File server"\nrole = "server"\naddress = "127.0.0.32"\n',
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OWN", "of-the-configuration")
        settings, nothing = load([file]), Given()
        found = target_of("127.0.0.31", nothing, settings, None)
        with_port = target_of("127.0.0.31:1161", nothing, settings, None)
        assert with_port == replace(found, label="127.0.0.31:1161")
        with pytest.raises(typer.BadParameter):
            target_of("127.0.0.31:161", nothing, settings, None)  # another port is another agent
    assert (found.port, found.credential) == (1161, Community("2c", b"of-the-configuration"))
    ended = sonda("poll", "--config", file, "File server", env={"OWN": "x"})
    assert (ended.code, ended.out) == (2, "")
    assert 'the device "File server" of the configuration has no `snmp`' in sentence(ended)
    ended = sonda("poll", "File server")
    assert ended.code == 2
    assert 'No configuration is read, so that "File server" is taken for a host' in sentence(ended)


@pytest.mark.parametrize(("value", "shown"), [(10.2532, "10.3 %"), (0.0213, "0.02 %"), (100.0, "100 %"), (7, "7 %")])
def test_a_reading_has_digits_that_say_something(value: float, shown: str) -> None:
    assert gear_tables._value({"unit": "%", "value": value}) == shown


def test_a_mistyped_name_of_a_device_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, '[[device]]\nname = "Core switch"\nrole = "switch"\naddress = "127.0.0.1"\n')
    for name in ("Core swich", "core-swith"):
        ended = sonda("poll", "-c", "x", "--config", file, name)
        assert ended.code == 2
        assert 'Did you mean "Core switch"?' in sentence(ended)
        assert "sonda doctor" in sentence(ended)


def test_a_device_that_does_not_answer_is_the_doctors(tmp_path: Path) -> None:
    ended = sonda("poll", "-c", "x", "--retries", "0", "--timeout", "0.1", f"127.0.0.1:{free_port()}")
    assert ended.code == 1
    assert "sonda doctor" in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "there are no default ones"),
        (["-c", "x", "--user", "y"], "not both"),
        (["-c", "x", "--community-file", "/nonexistent"], "not both"),
        (["--community-file", "/nonexistent"], "there is no file /nonexistent"),
        (["-c", "x", "--snmp-version", "3"], "version 3 needs --user"),
        (["--user", "x", "--snmp-version", "2c"], "version 2c needs --community"),
        (["--user", "x", "--auth", "sha265"], '"sha265" is none of md5, sha1'),
        (["--user", "x", "--auth", "sha256"], "a protocol needs a secret"),
        (["--user", "x", "--auth", "sha256", "--auth-secret-file", "/nonexistent"], "there is no file /nonexistent"),
    ],
)
def test_credentials_that_do_not_go_together(options: list[str], said: str) -> None:
    ended = sonda("poll", *options, "127.0.0.1")
    assert ended.code == 2
    assert said in sentence(ended)


def test_a_configuration_that_is_named_must_be_right(tmp_path: Path) -> None:
    file = write(tmp_path, "[http]\nport = 0\n")
    ended = sonda("poll", "-c", "x", "--config", file, "127.0.0.1")
    assert ended.code == 4
    assert f"{file}:15:" in ended.err


def test_a_name_that_does_not_resolve_is_an_answer_too() -> None:
    ended = sonda("poll", "--json", "-c", "x", "no-such-host.invalid")
    assert ended.code == 1
    assert json.loads(ended.out)["errors"]


def test_progress_is_for_terminals_alone() -> None:
    with Silent() as silent:
        arguments = [str(SONDA), "poll", "--json", "-c", "x", "--timeout", "0.5", "--retries", "0", silent.target]
        piped = subprocess.run(arguments, capture_output=True, check=False, timeout=30)
        parent, child = pty.openpty()
        try:
            with_terminal = subprocess.run(
                arguments,
                stdout=subprocess.PIPE,
                stderr=child,
                check=False,
                timeout=30,
                env={**os.environ, "TERM": "xterm"},
            )
            seen = os.read(parent, 65536)
        finally:
            os.close(parent)
            os.close(child)
    assert piped.stderr == b""
    assert b"Polling" in seen
    assert json.loads(piped.stdout)["answered"] is json.loads(with_terminal.stdout)["answered"] is False


class Silent:
    """A UDP port that takes everything and answers nothing."""

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_ctrl_c_ends_it_at_once() -> None:
    with Silent() as silent:
        process = subprocess.Popen(
            [SONDA, "poll", "-c", "x", "--timeout", "20", silent.target], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in out + err
