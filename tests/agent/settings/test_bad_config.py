"""One broken file a rule, beside the message it must give: tests/bad_config/NAME.toml and NAME.txt.

`python -m tests.agent.settings.test_bad_config` writes the messages of new files, to be read before they are committed.
"""

from pathlib import Path

import pytest

from agent.settings import Surroundings, examine

FOLDER = Path(__file__).parents[2] / "bad_config"
CASES = sorted(FOLDER.glob("*.toml"))
SECRETS = {
    "SONDA_TEST_SECRET": "hunter2-hunter2",
    "SONDA_SHORT": "hunter2",
    "SONDA_PUBLIC": "public",
    "SONDA_EMPTY": "",
}


def said(file: Path) -> str:
    examined = examine([file], surroundings=Surroundings(environ=SECRETS))
    lines = [str(fault) for fault in (*examined.faults, *examined.warnings)]
    assert (examined.settings is None) == bool(examined.faults)
    return "".join(line.replace(f"{FOLDER}/", "") + "\n" for line in lines)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_broken_file_gives_its_message(file: Path) -> None:
    assert said(file) == file.with_suffix(".txt").read_text()


def test_no_message_shows_a_secret() -> None:
    for file in CASES:
        assert "hunter2" not in said(file)
        assert "correct horse" not in said(file)


def test_every_message_names_its_file_and_line() -> None:
    for file in CASES:
        for line in said(file).splitlines():
            assert line.startswith(f"{file.name}:"), line


if __name__ == "__main__":
    for case in CASES:
        if not case.with_suffix(".txt").exists():
            case.with_suffix(".txt").write_text(said(case))
            print(said(case), end="")
