"""What the page says when the database was damaged, gone or old, and when the disk takes nothing."""

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.boundary import Boundary
from agent.history_view import Overview
from agent.live import SiteNow
from agent.page.now import SiteSeen, page_now
from agent.page.past import measured_says
from agent.page.say import Say
from agent.storage_notice import (
    DAMAGED,
    LOST,
    ROLLED_BACK,
    ROWS,
    UNPUBLISHED,
    UNWRITABLE,
    storage_notice,
    storage_trouble,
)
from agent.store.model import NOT_OPENED, Opened
from tests.agent.page.served import Site

EN, IT = (Say(language, ZoneInfo("Europe/Rome")) for language in ("en", "it"))
FINE = Opened(fresh=False, clean=True, check="ok", migrations=())


@pytest.mark.parametrize(
    ("opened", "rows", "notice"),
    [
        (FINE, 0, None), (NOT_OPENED, 0, None), (FINE, 3, ROWS),
        (replace(FINE, set_aside=Path("sonda.db.damaged"), reason="malformed", predecessor="s"), 0, DAMAGED),
        (replace(FINE, fresh=True, predecessor="s"), 0, LOST),
        (replace(FINE, predecessor="s", reason="older than its side file"), 0, ROLLED_BACK),
    ],
)  # fmt: skip
def test_what_was_found_of_the_database(opened: Opened, rows: int, notice: object) -> None:
    assert storage_notice(opened, rows) is notice


def test_every_notice_is_a_sentence_in_both_languages() -> None:
    for notice in (DAMAGED, LOST, ROLLED_BACK, ROWS, UNPUBLISHED, UNWRITABLE):
        assert set(notice) == {"en", "it"}
        assert all(text.endswith(".") and "{" not in text for text in notice.values())
        assert notice["en"] != notice["it"]


class Troubled(Site):
    def site(self) -> SiteNow:
        return replace(super().site(), notice=DAMAGED, trouble=storage_trouble("No room on the disk."))


def test_a_disk_that_takes_nothing_goes_before_what_is_not_published() -> None:
    assert storage_trouble(None) is None
    assert storage_trouble(None, "it is a folder") is UNPUBLISHED
    assert storage_trouble("no room", "it is a folder") is UNWRITABLE


@pytest.mark.parametrize("say", [EN, IT], ids=["en", "it"])
def test_the_first_screen_says_both_and_where_the_site_works_that_it_does(say: Say) -> None:
    site = Troubled()
    shown = page_now(SiteSeen(site.site(), site.devices(), ()), Overview(), say, Boundary())
    assert shown["notice"] == DAMAGED[say.language]
    assert shown["sentence"].endswith(UNWRITABLE[say.language])
    assert shown["tone"] == "attention"
    assert [item["says"] for item in shown["wrong"]] == [UNWRITABLE[say.language]]
    well = Site()
    shown = page_now(SiteSeen(well.site(), well.devices(), ()), Overview(), say, Boundary())
    assert (shown["notice"], shown["tone"], shown["wrong"]) == ("", "good", [])


def test_messages_that_had_to_go_are_counted_on_the_page() -> None:
    past = Overview(1e9, 1e9 - 9e5, coverage=0.5, dropped_messages=1234)
    assert measured_says(past, EN).endswith("had to be dropped for lack of space: 1,234.")
    assert measured_says(past, IT).endswith("eliminati per mancanza di spazio: 1.234.")
    dated = replace(past, dropped_first_utc=int(1e9 - 86400))
    assert measured_says(dated, EN).endswith(f"1,234 (the first: {EN.moment(1e9 - 86400, 1e9)}).")
    assert measured_says(dated, IT).endswith(f"1.234 (il primo: {IT.moment(1e9 - 86400, 1e9)}).")
