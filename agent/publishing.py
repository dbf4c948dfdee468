"""The publisher's life within the agent's: begun from settings, ended and begun anew when a reload changes them."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from agent.boundary import Boundary
from agent.mqtt import BrokerDialler, client_id
from agent.mqtt_settings import BrokerSettings
from agent.publisher import Publisher
from agent.publisher_state import Clash, PublisherState
from agent.recorder import AGAIN_S
from agent.settings.convert import broker
from agent.settings.models import Settings, SiteSettings
from agent.store.errors import ENDED, StoreUnwritable
from agent.store.store import Store
from collectors.clock import Clock

log = logging.getLogger("sonda.mqtt")

PAUSE_S = 5.0
"""Before a publisher that failed has a successor."""


class Publishing:
    """At most one publisher at a time; none where the settings name no broker."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        boot: str,
        info: Callable[[], Mapping[str, Any]],
        event: Callable[..., None],
        boundary: Boundary,
    ) -> None:
        """``info`` gives what the retained info says of the agent; ``event(kind, **body)`` says something at once."""
        self._store = store
        self._clock = clock
        self._boot = boot
        self._info = info
        self._event = event
        self._boundary = boundary
        self._publisher: Publisher | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> PublisherState | None:
        """None where nothing is published."""
        return self._publisher.state if self._publisher is not None else None

    def committed(self) -> None:
        """Messages were committed."""
        if self._publisher is not None:
            self._publisher.wake()

    def network_changed(self) -> None:
        """There may be a way to the broker now: dial at once."""
        if self._publisher is not None:
            self._publisher.redial()

    def start(self, settings: Settings, group: asyncio.TaskGroup) -> None:
        """Publish by these settings from now on."""
        to = broker(settings.mqtt)
        if to is None:
            return
        make = partial(self._make, to, settings.site)
        self._publisher = make()
        self._task = group.create_task(self._keep(self._publisher, make), name="publisher")

    def _make(self, to: BrokerSettings, site: SiteSettings) -> Publisher:
        return Publisher(
            outbox=self._store,
            dialler=BrokerDialler(to, client_id(site.tenant, site.site, site.probe)),
            clock=self._clock,
            root=f"sonda/v1/{site.tenant}/{site.site}/{site.probe}",
            boot=self._boot,
            info=self._info,
            protocol=to.protocol,
            on_rolled_back=self._rolled_back,
            on_clash=self._clash,
        )

    async def _keep(self, publisher: Publisher, make: Callable[[], Publisher]) -> None:
        """Until it is stopped. An error that leaves it is a fault of ours: another takes its place after a pause. A
        store that has ended ends it."""
        while True:
            with self._boundary.around("task", "publisher", passing=ENDED) as attempt:
                await publisher.run()
            if not attempt.failed:
                return
            await self._clock.sleep(PAUSE_S)
            if self._publisher is not publisher:  # stopped meanwhile
                return
            self._publisher = publisher = make()

    async def stop(self) -> None:
        """Say goodbye, bounded in time."""
        publisher, task, self._publisher, self._task = self._publisher, self._task, None, None
        if publisher is not None and task is not None:
            await publisher.stop()
            await asyncio.wait([task])

    async def _rolled_back(self, last_seq: int) -> None:
        log.warning("The broker knows numbers up to %d of this stream, the database fewer: a new one begins.", last_seq)
        while True:
            try:
                await self._store.new_stream(self._store.stream, "rolled_back")
            except StoreUnwritable as error:
                log.warning("Nothing is published until a new stream can begin: %s", error)
                await self._clock.sleep(AGAIN_S)
            else:
                return

    def _clash(self, clash: Clash) -> None:
        self._event("probe.fault", cause="identity_clash", other_boot=clash.boot, how=clash.how)
