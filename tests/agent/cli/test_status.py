"""`sonda status` against an API of known answers."""

import http.server
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.cli.ask import Answers
from agent.cli.status_tables import screen, whole
from agent.cli.units import duration, scaled
from tests.agent.cli.console import SONDA, sonda, widest
from tests.agent.settings.writing import write
from tests.lab.daemon import free_port

LONG = "Camera with a very long name over the entrance of the workshop, left of the gate"


def site(state: str = "degraded") -> dict[str, Any]:
    incident = {"name": "Switch hall", "kind": "device.down", "seconds": 840.0, "hides": ["a", "b"]}
    incident["id"] = "device.down:d98:1"
    return {
        "name": "Officina Rossi",
        "state": state,
        "time": "2026-03-01T10:00:00Z",
        "incidents": [incident] if state == "degraded" else [],
    }


def now(state: str = "degraded") -> dict[str, Any]:
    if state == "up":
        return {"tone": "good", "sentence": "Everything works.", "wrong": []}
    down = {"id": "device.down:d98:1", "tone": "problem", "name": "Switch hall", "says": "is not reachable"}
    flaps = {"id": "flap:d1:7", "tone": "attention", "name": "AP 1", "says": "Port 7 goes on and off", "when": ""}
    return {"tone": "problem", "sentence": "Switch hall is not reachable.", "wrong": [down, flaps]}


def device(number: int, name: str, state: str = "up") -> dict[str, Any]:
    return {
        "id": f"d{number}",
        "name": name,
        "role": "access-point",
        "state": state,
        "since": "2026-03-01T09:46:00Z",
        "rtt_ms": 1.234 if state == "up" else None,
        "loss_pct": 0.0 if state == "up" else None,
        "snmp": {"state": "up"},
    }


AGENT: dict[str, Any] = {
    "version": "9.9.9",
    "uptime_s": 93784.0,
    "vitals": {"rss_bytes": 83_000_000},
    "store": {"bytes_used": 1_000_000_000, "bytes_limit": 4_000_000_000, "trouble": None},
    "broker": {
        "configured": True,
        "connected": False,
        "backlog_messages": 1234,
        "state": {"connected": False, "last_error": "The broker does not answer.", "refused": []},
    },
}


