"""The rows of a table are read in slices, which end sooner where rows are slow: their texts may be made for that."""

import asyncio

import pytest

import collectors.snmp.gear.reading as rows_read
from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Reduce, Source, Table, ValueSpec
from collectors.snmp.gear.reading import readings_by_and_by, rows_of
from collectors.snmp.gear.values import Row
from collectors.snmp.slices import SLICE_S, STEPS_AT_ONCE, by_and_by, in_slices
from kpi.gear import Kind
from tests.doubles import ManualClock

ROWS = 200
SPEC = ValueSpec(Kind.TEMPERATURE, Source(column="1"))


class SlowRows(ManualClock):
    """Between two looks at it a row was read, which took that long."""

    row_s = 0.0

    def monotonic(self) -> float:
        self._mono_ns += round(self.row_s * 1e9)
        return super().monotonic()


def rows() -> list[Row]:
    found = {oid.from_arcs((1, 3, at))[1:]: {"1": VarBind(b"", ber.INTEGER, at)} for at in range(1, ROWS + 1)}
    return rows_of(Table("t", "1.3.6.1.4.1.99999.1", values=(SPEC,)), found, {}, {})


@pytest.mark.parametrize(
    ("row_s", "at_most"), [(0.0, STEPS_AT_ONCE), (SLICE_S / 3.5, 4), (1.01 * SLICE_S, 1), (1.0, 1)]
)
@pytest.mark.parametrize("reduce", [None, Reduce.SUM])
async def test_slow_rows_are_read_in_smaller_slices(
    monkeypatch: pytest.MonkeyPatch, row_s: float, at_most: int, reduce: Reduce | None
) -> None:
    clock, now, most = SlowRows(), 0, 0
    clock.row_s = row_s
    value = rows_read._value

    def counted(*args: object) -> float | None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        return value(*args)  # type: ignore[arg-type]

    async def turns() -> None:
        nonlocal now
        while True:
            now = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(rows_read, "_value", counted)
    watching = asyncio.create_task(turns())
    spec = ValueSpec(Kind.TEMPERATURE, Source(column="1"), reduce=reduce)
    table = Table("t", "1.3.6.1.4.1.99999.1", values=(spec,))
    readings = await by_and_by(readings_by_and_by(table, rows(), witnessed=True, whole=True), clock)
    watching.cancel()
    assert len(readings) == (ROWS if reduce is None else 1)
    assert at_most // 2 < most <= at_most


@pytest.mark.parametrize(("item_s", "later"), [(0.0, 32), (SLICE_S / 8.5, 8), (1.01 * SLICE_S, 1), (1.0, 1)])
async def test_a_piece_of_slow_items_is_smaller_than_it_may_be(item_s: float, later: int) -> None:
    clock, sizes, seen = ManualClock(), list[int](), list[int]()
    async for some in in_slices(clock, range(100), 32):
        sizes.append(len(some))
        seen += some
        await clock.advance(item_s * len(some))
    assert seen == list(range(100))
    assert sizes[0] == 32
    assert max(sizes[1:]) == later
