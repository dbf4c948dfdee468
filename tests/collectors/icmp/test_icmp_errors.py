"""Real ICMP errors on real sockets: loss with a reason for the target it concerns, nothing for the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import pytest

from collectors.clock import SystemClock
from collectors.icmp import EchoTarget, IcmpEngine, Mode, sockets
from collectors.icmp.sockets import open_channel
from kpi.model import Outcome
from tests.collectors.icmp.fakes import Sink
from tests.lab.network import Namespace, Network
from tests.programs import need_lab

pytestmark = pytest.mark.lab

OK, NO_REPLY, FAULT = Outcome.OK, Outcome.NO_REPLY, Outcome.AGENT_FAULT


class Site:
    """probe -- router -- host, and an engine at the probe."""

    def __init__(self, network: Network, mode: Mode) -> None:
        self.probe, self.router, self.host = (network.namespace(n) for n in ("probe", "router", "host"))
        a, b = (["10.1.0.2/24", "fd00:1::2/64"], ["10.1.0.1/24", "fd00:1::1/64"])
        network.veth(self.probe, self.router, addresses=(a, b))
        a, b = (["10.2.0.1/24", "fd00:2::1/64"], ["10.2.0.2/24", "fd00:2::2/64"])
        network.veth(self.router, self.host, addresses=(a, b))
        self.router.forward()
        for place, via4, via6 in ((self.probe, "10.1.0.1", "fd00:1::1"), (self.host, "10.2.0.1", "fd00:2::1")):
            place.route("default", via=via4)
            place.route("default", via=via6)
        self.router.sysctl("net.ipv4.icmp_ratelimit", 0)
        self.router.sysctl("net.ipv6.icmp.ratelimit", 0)
        if mode is Mode.DATAGRAM:
            self.probe.ping_group_range()
        self.network = network
        self.mode = mode
        self.sink = Sink()

    @contextlib.asynccontextmanager
    async def engine(self, hop_limit: int = 64) -> AsyncIterator[IcmpEngine]:
        made = IcmpEngine(SystemClock(), self.sink, opener=partial(open_channel, hop_limit=hop_limit))
        with self.probe.inside():
            made.__enter__()
        try:
            assert made.modes == {4: self.mode, 6: self.mode}
            running = asyncio.create_task(made.run())
            await asyncio.sleep(0)
            yield made
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        finally:
            made.__exit__(None, None, None)

    async def until(self, ready: Callable[[], bool], seconds: float = 6) -> None:
        async with asyncio.timeout(seconds):
            while not ready():  # noqa: ASYNC110 - what is waited for is the sink of the engine, real time
                await asyncio.sleep(0.02)

    async def one(self, engine: IcmpEngine, address: str) -> tuple[Outcome, str | None]:
        """How one echo to that address ends."""
        before = len(self.sink.samples)
        engine.send(EchoTarget(address, address))
        await self.until(lambda: len(self.sink.samples) > before)
        return self.sink.samples[-1].outcome, self.sink.samples[-1].reason


@pytest.fixture(params=[Mode.DATAGRAM, Mode.RAW], ids=["datagram", "raw"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    need_lab("nft")
    with Network() as network:
        yield Site(network, request.param)


async def test_reasons_of_a_router(site: Site) -> None:
    site.router.nft(
        "table inet t { chain f { type filter hook forward priority 0;"
        " ip daddr 10.2.0.9 reject with icmp admin-prohibited; ip6 daddr fd00:2::9 reject with icmpv6 admin-prohibited;"
        " ip daddr 10.2.0.8 reject with icmp net-unreachable; ip daddr 10.2.0.7 drop; }; }"
    )
    async with site.engine() as engine:
        assert await site.one(engine, "10.2.0.2") == (OK, None)
        assert await site.one(engine, "fd00:2::2") == (OK, None)
        assert await site.one(engine, "10.3.0.1") == (NO_REPLY, "net_unreachable")  # the router has no route
        assert await site.one(engine, "fd00:3::1") == (NO_REPLY, "net_unreachable")
        assert await site.one(engine, "10.2.0.9") == (NO_REPLY, "admin_prohibited")
        assert await site.one(engine, "fd00:2::9") == (NO_REPLY, "admin_prohibited")
        assert await site.one(engine, "10.2.0.8") == (NO_REPLY, "net_unreachable")
        assert await site.one(engine, "10.2.0.7") == (NO_REPLY, "timeout")
        assert await site.one(engine, "10.2.0.2") == (OK, None)
        assert engine.counters.malformed == engine.counters.forged == 0


async def test_ttl_exceeded(site: Site) -> None:
    async with site.engine(hop_limit=1) as engine:
        assert await site.one(engine, "10.1.0.1") == (OK, None)
        assert await site.one(engine, "10.2.0.2") == (NO_REPLY, "ttl_exceeded")
        assert await site.one(engine, "fd00:2::2") == (NO_REPLY, "ttl_exceeded")


async def test_dead_neighbours_are_lost_and_disturb_nobody(site: Site) -> None:
    """ARP and neighbour discovery give up after 3 s: the echoes sent in the last two of them have a reason."""
    dead = [EchoTarget(a, a) for a in ("10.1.0.77", "10.1.0.78", "fd00:1::77")]
    live = [EchoTarget(f"{a} {i}", a) for a in ("10.1.0.1", "10.2.0.2", "fd00:1::1", "fd00:2::2") for i in range(5)]
    async with site.engine() as engine:
        rounds = 16
        for _ in range(rounds):
            for target in (*dead, *live):
                engine.send(target)
            await asyncio.sleep(0.25)
        await site.until(lambda: len(site.sink.samples) == rounds * (len(dead) + len(live)))
        for target in live:
            assert site.sink.ends(target.id) == [(OK, None)] * rounds
        for target in dead:
            ends = site.sink.ends(target.id)
            assert {outcome for outcome, _ in ends} == {NO_REPLY}
            assert 4 <= ends.count((NO_REPLY, "host_unreachable")) < rounds
        assert engine.counters.faults == {} and engine.counters.dropped == 0


async def test_many_dead_neighbours_do_not_fill_the_send_buffer_for_the_living(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without CAP_NET_ADMIN, at the system's default limits: 500 dead echoes a second wait for ARP, 3 s each."""
    monkeypatch.setattr(sockets, "_enlarge", lambda sock, _force, option: sock.setsockopt(1, option, 212992))
    dead = [EchoTarget(f"dead {i}", f"10.1.0.{3 + i // 2}") for i in range(500)]
    live = EchoTarget("live", "10.2.0.2")
    with site.probe.inside():  # where spare sockets open
        async with site.engine() as engine:
            assert len(engine.mends()) == 1 and "net.core.rmem_max" in engine.mends()[0]
            for tick in range(100):
                for target in (*dead[tick % 25 :: 25], live):
                    engine.send(target)
                await asyncio.sleep(0.04)
            await site.until(lambda: len(site.sink.samples) == 100 * 21)
            assert site.sink.ends("live") == [(OK, None)] * 100
            assert engine.counters.faults == {}
            assert len(engine._sockets) >= 3  # one a family, and spares


