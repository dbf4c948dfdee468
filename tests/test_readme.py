"""The README's commands and its configuration are run, so that they stay true."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.settings import load
from kpi.catalogue import CATALOGUE
from kpi.model import Figure, NullReason
from kpi.summary import figure_to_plain
from tests.lab.daemon import free_port
from tests.programs import need

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
SONDA = Path(sys.executable).with_name("sonda")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) + "\n" for indent, body in found]


def commands() -> list[str]:
    """Every line of the shell blocks, without comments and without sudo."""
    lines = (line.partition(" #")[0].strip() for body in blocks("sh") for line in body.splitlines())
    return [re.sub(r"^sudo (-u \w+ )?", "", line) for line in lines if line]


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[int, int]]:
    """`make run` as the README has it, on free ports."""
    http, mqtt = free_port(), free_port()
    with subprocess.Popen(
        ["make", "run", f"ARGS=--http-port {http} --mqtt-port {mqtt}"], cwd=ROOT, start_new_session=True
    ) as process:
        try:
            end = time.monotonic() + 100
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{http}/livez", timeout=2):
                        break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < end, "the demo's page does not answer"
                    time.sleep(0.3)
            yield http, mqtt
        finally:
            process.send_signal(signal.SIGINT)
            subprocess.run(["pkill", "-INT", "-s", str(process.pid)], check=False)
            process.wait(30)


@pytest.mark.lab
@pytest.mark.timeout(200)
def test_the_commands_of_the_second_terminal_answer(demo: tuple[int, int]) -> None:
    need("mosquitto_sub")
    http, mqtt = demo
    second = next(body for body in blocks("sh") if "sonda status" in body).splitlines()
    assert len(second) == 4
    for line in second:
        words = shlex.split(line.replace("127.0.0.1:8080", f"127.0.0.1:{http}"))
        if words[0].endswith("sonda"):
            words[0] = str(SONDA)
        if "status" in words:
            words += ["--url", f"http://127.0.0.1:{http}"]
        if words[0] == "mosquitto_sub":
            words = [{"1883": str(mqtt)}.get(word, word) for word in words] + ["-C", "2"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in ({0, 1} if "status" in words else {0}), done.stderr  # 1: something is down just then
        assert done.stdout.strip()


def test_the_figures_shown_are_written_as_summaries_write_them() -> None:
    (text,) = blocks("json")
    for kpi, shown in json.loads(text).items():
        reason = NullReason(shown["null"]) if "null" in shown else None
        parts = {name: value for name, value in shown.items() if name not in {"v", "n", "null"}}
        assert figure_to_plain(Figure(kpi, shown["v"], reason, shown["n"], parts=parts)) == shown
        assert set(parts) <= set(CATALOGUE[kpi].parts)


def test_every_command_named_exists() -> None:
    told = subprocess.run([SONDA, "--help"], capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"`(?:\.venv/bin/)?sonda ([a-z]+)", README))
    named |= {line.split()[1] for line in commands() if Path(line.split()[0]).name == "sonda"}
    assert {"run", "demo", "check", "doctor", "poll", "status", "kpis"} <= named
    for name in named:
        assert re.search(rf"\b{name}\b", told), name


def test_the_make_targets_named_exist() -> None:
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"run", "test", "check", "bench"} <= named
    for name in named:
        subprocess.run(["make", "--dry-run", name], cwd=ROOT, check=True, capture_output=True)


def test_the_configuration_shown_can_be_used(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    for name in ("community", "broker-password"):
        secret = tmp_path / name
        secret.write_text("s3cret\n")
        secret.chmod(0o600)
        text = text.replace(f"/etc/sonda/secrets/{name}", str(secret))
    path = tmp_path / "sonda.toml"
    path.write_text(text)
    settings = load([path])
    assert [device.name for device in settings.devices] == ["Core switch", "File server"]
    assert settings.mqtt.tls.enabled
    assert settings.mqtt.port == 8883
    done = subprocess.run([SONDA, "check", "--config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_links_and_pictures_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
    headings = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)$", README, re.MULTILINE)
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", README):
        assert anchor in headings, anchor


def test_the_figures_of_the_table_come_from_a_command() -> None:
    table = README.partition("<!-- bench -->")[2].partition("<!-- /bench -->")[0]
    if table.strip():
        assert "make bench" in table


def test_secrets_are_told_in_one_way() -> None:
    """By a file in /etc/sonda/secrets, which the installer makes, in every text that shows one."""
    shown = []
    for name in ("README.md", "config/README.md", "config/example.toml"):
        shown += [(name, file) for file in re.findall(r"\{ file = \"([^\"]+)\" \}", (ROOT / name).read_text())]
    assert len(shown) >= 6
    assert not [(name, file) for name, file in shown if not file.startswith("/etc/sonda/secrets/")]
    made = (ROOT / "systemd/sonda.tmpfiles").read_text()
    assert "d /etc/sonda/secrets 2750 root sonda -" in made
    assert "LoadCredential=sonda:/etc/sonda/secrets\n" in (ROOT / "systemd/sonda.service").read_text()
