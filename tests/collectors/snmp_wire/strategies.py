"""Hypothesis strategies for what an agent may say."""

from hypothesis import strategies as st

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind

ARCS = st.one_of(st.integers(0, 300), st.integers(0, oid.ARC_MAX))
IDENTIFIERS = st.one_of(
    st.just(b""),
    st.builds(
        lambda first, second, rest: oid.from_arcs((first, second, *rest)),
        st.integers(0, 1),
        st.integers(0, 39),
        st.lists(ARCS, max_size=20),
    ),
    st.builds(
        lambda second, rest: oid.from_arcs((2, second, *rest)),
        st.integers(0, oid.ARC_MAX - 80),
        st.lists(ARCS, max_size=20),
    ),
)

_U32 = st.integers(0, 2**32 - 1)
VALUES: st.SearchStrategy[tuple[int, ber.Value]] = st.one_of(
    st.tuples(st.just(ber.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from((ber.COUNTER32, ber.GAUGE32, ber.TIME_TICKS)), _U32),
    st.tuples(st.just(ber.COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from((ber.OCTET_STRING, ber.OPAQUE)), st.binary(max_size=300)),
    st.tuples(st.just(ber.IP_ADDRESS), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(ber.OBJECT_IDENTIFIER), IDENTIFIERS),
    st.tuples(st.sampled_from(sorted(ber.EMPTY)), st.none()),
)
VARBINDS = st.builds(lambda name, typed: VarBind(name, *typed), IDENTIFIERS, VALUES)
IDS = st.integers(0x01000000, 0x7FFFFFFF)
