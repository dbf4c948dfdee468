"""BGP peers as devices tell of them: AS numbers that do not fit, and one peer in two tables."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp.gear.peers import together
from kpi.gear import AS_TRANS, BgpPeer
from tests.agent.profiles.told import Said, gauge, told

BGP4, BGP4V2 = "1.3.6.1.2.1.15.3.1", "1.3.6.1.3.5.1.1.2.1"


def bgp4(address: str, remote_as: int) -> dict[str, Said]:
    """BGP4-MIB bgpPeerTable (RFC 4273)."""
    said = {2: 6, 3: 2, 9: remote_as, 15: 1, 16: 1000}
    return {f"{BGP4}.{column}.{address}": value for column, value in said.items()}


def bgp4v2(address: str, remote_as: int, instance: int = 1) -> dict[str, Said]:
    """bgp4V2PeerTable as FRRouting has it: bgp4V2PeerRemoteAs is of 32 bits."""
    said: dict[int, Said] = {10: gauge(remote_as), 12: 2, 13: 6}
    return {f"{BGP4V2}.{column}.{instance}.1.{address}": value for column, value in said.items()}


async def test_as_trans_is_no_number() -> None:
    found = (await told(bgp4("192.0.2.2", AS_TRANS) | bgp4("192.0.2.3", 64512))).facts["bgp_peers"]
    assert found == (
        BgpPeer("192.0.2.2", None, "established", True, 1, 1000),
        BgpPeer("192.0.2.3", 64512, "established", True, 1, 1000),
    )


async def test_a_peer_in_two_tables_is_one_and_has_the_true_number() -> None:
    both = bgp4("192.0.2.2", AS_TRANS) | bgp4v2("192.0.2.2", 4_200_000_001)
    found = (await told(both | bgp4("192.0.2.3", 64512))).facts["bgp_peers"]
    assert sorted((one.remote_address, one.remote_as) for one in found if isinstance(one, BgpPeer)) == [
        ("192.0.2.2", 4_200_000_001),
        ("192.0.2.3", 64512),
    ]
    assert all(one.transitions == 1 for one in found if isinstance(one, BgpPeer)), "only BGP4-MIB has them"


async def test_the_same_address_in_two_vrfs_is_two_peers() -> None:
    vrfs = bgp4v2("192.0.2.2", 64513, 1) | bgp4v2("192.0.2.2", 64514, 2)
    found = (await told(bgp4("192.0.2.2", 64513) | vrfs)).facts["bgp_peers"]
    assert sorted(one.remote_as or 0 for one in found if isinstance(one, BgpPeer)) == [64513, 64514]


PEERS = st.builds(
    BgpPeer,
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
    st.one_of(st.none(), st.integers(1, 2**32 - 1)),
    st.sampled_from(["idle", "established"]),
    st.one_of(st.none(), st.booleans()),
)


@given(st.lists(st.lists(PEERS, max_size=5), max_size=4))
def test_no_peer_is_lost_and_none_made_up(tables: list[list[BgpPeer]]) -> None:
    found = together(tables)
    assert {one.remote_address for one in found if isinstance(one, BgpPeer)} == {
        one.remote_address for rows in tables for one in rows
    }
    most = max((len([one for one in rows if one.remote_address == "192.0.2.1"]) for rows in tables), default=0)
    assert len([one for one in found if isinstance(one, BgpPeer) and one.remote_address == "192.0.2.1"]) == most
