"""`sonda run` under a supervisor that speaks sd_notify, as systemd does."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.lab.agent import SONDA
from tests.lab.daemon import free_port

SETTINGS = '[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n[network]\ngateway = "none"\n'


def test_ready_alive_and_stopping_are_told(tmp_path: Path) -> None:
    config = tmp_path / "sonda.toml"
    config.write_text(
        f'{SETTINGS}[http]\nport = {free_port()}\n[store]\npath = "{tmp_path}/s.db"\nballast_bytes = "0 MB"\n'
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1500000"}
        with subprocess.Popen([str(SONDA), "run", "--config", str(config)], env=environment) as process:
            try:
                told = [supervisor.recv(500).decode() for _ in range(4)]
                process.terminate()
                while "STOPPING=1" not in told[-1]:
                    told.append(supervisor.recv(500).decode())
            finally:
                process.terminate()
                process.wait(20)
    assert "READY=1\nSTATUS=Watches 0 devices." in told
    assert told.count("WATCHDOG=1") >= 3
    assert process.returncode == 0


@pytest.mark.parametrize("level", ["journal", "terminal"])
def test_the_journal_gets_priorities_and_a_terminal_gets_times(tmp_path: Path, level: str) -> None:
    config = tmp_path / "sonda.toml"
    config.write_text(f'{SETTINGS}[http]\nhost = "192.0.2.1"\naccess_code = {{ env = "CODE" }}\nplain_http = true\n')
    environment = {**os.environ, "CODE": "12345678"} | ({"JOURNAL_STREAM": "1:1"} if level == "journal" else {})
    done = subprocess.run(
        [str(SONDA), "run", "--config", str(config)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert done.stderr.startswith("<3>sonda: " if level == "journal" else "20")
    assert "192.0.2.1 is no address of this machine" in done.stderr
