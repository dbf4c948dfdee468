"""Configurations that somebody has spoilt: texts with random changes in them, from a seed."""

from collections.abc import Callable
from random import Random

WORDS = (
    "site", "device", "credential", "maintenance", "mqtt", "tls", "http", "store", "name", "id", "role", "address",
    "parents", "snmp", "community", "port", "ports", "start", "end", "devices", "include", "file", "env", "timezone",
    "version", "auth", "priv", "keep_hour_days", "max_bytes", "host", "hosts", "internet", "echo_s", "path", "enabled",
)  # fmt: skip
VALUES: tuple[bytes, ...] = (
    b"9" * 5000, b"-" + b"9" * 5000, b"1_" * 3000 + b"1", b"0x" + b"f" * 5000, b"0b" + b"1" * 9000, b"0o" + b"7" * 4000,
    b"9223372036854775808", b"-9223372036854775809", b"1e999", b"-1e999", b"nan", b"inf", b"1" + b"0" * 400 + b".5",
    b'"' + b"9" * 400 + b' GB"', b'"1e5 GB"', b'"0.0000001 B"', b"0", b"-1", b"true", b'""', b"''", rb'"\u0000"',
    b'"\\u202e"', b'"' + b"x" * 100_000 + b'"', b"[" * 900 + b"]" * 900, b"[" * 40 + b"]" * 40,
    b"{a = " * 60 + b"1" + b"}" * 60, b"[" * 5000, b"{" * 5000, b"[]", b"{}", b"[[], {}, 1, 'a', 1.5, true]", b"[[1], [2]]",
    b"0001-01-01T00:00:00", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59", b"9999-12-31T23:59:59-14:00",
    b"1979-05-27", b"07:32:00", b"2026-02-30T00:00:00", b"0000-00-00", b'"~nobody-of-this-name/x"', b'"~/x"',
    b'"../../../../etc/shadow"', b'"/dev/zero"', b'"/proc/self/mem"', b'"/"', b'"."', b'"a\\u0000b"', b'"fe80::1%eth0"',
    b'"::ffff:1.2.3.4"', b'"999.1.1.1"', b'"a..b"', b'"xn--"', b'"Europe"', b'"Europe/"', b'"../Rome"', b'"UTC\\u0000"',
    b'{ file = "/dev/zero" }', b'{ file = "/" }', b'{ env = "" }', b'{ env = "A=B\\u0000" }', b'{ credential = "../x" }',
    b"{ file = 1, env = [] }", b'{ credential = "\\u0000" }', '"Ünïcødé 漢字 \U0001f600"'.encode(), b'"*' * 50, b'"""',
    b'"[!"', b'"[a-"', b'"' + b"*?" * 200 + b'"',
)  # fmt: skip
BYTES = (
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\x1b[2J",
    b"\r",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\x7f",
)


def _line(text: bytes, random: Random) -> tuple[list[bytes], int]:
    lines = text.split(b"\n")
    return lines, random.randrange(len(lines))


def _flip(text: bytes, random: Random) -> bytes:
    at = random.randrange(len(text) or 1)
    return text[:at] + bytes([random.randrange(256)]) + text[at + 1 :]


def _insert(text: bytes, random: Random) -> bytes:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(BYTES) * random.choice((1, 1, 2, 300)) + text[at:]


def _cut(text: bytes, random: Random) -> bytes:
    at = random.randrange(len(text) + 1)
    return text[:at] + text[at + random.choice((1, 2, 10, 100, 10_000)) :]


def _repeat(text: bytes, random: Random) -> bytes:
    at = random.randrange(len(text) + 1)
    piece = text[at : at + random.choice((1, 5, 50, 500))]
    return text[:at] + piece * random.choice((2, 3, 40)) + text[at:]


def _value(text: bytes, random: Random) -> bytes:
    lines, _ = _line(text, random)
    settings = [number for number, line in enumerate(lines) if b"=" in line]
    if settings:
        number = random.choice(settings)
        lines[number] = lines[number].partition(b"=")[0] + b"= " + random.choice(VALUES)
    return b"\n".join(lines)


def _key(text: bytes, random: Random) -> bytes:
    lines, number = _line(text, random)
    word = random.choice(WORDS).encode()
    lines.insert(number, random.choice((word, b'"' + word + b'"', word + b"." + word)) + b" = " + random.choice(VALUES))
    return b"\n".join(lines)


def _section(text: bytes, random: Random) -> bytes:
    lines, number = _line(text, random)
    word = random.choice(WORDS).encode()
    depth = random.choice((1, 1, 2, 3, 40, 250, 3000))
    name = b".".join([word] * depth)
    lines.insert(number, random.choice((b"[%s]", b"[[%s]]", b"[[%s]", b"%s = 1", b"[%s].x = 2")) % name)
    return b"\n".join(lines)


def _word(text: bytes, random: Random) -> bytes:
    return text.replace(random.choice(WORDS).encode(), random.choice(WORDS).encode(), random.choice((1, 2, -1)))


def _swap(text: bytes, random: Random) -> bytes:
    lines, one = _line(text, random)
    other = random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _case(text: bytes, random: Random) -> bytes:
    lines, number = _line(text, random)
    lines[number] = lines[number].swapcase()
    return b"\n".join(lines)


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip, _insert, _cut, _repeat, _value, _value, _value, _key, _key, _section, _word, _swap, _case,
)  # fmt: skip


def spoilt(text: bytes, random: Random) -> bytes:
    """The text with one to four changes."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        text = random.choice(MUTATIONS)(text, random)
    return text