async def test_an_error_between_two_sends_does_not_cost_the_second(site: Site) -> None:
    """The router's refusal is there before the next send, with no chance for the loop to read it."""
    site.router.nft(
        "table ip t { chain f { type filter hook forward priority 0; ip daddr 10.2.0.9 reject with icmp host-unreachable; }; }"
    )
    bad, good = EchoTarget("bad", "10.2.0.9"), EchoTarget("good", "10.2.0.2")
    async with site.engine() as engine:
        assert await site.one(engine, "10.2.0.2") == (OK, None)  # ARP is done
        for burst in (1, 2):  # of 20: the kernel lets about 50 refusals go at once, whoever asked for them
            for _ in range(20):
                engine.send(bad)
                engine.send(good)
            await site.until(lambda: len(site.sink.samples) == 1 + 40 * burst)  # noqa: B023 (awaited here)
            await asyncio.sleep(0.1)
        assert site.sink.ends("good") == [(OK, None)] * 40
        assert site.sink.ends("bad") == [(NO_REPLY, "host_unreachable")] * 40
        assert engine.counters.faults == {}
        if site.mode is Mode.DATAGRAM:
            assert engine.counters.resent >= 20


async def test_own_link_and_own_rules_are_our_own_fault(site: Site) -> None:
    async with site.engine() as engine:
        site.probe.ip("route", "add", "unreachable", "10.66.0.0/16")
        site.probe.ip("route", "add", "prohibit", "10.67.0.0/16")
        assert await site.one(engine, "10.66.0.1") == (FAULT, "send_ehostunreach")
        assert await site.one(engine, "10.67.0.1") == (FAULT, "send_eacces")
        site.probe.nft("table ip t { chain o { type filter hook output priority 0; ip daddr 10.2.0.5 drop; }; }")
        assert await site.one(engine, "10.2.0.5") == (FAULT, "send_eperm")
        site.probe.down("veth0")
        assert await site.one(engine, "10.1.0.1") == (FAULT, "send_enetunreach")
        assert await site.one(engine, "fd00:1::1") == (FAULT, "send_enetunreach")
        site.probe.up("veth0")
        assert await site.one(engine, "10.1.0.1") == (OK, None)


