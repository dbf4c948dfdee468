"""One broken profile a rule, beside the message it must give: tests/bad_profiles/NAME.toml and NAME.txt. What some of them
extend lies in tests/bad_profiles/beside.

`python -m tests.agent.profiles.test_bad_profiles` writes the messages of new files, to be read before they are committed.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

from agent.profiles import SHIPPED, examine_library
from agent.settings import Severity

FOLDER = Path(__file__).parents[2] / "bad_profiles"
BESIDE = FOLDER / "beside"
CASES = sorted(FOLDER.glob("*.toml"))


def said(file: Path) -> str:
    """What is said of it as the only profile of a user, and of nothing else."""
    with tempfile.TemporaryDirectory() as own:
        shutil.copy(file, own)
        library = examine_library(SHIPPED, BESIDE, Path(own), thorough=False)
        found = [fault for fault in library.faults if fault.place and fault.place.file.parent == Path(own)]
        assert (file.stem not in library.heads) == any(fault.severity is Severity.FAULT for fault in found)
        return "".join(f"{fault}\n" for fault in found).replace(f"{own}/", "")


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_broken_profile_gives_its_message(file: Path) -> None:
    assert said(file) == file.with_suffix(".txt").read_text()


def test_every_message_names_its_file() -> None:
    for file in CASES:
        text = file.with_suffix(".txt").read_text()
        assert text
        assert all(line.startswith(f"{file.name}:") for line in text.splitlines())


if __name__ == "__main__":
    for case in CASES:
        if not case.with_suffix(".txt").exists():
            case.with_suffix(".txt").write_text(said(case))
            print(said(case), end="")
