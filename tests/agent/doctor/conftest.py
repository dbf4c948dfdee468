"""What several tests of the doctor stand on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="sonda-doctor-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder
