"""What a device says, made safe to keep: text, MAC addresses and numbers as agents really send them.

DisplayString is ASCII and SnmpAdminString UTF-8 (RFC 3411), and agents send Latin-1 and GBK. A text that is neither
UTF-8 nor clearly one of those two has U+FFFD in the place of what cannot be read: a wrong guess would make names, and
keys, of letters that nobody wrote.

Nothing here raises: a value that cannot be what its column holds is None, and the caller counts it.
"""

import re
import unicodedata

NAME_LIMIT = 255
"""Characters kept of a name, alias or location: DisplayString is OCTET STRING (SIZE (0..255)), RFC 2579."""

DESCR_LIMIT = 1024
"""Characters kept of sysDescr; routers put several lines there, and a few exceed the 255 of the MIB."""

FACT_OCTETS = 255
"""Octets kept of a text in a fact: a name or a description in an LLDP TLV has no more (802.1AB section 8.5)."""

CUT = "…"
"""Stands at the end of a text that was longer than its limit."""

_WIDEST = 4
"""Octets of the longest UTF-8 character."""

_SPACES = re.compile(r"[\t\n\v\f\r ]+")
_NUMBER = re.compile(rb"\s*([+-]?[0-9]{1,20})\s*", re.ASCII)
_LABELLED = re.compile(rb"\s*[A-Za-z][A-Za-z0-9_-]{0,62}\(([0-9]{1,20})\)\s*")
_HEX_MAC = re.compile(r"(?:0x)?([0-9a-f]{12})")
_BEYOND_ASCII = re.compile(rb"([A-Za-z]?)([\x80-\xff]+)(?=([A-Za-z]?))")
_SIGNS = re.compile(rb"[\xa1-\xbf]")
"""Octets of most texts in GB 2312, and of no letter in Latin-1 or in the Cyrillic of Windows."""
_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean_text(raw: bytes, limit: int = NAME_LIMIT) -> str:
    """``raw`` as one line of at most ``limit`` characters (at least 2): UTF-8, else Latin-1 or GBK where it is clearly
    that, else with U+FFFD for what is not ASCII.

    Trailing NULs go (agents pad with them), runs of white space become one space, control characters become their
    visible pictures (U+2400...), and what reorders or hides text becomes U+FFFD. Where something was cut off, by us
    or by an agent that cut inside a UTF-8 character, the last character is ``CUT``.
    """
    raw = raw.rstrip(b"\0")
    text, cut = _decode(raw[: limit * _WIDEST * 4])
    cut = cut or len(raw) > limit * _WIDEST * 4
    text = _SPACES.sub(" ", text).strip(" ")
    if not text.isascii() or not text.isprintable():
        text = "".join(_visible(c) for c in text)
    if len(text) > limit or (cut and len(text) == limit):
        return text[: limit - 1] + CUT
    return text + CUT if cut else text


def shortened(text: str, octets: int = FACT_OCTETS) -> str:
    """``text`` in at most ``octets`` of UTF-8, whole characters, with ``CUT`` at the end where some went."""
    raw = text.encode()
    return text if len(raw) <= octets else raw[: octets - len(CUT.encode())].decode(errors="ignore") + CUT


def _decode(raw: bytes) -> tuple[str, bool]:
    """The text, and whether a UTF-8 character was cut at its end."""
    try:
        return raw.decode(), False
    except UnicodeDecodeError as error:
        if error.start > 0 and len(raw) - error.start < _WIDEST and error.reason == "unexpected end of data":
            return raw[: error.start].decode(), True
    runs = _BEYOND_ASCII.findall(raw)
    if all(_is_latin(*run) for run in runs):
        return raw.decode("latin-1"), False
    if any(_SIGNS.search(run) for _, run, _ in runs):
        for end in (len(raw), len(raw) - 1):  # the second where a character was cut
            text = raw[:end].decode("gb18030", errors="replace")
            if all(_CHINESE.fullmatch(char) for char in text if not char.isascii()):
                return text, end < len(raw)
    return raw.decode("ascii", errors="replace"), False


def _is_latin(before: bytes, run: bytes, after: bytes) -> bool:
    """Whether the octets beyond ASCII that stand side by side are likely Latin-1: one letter or sign alone, or up to
    three small letters beside others, as in "créée" and "Größe"."""
    if len(run) == 1:
        return run[0] >= 0xA0
    return len(run) <= 3 and (before + after).isalpha() and all(map(_is_small_letter, run))


def _is_small_letter(octet: int) -> bool:
    return octet >= 0xDF and octet != 0xF7


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    hidden = char in _BIDI or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or code & 0xFFFE == 0xFFFE
    return "\ufffd" if hidden else char


def mac_text(raw: bytes) -> str | None:
    """ifPhysAddress as "00:11:22:33:44:55". Six octets, or the twelve digits of one written as text ("0:11:22:...",
    "0011.2233.4455", "00-11-..."); any other length up to 32 octets as plain octets; None where there is none."""
    if not raw:
        return None
    if len(raw) != 6 and (written := written_mac(raw)) is not None:
        return written
    return raw[:32].hex(":")


def written_mac(raw: bytes) -> str | None:
    """The MAC address that is written out in ``raw``, as "00:11:22:33:44:55"."""
    try:
        text = raw.rstrip(b"\0").decode("ascii").strip().lower()
    except UnicodeDecodeError:
        return None
    parts = re.split(r"[:\- ]", text)
    if len(parts) == 6 and all(re.fullmatch(r"[0-9a-f]{1,2}", p) for p in parts):
        return ":".join(p.zfill(2) for p in parts)
    found = _HEX_MAC.fullmatch(text.replace(".", ""))
    return bytes.fromhex(found[1]).hex(":") if found else None


def number_in_text(raw: bytes) -> int | None:
    """The number an agent sent as an OCTET STRING: digits, a labelled enumeration such as "up(1)", or a 64-bit
    counter as its eight octets. None where it is none of these."""
    text = raw.rstrip(b"\0")
    if found := _NUMBER.fullmatch(text) or _LABELLED.fullmatch(text):
        return int(found[1])
    is_octets = len(raw) == 8 and not all(0x20 <= octet < 0x7F for octet in raw)
    return int.from_bytes(raw, "big") if is_octets else None


def number_in_opaque(raw: bytes) -> int | None:
    """A 64-bit number that net-snmp wraps in an Opaque: 9F 76 (Counter64), 9F 7A (Int64), 9F 7B (UInt64), a length
    of one octet, the number."""
    if len(raw) < 4 or raw[0] != 0x9F or raw[1] not in {0x76, 0x7A, 0x7B} or raw[2] != len(raw) - 3:
        return None
    return int.from_bytes(raw[3:], "big", signed=raw[1] == 0x7A) if len(raw) <= 12 else None
