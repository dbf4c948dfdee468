"""An SNMP agent without a wire: what it is asked is answered out of a dictionary."""

import bisect
from collections.abc import Iterable, Mapping, Sequence

from collectors.snmp import ber, oid
from collectors.snmp.batch import Asker, Poisons, Size
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Contact, Tally
from collectors.snmp.credentials import Community
from collectors.snmp.message import Reply, Request
from collectors.snmp.peer import Peer
from tests.doubles import ManualClock


class AgentAtHand:
    """collectors/snmp/contact.py:Client for the instances it has."""

    def __init__(self, binds: Iterable[VarBind]) -> None:
        self._binds: Mapping[bytes, VarBind] = {bind.oid: bind for bind in binds}
        self._order = sorted((oid.arcs(name), name) for name in self._binds)

    async def get(self, peer: Peer, oids: Sequence[bytes] | Request, *, timeout_s: float, retries: int) -> Reply:
        names = oids.oids if isinstance(oids, Request) else oids
        return _reply([self._binds.get(name, VarBind(name, ber.MISSING, None)) for name in names])

    async def get_next(self, peer: Peer, oids: Sequence[bytes], *, timeout_s: float, retries: int) -> Reply:
        return _reply([bind for name in oids for bind in self._after(name, 1)])

    async def get_bulk(
        self,
        peer: Peer,
        oids: Sequence[bytes],
        *,
        non_repeaters: int,
        max_repetitions: int,
        timeout_s: float,
        retries: int,
    ) -> Reply:
        columns = [self._after(name, max_repetitions) for name in oids]
        return _reply([column[at] for at in range(max_repetitions) for column in columns])

    def _after(self, name: bytes, count: int) -> list[VarBind]:
        arcs = oid.arcs(name)
        start = bisect.bisect_right(self._order, (arcs, name))
        found = [self._binds[one] for _, one in self._order[start : start + count]]
        return found + [VarBind(name, ber.END_OF_MIB_VIEW, None)] * (count - len(found))

    def asker(self) -> Asker:
        """Who asks it."""
        peer = Peer("127.0.0.1", 161, Community("2c", b"public"))
        contact = Contact(self, peer, ManualClock(), Tally(), ends_at=1e9, timeout_s=1.0, retries=0)
        return Asker(contact, Size(), Poisons())


def _reply(binds: Sequence[VarBind]) -> Reply:
    return Reply(
        oids=[bind.oid for bind in binds],
        tags=bytes(bind.tag for bind in binds),
        values=[bind.value for bind in binds],
        error_status=0,
        error_index=0,
        octets=100,
        seconds=0.0,
    )
