"""What is missing is skipped with the package's name, and fails where nothing may be missing."""

import subprocess
import sys

import pytest

from tests import programs


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find", lambda program: None)
    monkeypatch.delenv("SONDA_CI", raising=False)


def test_skip_names_the_package(nothing_installed: None) -> None:
    with pytest.raises(
        pytest.skip.Exception, match=r"needs snmpget, mosquitto_sub: apt-get install mosquitto-clients snmp$"
    ):
        programs.need("snmpget", "mosquitto_sub")


def test_ci_fails_instead(nothing_installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDA_CI", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install snmpd"):
        programs.need("snmpd")


def test_present_programs_pass() -> None:
    assert programs.find("sh") is not None
    assert programs.find("no-such-program-here") is None


def test_unknown_program_is_a_mistake_in_the_test() -> None:
    with pytest.raises(KeyError):
        programs.need("no-such-program-here")


def test_root_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONDA_CI", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="needs root"):
        programs.need_root()


def test_prints_the_packages() -> None:
    run = subprocess.run([sys.executable, "-m", "tests.programs"], capture_output=True, text=True, check=True)
    assert run.stdout.split() == sorted(set(programs.PACKAGES.values()))