async def test_link_local_by_zone_and_after_the_interface_came_back(site: Site) -> None:
    site.router.address("veth0", "fe80::77/64")
    async with site.engine() as engine:
        with site.probe.inside():  # interface names are those of the namespace
            assert await site.one(engine, "fe80::77%veth0") == (OK, None)
            assert await site.one(engine, "fe80::77%nosuch") == (FAULT, "send_enodev")
            site.probe.ip("link", "del", "veth0")
            assert await site.one(engine, "fe80::77%veth0") == (FAULT, "send_enodev")
            site.network.veth(site.probe, site.router, names=("veth0", "again0"))
            site.router.address("again0", "fe80::77/64")
            for _ in range(50):  # the kernel gives the new interface its own address when it gets round to it
                if (found := await site.one(engine, "fe80::77%veth0"))[0] is OK:
                    break
            assert found == (OK, None)  # by its new index


async def test_an_unplugged_neighbour_is_lost_while_our_own_link_stands(site: Site) -> None:
    async with site.engine() as engine:
        assert await site.one(engine, "10.2.0.2") == (OK, None)
        site.host.down("veth0")
        assert (await site.one(engine, "10.2.0.2"))[0] is NO_REPLY
        assert engine.counters.faults == {}


async def test_a_full_receive_buffer_is_our_own_fault_and_counted(site: Site) -> None:
    """A buffer of a few KiB, and nobody reads while 90 answers arrive at once."""
    need_lab()
    async with site.engine() as engine:
        channel = engine._channels[4]
        channel.sock.setsockopt(1, 8, 4096)  # type: ignore[union-attr]  # SO_RCVBUF of the real socket
        target = EchoTarget("t", "10.2.0.2")
        assert await site.one(engine, "10.2.0.2") == (OK, None)
        for _ in range(90):
            engine.send(target)
        await site.until(lambda: len(site.sink.samples) == 91)
        ends = site.sink.ends("t")
        lost = ends.count((FAULT, "buffer_overflow"))
        assert lost >= 10 and lost + ends.count((OK, None)) == 90
        assert engine.counters.dropped == lost


def others(place: Namespace, address: str) -> str:
    return place.run("ping", "-n", "-c", "20", "-i", "0.01", "-W", "1", address, check=False)


async def test_other_programs_replies_cost_a_raw_socket_nothing(site: Site) -> None:
    async with site.engine() as engine:
        assert "20 received" in await asyncio.to_thread(others, site.probe, "10.2.0.2")
        await asyncio.to_thread(others, site.probe, "10.3.0.1")
        assert await site.one(engine, "10.2.0.2") == (OK, None)
        assert (engine.counters.foreign, engine.counters.malformed, engine.counters.forged) == (0, 0, 0)
        assert engine.counters.unmatched_errors == engine.counters.dropped == 0
