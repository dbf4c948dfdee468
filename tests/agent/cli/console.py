"""The installed `sonda`, as a script calls it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SONDA = Path(sys.executable).with_name("sonda")


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def sonda(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, ahead: Sequence[str] = ()
) -> Ended:
    """Runs it to its end, in pipes, with no configuration or profile of this machine; ``ahead`` starts it."""
    done = subprocess.run(
        [*ahead, str(SONDA), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={
            **os.environ,
            "SONDA_CONFIG": "/nonexistent/sonda.toml",
            "SONDA_PROFILES": str(Path(__file__).parent),
            "COLUMNS": "80",
            **(env or {}),
        },
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def widest(text: str) -> int:
    return max((len(line) for line in text.splitlines()), default=0)


def sentence(ended: Ended) -> str:
    """What a usage error says, without its frame."""
    return " ".join(ended.err.replace("│", " ").split())


Json = Any
