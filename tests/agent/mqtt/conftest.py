"""What the tests of this room stand on: a clock that stands still, an outbox in memory, for the lab a real mosquitto."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.agent.mqtt.parts import MemoryOutbox
from tests.doubles import ManualClock
from tests.lab.mosquitto import Mosquitto
from tests.programs import need


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers with the given settings; all stop with the test."""
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:

        def start(**settings: Any) -> Mosquitto:
            return stack.enter_context(Mosquitto(tmp_path, **settings))

        yield start