@contextmanager
def api(answers: dict[str, Any], code: str = "") -> Iterator[str]:
    """Serves ``answers`` by path; asks for ``code`` where one is given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = not code or self.headers.get("Authorization") == f"Basic {code}"
            status = 401 if not allowed else 200 if self.path in answers else 404
            body = json.dumps(answers[self.path]).encode() if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def whole_site(state: str = "degraded", devices: int = 3) -> dict[str, Any]:
    found = [device(n, f"AP {n}") for n in range(devices)] + [
        device(98, "Switch hall", "down"),
        device(99, LONG, "unknown"),
    ]
    return {
        "/api/v1/site": site(state),
        "/api/v1/devices": found,
        "/api/v1/agent": AGENT,
        "/api/v1/now": now(state),
    }


def test_another_box_of_the_same_name_is_said() -> None:
    clash = {"boot": "b", "how": "it publishes its info", "at_utc": 1_767_870_000.0}
    agent = {**AGENT, "broker": {**AGENT["broker"], "state": {**AGENT["broker"]["state"], "clash": clash}}}
    with api({**whole_site(), "/api/v1/agent": agent}) as url:
        told = " ".join(sonda("status", "--url", url).out.split())
    assert "another box speaks as this probe: each needs a `probe` of its own in [site]" in told


def test_in_a_pipe_it_is_printed_once_worst_first() -> None:
    with api(whole_site()) as url:
        ended = sonda("status", "--url", url)
    assert (ended.code, ended.err) == (1, "")
    assert widest(ended.out) <= 80
    assert ended.out.index("Switch hall  ") < ended.out.index("AP 0") < ended.out.index("AP 2")
    words = " ".join(ended.out.split())
    for expected in (
        "Officina Rossi Switch hall is not reachable.",
        "! Switch hall is not reachable, for 14 min",
        "! AP 1 Port 7 goes on and off",
        "1.23 ms",
    ):
        assert expected in words
    assert "Sonda 9.9.9, runs for 1 d 2 h, 83 MB of memory, 1 GB of 4 GB stored" in words
    assert "broker: not connected, 1234 messages wait ! The broker does not answer." in words
    shown = ended.out
    for word in LONG.split():
        assert word in shown


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 120])
def test_a_name_is_whole_at_any_width(width: int) -> None:
    names = ["Core switch in the cellar", "Access point 12, hall B", "NAS", LONG]
    devices = [device(number, name, "down" if number == 1 else "up") for number, name in enumerate(names)]
    answers = Answers(site(), devices, AGENT)
    console = Console(width=width, height=60, file=io.StringIO(), force_terminal=False)
    console.print(whole(answers))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert widest(shown) <= width
    table = shown.partition("state")[2].partition("Sonda 9.9.9")[0]
    for name in names[:3]:
        assert all(word in re.split(r"\s+", table) for word in name.split()), name
    assert "down" in table
    assert "role" not in shown, "the role goes before a name is broken"


@pytest.mark.parametrize(
    ("name", "width", "role"), [("Access point 12, hall B", 90, True), ("Access point 12, " * 2, 80, False)]
)
def test_the_role_goes_before_a_name_is_broken(name: str, width: int, role: bool) -> None:
    console = Console(width=width, height=60, file=io.StringIO(), force_terminal=False)
    console.print(whole(Answers(site(), [device(1, name.strip())], AGENT)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert name.strip() in shown
    assert ("role" in shown) is role


def test_a_site_that_is_up_is_exit_0() -> None:
    with api(whole_site("up")) as url:
        assert sonda("status", "--once", "--url", url).code == 0
        ended = sonda("status", "--json", "--url", url)
    assert ended.code == 0
    assert json.loads(ended.out)["site"]["name"] == "Officina Rossi"


def test_an_agent_that_says_less_is_shown_all_the_same() -> None:
    with api({"/api/v1/site": {}, "/api/v1/devices": [{}], "/api/v1/agent": {}, "/api/v1/now": {}}) as url:
        ended = sonda("status", "--url", url)
    assert (ended.code, ended.err) == (1, "")


def test_names_cannot_steer_the_terminal() -> None:
    answers = whole_site()
    answers["/api/v1/devices"][0]["name"] = "\x1b[2J\x07[red]evil[/red]\x9b\u202e"
    with api(answers) as url:
        ended = sonda("status", "--url", url, env={"COLUMNS": "200"})
    assert "\x1b" not in ended.out
    assert "\x9b" not in ended.out
    assert "\\x1b[2J\\x07[red]evil[/red]\\x9b\\x202e" in ended.out


@pytest.mark.parametrize(
    "url",
    [f"http://127.0.0.1:{free_port()}", "ftp://127.0.0.1/", "http://127.0.0.1:0"],
    ids=["nobody listens", "not HTTP", "no port"],
)
def test_no_agent_is_exit_3_with_a_sentence(url: str) -> None:
    ended = sonda("status", "--url", url)
    assert (ended.code, ended.out) == (3, "")
    assert url.rstrip("/") in ended.err
    assert ended.err.count("\n") == 1


def test_an_address_without_its_scheme_is_one_of_http() -> None:
    with api(whole_site("up")) as url:
        assert sonda("status", "--once", "--url", url.removeprefix("http://")).code == 0
    ended = sonda("status", "--once", "--url", url)
    assert (ended.code, "sonda status --url http://HOST:PORT" in ended.err) == (3, True)


def test_something_else_that_answers_is_said() -> None:
    with api({}) as url:
        ended = sonda("status", "--url", url)
    assert ended.code == 3
    assert "answered 404: write http://HOST:PORT of a Sonda agent" in ended.err.replace("\n", " ")
    with api({"/api/v1/site": 1}) as url:
        assert sonda("status", "--url", url).code == 3


def test_the_access_code_comes_from_a_file_or_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "code").write_text("open-sesame\n")
    (tmp_path / "code").chmod(0o600)
    with api(whole_site("up"), code="c29uZGE6b3Blbi1zZXNhbWU=") as url:
        ended = sonda("status", "--url", url)
        assert ended.code == 3
        assert "--access-code-file" in ended.err
        assert sonda("status", "--url", url, "--access-code-file", tmp_path / "code").code == 0
        port = url.rpartition(":")[2]
        text = f'[http]\nhost = "0.0.0.0"\nport = {port}\nplain_http = true\naccess_code = {{ file = "code" }}\n'
        assert sonda("status", "--config", write(tmp_path, text)).code == 0


WITHOUT_RIGHTS = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if os.geteuid() == 0
    else ()
)
"""Starts a command that may read what its user may, also where that user is root."""


def not_readable(file: Path) -> Path:
    file.chmod(0)
    return file


def test_settings_that_the_user_may_not_read_are_no_reason_to_ask_another_agent(tmp_path: Path) -> None:
    file = not_readable(write(tmp_path, "[http]\nport = 8099\n"))
    env = {"SONDA_CONFIG": str(file), "RUNTIME_DIRECTORY": str(tmp_path / "none")}
    ended = sonda("status", "--once", env=env, ahead=WITHOUT_RIGHTS)
    assert (ended.code, ended.out) == (4, "")
    assert f"You may not read {file}: run `sudo sonda status`." in ended.err
    assert "sonda status --url http://127.0.0.1:8080" in ended.err


def test_who_may_not_read_the_settings_asks_the_agent_that_runs(tmp_path: Path) -> None:
    file = not_readable(write(tmp_path))
    with api(whole_site("up")) as url:
        (tmp_path / "url").write_text(f"{url}\n")
        env = {"SONDA_CONFIG": str(file), "RUNTIME_DIRECTORY": str(tmp_path)}
        ended = sonda("status", "--once", env=env, ahead=WITHOUT_RIGHTS)
    assert ended.code == 0
    assert "sudo sonda status" in ended.err
    assert url in ended.err


@pytest.mark.parametrize("fault", ["[site", 'bogus = "x"', "[http]\nport = 99999\n"])
def test_settings_with_a_fault_are_no_reason_to_ask_another_agent(tmp_path: Path, fault: str) -> None:
    file = write(tmp_path, fault)
    env = {"SONDA_CONFIG": str(file), "RUNTIME_DIRECTORY": str(tmp_path / "none")}
    for named in ([], ["--config", file]):
        ended = sonda("status", "--once", *named, env=env)
        assert (ended.code, ended.out) == (4, "")
        assert "`sonda check` says why" in ended.err
        assert "sonda status --url http://127.0.0.1:8080" in ended.err


def test_of_settings_with_a_fault_elsewhere_the_page_is_known(tmp_path: Path) -> None:
    with api(whole_site("up")) as url:
        file = write(tmp_path, f'[http]\nport = {url.rpartition(":")[2]}\n[store]\nmax_bytes = "many"\n')
        env = {"SONDA_CONFIG": str(file), "RUNTIME_DIRECTORY": str(tmp_path / "none")}
        ended = sonda("status", "--once", env=env)
    assert ended.code == 0
    assert f"Asking {url}, as its [http] says." in ended.err


def test_a_proxy_of_the_environment_is_not_asked() -> None:
    with api(whole_site("up")) as url:
        assert sonda("status", "--url", url, env={"http_proxy": "http://127.0.0.1:1"}).code == 0


@pytest.mark.parametrize("devices", [0, 5, 200])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_the_screen_is_never_higher_than_the_terminal(devices: int, height: int) -> None:
    found = [device(n, LONG if n % 3 == 0 else f"AP {n}") for n in range(devices)]
    console = Console(width=80, height=height, force_terminal=True)
    lines = console.render_lines(screen(Answers(site(), found, AGENT), "", console), pad=False)
    assert len(lines) <= height
    text = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert "Ctrl-C" in text
    shown = sum(name in text for name in {f"AP {n} " for n in range(devices) if n % 3})
    if devices == 200:
        assert "more devices" in text
        assert shown < 200


def test_live_until_ctrl_c_and_through_a_restart_of_the_agent() -> None:
    parent, child = pty.openpty()
    with api(whole_site()) as url:
        process = subprocess.Popen(
            [SONDA, "status", "--url", url, "--every", "0.2"],
            stdout=child,
            stderr=child,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        )
        os.close(child)
        _read_until(parent, "Ctrl-C")
    _read_until(parent, "No agent listens")
    process.send_signal(signal.SIGINT)
    code = process.wait(10)
    os.close(parent)
    assert code == 0


def _read_until(terminal: int, words: str) -> None:
    seen, ends = b"", time.monotonic() + 10
    while words.encode() not in seen:
        assert time.monotonic() < ends, seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (1000, "1 kB"), (12345, "12.3 kB"), (2**64, "18.4 EB")],
)
def test_numbers_for_people(number: float | None, text: str) -> None:
    assert scaled(number, "B") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (93784, "1 d 2 h")],
)
def test_times_for_people(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
