"""A real mosquitto for the lab tests of this room."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.mosquitto import Mosquitto
from tests.programs import need


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers with the given settings; all stop with the test."""
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:

        def start(**settings: Any) -> Mosquitto:
            return stack.enter_context(Mosquitto(tmp_path, **settings))

        yield start
