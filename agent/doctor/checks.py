"""The table of checks: a new one is a file and a line here."""

from agent.doctor import broker, clocks, configuration, devices, disk, icmp, machine, page, stored, traps
from agent.doctor.model import Check

_SHORT_S = 10.0


def _short(_devices: int) -> float:
    return _SHORT_S


def _icmp_s(_devices: int) -> float:
    """Echoes 5 s and icmplib 2.5 s where this machine does not even answer itself; a slow card loads both slowly."""
    return 20.0


def _broker_s(_devices: int) -> float:
    """Name 5 s, certificate 4 s, two dials of 8 s, three answers of 4 s."""
    return 40.0


CHECKS = (
    Check("configuration", "Configuration", configuration.check, _short),
    Check("icmp", "ICMP", icmp.check, _icmp_s),
    Check("clock", "Clock", clocks.check, _short),
    Check("machine", "Machine", machine.check, _short),
    Check("disk", "Disk", disk.check, _short),
    Check("store", "Store", stored.check, _short),
    Check("devices", "Devices", devices.check, devices.limit_s),
    Check("broker", "Broker", broker.check, _broker_s),
    Check("page", "Page", page.check, _short),
    Check("traps", "Traps", traps.check, _short),
)
