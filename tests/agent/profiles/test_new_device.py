"""A device that Sonda does not know: one file in the user's own directory and it is read. racksense/ has the profile of a
made-up rack monitor with outlets, fans, radios and neighbours, a walk of it, and what must come of the two."""

import asyncio
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.profiles import OneProfile, check_own, load_library, load_profile
from agent.profiles.unread import unread
from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.document import PollTarget, Remarks, poll_document
from collectors.snmp.gear.library import Library
from tests.agent.cli.console import sonda
from tests.collectors.snmp_device.scripted import serving
from tests.walks.test_walks import agent_of, told

RACKSENSE = Path(__file__).parent / "racksense"
PROFILE = RACKSENSE / "quelltec-racksense.toml"


async def polled(library: Library, remarks: Remarks | None = None) -> dict[str, Any]:
    async with serving(agent_of(RACKSENSE / "walk.snmprec")) as agent, SnmpClient(SystemClock()) as client:
        target = PollTarget("rack", "127.0.0.1", agent.port, Community("2c", b"public"))
        return await poll_document(client, SystemClock(), target, library, remarks=remarks)


async def test_one_file_is_all_a_new_device_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDA_PROFILES", str(tmp_path))
    before = await polled(await asyncio.to_thread(load_library))
    assert (before["identity"]["profile"], before["sensors"], before["neighbors"]) == ("standard", [], [])

    shutil.copy(PROFILE, tmp_path)
    assert (check_own().faults, check_own().warnings) == ((), ())
    document = await polled(await asyncio.to_thread(load_library))
    expected = json.loads((RACKSENSE / "walk.json").read_text())
    assert {part: told(document, part) for part in expected} == expected
    assert document["errors"] == []


def on_trial(file: Path, text: str) -> tuple[Library, Remarks]:
    file.write_text(text)
    library = load_library()
    return OneProfile(load_profile(file, library), library), partial(unread, file)


async def tried(file: Path, text: str) -> list[str]:
    """What is said of that text as a profile on trial: "LINE: what"."""
    document = await polled(*await asyncio.to_thread(on_trial, file, text))
    return [sentence.removeprefix(f"{file}:") for sentence in document["remarks"]]


async def test_of_a_profile_that_fits_nothing_is_remarked(tmp_path: Path) -> None:
    assert await tried(tmp_path / PROFILE.name, PROFILE.read_text()) == []


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            'object_id = "1.3.6.1.4.1.64999.2"',
            'object_id = "1.3.6.1.4.1.64999.3"',
            (
                "1: [[match]]: without --profile this device is not read by it: its sysObjectID is 1.3.6.1.4.1.64999.2, "
                'its sysDescr "Quelltec RackSense 4, HW rev C".'
            ),
        ),
        (
            "'^fw (",
            "'^version (",
            "7: [identity] firmware: nothing was read: the device does not say it, or pattern or map does not fit.",
        ),
        (
            'entry = "1.3.6.1.4.1.64999.2.3.1"',
            'entry = "1.3.6.1.4.1.64999.2.13.1"',
            '30: [[table]] "outlets" entry: the device has nothing below 1.3.6.1.4.1.64999.2.13.1.',
        ),
        (
            'entry = "1.3.6.1.4.1.64999.2.3.1"',
            'entry = "1.3.6.1.4.1.64999.2.3"',
            (
                '30: [[table]] "outlets" entry: nothing answered in its columns (2, 4, 5), though the device has something '
                "below 1.3.6.1.4.1.64999.2.3. Columns are counted from there."
            ),
        ),
        (
            'index = ["int", "int"]',
            'index = ["int", "int", "int"]',
            '74: [[table]] "neighbours" index: none of 2 rows has an index made like that; the first is 1.1.',
        ),
        (
            'sort = "neighbors"',
            'where = { column = 4, within = "none" }\nsort = "neighbors"',
            '75: [[table]] "neighbours" where: lets none of 2 rows through.',
        ),
        (
            "remote_name = { column = 5 }",
            "remote_name = { column = 6 }",
            '80: [[table]] "neighbours" field.remote_name: says nothing in any of 2 rows.',
        ),
        (
            "within = 1 }",
            'within = "temperature" }',
            '19: [[table]] "sensors" value.where: lets none of 4 rows through, so there is no temperature.',
        ),
        (
            "column = 5\n  scale = 0.1",
            "column = 15\n  scale = 0.1",
            '38: [[table]] "outlets" value: no power: column 15 says nothing in any of 8 rows.',
        ),
        (
            "negate = true",
            "negate = true\n  least = -20",
            '62: [[table]] "radios" value: no noise_floor: none of 2 rows counts; the first says "92".',
        ),
    ],
)
async def test_what_a_profile_on_trial_did_not_get_is_said(tmp_path: Path, good: str, bad: str, said: str) -> None:
    text = PROFILE.read_text()
    assert good in text
    assert await tried(tmp_path / PROFILE.name, text.replace(good, bad)) == [said]


async def test_of_alternatives_one_is_enough(tmp_path: Path) -> None:
    text = PROFILE.read_text()
    fans = text[text.index('[[table]]\nname = "fans"') : text.index('[[table]]\nname = "radios"')]
    word = 'alternative = "fans"\nentry'
    other = fans.replace('"fans"', '"old-fans"').replace("64999.2.4.1", "64999.2.9.1").replace("entry", word)
    both = text.replace(fans, fans.replace("entry", word) + other)
    assert await tried(tmp_path / PROFILE.name, both) == []
    neither = await tried(tmp_path / PROFILE.name, both.replace("64999.2.4.1", "64999.2.8.1"))
    assert [sentence.partition(": ")[2] for sentence in neither] == [
        f'[[table]] "{name}" entry: of the tables with alternative = "fans" none was read.'
        for name in ("fans", "old-fans")
    ]


async def test_sonda_poll_says_it_below_what_it_read(tmp_path: Path) -> None:
    file = tmp_path / PROFILE.name
    on_trial(file, PROFILE.read_text().replace("drop = 65535", "most = 1000"))
    async with serving(agent_of(RACKSENSE / "walk.snmprec")) as agent:
        here = f"127.0.0.1:{agent.port}"
        ended = await asyncio.to_thread(sonda, "poll", "-c", "public", "--profile", file, here)
    assert (ended.code, ended.err) == (0, "")
    said = f'! {file}:48: [[table]] "fans" value: no fan_speed: none of 3 rows counts; the first says "2410".'
    shown = "".join(ended.out.split())
    assert "Coldaisle22.3°C" in shown
    assert shown.endswith("".join(said.split()))
