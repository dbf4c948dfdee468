"""`sonda help`: the handbook, where there is no repository and no network."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from agent.cli.handbook import TOPICS
from tests.agent.cli.console import sentence, sonda

ROOT = Path(__file__).resolve().parents[3]
WORDS = {
    "install": "sudo systemd/install.sh",
    "config": "### `[mqtt.tls]`",
    "secrets": "/etc/sonda/secrets",
    "profiles": "[[table]]",
    "topics": "summary/device/{device}",
    "kpis": "loss_ratio",
    "troubles": "sonda doctor",
    "decisions": "## Decisions",
}


def test_every_topic_is_listed_and_has_its_text() -> None:
    assert set(WORDS) == set(TOPICS)
    listed = sonda("help")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == list(TOPICS)
    for name, words in WORDS.items():
        ended = sonda("help", name)
        assert (ended.code, ended.err) == (0, "")
        assert words in ended.out
    assert json.loads(sonda("help", "topics", "--json").out)["topic"] == "topics"


def test_a_section_alone() -> None:
    ended = sonda("help", "settings", "mqtt.tls")
    assert ended.code == 0
    assert ended.out.startswith("### `[mqtt.tls]`")
    assert "minimum_version" in ended.out and "keepalive_s" not in ended.out
    assert "nothing in" in sentence(sonda("help", "config", "xyzzy"))
    assert 'Did you mean "secrets"?' in sentence(sonda("help", "config", "secretz"))


def test_a_mistyped_topic() -> None:
    ended = sonda("help", "confg")
    assert ended.code == 2
    assert 'Did you mean "config"?' in sentence(ended)


def test_an_installation_has_all_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside the code lie the READMEs of the rooms; the one above them is the description of the package."""
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for room in ("agent", "config", "kpi"):
        assert "*.md" in packaged[room]
        target = tmp_path / room / "README.md"
        target.parent.mkdir()
        target.write_bytes((ROOT / room / "README.md").read_bytes())
    monkeypatch.setattr(sys.modules[TOPICS["config"].__module__], "ROOT", tmp_path)
    for name, topic in TOPICS.items():
        assert topic.text().startswith("#"), name


def test_no_sentence_of_the_program_names_a_file_that_an_installation_does_not_have() -> None:
    for path in [*(ROOT / "agent").rglob("*.py"), *(ROOT / "config").glob("*.toml")]:
        if path.name in {"reference.py", "handbook.py"}:
            continue
        text = re.sub(r'"""(.*?)"""', "", path.read_text(), flags=re.DOTALL)
        assert "README" not in text, f"{path.relative_to(ROOT)} sends its reader to a README"


def test_a_shell_completes_commands_and_topics() -> None:
    def completed(line: str) -> list[str]:
        words = line.split(" ")
        env = {"_SONDA_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return sonda(env=env).out.split()

    assert completed("sonda do") == ["doctor"]
    assert completed("sonda help tr") == ["troubles"]
    assert completed("sonda kpis rtt") == ["rtt_ms"]
    assert "--community-file" in completed("sonda poll --comm")
    assert "complete -o default -F _sonda_completion sonda" in sonda(env={"_SONDA_COMPLETE": "source_bash"}).out
