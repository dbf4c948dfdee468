"""The runtime directory of the service (RuntimeDirectory= in its unit): where its page is, for any user of the machine.

The settings may be read by the service's user alone; the address of the page is no secret.
"""

import os
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = Path("/run/sonda")
URL_FILE = "url"
MOST = 500
"""Characters of an address."""


def _directory(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else None


def leave_url(url: str | None, environ: Mapping[str, str] = os.environ) -> None:
    """Write where the page is; without a page, or at the end, nothing is left. Without systemd nothing happens. Raises
    OSError."""
    directory = _directory(environ)
    if directory is None:
        return
    if url is None:
        (directory / URL_FILE).unlink(missing_ok=True)
        return
    new = directory / f"{URL_FILE}.new"
    new.write_text(f"{url}\n", encoding="utf-8")
    new.chmod(0o644)
    new.replace(directory / URL_FILE)


def running_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """Where the service has left word that its page is; None where it does not run, or serves none."""
    try:
        with ((_directory(environ) or DIRECTORY) / URL_FILE).open(encoding="utf-8") as file:
            url = file.read(MOST).strip()
    except (OSError, UnicodeDecodeError):
        return None
    return url if url.startswith(("http://", "https://")) else None
