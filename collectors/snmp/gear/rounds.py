"""When a device's gear is learnt and read, and what of it is said in a poll."""

from dataclasses import dataclass, field

from collectors.snmp.batch import Asker, Size
from collectors.snmp.gear.gear import Gear
from collectors.snmp.gear.library import Library
from collectors.snmp.gear.model import Every
from collectors.snmp.watch import RestartedMeanwhile, Watch
from kpi.gear import Facts, Inventory, Readings
from kpi.model import Metric, SystemReading

Said = tuple[str, Inventory | Readings | Facts]
"""A metric of kpi/model.py with its value."""
_STATUS = frozenset({Every.STATUS})
_COUNTERS = frozenset({Every.STATUS, Every.COUNTERS})


@dataclass(slots=True)
class Rounds:
    """The gear of one device, poll by poll. ``static_s`` is how often rows are looked for anew."""

    gear: Gear
    static_s: float
    static_at: float = 0.0
    learning: Size = field(default_factory=Size)
    """How many varbinds a GET may have when names are read: they are long, and teach nothing of numbers."""
    reading: Size = field(default_factory=Size)
    told: Inventory | None = None

    @classmethod
    def of(cls, library: Library, static_s: float) -> "Rounds":
        return cls(Gear(library), static_s)

    def forget(self, *, anew: bool = False) -> None:
        """The device may have changed, or began ``anew``: what it is, is to be learnt again."""
        self.gear.forget(anew=anew)

    async def poll(self, asker: Asker, system: SystemReading, said: list[Said], *, counters: bool) -> None:
        """One round: everything at first contact and once in ``static_s``, with ``counters`` all tables but the
        static ones, else the states alone. What is found goes to ``said``. Raises as Asker.ask and DeadlineReached;
        what first contact has not finished goes on in the next round."""
        now = asker.contact.clock.monotonic()
        if self.gear.learnt and now >= self.static_at:
            self.gear.forget()
        asker.contact.watch = None if system.uptime_cs is None else Watch(system.uptime_cs)
        due = _COUNTERS if counters else _STATUS
        try:
            if not self.gear.learnt:
                readings, facts = await self._learn(asker, system, said)
                self.static_at = now + self.static_s
            else:
                numbers = Asker(asker.contact, self.reading, asker.poisons)
                readings, facts = await self.gear.read(numbers, due, system.uptime_cs)
        except RestartedMeanwhile:
            readings, facts = self.gear.torn(due, system.uptime_cs), []
        finally:
            asker.contact.watch = None
        if readings.readings or readings.missed:
            said.append((Metric.READINGS, readings))
        said += ((Metric.FACTS, found) for found in facts)

    async def _learn(self, asker: Asker, system: SystemReading, said: list[Said]) -> tuple[Readings, list[Facts]]:
        await self.gear.learn(Asker(asker.contact, self.learning, asker.poisons), system)
        if self.gear.inventory is not None and self.gear.inventory != self.told:
            self.told = self.gear.inventory
            said.append((Metric.INVENTORY, self.gear.inventory))
        return await self.gear.first(system.uptime_cs, asker.contact.clock)
