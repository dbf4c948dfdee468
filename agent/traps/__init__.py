"""Traps make the agent ask at once. collectors/snmp/traps/ hears and believes them; here is what follows from one.

    opening.py    the socket: from systemd, or bound by ourselves
    reacting.py   one trap: an extra poll of its device and an event, both within limits
    service.py    the task, the settings, the counters

A trap changes no state and no figure: what the poll reads does.
"""

from agent.traps.service import Traps

__all__ = ["Traps"]
