"""snmpd as AgentX master (RFC 2741): other daemons of its namespace tell their own MIBs through it.

The socket is TCP on the namespace's loopback: a path in a test's folder may be longer than a Unix socket's name, and
daemons that give up root cannot enter it.
"""

from pathlib import Path
from typing import Any

from tests.lab.network import Namespace
from tests.lab.snmpd import Snmpd

SOCKET = "tcp:127.0.0.1:705"
"""The port that IANA keeps for AgentX."""


def master(folder: Path, place: Namespace, address: str, *extra: str, **settings: Any) -> Snmpd:
    """An snmpd at port 161 of this address that takes subagents; ``extra`` are lines of its configuration. A subagent
    that is busy has 5 s to answer."""
    lines = ["master agentx", f"agentXSocket {SOCKET}", "agentXTimeout 5", *extra]
    return Snmpd(folder, place=place, address=address, port=161, extra=lines, **{"name": place.label, **settings})
