"""Secrets come by reference, and never show."""

import copy
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.settings import Surroundings, examine, load
from agent.settings.models import Settings
from tests.agent.settings.writing import write
from tests.lab.certificates import Authority

SECRET = "hunter2-hunter2"


def configured(
    tmp_path: Path,
    reference: str,
    *,
    name: str = "community",
    mode: int = 0o600,
    environ: dict[str, str] | None = None,
) -> Settings:
    file = tmp_path / name
    file.write_text(SECRET + "\n")
    file.chmod(mode)
    text = f'[[credential]]\nname = "lab"\nversion = "2c"\ncommunity = {reference}\n'
    examined = examine([write(tmp_path, text)], surroundings=Surroundings(environ=environ or {}))
    assert not examined.faults
    assert examined.settings is not None
    return examined.settings


@pytest.mark.parametrize(
    ("reference", "environ"),
    [
        ('{ file = "community" }', {}),
        ('{ env = "COMMUNITY" }', {"COMMUNITY": SECRET}),
    ],
)
def test_a_secret_is_read_from_where_it_is_named(tmp_path: Path, reference: str, environ: dict[str, str]) -> None:
    [credential] = configured(tmp_path, reference, environ=environ).credentials
    assert credential.community is not None
    assert credential.community.reveal() == SECRET
    assert credential.community.reveal_bytes() == SECRET.encode()


def test_a_systemd_credential_is_read_from_its_directory(tmp_path: Path) -> None:
    settings = configured(tmp_path, '{ credential = "community" }', environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert settings.credentials[0].community is not None
    assert settings.credentials[0].community.reveal() == SECRET


def test_outside_systemd_a_check_warns_where_a_run_refuses(tmp_path: Path) -> None:
    text = (
        '[[credential]]\nname = "lab"\nversion = "3"\nuser = "u"\nauth = "sha256"\nauth_secret = { credential = "x" }\n'
    )
    file = write(tmp_path, text)
    refused = examine([file], surroundings=Surroundings(environ={}))
    assert [fault.place and fault.place.line for fault in refused.faults] == [19]
    checked = examine([file], surroundings=Surroundings(environ={}, credentials_required=False))
    assert checked.settings is not None
    assert ["was not checked" in str(warning) for warning in checked.warnings] == [True]


def test_no_way_of_showing_settings_shows_a_secret(tmp_path: Path) -> None:
    settings = configured(tmp_path, '{ file = "community" }')
    shown = [
        repr(settings),
        str(settings),
        repr(settings.credentials[0].community),
        str(settings.model_dump()),
        settings.model_dump_json(),
        repr(copy.deepcopy(settings)),
    ]
    assert not [text for text in shown if "hunter2" in text]
    assert copy.deepcopy(settings) == settings
    assert pickle.loads(pickle.dumps(settings)).credentials[0].community.reveal() == SECRET


def test_an_error_hides_what_was_written_for_a_secret(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        f'[mqtt]\nhost = "b"\npassword = ["{SECRET}"]\npasword = "{SECRET}"\n[http]\naccess_code = "{SECRET}"\n',
    )
    with pytest.raises(Exception) as caught:
        load([file])
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "hunter2" not in f"{chain!r} {chain}"
        chain = chain.__cause__ or chain.__context__


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="sonda-settings-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder


def test_a_secret_that_everybody_may_read_is_a_warning(open_folder: Path) -> None:
    configured(open_folder, '{ file = "community" }', mode=0o644)
    [warning] = examine([open_folder / "sonda.toml"]).warnings
    assert str(warning) == (
        f'{open_folder}/sonda.toml:17: warning: [[credential]] "lab" community: '
        f"everybody on this machine can read {open_folder}/community: sudo chmod o-r {open_folder}/community."
    )
    (open_folder / "community").chmod(0o640)
    assert not examine([open_folder / "sonda.toml"]).warnings


def test_a_secret_in_a_folder_that_is_closed_to_others_may_have_any_mode(open_folder: Path) -> None:
    (open_folder / "secrets").mkdir()
    configured(open_folder, '{ file = "secrets/community" }', name="secrets/community", mode=0o644)
    assert examine([open_folder / "sonda.toml"]).warnings
    (open_folder / "secrets").chmod(0o750)
    assert not examine([open_folder / "sonda.toml"]).warnings


def tls(folder: Path, lines: str) -> list[str]:
    """What is wrong with such a section [mqtt.tls]."""
    file = write(folder, f'[mqtt]\nhost = "127.0.0.1"\n[mqtt.tls]\n{lines}\n')
    return [fault.message for fault in examine([file]).faults]


def test_a_private_key_that_everybody_may_read_is_a_fault(open_folder: Path) -> None:
    issued = Authority(open_folder / "ca").client("probe")
    both = open_folder / "both.pem"
    both.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    both.chmod(0o600)
    for lines, key in (
        (f'cert = "{issued.certificate}"\nkey = "{issued.key}"', issued.key),
        (f'cert = "{both}"', both),
    ):
        key.chmod(0o640)
        assert tls(open_folder, lines) == []
        key.chmod(0o644)
        assert tls(open_folder, lines) == [f"everybody on this machine can read {key}, which holds a private key"]
        file = write(open_folder, f"[http]\n{lines}\n")
        [fault] = examine([file]).faults
        assert (fault.message, fault.hint) == (
            f"everybody on this machine can read {key}, which holds a private key",
            f"sudo chown root:sonda {key} && sudo chmod 640 {key}",
        )
    issued.certificate.chmod(0o644)
    issued.key.chmod(0o640)
    assert (
        tls(open_folder, f'ca = "{open_folder}/ca/ca.pem"\ncert = "{issued.certificate}"\nkey = "{issued.key}"') == []
    )


def test_files_of_tls_that_hold_something_else_are_faults(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    issued, other = authority.client("probe"), authority.client("other")
    both = tmp_path / "both.pem"
    both.write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    [said] = tls(tmp_path, f'ca = "{issued.key}"')
    assert said.startswith(f"{issued.key} holds a private key, expected the certificate of the authority")
    assert tls(tmp_path, f'ca = "{both}"') == [f"{both} holds a private key beside its certificate"]
    [said] = tls(tmp_path, f'ca = "{tmp_path}/sonda.toml"')
    assert "holds no certificate in PEM" in said
    unfit = ["is no certificate that can be shown with its key"]
    assert tls(tmp_path, f'cert = "{issued.key}"\nkey = "{issued.key}"') == unfit
    assert tls(tmp_path, f'cert = "{issued.certificate}"\nkey = "{other.key}"') == unfit
    assert tls(tmp_path, f'cert = "{issued.certificate}"') == unfit


def test_a_file_with_nearly_that_name_is_offered(tmp_path: Path) -> None:
    (tmp_path / "community").write_text("s\n")
    hints = {}
    for name in ("comunity", "broker-password"):
        text = f'[[credential]]\nname = "c"\nversion = "2c"\ncommunity = {{ file = "{tmp_path / name}" }}\n'
        (fault,) = examine([write(tmp_path, text)]).faults
        hints[name] = fault.hint
    assert hints["comunity"].startswith(f"Did you mean {tmp_path / 'community'}?")
    assert "Did you mean" not in hints["broker-password"]
