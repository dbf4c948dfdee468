"""A MAC address in every way it is written."""


def notations(mac: str) -> list[str]:
    """Of "00:11:22:aa:bb:cc": with colons, dashes, blanks, in words, without zeros, bare, and as an index; in small and
    capital letters."""
    octets = bytes.fromhex(mac.replace(":", ""))
    digits = octets.hex()
    words = [digits[n : n + 4] for n in (0, 4, 8)]
    written = [
        octets.hex(":"), octets.hex("-"), octets.hex(" "), digits, ".".join(words), f"{digits[:6]}-{digits[6:]}",
        ":".join(f"{octet:x}" for octet in octets), ".".join(map(str, octets)),
    ]  # fmt: skip
    return list(dict.fromkeys([*written, *(text.upper() for text in written)]))
