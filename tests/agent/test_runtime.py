"""The address of the page in the service's runtime directory."""

import stat
from pathlib import Path

from agent.runtime import leave_url, running_url


def test_any_user_may_read_the_address_that_the_service_leaves(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert running_url(environ) is None
    leave_url("http://127.0.0.1:8099", environ)
    assert running_url(environ) == "http://127.0.0.1:8099"
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [0o644]


def test_without_a_page_no_address_is_left(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    leave_url("http://127.0.0.1:8099", environ)
    leave_url(None, environ)
    assert running_url(environ) is None
    leave_url("http://127.0.0.1:8099", {})
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_address_counts_as_none(tmp_path: Path) -> None:
    for text in (b"", b"file:///etc/passwd\n", b"\xff\xfe"):
        (tmp_path / "url").write_bytes(text)
        assert running_url({"RUNTIME_DIRECTORY": str(tmp_path)}) is None
