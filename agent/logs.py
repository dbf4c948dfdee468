"""The log: one line an entry on standard error, which systemd keeps. What would steer a terminal is shown, not sent.

A line break in a value is shown as well: whatever a device or a broker says, it begins no line. A traceback follows its
entry on lines that are indented, as no entry is.
"""

import logging
import os
import re
import sys

from collectors.clock import Clock

_STEERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INDENT = "    "
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
LONGEST = 8192
"""Characters of one entry: a device's name of 64 kB fills no journal. Tracebacks of ours fit."""


class LineFormatter(logging.Formatter):
    """With the priority that journald reads where it listens (sd-daemon(3)), with the time where a person does."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(name)s: %(message)s" if journal else "%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        told = [record.exc_info and self.formatException(record.exc_info), record.stack_info]
        below = [_INDENT + _shown(line) for text in told if text for line in text.split("\n")]
        text = "\n".join([_shown(self.formatMessage(record)), *below])
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]} ... ({len(text) - LONGEST} more characters)"
        if not self._journal:
            return text
        prefix = f"<{_PRIORITY.get(record.levelno, 6)}>"
        return prefix + text.replace("\n", "\n" + prefix)


def _shown(text: str) -> str:
    return _STEERS.sub(lambda m: f"\\x{ord(m[0]):02x}", text)


def set_up(level: str) -> None:
    """Send everything from ``level`` up to standard error; may be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of each malformed request of anybody


class RareLine:
    """A line that anybody on the network can cause: said once, then every ten minutes at most, with how often."""

    EVERY_S = 600.0

    def __init__(self, clock: Clock, logger: logging.Logger, level: int) -> None:
        self._clock = clock
        self._log = logger
        self._level = level
        self._said_at: float | None = None
        self._unsaid = 0

    def say(self, text: str, *values: object) -> None:
        """As ``Logger.log``, where its time has come; else it is counted."""
        now = self._clock.monotonic()
        if self._said_at is not None and now - self._said_at < self.EVERY_S:
            self._unsaid += 1
            return
        more = f" {self._unsaid} more were not written down since the last such line." if self._unsaid else ""
        self._log.log(self._level, text + "%s", *values, more)
        self._said_at, self._unsaid = now, 0
