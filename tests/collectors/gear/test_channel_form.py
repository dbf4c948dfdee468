"""Channel numbers of IEEE 802.11 as centre frequencies."""

import pytest

from collectors.snmp import ber
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Form
from collectors.snmp.gear.values import formed


@pytest.mark.parametrize(
    ("said", "mhz"),
    [
        (1, "2412"),
        (13, "2472"),
        (14, "2484"),
        (36, "5180"),
        (177, "5885"),
        (184, "4920"),
        (b"11", "2462"),
        (b"149+", "5745"),
        (0x100 | 132, "5660"),
        (0, None),
        (20, None),
        (53, None),
        (b"69S", None),
        (b"116E", "5580"),
        (b"auto", None),
    ],
)
def test_channel_is_told_as_its_centre_frequency(said: int | bytes, mhz: str | None) -> None:
    tag = ber.INTEGER if isinstance(said, int) else ber.OCTET_STRING
    assert formed(VarBind(b"", tag, said), Form.CHANNEL_MHZ) == mhz
