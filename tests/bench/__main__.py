"""`make bench`: the budgets of agent/README.md, each measured against its peer in one run on this machine.

``python -m tests.bench [names] [--quick] [--minutes 60] [--markdown FILE] [--folder DIR]``

Names choose groups of rows; without any, all are measured.
"""

import argparse
import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import days, echoes, pipeline, sites
from tests.bench.report import Effort, Row, markdown, text
from tests.programs import find

GROUPS = {
    "snmp": pipeline.rows,
    "echo": echoes.cost,
    "load": echoes.under_load,
    "days": days.rows,
    "scale": sites.scale,
    "growth": days.scale,
    "site": sites.rows,
}


LIGHT = {"echo", "scale", "site"}
"""Loads of a few percent of a core that last for minutes: they run side by side, after the others."""


def _say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def main() -> int:
    """0 where every measured figure is within its must."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="name", help=f"groups of rows: {', '.join(GROUPS)}")
    options.add_argument("--quick", action="store_true", help="shorter loads: some six minutes in all")
    options.add_argument("--minutes", type=float, default=None, help="how long the site runs, for resident memory")
    options.add_argument("--markdown", type=Path, default=None, help="write the table to this file, too")
    options.add_argument("--folder", default=None, help="on the disk to write databases to")
    given = options.parse_args()
    unknown = [name for name in given.names if name not in GROUPS]
    if unknown:
        options.error(f"unknown: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    if os.geteuid() != 0 or not find("ip"):
        options.error("needs root and iproute2 (apt-get install iproute2): every load runs in namespaces of its own")
    effort = Effort(given.quick, given.minutes, given.folder)
    began = time.monotonic()
    names = [name for name in GROUPS if name in (given.names or GROUPS)]
    found: dict[str, list[Row]] = {}
    for name in names:
        if name not in LIGHT:
            found[name] = GROUPS[name](effort, _say)
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(GROUPS[name], effort, _say) for name in names if name in LIGHT}
        found |= {name: future.result() for name, future in running.items()}
    rows = [row for name in names for row in found[name]]
    intro = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {(time.monotonic() - began) / 60:.0f} minutes"
        f"{', --quick' if given.quick else ''}"
    )
    print(text(rows))
    print(intro)
    if given.markdown:
        command = " ".join(["make bench", *([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])])
        given.markdown.write_text(markdown(rows, f"`{command}`: {intro}."), encoding="utf-8")
    return 1 if any(row.verdict == "OVER" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
