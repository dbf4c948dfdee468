"""What is watched: the settings in force, the routing table, the addresses of names and the parents that follow from
the links between devices, made into one plan.

Whatever of these moves, the plan is made anew and given on: one at a time, made in a thread and taken over in slices,
because one of 1,000 devices that are new takes 60 ms.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from agent.boundary import Boundary
from agent.resolve import Resolver
from agent.settings import Settings
from agent.site import SitePlan, host_names, plan_site
from collectors.clock import Clock
from collectors.link import read_routes, remembering

ROUTES_S = 10.0
PLACE = "routes"
"""The boundary's name for what follows from them."""


class Planning:
    """Keeps the plan in step with what it is made of."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        apply: Callable[[SitePlan], Awaitable[None]],
        parents: Callable[[], Mapping[str, str]],
        *,
        keep_names: Callable[[Mapping[str, str]], None],
        boundary: Boundary,
    ) -> None:
        """``apply(plan)`` takes over every new plan; ``parents()`` tells what is in front of devices that declare
        none; ``keep_names(addresses)`` persists what names have resolved to."""
        self.settings = settings
        """In force now."""
        self.rejected: str | None = None
        """Why the settings read last are not in force: their faults, a line each."""
        self.resolver = Resolver(clock, self.replan, keep=keep_names, boundary=boundary)
        self._boundary = boundary
        self._clock = clock
        self._apply = apply
        self._parents = parents
        self._one_at_a_time = asyncio.Lock()
        self._routes = read_routes()

    @property
    def has_routes(self) -> bool:
        """Without any the network is not there yet, and devices that go by its routes are missing in the plan."""
        return bool(self._routes)

    async def take(self, settings: Settings) -> None:
        """Plan by these settings from now on; returns after the first try to resolve each of their names."""
        self.settings, self.rejected = settings, None
        await self.resolver.want(frozenset(await asyncio.to_thread(host_names, settings)))
        await self.replan()

    async def follow_routes(self, moved: Callable[[], None]) -> None:
        """Until cancelled. ``moved()`` is called after a plan that other routes have made."""
        while True:
            await self._clock.sleep(ROUTES_S)
            with self._boundary.around(PLACE):
                routes = remembering(self._routes, await asyncio.to_thread(read_routes))
                if routes != self._routes:
                    self._routes = routes
                    await self.replan()
                    moved()

    async def replan(self) -> None:
        """Make the plan anew, and give it on; returns once it is in force."""
        async with self._one_at_a_time:
            resolved, derived = dict(self.resolver.addresses), dict(self._parents())
            await self._apply(await asyncio.to_thread(plan_site, self.settings, self._routes, resolved, derived))
