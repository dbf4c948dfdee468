"""`sonda doctor` as a person or a script calls it, and the runner's promises."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.cli.doctor_tables import document, print_report
from agent.cli.terminal import out
from agent.doctor import second_icmp, second_snmp
from agent.doctor.checks import CHECKS
from agent.doctor.model import Case, Check, Finding, Severity, attention, ok, spoken
from agent.doctor.runner import Report, Section, examine
from agent.doctor.running import RunningAgent
from agent.threads import ThreadFailed, in_thread
from collectors.clock import SystemClock
from collectors.snmp.credentials import Community
from tests.agent.cli.console import SONDA, sentence, sonda, widest
from tests.agent.doctor.seeing import ROOT, device, sees, site

INTERNET = '\n[network]\ngateway = "none"\ninternet = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]\n'


def healthy(folder: Path) -> Path:
    return site(folder, INTERNET + device("Core", "127.0.0.1"))


async def run(check: Check) -> Report:
    return await examine(Case(SystemClock(), RunningAgent(None)), [check])


async def test_a_check_that_hangs_is_ended_and_said() -> None:
    async def hangs(_: Case) -> list[Finding]:
        await in_thread(time.sleep, 1.5)
        return []

    report = await run(Check("disk", "Disk", hangs, lambda _: 0.05))
    sees(report.sections[0].findings, "doctor.timeout")
    assert report.seconds < 1


async def test_a_check_that_fails_takes_no_other_along(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_: Case) -> list[Finding]:
        raise ZeroDivisionError

    async def works(_: Case) -> list[Finding]:
        return [ok("x").found("It works.")]

    checks = [Check("disk", "Disk", fails, lambda _: 1), Check("other", "Other", works, lambda _: 1)]
    report = await examine(Case(SystemClock(), RunningAgent(None)), checks)
    sees(report.sections[0].findings, "doctor.failed")
    assert report.sections[1].findings[0].seen == "It works."
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_library_that_fails_in_its_thread_hangs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another's library, which may raise what it likes: the second opinion is none then."""

    def fails(*_: object, **__: object) -> None:
        raise LookupError

    with pytest.raises(ThreadFailed):
        await in_thread(fails)
    monkeypatch.setattr(second_snmp, "_ask", fails)
    monkeypatch.setattr(second_icmp, "_ask", fails)
    assert await second_snmp.answers("127.0.0.1", 9, Community("2c", b"x"), timeout_s=0.1) is None
    assert await second_icmp.ask("127.0.0.1", raw=True) is None


async def test_checks_run_side_by_side() -> None:
    async def slow(_: Case) -> list[Finding]:
        await asyncio.sleep(0.3)
        return []

    checks = [Check(f"c{n}", "C", slow, lambda _: 5) for n in range(10)]
    assert (await examine(Case(SystemClock(), RunningAgent(None)), checks)).seconds < 1


@pytest.mark.lab
def test_exit_codes_and_json(tmp_path: Path) -> None:
    good = sonda("doctor", "--json", "--config", healthy(tmp_path), "--only", "devices", "--only", "configuration")
    told = json.loads(good.out)
    assert (good.code, told["ok"], good.err) == (0, True, "")
    assert set(told["checks"]) == {"configuration", "devices"}
    assert told["counts"] == {"ok": len(told["findings"]), "attention": 0, "problem": 0}
    (tmp_path / "bad").mkdir()
    bad = sonda("doctor", "--json", "--config", site(tmp_path / "bad", device("Gone", "no-such-host.invalid")))
    assert (bad.code, json.loads(bad.out)["ok"]) == (1, False)


def test_attention_is_wrong_where_that_is_asked_for(tmp_path: Path) -> None:
    config = site(tmp_path, device("Core", "127.0.0.1"))  # no internet targets: a warning
    assert sonda("doctor", "--config", config, "--only", "configuration").code == 0
    assert sonda("doctor", "--config", config, "--only", "configuration", "--strict").code == 1


def test_faults_are_said_whatever_was_asked_for(tmp_path: Path) -> None:
    ended = sonda("doctor", "--config", site(tmp_path, "[nonsense]\n"), "--only", "devices")
    assert ended.code == 1
    assert "nonsense" in ended.out


def test_a_check_that_there_is_not(tmp_path: Path) -> None:
    ended = sonda("doctor", "--only", "discs")
    assert ended.code == 2
    assert 'there is no check "discs"; there are configuration, icmp, clock' in sentence(ended)
    assert 'page, traps. Did you mean "disk"?' in sentence(ended)
    assert sonda("doctor", "--only", "configuration").code == 0  # no configuration at all needs attention


