"""`sonda check`, `sonda kpis` and what all commands share, run as a script runs them."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from agent.settings import load
from agent.site import devices_in_words, plan_site
from kpi.catalogue import CATALOGUE
from tests.agent.cli.console import SONDA, sentence, sonda, widest
from tests.agent.settings.writing import write
from tests.lab.daemon import free_port
from tests.programs import need, need_root


def test_a_good_configuration_is_summed_up(tmp_path: Path) -> None:
    file = write(tmp_path, '[mqtt]\nhost = "broker.example"\n')
    write(tmp_path, "[mqtt]\nkeepalive_s = 10\n[http]\nport = 8081\n", "conf.d/a.toml", base="")
    ended = sonda("check", "--config", file)
    assert (ended.code, ended.err) == (0, "")
    for words in (
        "rossi/bologna/probe-1",
        "1 listed in the settings",
        "and 3 internet targets",
        "1 router",
        "broker.example:1883",
        ":8081/",
    ):
        assert words in ended.out
    assert ended.out.endswith("The configuration can be used.\n")
    assert widest(ended.out) <= 80


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (0, "none: no device is asked by SNMP"),
        (4, "at most 24,576 are measured, 6,144 of one device"),
        (200, "at most 24,576 are measured, 6,144 of one device; 122 each, where all 200 have as many"),
    ],
)
def test_how_many_ports_are_measured_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int, words: str
) -> None:
    monkeypatch.setenv("SONDA_TEST_COMMUNITY", "of-a-test")
    credential = '[[credential]]\nname = "v2c"\nversion = "2c"\ncommunity = { env = "SONDA_TEST_COMMUNITY" }\n'
    device = '[[device]]\nname = "s{0}"\nrole = "switch"\naddress = "127.0.7.{0}"\nsnmp = "v2c"\n'
    file = write(tmp_path, credential + "".join(device.format(number + 1) for number in range(devices)))
    said = json.loads(sonda("check", "--json", "--config", file).out)
    assert said["faults"] == []
    assert said["summary"]["ports"] == words


def test_faults_are_said_with_file_and_line_and_exit_1(tmp_path: Path) -> None:
    file = write(tmp_path, '[http]\nport = 0\n[log]\nlevl = "info"\n')
    ended = sonda("check", "--config", file)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{file}:15: [http] port: found 0, expected a whole number from 1 to 65535.",
        f'{file}:17: [log] levl is not a setting. Did you mean "level"?',
        "2 faults, 0 warnings. The configuration cannot be used.",
    ]


@pytest.mark.parametrize("which", ["etc", "var"])
def test_folders_of_the_service_that_this_user_may_not_look_into(tmp_path: Path, which: str) -> None:
    """As on an installed probe: /etc/sonda and /var/lib/sonda belong to the user sonda."""
    need_root()
    need("setpriv")
    for name in ("etc", "var"):
        (tmp_path / name).mkdir()
    store = f'[store]\npath = "{tmp_path}/var/sonda.db"\n[http]\nport = {free_port()}\n'
    env = {"SONDA_CONFIG": str(write(tmp_path / "etc", store))}
    os.chown(tmp_path / which, 65534, 65534)
    (tmp_path / which).chmod(0o700)
    ahead = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    for command in ("check", "status --once", "doctor --only configuration --only disk --only store", "poll nobody"):
        ended = sonda(*command.split(), env=env, ahead=ahead)
        assert "Traceback" not in ended.err, ended.err
        assert "unexpectedly" not in ended.out, ended.out
        told = " ".join((ended.out + ended.err).split())
        if which == "etc" and "check" in command:
            assert "may not read it. Run this with sudo" in told
        if which == "var" and "check" in command:
            assert ended.code == 0, told


def test_check_as_json(tmp_path: Path) -> None:
    file = write(tmp_path, "[http]\nport = 0\n")
    ended = sonda("check", "--json", "--config", file)
    said = json.loads(ended.out)
    assert ended.code == 1
    assert (said["ok"], said["summary"], said["files"]) == (False, None, [str(file)])
    assert said["faults"] == [
        {
            "file": str(file),
            "line": 15,
            "setting": "[http] port",
            "message": "found 0, expected a whole number from 1 to 65535",
            "hint": "",
            "overrides": None,
        }
    ]
    assert json.loads(sonda("check", "--json", "--config", write(tmp_path)).out)["ok"] is True


def test_warnings_leave_exit_0_unless_strict(tmp_path: Path) -> None:
    file = write(tmp_path, '[[device]]\nname = "B"\nrole = "router"\naddress = "10.9.100.1"\n')
    relaxed, strict = sonda("check", "--config", file), sonda("check", "--strict", "--config", file)
    assert (relaxed.code, strict.code) == (0, 1)
    assert "with 1 warning." in relaxed.out


def test_own_profiles_are_checked_too(tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "mine.toml").write_text('without = ["nothing"]\n[[match]]\ndescr = "x"\n')
    good = sonda("check", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)})
    assert (good.code, good.err) == (0, "")
    assert f"{own}/mine.toml:1: warning: without: no inherited or standard table" in good.out
    assert f"1 profile of your own in {own}." in " ".join(good.out.split())
    assert sonda("check", "--strict", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)}).code == 1

    (own / "other.toml").write_text("base = true\nalways = true\n")
    bad = sonda("check", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)})
    assert bad.code == 1
    assert f"{own}/other.toml:1: base: " in bad.out
    assert bad.out.endswith("1 fault in your profiles. The agent does without the files that have one.\n")
    said = json.loads(sonda("check", "--json", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)}).out)
    assert (said["ok"], said["faults"]) == (False, [])
    assert said["profiles"]["files"] == [str(own / "mine.toml"), str(own / "other.toml")]
    assert [(fault["line"], fault["setting"]) for fault in said["profiles"]["faults"]] == [(1, "base")]


def test_own_profiles_that_hide_others_or_are_not_there_are_said(tmp_path: Path) -> None:
    own = tmp_path / "profiles"
    missing = sonda("check", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)})
    assert f"{own}: warning: there is no such directory, and SONDA_PROFILES names it.\n" in missing.out
    own.mkdir()
    (own / "standard-ups.toml").write_text('[[match]]\ndescr = "x"\n')
    found = sonda("check", "--config", write(tmp_path), env={"SONDA_PROFILES": str(own)})
    assert (missing.code, found.code) == (0, 0)
    assert found.out.endswith("In the place of shipped ones: standard-ups.toml.\n")


def test_the_environment_names_the_file_too(tmp_path: Path) -> None:
    file = write(tmp_path)
    assert sonda("check", env={"SONDA_CONFIG": str(file)}).code == 0
    ended = sonda("check")
    assert ended.code == 1
    assert "/nonexistent/sonda.toml: there is no such file." in ended.out


def test_a_systemd_credential_is_no_fault_of_a_check(tmp_path: Path) -> None:
    file = write(tmp_path, '[[credential]]\nname = "x"\nversion = "2c"\ncommunity = { credential = "snmp" }\n')
    ended = sonda("check", "--config", file)
    assert ended.code == 0
    assert "was not checked" in ended.out


def test_the_catalogue_as_json_is_all_of_it() -> None:
    said = json.loads(sonda("kpis", "--json").out)
    assert [kpi["id"] for kpi in said] == list(CATALOGUE)
    for kpi in said:
        assert kpi["title"]["en"]
        assert kpi["title"]["it"]
        assert kpi["formula"]
        assert kpi["source"]


@pytest.mark.parametrize("lang", ["en", "it"])
def test_the_catalogue_as_text_fits_and_is_whole(lang: str) -> None:
    ended = sonda("kpis", "--lang", lang)
    assert (ended.code, ended.err) == (0, "")
    assert widest(ended.out) <= 80
    assert "\x1b" not in ended.out
    words = " ".join(ended.out.split())
    for kpi in CATALOGUE.values():
        assert kpi.id in words
        assert getattr(kpi.title, lang) in words
        assert kpi.source.split()[0] in words
    one = sonda("kpis", "rtt_ms", "--lang", lang)
    assert getattr(CATALOGUE["rtt_ms"].do, lang) in " ".join(one.out.split())


def test_limits_say_their_scope_and_direction() -> None:
    assert "local network: ≤ 5 ms good, ≤ 20 ms attention" in " ".join(sonda("kpis", "rtt_ms").out.split())
    assert "≥ 99.9 % good, ≥ 99.5 % attention" in sonda("kpis", "availability_pct").out
    assert "no good or bad in it" in sonda("kpis", "if_in_bps").out


def test_wrong_usage_is_exit_2_and_says_what_was_meant() -> None:
    ended = sonda("kpis", "rtt")
    assert ended.code == 2
    assert 'Did you mean "rtt_ms"?' in sentence(ended)
    ended = sonda("chek")
    assert ended.code == 2
    assert "Did you mean 'check'?" in sentence(ended)
    assert sonda("check", "--nonsense").code == 2
    assert sonda("run", "--http-port", "70000").code == 2


@pytest.mark.parametrize("command", ["run", "status", "check", "poll", "kpis"])
def test_help_says_exit_codes_and_fits(command: str) -> None:
    ended = sonda(command, "--help")
    assert ended.code == 0
    assert widest(ended.out) <= 80
    assert "Exit codes: 0 all is well" in ended.out
    assert "--json" in ended.out


def test_help_and_version_answer_at_once() -> None:
    """They load typer and what is their own, and nothing of the daemon (pydantic alone doubles it)."""
    typer = min(_cpu_s([sys.executable, "-c", "import typer, typer.rich_utils"]) for _ in range(5))
    for argument in ("--help", "--version"):
        ours = min(_cpu_s([str(SONDA), argument]) for _ in range(5))
        assert ours < 1.7 * typer, f"sonda {argument} took {ours:.2f} s of CPU, typer alone {typer:.2f} s"


def _cpu_s(command: list[str]) -> float:
    """CPU seconds of a program that ends well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_reader_that_goes_early_is_no_error() -> None:
    process = subprocess.Popen([str(SONDA), "kpis"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (141, b"")


def test_colour_is_for_terminals_alone(tmp_path: Path) -> None:
    """FORCE_COLOR is what a pipe into `less -R` sets; NO_COLOR wins over it."""
    assert "\x1b[" not in sonda("kpis").out
    assert "\x1b[" in sonda("kpis", env={"FORCE_COLOR": "1", "TERM": "xterm"}).out
    plain = sonda("kpis", env={"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}).out
    assert "\x1b[3" not in plain


DEVICES = (
    '[site]\ntenant = "rossi"\nsite = "bologna"\nprobe = "probe-1"\n'
    '[network]\ngateway = "127.0.0.9"\ninternet = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]\n'
    '[[device]]\nname = "Core switch"\nrole = "switch"\naddress = "127.0.0.1"\n'
    '[[device]]\nname = "Target"\nrole = "internet"\naddress = "127.0.1.1"\n'
)


def test_one_count_of_devices_in_one_wording(tmp_path: Path) -> None:
    """check, doctor and the log line of run count what is planned: a target that is listed as a device counts once."""
    file = write(tmp_path, DEVICES, base="")
    settings = load([file])
    words = devices_in_words(plan_site(settings, (), {}), settings)
    assert words == "5 devices: 2 listed in the settings, the gateway and 2 internet targets"
    assert json.loads(sonda("check", "--json", "--config", file).out)["summary"]["devices"] == words
    ended = sonda("doctor", "--config", file, "--only", "devices", "--json")
    found = [finding for finding in json.loads(ended.out)["findings"] if finding["id"] == "device.watched"]
    assert [finding["seen"] for finding in found] == [f"The agent watches {words}."]


def completed(words: str, **env: str) -> list[str]:
    """What bash is offered behind these words."""
    said = {"_SONDA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), **env}
    return sonda(env=said).out.split()


def test_completion_offers_checks_and_devices(tmp_path: Path) -> None:
    file = write(tmp_path, DEVICES, base="")
    assert completed("sonda doctor --only d") == ["disk", "devices"]
    assert completed("sonda poll ", SONDA_CONFIG=str(file)) == ["core-switch", "target"]
    assert completed(f"sonda poll --config {file} c") == ["core-switch"]
    assert completed("sonda profile record t", SONDA_CONFIG=str(file)) == ["target"]
    assert completed("sonda poll ", SONDA_CONFIG=str(tmp_path / "none.toml")) == []
