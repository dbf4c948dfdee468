"""The entities that are no device: the site, its way to the internet, the probe and what belongs to it.

Their names begin with "@", which no device's id can hold ([a-z0-9-]{1,40}), so that a device may be called "Site" or
"Probe" and shares nothing with them: no window, no state, no status, no last counters.
"""

INTERNAL = "@"
"""How the name of every such entity begins."""
SITE = "@site"
"""The site as a whole: its summary, its statuses, the wireless clients of all its devices."""
UPLINK = "@uplink"
"""The site's way to the internet: the states behind network_uptime_pct."""
LINK = "@link"
"""The probe's own link: whether it has carrier."""
PROBE = "@probe"
"""The probe as something that is measured: its own radio, and its own troubles."""
AGENT = "@agent"
"""The running agent: when it was alive last."""
PLANNED = "@planned"
"""The planned work that the stored windows were computed by."""
TOPOLOGY = "@topology"
"""The links between the devices, as they are kept over a restart."""
NAMES = "@names"
"""The addresses of the names in the settings, as they are kept over a restart."""
STATUSES = "@statuses"
"""What the statuses of an entity remember, as it is kept over a restart: "@statuses/" and its name."""
STATUSES_OF_PORTS = "@statuses-of-ports"
"""The same of the ports of a device."""


def is_internal(entity: str) -> bool:
    """Whether this is no device's id."""
    return entity.startswith(INTERNAL)
