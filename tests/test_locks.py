"""What is installed is what was looked at: every requirement of a lock has its hashes, and whoever installs asks for them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-demo.lock", "requirements-run.lock")


def requirements(lock: str) -> dict[str, list[str]]:
    """Name and version, with the hashes of the files that may be it."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {line.split()[0]: re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line) for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_its_version_and_hashes(lock: str) -> None:
    found = requirements(lock)
    assert len(found) > 20
    assert not [name for name, hashes in found.items() if not hashes or "==" not in name]


def test_the_locks_agree() -> None:
    everything = requirements("requirements.lock")
    for lock in LOCKS[1:]:
        for name, hashes in requirements(lock).items():
            same = [other for other in everything if other.split("==")[0] == name.split("==")[0]]
            assert not same or (same == [name] and everything[name] == hashes), name


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "systemd/install.sh"])
def test_whoever_installs_from_a_lock_asks_for_the_hashes(file: str) -> None:
    text = (ROOT / file).read_text().replace("\\\n", " ")
    installs = [line for line in text.splitlines() if re.search(r"-r \S*requirements\S*\.lock", line)]
    assert installs
    assert all("--require-hashes" in line for line in installs)
    assert "--constraint" not in "".join(line for line in text.splitlines() if "pip install" in line)


def test_the_service_and_the_container_get_nothing_of_the_tests() -> None:
    names = {name.split("==")[0] for name in requirements("requirements-run.lock")}
    assert not names & {"pytest", "mypy", "ruff", "playwright", "hypothesis", "amqtt"}
