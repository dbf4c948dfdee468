"""Random faults of the database's files (faults.py): a few in each run of the tests, 500 where there is time."""

from pathlib import Path

import pytest

from tests.agent.store.faults import bad, report, run


@pytest.mark.may_block
@pytest.mark.parametrize(
    "trials", [pytest.param(16, id="sample"), pytest.param(500, id="500", marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)  # fmt: skip
async def test_no_fault_ends_the_agent_for_good_or_loses_a_message_unsaid(tmp_path: Path, trials: int) -> None:
    found = await run(trials, 7, tmp_path)
    print("\n".join(report(found)))
    assert not [trial for trial in found if bad(trial)]
    assert sum(trial.delivered for trial in found) and sum(trial.named for trial in found)
    assert any(trial.replaced for trial in found)
