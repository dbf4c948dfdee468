"""The log: one line an entry on standard error, which systemd keeps. What would steer a terminal is shown, not sent."""

import logging
import os
import re
import sys

_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
LONGEST = 8192
"""Characters of one entry: a device's name of 64 kB fills no journal. Tracebacks of ours fit."""


class LineFormatter(logging.Formatter):
    """With the priority that journald reads where it listens (sd-daemon(3)), with the time where a person does."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(name)s: %(message)s" if journal else "%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = _STEERS.sub(lambda m: f"\\x{ord(m[0]):02x}", super().format(record))
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]} ... ({len(text) - LONGEST} more characters)"
        if not self._journal:
            return text
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return prefix + text.replace("\n", "\n" + prefix)


def set_up(level: str) -> None:
    """Send everything from ``level`` up to standard error; may be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("asyncio", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
