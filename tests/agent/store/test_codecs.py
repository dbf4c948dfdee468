"""Keys and payloads come back as they went in, for whatever may be in them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store.db import in_memory
from agent.store.errors import StoreRefused
from agent.store.keys import ENTITIES, KINDS, LENGTHS, PIECES, key_parts, window_key
from agent.store.packing import Packer, Unpacker, UnreadableError, compact
from agent.store.schema import migrate

COUNTER64 = st.integers(0, 2**64 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | COUNTER64 | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
PARTS = st.tuples(
    st.sampled_from(LENGTHS),
    st.integers(0, 2**27 - 1).map(lambda minute: minute * 60),
    st.integers(0, KINDS - 1),
    st.integers(0, ENTITIES - 1),
    st.integers(0, PIECES - 1),
)


@given(PARTS, PARTS)
def test_keys_come_back_sort_as_their_parts_and_fit_sqlite(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    a, b = window_key(*one), window_key(*other)
    assert key_parts(a) == one
    assert 0 <= a < 2**63
    order = [(LENGTHS.index(parts[0]), *parts[1:]) for parts in (one, other)]
    assert (a < b) == (order[0] < order[1])


@pytest.mark.parametrize("start", [-60, 30, 2**27 * 60])
def test_a_start_that_is_none_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match="whole minute"):
        window_key(60, start, 0, 0)


def test_a_key_that_would_run_into_its_neighbour_is_refused() -> None:
    for parts in ((KINDS, 0, 0), (0, ENTITIES, 0), (0, 0, PIECES)):
        with pytest.raises(StoreRefused):
            window_key(60, 0, *parts)


@given(st.lists(JSON, min_size=1, max_size=30))
def test_payloads_come_back_with_and_without_a_dictionary(values: list[Any]) -> None:
    with in_memory() as con:
        migrate(con)
        packer, unpacker = Packer(con), Unpacker()
        filler = [{"n": n, "text": "x" * 400} for n in range(50)]
        packed = [packer.pack("label", compact(value)) for value in [*values, *filler, *values]]
        assert packed[0][0] == 0 and packed[-1][0] == 1, "the later ones were packed with a dictionary"
        found = [json.loads(unpacker.unpack(con, *one)) for one in packed]
        assert found == [*values, *filler, *values]
        assert Packer(con).pack("label", b"1")[0] == 1, "a dictionary lives through a restart"


@given(st.text(st.characters(), max_size=50) | st.text(st.characters(categories=["Cs"]), max_size=5))
def test_compact_json_is_valid_utf_8_whatever_a_device_is_called(name: str) -> None:
    assert json.loads(compact({"name": name}).decode("utf-8")) == json.loads(json.dumps({"name": name}))


def test_a_damaged_payload_is_said() -> None:
    with in_memory() as con:
        migrate(con)
        packer, unpacker = Packer(con), Unpacker()
        whole = [packer.pack("label", compact({"n": n, "text": "x" * 400})) for n in range(60)]
        for number, packed in (whole[0], whole[-1]):
            for damaged in (b"", packed[:-2], b"\xff" * 20):
                with pytest.raises(UnreadableError):
                    unpacker.unpack(con, number, damaged)
        with pytest.raises(UnreadableError, match="dictionary 7"):
            unpacker.unpack(con, 7, whole[-1][1])
