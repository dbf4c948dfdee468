"""The installer in a fresh Debian: twice, then removed; what it made is gone. Needs Debian's packages and PyPI."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import need, need_root

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(900)]


class Debian:
    """A root made by debootstrap, with /proc; commands run in it by chroot."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str) -> str:
        done = subprocess.run(
            ["chroot", str(self.root), *command], capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> dict[str, int]:
        """Path to mode of everything but what other programs keep (logs, caches, account backups)."""
        listed = self.run("find", "/etc", "/opt", "/usr", "/var/lib", "-xdev", "-printf", "%p %m\n")
        found = dict(line.rsplit(" ", 1) for line in listed.splitlines())
        return {path: int(mode, 8) for path, mode in found.items() if not path.endswith(("-", ".pwd.lock"))}


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    need_root()
    need("debootstrap")
    root = tmp_path_factory.mktemp("debian") / "root"
    sources = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    mirror = next(line.split()[0] for line in sources if line.endswith("/debian/ bookworm main"))
    packages = "--include=python3,python3-venv,systemd,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", str(root), mirror], check=True)
    with contextlib.suppress(FileNotFoundError):
        (root / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
    authorities = "etc/ssl/certs/ca-certificates.crt"
    (root / authorities).write_bytes((Path("/") / authorities).read_bytes())
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD"], capture_output=True, check=True).stdout
    (root / "src").mkdir()
    subprocess.run(["tar", "-x", "-C", str(root / "src")], input=archive, check=True)
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    try:
        yield Debian(root)
    finally:
        subprocess.run(["umount", str(root / "proc")], check=True)


def test_twice_and_away_again(debian: Debian) -> None:
    before = debian.files()
    first = debian.run("/src/systemd/install.sh")
    assert "installed the program below /opt/sonda" in first
    assert "wrote /etc/systemd/system/sonda.service" in first
    assert "Next: write /etc/sonda/sonda.toml" in first and "/etc/sonda/sonda.toml.example shows how" in first
    assert "below /etc/sonda/secrets" in first
    assert "Run: sudo -u sonda sonda check; sudo sonda doctor." in first
    assert first.endswith("Then run this again: it starts the service.\n")
    assert debian.run("sonda", "--version").startswith("sonda ")
    once = debian.files()
    assert once["/etc/sonda/secrets"] == 0o2750
    assert once["/etc/sonda"] == 0o750
    assert {"/etc/systemd/system/sonda.service", "/etc/systemd/system/sonda-traps.socket"} <= once.keys()
    second = debian.run("/src/systemd/install.sh")
    assert "up to date" in second
    assert "wrote" not in second
    assert "Next: write /etc/sonda/sonda.toml" in second, "there are no settings yet"
    assert debian.files() == once

    (debian.root / "etc/sonda/sonda.toml").write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    settings = (debian.root / "etc/sonda/sonda.toml").read_text()
    debian.run("sonda", "check")
    third = debian.run("/src/systemd/install.sh")
    assert "the settings in /etc/sonda stay as they are" in third
    assert "Nothing was started: systemd does not run here" in third
    assert "Next:" not in third
    assert (debian.root / "etc/sonda/sonda.toml").read_text() == settings
    removed = debian.run("/src/systemd/install.sh", "remove")
    assert removed == "removed the program\nsettings stay in /etc/sonda, measurements in /var/lib/sonda\n"
    assert "/etc/sonda/sonda.toml" in debian.files()
    assert "/opt/sonda" not in debian.files()

    debian.run("/src/systemd/install.sh")
    purged = debian.run("/src/systemd/install.sh", "purge")
    assert purged == "removed the program\nremoved settings, measurements and the user sonda\n"
    left = {path for path in debian.files().keys() - before.keys() if "sonda" in path}
    assert left == set()
    assert "sonda" not in (debian.root / "etc/passwd").read_text()


@pytest.mark.parametrize("what", ["install", "remove", "purge"])
def test_who_is_not_root_is_told_so_and_changes_nothing(what: str) -> None:
    need_root()
    ended = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-s", "--", what],
        input=(ROOT / "systemd/install.sh").read_text(),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "This needs root: run it with sudo.\n"


def test_a_word_that_the_installer_does_not_know_changes_nothing() -> None:
    ended = subprocess.run(
        ["sh", ROOT / "systemd/install.sh", "uninstall"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "usage: install.sh [install|remove|purge]\n"
