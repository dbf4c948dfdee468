"""The runner of the agent: started where it is told, asked from there, stopped gently or not, restarted, reloaded."""

import sys
import tomllib
from pathlib import Path

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import NotReadyError, wait_until
from tests.lab.network import Network
from tests.programs import need_lab

pytestmark = pytest.mark.lab

STAND_IN = r"""
import http.server, signal, sys, tomllib
port = tomllib.load(open(sys.argv[1], "rb"))["http"]["port"]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/nothing" else 200)
        self.end_headers()
        if self.path == "/events":
            self.wfile.write(b': hello\n\nevent: site\ndata: {"a":\ndata: 1}\n\ndata: 2\n\ndata: cut')
        else:
            self.wfile.write(b'{"path": "%s"}' % self.path.encode())
def term(*_):
    print("farewell", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, term)
signal.signal(signal.SIGHUP, lambda *_: print("reloads", flush=True))
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def stand_in(folder: Path) -> list[str]:
    """A program that reads the configuration and answers, in the agent's stead."""
    (folder / "stand_in.py").write_text(STAND_IN)
    return [sys.executable, "stand_in.py", str(folder / "sonda.toml")]


def test_lives_answers_and_stops(tmp_path: Path) -> None:
    with SondaRun(tmp_path, "[site]\n", command=stand_in(tmp_path)) as sonda:
        assert sonda.json("/api/v1/site") == {"path": "/api/v1/site"}
        with pytest.raises(AssertionError, match="/nothing: 404"):
            sonda.json("/nothing")
        assert sonda.events(2) == [("site", {"a": 1}), ("message", 2)]
        sonda.reload("[site]\nname = 'new'\n")
        wait_until(lambda: "reloads" in sonda.log, "SIGHUP")
        assert tomllib.loads(sonda.config.read_text())["site"] == {"name": "new"}
        assert sonda.memory_bytes() > 1_000_000
        assert sonda.stop() == 0
        assert "farewell" in sonda.log
        sonda.start()
        sonda.kill()
        assert sonda.daemon.exit_code == -9
        with pytest.raises(ConnectionRefusedError):
            sonda.get("/livez")


def test_in_a_namespace(tmp_path: Path) -> None:
    need_lab()
    with Network() as network:
        place = network.namespace("probe")
        with SondaRun(tmp_path, "[site]\n", place=place, command=stand_in(tmp_path)) as sonda:
            assert sonda.get("/x").body == b'{"path": "/x"}'
            assert place.pids() == [sonda.daemon.pid]


def test_one_that_dies_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such broker')"]
    with pytest.raises(NotReadyError, match="ended with 1:\nno such broker"), SondaRun(tmp_path, "", command=command):
        pass
