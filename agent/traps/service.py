"""Traps in the running agent: what is opened, the one task that reads, and the counters.

Everything expensive is bounded: a source by its bucket (collectors/snmp/traps/listener.py), all of them by PACE_S.
"""

import asyncio
import hashlib
import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from importlib import resources
from types import TracebackType
from typing import Any, Self

from agent.boundary import Boundary
from agent.settings.convert import snmp_credential
from agent.settings.models import CredentialSettings, SiteSettings, TrapsSettings
from agent.site import SitePlan
from agent.traps.opening import SOCKET_UNIT, TrapsNotHeardError, bind, given
from agent.traps.reacting import Reacting
from agent.vitals import who_listens
from collectors.clock import Clock
from collectors.snmp.traps.admission import Admission, Admitted
from collectors.snmp.traps.decoder import Decoder
from collectors.snmp.traps.inlet import Datagram, Inlet, canonical
from collectors.snmp.traps.kinds import Kinds
from collectors.snmp.traps.listener import Listener
from collectors.snmp.traps.model import Fate, Trap, TrapCounters, Trusted

log = logging.getLogger("sonda.traps")

PLACE = "trap"
"""The boundary's name for what is done here."""
PACE_S = 0.01
"""Between two datagrams that are read: at most a hundred a second, a third of one core of a small box."""
BOOTS_FROM_UTC = 1_767_225_600.0
"""2026-01-01. snmpEngineBoots is the seconds since then: higher at each start with nothing to be kept on the disk, and
below 2^31 until 2094."""
_ENTERPRISE = bytes.fromhex("80004fb8")
"""Of engine ids that pysnmp makes (RFC 3411, SnmpEngineID; 20408)."""


def engine_id(site: SiteSettings) -> bytes:
    """The probe's own, the same after each start: senders of SNMPv3 informs may have to be told it."""
    name = f"{site.tenant}/{site.site}/{site.probe}"
    return _ENTERPRISE + b"\x05" + hashlib.blake2b(name.encode(), digest_size=8).digest()


def load_kinds() -> Kinds:
    """config/traps.toml."""
    listed = tomllib.loads(resources.files("config").joinpath("traps.toml").read_text(encoding="utf-8"))["trap"]
    return Kinds({trap["oid"]: trap["name"] for trap in listed})


