"""A small whole configuration, for tests that change one thing in it."""

from pathlib import Path

SITE = """
[site]
tenant = "rossi"
site = "bologna"
probe = "probe-1"

[network]
internet = ["10.9.2.1", "10.9.2.2", "10.9.2.3"]

[[device]]
name = "Router"
role = "router"
address = "10.9.100.1"
"""


def write(folder: Path, text: str = "", name: str = "sonda.toml", base: str = SITE) -> Path:
    """SITE with ``text`` behind it, as a file."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(base + text)
    return file
