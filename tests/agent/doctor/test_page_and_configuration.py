"""The page's port and certificate; the configuration and its secrets."""

import os
import pwd
import socket
from pathlib import Path

import pytest

from agent.doctor import configuration, page
from agent.doctor.model import Case, Finding
from agent.doctor.running import RunningAgent
from agent.settings import Surroundings, examine
from collectors.clock import SystemClock
from tests.agent.doctor.lasting import lasting
from tests.agent.doctor.seeing import SITE, case, device, ids, secret, sees, site
from tests.lab.agent import SondaRun
from tests.lab.certificates import Authority, Issued
from tests.lab.daemon import free_port
from tests.programs import need_root

INTERNET = '\n[network]\ngateway = "none"\ninternet = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]\n'


async def look(folder: Path, http: str) -> list[Finding]:
    return await page.check(case(site(folder, http=http)))


async def test_a_free_port_and_no_page(tmp_path: Path) -> None:
    sees(await look(tmp_path, f"port = {free_port()}"), "page.free")
    sees(await look(tmp_path, "enabled = false"), "page.off")


@pytest.mark.lab
def test_our_own_agent_holds_it(tmp_path: Path) -> None:
    import asyncio  # noqa: PLC0415 - the agent is started outside of any loop

    with SondaRun(tmp_path, SITE + device("This", "127.0.0.1")) as running:
        found = asyncio.run(page.check(case(running.config)))
    sees(found, "page.running")


async def test_somebody_else_holds_it(tmp_path: Path) -> None:
    """It speaks no HTTP at all; the answer of a web server is told apart in the same way."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen(0)
        found = await look(tmp_path, f"port = {other.getsockname()[1]}")
    assert "(pid " in sees(found, "page.busy")["seen"]


async def test_an_address_of_another_machine(tmp_path: Path) -> None:
    code = secret(tmp_path, "code", "12345678")
    found = await look(tmp_path, f'host = "198.51.100.7"\naccess_code = {code}\nplain_http = true')
    sees(found, "page.not_open")
    sees(found, "page.plain")


async def test_the_certificate_of_the_page(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path / "authority"), free_port()

    async def shown(issued: Issued) -> list[Finding]:
        return await look(tmp_path, f'port = {port}\ncert = "{issued.certificate}"\nkey = "{issued.key}"')

    good = lasting(authority, tmp_path, days=90)
    assert len(sees(await shown(good), "page.certificate")["facts"]["sha256"]) == 95
    sees(await shown(authority.server()), "page.certificate_soon")
    sees(await shown(authority.expired_server()), "page.certificate_expired")

    http = f'port = {port}\ncert = "{good.certificate}"\nkey = "{good.key}"'
    changed = case(site(tmp_path, http=http))
    good.key.write_bytes(authority.server().key.read_bytes())  # replaced after the settings were read
    sees(await page.check(changed), "page.certificate_unusable")


async def test_a_good_configuration(tmp_path: Path) -> None:
    config = site(tmp_path, INTERNET + device("Core", "127.0.0.1"))
    sees(await configuration.check(case(config)), "configuration.ok")


async def test_none_at_all() -> None:
    sees(await configuration.check(Case(SystemClock(), RunningAgent(None))), "configuration.none")


async def test_a_fault_and_a_warning(tmp_path: Path) -> None:
    config = site(tmp_path, '[[device]]\nname = "Core"\nrole = "switch"\naddress = "127.0.0.1"\nehco = true\n')
    found = await configuration.check(Case(SystemClock(), RunningAgent(None), examine([config])))
    sees(found, "configuration.fault")
    sees(await configuration.check(case(site(tmp_path, device("Core", "127.0.0.1")))), "configuration.warning")


async def test_what_root_may_read_is_no_word_on_the_service(open_folder: Path) -> None:
    """Settings, a secret, a key and a certificate; here the service's user is `nobody`."""
    need_root()
    authority = open_folder / "authority"
    issued = Authority(authority).client("probe")
    text = INTERNET + device("Core", "127.0.0.1", 'snmp = "site"')
    text += f'[[credential]]\nname = "site"\nversion = "2c"\ncommunity = {secret(open_folder, "community", "word")}\n'
    text += f'[mqtt]\nhost = "127.0.0.1"\n[mqtt.tls]\ncert = "{issued.certificate}"\nkey = "{issued.key}"\n'
    config, community = site(open_folder, text), open_folder / "community"
    config.chmod(0o640)
    for folder in {issued.key.parent, issued.certificate.parent, authority}:
        folder.chmod(0o755)
    found = await configuration.check(case(config, service_user="nobody"))
    expected = {str(config), str(community), str(issued.key)}
    assert {f.subject for f in found if f.id == "configuration.unreadable"} == expected
    assert sees(found, "configuration.unreadable", str(community))["commands"] == (
        f"chgrp nobody {community}",
        f"chmod g+r {community}",
    )
    for file in (config, community, issued.key):  # as the commands do it, and as the installer leaves it
        os.chown(file, 0, pwd.getpwnam("nobody").pw_gid)
        file.chmod(0o640)
    sees(await configuration.check(case(config, service_user="nobody")), "configuration.ok")

    issued.certificate.parent.chmod(0o700)
    [said] = await configuration.check(case(config, service_user="nobody"))
    assert f"the folder {issued.certificate.parent} does not let it pass" in said.seen
    assert said.commands[1] == f"chmod g+x {issued.certificate.parent}"
    sees(await configuration.check(case(config, service_user="no-such-user")), "configuration.ok")
    sees(await configuration.check(case(config)), "configuration.ok")


async def test_secrets_that_everybody_may_read(open_folder: Path) -> None:
    """Of a community, and of a private key; each is said once."""
    tmp_path = open_folder
    issued = Authority(tmp_path / "authority").client("probe")
    reference = secret(tmp_path, "community", "only-for-this-test")
    text = INTERNET + device("Core", "127.0.0.1", 'snmp = "site"')
    text += f'[[credential]]\nname = "site"\nversion = "2c"\ncommunity = {reference}\n'
    text += f'[mqtt]\nhost = "127.0.0.1"\n[mqtt.tls]\ncert = "{issued.certificate}"\nkey = "{issued.key}"\n'
    config = site(tmp_path, text)
    assert "configuration.open_secret" not in ids(await configuration.check(case(config)))
    (tmp_path / "community").chmod(0o644)
    found = await configuration.check(case(config))
    sees(found, "configuration.open_secret", str(tmp_path / "community"))
    assert [f.id for f in found] == ["configuration.open_secret"]
    issued.key.chmod(0o644)
    examined = examine([config], surroundings=Surroundings(credentials_required=False))
    [said] = await configuration.check(Case(SystemClock(), RunningAgent(None), examined))
    assert (said.id, f"can read {issued.key}, which holds a private key" in said.seen) == ("configuration.fault", True)
    assert said.mend == f"sudo chown root:sonda {issued.key} && sudo chmod 640 {issued.key}"
    assert "only-for-this-test" not in str(found)