@pytest.mark.lab
def test_everything_fits_80_columns_but_what_is_copied(tmp_path: Path) -> None:
    ended = sonda("doctor", "--config", healthy(tmp_path), "--all")
    for check in CHECKS:
        assert check.title in ended.out.splitlines()
    commands = [line for line in ended.out.splitlines() if line.startswith(" " * 16)]
    assert widest("\n".join(line for line in ended.out.splitlines() if line not in commands)) <= 80
    assert "Traceback" not in ended.err


@pytest.mark.lab
def test_progress_is_for_terminals_alone(tmp_path: Path) -> None:
    command = [str(SONDA), "doctor", "--json", "--config", str(healthy(tmp_path)), "--only", "devices"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=30).stderr == b""
    parent, child = pty.openpty()
    try:
        subprocess.run(
            command, stdout=subprocess.PIPE, stderr=child, check=True, timeout=30, env={**os.environ, "TERM": "xterm"}
        )
        assert b"Examining" in os.read(parent, 65536)
    finally:
        os.close(parent)
        os.close(child)


HOSTILE = "x\x1b[2J\x1b]0;title\x07\r\n  ✓ ok all is well\u202e{0}[red]"


def report(*findings: Finding) -> Report:
    async def nothing(_: Case) -> list[Finding]:
        return []

    return Report((Section(Check("devices", "Devices", nothing, lambda _: 1), findings, 0.1),), 0.1)


def test_hostile_names_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    kind = attention("device.x", "Means [bold]it[/].", "Mend {it}.")
    found = kind.found(f"It says {HOSTILE}.", subject=HOSTILE, commands=[f"ping {HOSTILE}"])
    print_report(out(), report(found), everything=True)
    text = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    assert not [line for line in text.splitlines() if line.strip().startswith("✓")]
    assert "[red]" in text and "[bold]it[/]" in text
    assert json.loads(json.dumps(document(report(found), good=False)))["findings"][0]["subject"] == HOSTILE


def test_signs_and_words_say_it_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Finding(f"x.{severity}", severity, f"This is {severity}.", means="m", mend="d") for severity in Severity]
    print_report(out(), report(*found), everything=False)
    lines = capsys.readouterr().out.splitlines()
    starts = [line.split()[:2] for line in lines if "This is" in line]
    assert starts == [["✓", "ok"], ["▲", "attention"], ["✗", "problem"]]
    assert lines[-1] == "1 problem, 1 needs attention, 1 well; examined in 0.1 s."


def test_many_that_are_well_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = [ok("device.ok").found("answers", subject=f"D{n}") for n in range(40)]
    print_report(out(), report(*found), everything=False)
    assert "40 devices answer echoes (--all names them)." in capsys.readouterr().out
    print_report(out(), report(*found), everything=True)
    assert "D39" in capsys.readouterr().out


def test_the_same_trouble_of_many_is_explained_once(capsys: pytest.CaptureFixture[str]) -> None:
    kind = attention("snmp.x", "The community is wrong.")
    found = [kind.found("no answer.", subject=f"D{n}", mend=f"Mend credential {n % 2}.") for n in range(30)]
    print_report(out(), report(*found), everything=False)
    text = capsys.readouterr().out
    assert (text.count("no answer."), text.count("The community is wrong.")) == (12, 1)
    assert "and 18 more (--all names them)." in text
    assert (text.count("Mend credential 0."), text.count("Mend credential 1.")) == (1, 1)
    print_report(out(), report(*found), everything=True)
    assert capsys.readouterr().out.count("no answer.") == 30


def test_a_terminal_that_knows_ascii_alone(tmp_path: Path) -> None:
    ended = sonda("doctor", "--config", healthy(tmp_path), "--only", "configuration", env={"PYTHONIOENCODING": "ascii"})
    assert "+ ok" in ended.out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "less than a second"),
        (1.0, "1 second"),
        (90.0, "90 seconds"),
        (150.0, "2 minutes"),
        (3599.0, "60 minutes"),
        (7100.0, "118 minutes"),
        (7200.0, "2 hours"),
        (86400.0 * 1.5, "36 hours"),
        (86400.0 * 89.9, "90 days"),
    ],
)
def test_lengths_of_time_never_read_as_nought(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_the_daemon_loads_nothing_of_it() -> None:
    code = (
        "import sys, agent.app\n"
        "found = [n for n in sys.modules if n.split('.')[0] in {'pysnmp', 'icmplib'} or n.startswith('agent.doctor')]\n"
        "print(*found)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
