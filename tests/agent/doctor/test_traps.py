"""The port for traps, and who is refused on it."""

import asyncio
import socket
from pathlib import Path

import pytest

from agent.doctor import traps
from agent.doctor.model import Finding
from tests.agent.doctor.seeing import SITE, case, device, secret, sees, site
from tests.lab.agent import SondaRun
from tests.lab.daemon import free_port, wait_until


def wanting(folder: Path, port: int) -> str:
    return (
        f'[traps]\nenabled = true\nhost = "127.0.0.1"\nport = {port}\n'
        f'[[credential]]\nname = "c"\nversion = "2c"\ncommunity = {secret(folder, "c", "zwieback")}\n'
    )


async def look(folder: Path, text: str, root: Path = Path("/")) -> list[Finding]:
    return await traps.check(case(site(folder, text), root=root))


async def test_off_and_free(tmp_path: Path) -> None:
    sees(await look(tmp_path, ""), "traps.off")
    sees(await look(tmp_path, wanting(tmp_path, free_port(socket.SOCK_DGRAM))), "traps.free")


async def test_without_credentials_every_trap_is_refused(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    found = await look(tmp_path, f"[traps]\nenabled = true\nport = {port}\n")
    sees(found, "traps.nobody_believed")


async def test_another_program_has_the_port(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        sees(await look(tmp_path, wanting(tmp_path, other.getsockname()[1])), "traps.busy")


async def test_the_service_is_installed_and_its_port_not_enabled(tmp_path: Path) -> None:
    units = tmp_path / "root" / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / "sonda.service").touch()
    wanted = wanting(tmp_path, 162)
    sees(await look(tmp_path, wanted, tmp_path / "root"), "traps.not_enabled")
    (units / "sonda.service.wants").mkdir()
    (units / "sonda.service.wants" / "sonda-traps.socket").symlink_to("/nowhere")
    sees(await look(tmp_path, wanted, tmp_path / "root"), "traps.free")


@pytest.mark.lab
def test_the_running_agent_hears_and_refuses(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    text = SITE + device("This", "127.0.0.3") + wanting(tmp_path, port)
    with SondaRun(tmp_path, text) as sonda, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.77", 0))
        out.sendto(b"trap", ("127.0.0.1", port))
        wait_until(lambda: sonda.json("/api/v1/agent")["traps"]["unknown_source"] == 1, "it is counted")
        found = asyncio.run(traps.check(case(sonda.config)))
    sees(found, "traps.heard")
    sees(found, "traps.refused")


@pytest.mark.lab
def test_the_running_agent_could_not_listen(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        text = SITE + device("This", "127.0.0.3") + wanting(tmp_path, other.getsockname()[1])
        with SondaRun(tmp_path, text) as sonda:
            found = asyncio.run(traps.check(case(sonda.config)))
            assert "No traps are heard" in sonda.log
    sees(found, "traps.not_heard")


@pytest.mark.lab
def test_the_running_agent_was_started_before(tmp_path: Path) -> None:
    with SondaRun(tmp_path, SITE + device("This", "127.0.0.3")) as sonda:
        sonda.write(SITE + device("This", "127.0.0.3") + wanting(tmp_path, 162))
        (finding,) = asyncio.run(traps.check(case(sonda.config)))
    assert finding.id == "traps.not_heard"
    assert finding.commands == ("systemctl enable sonda-traps.socket", "systemctl restart sonda")
