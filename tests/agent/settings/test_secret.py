"""Secrets come by reference, and never show."""

import copy
import pickle
from pathlib import Path

import pytest

from agent.settings import Surroundings, examine, load
from agent.settings.models import Settings
from tests.agent.settings.writing import write

SECRET = "hunter2-hunter2"


def configured(tmp_path: Path, reference: str, *, mode: int = 0o600, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "community"
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


def test_a_secret_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    configured(tmp_path, '{ file = "community" }', mode=0o644)
    [warning] = examine([tmp_path / "sonda.toml"]).warnings
    assert str(warning) == (
        f'{tmp_path}/sonda.toml:17: warning: [[credential]] "lab" community: '
        f"everybody on this machine can read {tmp_path}/community: sudo chmod o-r {tmp_path}/community."
    )
    (tmp_path / "community").chmod(0o640)
    assert not examine([tmp_path / "sonda.toml"]).warnings
