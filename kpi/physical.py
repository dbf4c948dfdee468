"""Which interfaces are sockets in a case: what ports in use are a share of."""

import re

from kpi.model import PortIdentity

PHYSICAL_TYPES = frozenset({6, 7, 26, 56, 62, 69, 117})
"""IANAifType: ethernetCsmacd, iso88023Csmacd, ethernet3Mbit, fibreChannel, fastEther, fastEtherFX, gigabitEthernet."""
_SOFTWARE = re.compile(
    r"^(lo\d*|veth|br(-|\d|idge)|docker|virbr|vnet|vmbr|fw(br|pr|ln)|tap|tun|dummy|bond|team|vlan|wg|ifb|sit|gre)"
    r"|^(eth|en|wan|lan)\S*\.\d+$",
    re.IGNORECASE,
)
"""Linux gives bridges, tunnels and VLANs the type of Ethernet."""


def is_physical(identity: PortIdentity) -> bool:
    """Whether something can be plugged into it, as far as type and name tell."""
    return identity.if_type in PHYSICAL_TYPES and not _SOFTWARE.match(identity.name or identity.descr)
