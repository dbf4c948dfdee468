"""A radio as the collector would have read it: connected on channel 36, two strangers beside it."""

from collectors.radio.model import Interface, Link, Network, Peer, Quality, Survey
from collectors.radio.radio import Heard, Radio, Seen, Surveyed, Use

OWN_AP, STRANGER, FAR = "02:00:5e:aa:00:01", "02:00:5e:bb:00:01", "02:00:5e:cc:00:01"
HOSTILE_SSID = b"\xe2\x80\xaegnp.exe\n<b>"


def seen(at: float, *, signal: float = -52.0, connected: bool = True, wide: bool = True) -> Seen:
    """Read at ``at``."""
    link = Link(OWN_AP, b"Shop", 5180.0, signal, 390e6, 433.3e6) if connected else None
    use = Use(50.0, 10.0, 20.0)
    radio = Radio(
        interface=Interface("wlan0", "managed", 5180.0),
        at=at,
        link=link,
        peers=(Peer(OWN_AP, signal, 390e6, 433.3e6, 65432, 4321, 12),) if connected else (),
        quality=Quality(54, signal, None, 17),
        noise_dbm=-95.0,
        use=use if wide else None,
    )
    networks = (
        Network(OWN_AP, 5180.0, b"Shop", signal, associated=True),
        Network(STRANGER, 5180.0, HOSTILE_SSID, -48.0),
        Network(FAR, 2412.0, b"", -80.0),
    )
    return Seen(
        (radio,),
        (Surveyed(Survey(5180.0, in_use=True, noise_dbm=-95.0), use), Surveyed(Survey(5200.0), None)),
        tuple(Heard(network, at - 3.0) for network in networks),
    )
