"""The SNMP collector: one call, one poll of one device, samples back. It stores nothing and logs nothing."""

from collections.abc import Mapping, Sequence

from collectors.clock import Clock
from collectors.snmp import oid
from collectors.snmp.contact import Client, Contact, Tally
from collectors.snmp.device import Device, DeviceSettings
from collectors.snmp.errors import DecodeError
from collectors.snmp.gear.library import Library
from collectors.snmp.gear.rounds import Rounds
from collectors.snmp.peer import Peer
from kpi.model import Metric, Outcome, Sample, Target


class SnmpCollector:
    """Polls devices over ``client``. ``devices`` says by Target.id how each is asked; ``library`` has the profiles,
    without it only ports are."""

    def __init__(
        self, client: Client, clock: Clock, devices: Mapping[str, DeviceSettings], library: Library | None = None
    ) -> None:
        self.tally = Tally()
        """What all polling cost so far, and what was wrong with answers."""
        self._client = client
        self._clock = clock
        self._library = library
        self._settings: dict[str, DeviceSettings] = {}
        self._devices: dict[str, Device] = {}
        self._peers: dict[str, Peer] = {}
        self.configure(devices)

    def configure(self, devices: Mapping[str, DeviceSettings]) -> None:
        """Replace the settings. What is known of a device is kept where its settings are the same."""
        for target, settings in self._settings.items():
            if devices.get(target) != settings:
                self._devices.pop(target, None)
                self._peers.pop(target, None)
        self._settings = dict(devices)

    async def collect(self, target: Target) -> Sequence[Sample]:
        """One poll within ``target.deadline_s``: Metric.SNMP first, then SYSTEM, PORT_IDENTITY where new or changed,
        PORT_STATUS of every port, PORT_COUNTERS when they are due, and what the device has beyond its ports
        (INVENTORY, READINGS, FACTS). ``target.address`` is numeric.

        Expected failures are Outcomes with a reason; SNMP is OK where the agent answered anything in this poll.
        """
        at = self._clock.monotonic()
        settings = self._settings.get(target.id)
        if settings is None:
            return [_fault(target, at, "not_configured")]
        peer = self._peers.get(target.id)
        if peer is None or peer.address != target.address:
            try:
                peer = self._peers[target.id] = Peer(
                    target.address, settings.port, settings.credential, answers_from=settings.answers_from
                )
            except ValueError:
                return [_fault(target, at, "bad_address")]
        device = self._devices.get(target.id)
        if device is None:
            rounds = Rounds.of(self._library, settings.static_s) if self._library is not None else None
            device = self._devices[target.id] = Device(target.id, settings, rounds)
        contact = Contact(
            self._client,
            peer,
            self._clock,
            self.tally,
            ends_at=at + target.deadline_s,
            timeout_s=settings.timeout_s,
            retries=settings.retries,
        )
        return await device.poll(contact)

    def left_out(self, target: str) -> Mapping[str, str]:
        """Instances that spoil this device's answers, and columns that could not be walked, each with its reason."""
        device = self._devices.get(target)
        if device is None:
            return {}
        spoilt = {
            _dotted(name): poison.reason
            for name, poison in device.poisons.by_oid.items()
            if poison.reason != "no_such_name"  # in v1 that is how an agent says that it has no such thing
        }
        return spoilt | device.cut


def _fault(target: Target, at: float, reason: str) -> Sample:
    return Sample(target.id, Metric.SNMP, "", at, None, Outcome.AGENT_FAULT, reason)


def _dotted(name: bytes) -> str:
    try:
        return oid.text(name)
    except DecodeError:
        return name.hex()