class Traps:
    """Entered, it has the socket or a sentence why not; ``run`` reads until cancelled."""

    def __init__(
        self,
        settings: TrapsSettings,
        site: SiteSettings,
        *,
        clock: Clock,
        boundary: Boundary,
        ask_again: Callable[[str], None],
        event: Callable[..., None],
        environ: MutableMapping[str, str] = os.environ,
    ) -> None:
        """``ask_again`` and ``event`` as Reacting has them; ``environ`` is where systemd tells of its socket."""
        self.counters = TrapCounters()
        self.trouble: str | None = None
        """Why no traps are heard although they are wanted."""
        self._settings = settings
        self._engine = engine_id(site)
        self._clock = clock
        self._boundary = boundary
        self._environ = environ
        self._reacting = Reacting(clock, ask_again, event)
        self._inlet: Inlet | None = None
        self._by_systemd = False
        self._listener: Listener | None = None
        self._sources: Mapping[str, str] = {}
        self._trusted = Trusted()
        self._readers: tuple[Trusted, Admission, Decoder] | None = None
        self._boots = 0
        self._kinds = Kinds({})

    def __enter__(self) -> Self:
        passed = given(self._environ, os.getpid())
        if not self._settings.enabled:
            if passed is not None:
                passed.close()
                log.warning(
                    "systemd holds a port for traps, and [traps] is not enabled: systemctl disable --now %s.",
                    SOCKET_UNIT,
                )
            return self
        try:
            self._by_systemd = passed is not None
            self._inlet = Inlet(
                passed or bind(self._settings.host, self._settings.port, lambda p: who_listens(p, "udp"))
            )
        except TrapsNotHeardError as error:
            self.trouble = str(error)
            log.error("%s", error)  # noqa: TRY400 - a sentence for the technician
            return self
        self._kinds = load_kinds()
        self._listener = Listener(self._clock, self._inlet, self.counters)
        self._listener.know(self._sources)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inlet is not None:
            self._inlet.close()

    def apply(self, plan: SitePlan, credentials: Sequence[CredentialSettings]) -> None:
        """Who is heard, and who is believed, from now on, at once."""
        for _ in self.applying(plan, credentials):
            pass

    def applying(self, plan: SitePlan, credentials: Sequence[CredentialSettings]) -> Iterator[None]:
        """Who is heard, and who is believed, from now on, made a device at a time."""
        if self._listener is None:
            return
        sources: dict[str, str] = {}
        for watchable in plan.devices:
            if watchable.address:
                sources.setdefault(canonical(watchable.address), watchable.device.id)
            yield
        for watchable in plan.devices:  # where one device's address is another's second one, it is that device's
            if watchable.snmp is not None and watchable.snmp.answers_from is not None:
                sources.setdefault(canonical(watchable.snmp.answers_from), watchable.device.id)
            yield
        self._listener.know(sources)
        self._reacting.only({w.device.id for w in plan.devices})
        trusted = Trusted.of([snmp_credential(c) for c in credentials])
        if trusted != self._trusted:
            self._trusted = trusted

    async def run(self) -> None:
        """Until cancelled; at once where nothing is listened to."""
        listener, inlet = self._listener, self._inlet
        if listener is None or inlet is None:
            return
        host, port = inlet.address
        log.info("Traps are heard on %s port %d%s.", host, port, ", opened by systemd" if self._by_systemd else "")
        with self._boundary.around(PLACE):  # before the first one comes
            await self._make_readers()
        listener.open(self._guarded)
        try:
            while True:
                device, datagram = await listener.next()
                await self._read(inlet, device, datagram)
                await self._clock.sleep(PACE_S)
        finally:
            listener.close()
            self._reacting.close()

    def now(self) -> dict[str, Any]:
        """For /api/v1/agent, /metrics and `info`."""
        told: dict[str, Any] = {"enabled": self._settings.enabled, "trouble": self.trouble}
        if self._inlet is None or self._listener is None:
            return told | {"listening": None}
        host, port = self._inlet.address
        return told | {
            "listening": {"host": host, "port": port, "by_systemd": self._by_systemd},
            "engine_id": self._engine.hex(),
            "received": self.counters.received,
            "answered": self.counters.answered,
            "waiting": self._listener.waiting,
            "dropped_by_kernel": self._inlet.dropped,
            **{fate.value: self.counters.fates[fate] for fate in Fate},
            "by_name": dict(self.counters.kinds),
        }

    def _guarded(self, read: Callable[[], None]) -> None:
        with self._boundary.around(PLACE):
            read()

    async def _read(self, inlet: Inlet, device: str, datagram: Datagram) -> None:
        fate = Fate.UNDECODABLE
        with self._boundary.around(PLACE, device):
            fate = await self._deal(inlet, device, datagram)
        self.counters.fates[fate] += 1

    async def _deal(self, inlet: Inlet, device: str, datagram: Datagram) -> Fate:
        if self._readers is None or self._readers[0] is not self._trusted:
            await self._make_readers()
        assert self._readers is not None
        _, admission, decoder = self._readers
        admitted = admission.admit(datagram.octets)
        if not isinstance(admitted, Admitted):
            return admitted
        read, reply = decoder.decode(datagram.octets, admitted, self._clock.monotonic())
        if reply is not None and inlet.answer(datagram, reply):
            self.counters.answered += 1
        if not isinstance(read, Trap):
            return read
        name = self._kinds.name(read.oid)
        if name is None:
            return Fate.UNKNOWN_TRAP
        self._reacting.take(device, name, read)
        self.counters.kinds[name] += 1
        return Fate.ACCEPTED

    async def _make_readers(self) -> None:
        """In a thread: pysnmp reads files as it starts, and passwords are digested."""
        trusted = self._trusted
        self._boots = boots = max(self._boots + 1, int(self._clock.utc() - BOOTS_FROM_UTC))

        def make() -> tuple[Trusted, Admission, Decoder]:
            return trusted, Admission(self._clock, self._engine, trusted), Decoder(self._engine, boots, trusted)

        self._readers = await asyncio.to_thread(make)
