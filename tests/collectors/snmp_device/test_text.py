"""What devices say, made safe: for any octets, and for the cases seen in recordings."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp.text import CUT, NAME_LIMIT, clean_text, mac_text, number_in_opaque, number_in_text

HIDDEN = {"Cc", "Cs", "Zl", "Zp"}


@given(st.one_of(st.binary(max_size=400), st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_any_octets_become_one_bounded_line_of_visible_text(raw: bytes) -> None:
    for limit in (2, 10, NAME_LIMIT):
        text = clean_text(raw, limit)
        assert len(text) <= limit
        assert not {unicodedata.category(c) for c in text} & HIDDEN
        assert not set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
        assert text == text.strip(" ")
        text.encode()


LETTERS_OF_MOJIBAKE = st.text(alphabet="ПорткмжЩЪщ網樓機房端", min_size=2, max_size=20)


@given(LETTERS_OF_MOJIBAKE, st.sampled_from(["cp1251", "koi8-r", "big5", "gb18030"]))
def test_text_of_another_encoding_is_never_said_in_the_letters_of_latin_1(text: str, encoding: str) -> None:
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return
    said = clean_text(raw)
    assert said == text or not {"L"} & {unicodedata.category(char)[0] for char in said if 0x80 < ord(char) < 0x100}, (
        said
    )


@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean_text(text.encode() + b"\0\0") == text


@given(st.text(alphabet="aé漢🙂", min_size=1, max_size=80), st.integers(0, 400))
def test_a_cut_is_shown_and_never_inside_a_character(text: str, octets: int) -> None:
    raw = text.encode()[:octets]
    cleaned = clean_text(raw, 40)
    if cleaned.endswith(CUT):
        assert text.startswith(cleaned[:-1])
        assert len(raw) < len(text.encode()) or len(text) > 40
    elif octets >= len(text.encode()):
        assert cleaned == text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (b"", ""),
        (b"GigabitEthernet0/1\0", "GigabitEthernet0/1"),
        (b"Cisco IOS\r\nCopyright (c)\r\n", "Cisco IOS Copyright (c)"),
        ("Büro".encode("latin-1"), "Büro"),
        (b"a\x1b[2Jb", "a␛[2Jb"),
        (b"del\x7f", "del␡"),
        (b"\xc2\x85next", "\ufffdnext"),
        ("rtl\u202egnp".encode(), "rtl\ufffdgnp"),
        ("uplink é".encode()[:-1], "uplink…"),
        (b"x" * 255, "x" * 255),
        (b"x" * 256, "x" * 254 + CUT),
        (b"\xff" * 70_000, "\ufffd" * 254 + CUT),
        ("Größe 25°C".encode("latin-1"), "Größe 25°C"),
        ("créée".encode("latin-1"), "créée"),
        (bytes.fromhex("b6cbbfda31"), "端口1"),
        (bytes.fromhex("c7a7d5d7d2d4ccabcdf8bdd3bfda32"), "千兆以太网接口2"),
        ("机房（一楼） uplink".encode("gbk"), "机房（一楼） uplink"),
        ("交换机".encode("gbk")[:-1], "交换…"),
        ("Порт 1".encode("cp1251"), "\ufffd\ufffd\ufffd\ufffd 1"),
        ("ПОРТ".encode("koi8-r"), "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xa9\xd0\xc7\xc2\xba\xdd", "\ufffd" * 6),
        ("port".encode("utf-16-le") + b"\xd8\xff", "p␀o␀r␀t␀\ufffd\ufffd"),
    ],
)
def test_text_of_agents(raw: bytes, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize(
    ("raw", "mac"),
    [
        (b"", None),
        (b"\x00\x11\x22\xaa\xbb\xcc", "00:11:22:aa:bb:cc"),
        (b"0:11:22:AA:bb:c", "00:11:22:aa:bb:0c"),
        (b"0011.22aa.bbcc", "00:11:22:aa:bb:cc"),
        (b"00-11-22-AA-BB-CC\0", "00:11:22:aa:bb:cc"),
        (b"001122AABBCC", "00:11:22:aa:bb:cc"),
        (b"\x01\x02\x03", "01:02:03"),
        (b"\xff" * 500, ":".join(["ff"] * 32)),
    ],
)
def test_mac_addresses(raw: bytes, mac: str | None) -> None:
    assert mac_text(raw) == mac


@given(st.binary(max_size=70))
def test_no_octets_break_a_mac_or_a_number(raw: bytes) -> None:
    mac = mac_text(raw)
    assert mac is None or (len(mac) <= 95 and set(mac) <= set("0123456789abcdef:"))
    for found in (number_in_text(raw), number_in_opaque(raw)):
        assert found is None or -(10**20) < found < 10**20


@given(st.integers(-(2**63), 2**64 - 1))
def test_numbers_in_text_are_read_whole(number: int) -> None:
    assert number_in_text(f" {number}\n".encode()) == number


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"up(1)", 1),
        (b"softwareLoopback(24)", 24),
        (bytes(8), 0),
        (b"\0\0\0\0\0\x01\0\0", 65536),
        (b"12345678", 12_345_678),
        (b"disabled", None),
        (b"1.5", None),
        (b"", None),
        (b"1000 Mb", None),
        ("١٢".encode(), None),
        (b"9" * 21, None),
    ],
)
def test_numbers_of_agents(raw: bytes, number: int | None) -> None:
    assert number_in_text(raw) == number


def test_numbers_in_an_opaque() -> None:
    assert number_in_opaque(b"\x9f\x76\x02\x01\x00") == 256
    assert number_in_opaque(b"\x9f\x7a\x01\xff") == -1
    assert number_in_opaque(b"\x9f\x78\x04\x3f\x80\x00\x00") is None
    assert number_in_opaque(b"\x9f\x76\x03\x01\x00") is None
