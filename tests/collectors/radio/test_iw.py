"""What `iw` prints: by hand, as versions 3.17, 5.19 and 6.9 write it, and anything at all."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.radio import iw
from collectors.radio.model import SSID_OCTETS, Interface, Link, Network, Peer, Quality, Survey, channel_of, ssid_text
from collectors.radio.wireless import qualities

SAMPLES = Path(__file__).parent / "iw"


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text(encoding="latin-1")


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("3.17", Interface("wlan0", "managed", 2437)),
        ("5.19", Interface("wlan0", "managed", 5180)),
        ("6.9", Interface("wlp2s0", "managed", 6135)),
    ],
)
def test_the_interfaces(version: str, found: Interface) -> None:
    assert iw.interfaces(sample(f"{version}-dev")) == (found,)


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("3.17", Link("02:00:5e:aa:00:01", b"Shop", 2437, -61, 65e6, None)),
        ("5.19", Link("02:00:5e:aa:00:02", b"Shop", 5180, -52, 390e6, 433.3e6)),
        ("6.9", Link("02:00:5e:aa:00:04", b"Shop", 6135, -58, 1921.5e6, 2161.3e6)),
    ],
)
def test_the_link(version: str, found: Link) -> None:
    assert iw.link(sample(f"{version}-link")) == found


@pytest.mark.parametrize("text", ["Not connected.\n", "", "command failed: No such device (-19)\n"])
def test_no_link(text: str) -> None:
    assert iw.link(text) is None


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("3.17", Peer("02:00:5e:aa:00:01", -61, 65e6, 58.5e6, 1234, 210, 3)),
        ("5.19", Peer("02:00:5e:aa:00:02", -52, 390e6, 433.3e6, 65432, 4321, 12)),
        ("6.9", Peer("02:00:5e:aa:00:04", -58, 1921.5e6, 2161.3e6, 6, 0, 0)),
    ],
)
def test_the_peers_and_nothing_of_the_links_within_one(version: str, found: Peer) -> None:
    assert iw.peers(sample(f"{version}-station")) == (found,)


@pytest.mark.parametrize(
    ("version", "found"),
    [
        (
            "3.17",
            (
                Survey(2412, in_use=False, noise_dbm=-94, active_ms=120, busy_ms=60, tx_ms=0),
                Survey(2437, in_use=True, noise_dbm=-91, active_ms=100_000, busy_ms=40_000, tx_ms=5000),
                Survey(2462),
            ),
        ),
        (
            "5.19",
            (
                Survey(5180, True, -95, 600_000, 150_000, 30_000, 60_000),
                Survey(5200, noise_dbm=-96),
            ),
        ),
        ("6.9", (Survey(6135, in_use=True, noise_dbm=-97),)),
    ],
)
def test_the_survey(version: str, found: tuple[Survey, ...]) -> None:
    assert iw.survey(sample(f"{version}-survey")) == found


@pytest.mark.parametrize(
    ("version", "found"),
    [
        (
            "3.17",
            (
                Network("02:00:5e:aa:00:01", 2437, b"Shop", -61, 40, associated=True),
                Network("02:00:5e:bb:00:01", 2437, "Barà".encode(), -48, 2040),
                Network("02:00:5e:bb:00:02", 2462, b"", -83, 100),
            ),
        ),
        (
            "5.19",
            (
                Network("02:00:5e:aa:00:02", 5180, b"Shop", -52, 64, associated=True),
                Network("02:00:5e:cc:00:01", 5180, b" Office ", -70, 11_187),
                Network("02:00:5e:aa:00:03", 5180, b"Shop", -66, 11_187),
            ),
        ),
        (
            "6.9",
            (
                Network("02:00:5e:aa:00:04", 6135, b"Shop", -58, 100, associated=True),
                Network("02:00:5e:dd:00:01", 2412, b"old driver", None, 0),  # a share is no dBm
            ),
        ),
    ],
)
def test_the_networks(version: str, found: tuple[Network, ...]) -> None:
    assert iw.networks(sample(f"{version}-scan")) == found


def test_proc_net_wireless() -> None:
    """An invalid noise of -256, and a driver that gives octets."""
    assert qualities(sample("wireless")) == {"wlan0": Quality(54, -56, None, 17), "wlan1": Quality(70, -56, -95, 0)}


@pytest.mark.parametrize(
    ("mhz", "channel"),
    [(2412, 1), (2472, 13), (2484, 14), (5180, 36), (5885, 177), (5955, 1), (6135, 37), (5935, 2), (4920, 184),
     (2413, None), (908.5, None), (60_480, None)],
)  # fmt: skip
def test_the_number_of_a_channel(mhz: float, channel: int | None) -> None:
    assert channel_of(mhz) == channel


# -- names are hostile ---------------------------------------------------------------------------------------------


def escaped(ssid: bytes) -> str:
    """As `iw` writes it."""
    plain = {ord(c) for c in string.ascii_letters + string.digits + string.punctuation} - {ord("\\")}
    inner = range(1, len(ssid) - 1)
    return "".join(chr(o) if o in plain or (o == 0x20 and n in inner) else f"\\x{o:02x}" for n, o in enumerate(ssid))


def scan_of(*names: bytes) -> str:
    return "".join(
        f"BSS 02:00:5e:00:00:{n:02x}(on wlan0)\n\tfreq: 2412\n\tsignal: -60.00 dBm\n\tSSID: {escaped(name)}\n"
        for n, name in enumerate(names)
    )


@given(st.lists(st.binary(max_size=32), max_size=8))
def test_any_name_comes_back_as_it_was_sent(names: list[bytes]) -> None:
    assert [network.ssid for network in iw.networks(scan_of(*names))] == names


@given(st.binary(max_size=40))
def test_any_name_is_one_line_that_nothing_reorders(ssid: bytes) -> None:
    shown = ssid_text(ssid)
    assert len(shown) <= SSID_OCTETS
    assert shown.isprintable() or "\ufffd" in shown or not shown.isascii()
    assert not set(shown) & {chr(c) for c in (*range(32), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}  # fmt: skip


@pytest.mark.parametrize(
    ("ssid", "shown"),
    [
        (b"", ""), (b"\0" * 8, ""), (b"caf\xc3\xa9", "café"), (b"caf\xe9", "café"), (b"\x1b[31m", "␛[31m"),
        ("a\u202egnp.exe".encode(), "a\ufffdgnp.exe"), (b"two\nlines", "two lines"), ("📶".encode() * 8, "📶" * 8),
    ],
)  # fmt: skip
def test_how_names_are_shown(ssid: bytes, shown: str) -> None:
    assert ssid_text(ssid) == shown


LINES = st.text(st.characters(max_codepoint=0xFF), max_size=80) | st.sampled_from(
    [line for path in sorted(SAMPLES.glob("*.txt")) for line in path.read_text().splitlines()]
)


@given(st.lists(LINES, max_size=60).map("\n".join))
def test_no_text_makes_a_parser_raise_or_tell_of_what_cannot_be(text: str) -> None:
    iw.interfaces(text)
    link = iw.link(text)
    assert link is None or link.signal_dbm is None or -128 <= link.signal_dbm < 0
    for peer in iw.peers(text):
        assert all(count is None or count >= 0 for count in (peer.tx_packets, peer.tx_retries, peer.tx_failed))
    for channel in iw.survey(text):
        assert 700 <= channel.frequency_mhz <= 75_000
    found = iw.networks(text)
    assert len({network.bssid for network in found}) == len(found)
    assert all(len(network.ssid) <= SSID_OCTETS and network.seen_ms_ago >= 0 for network in found)
    for quality in qualities(text).values():
        assert quality.retries >= 0


def test_a_list_without_end_is_cut() -> None:
    many = "".join(
        f"BSS 02:00:5e:00:{n >> 8:02x}:{n & 255:02x}(on wlan0)\n\tfreq: 2412\n" for n in range(iw.MOST_NETWORKS + 50)
    )
    assert len(iw.networks(many)) == iw.MOST_NETWORKS
