"""A clock that stands still, half a second past a midnight."""

import pytest

from tests.agent.world import MIDNIGHT
from tests.doubles import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)
