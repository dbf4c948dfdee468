"""`sonda run` as systemd starts it: exit codes, reload, stop; and `sonda status` of a real agent."""

import json
from pathlib import Path

import pytest

from tests.agent.cli.console import sonda
from tests.agent.settings.writing import SITE, write
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until

LOOPBACK = SITE.replace("10.9.100.1", "127.0.0.1").replace("10.9.2.", "127.0.1.")


def test_a_configuration_that_cannot_be_used_is_exit_4(tmp_path: Path) -> None:
    file = write(tmp_path, "[http]\nport = 0\n")
    ended = sonda("run", "--config", file)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.splitlines() == [
        f"{file}:15: [http] port: found 0, expected a whole number from 1 to 65535.",
        "The configuration cannot be used.",
    ]
    ended = sonda("run", "--json", "--config", file)
    assert (ended.code, ended.err) == (4, "")
    assert [fault["line"] for fault in json.loads(ended.out)["faults"]] == [15]


def test_a_missing_configuration_is_exit_4() -> None:
    ended = sonda("run")
    assert ended.code == 4
    assert "/nonexistent/sonda.toml: there is no such file" in ended.err


def test_a_store_that_cannot_be_made_is_exit_5(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = sonda("run", "--config", write(tmp_path, '[http]\nenabled = false\n[store]\npath = "file/sonda.db"\n'))
    assert ended.code == 5
    assert "Traceback" not in ended.err


@pytest.mark.lab
def test_from_start_over_reload_to_stop(tmp_path: Path) -> None:
    with SondaRun(tmp_path, LOOPBACK) as running:
        url = f"http://127.0.0.1:{running.port}"
        ended = sonda("status", "--url", url, "--json")
        assert json.loads(ended.out)["devices"][0]["name"] == "Router"
        assert sonda("status", "--url", url).err == ""
        busy = sonda("run", "--config", running.config)
        assert busy.code == 5
        assert str(running.port) in busy.err

        running.reload(LOOPBACK + "[echo]\ninternet_s = 0\n")
        wait_until(lambda: "not taken over" in running.log, "the refusal")
        assert "[echo] internet_s: found 0" in running.log
        assert "not taken over at the last reload" in " ".join(sonda("status", "--url", url).out.split())

        more = '[[device]]\nname = "Switch"\nrole = "switch"\naddress = "127.0.0.2"\n'
        running.reload(LOOPBACK + more)
        wait_until(lambda: "1 added (switch)" in running.log, "the new device")
        assert "not taken over" not in sonda("status", "--url", url).out
        assert running.stop() == 0
