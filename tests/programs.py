"""The Debian programs that tests need. A test says ``need("snmpd")``; where it is missing, the skip names the package.

``python -m tests.programs`` prints the packages, for ``apt-get install``. With SONDA_CI=1 in the environment a missing
program fails the test instead of skipping it.
"""

import os
import shutil
from pathlib import Path
from typing import Never

import pytest

PACKAGES = {
    "snmpd": "snmpd",
    "snmpget": "snmp",
    "snmptrap": "snmp",
    "snmpinform": "snmp",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "mosquitto_passwd": "mosquitto",
    "lldpd": "lldpd",
    "zebra": "frr",
    "bgpd_snmp.so": "frr-snmp",
    "dummy-ups": "nut-server",
    "upsc": "nut-client",
    "fping": "fping",
    "collectd": "collectd-core",
    "prometheus-snmp-exporter": "prometheus-snmp-exporter",
    "tcpdump": "tcpdump",
    "chromium": "chromium",
    "nft": "nftables",
    "ip": "iproute2",
    "ping": "iputils-ping",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "sysctl": "procps",
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
    "debootstrap": "debootstrap",
}
"""Program to the Debian package that holds it."""

_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/frr", "/lib/nut")
"""Debian keeps daemons where an ordinary user's PATH does not look."""
_MODULES = "*/frr/modules"
"""Below /usr/lib: what FRR's daemons load, and a package of its own holds."""


def find(program: str) -> str | None:
    """The path of the program, or of the module where it is one ("bgpd_snmp.so"), or None."""
    if program.endswith(".so"):
        return next(map(str, Path("/usr/lib").glob(f"{_MODULES}/{program}")), None)
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_DAEMON_FOLDERS))
    return shutil.which(program, path=path)


def need(*programs: str) -> None:
    """Skips the test (fails it under SONDA_CI=1) unless every program is there. KeyError: not in PACKAGES."""
    missing = [program for program in programs if PACKAGES[program] and find(program) is None]
    if missing:
        packages = " ".join(sorted({PACKAGES[program] for program in missing}))
        _lack(f"needs {', '.join(missing)}: apt-get install {packages}")


def need_root() -> None:
    """Skips the test (fails it under SONDA_CI=1) unless it may make network namespaces."""
    if os.geteuid() != 0:
        _lack("needs root: namespaces and daemons of the lab; run as root or under sudo")


def need_lab(*programs: str) -> None:
    """What a test in namespaces needs: root, iproute2, /dev/net/tun, and the programs named."""
    need_root()
    need("ip", *programs)
    if not Path("/dev/net/tun").exists():
        _lack("needs /dev/net/tun: modprobe tun")


def _lack(reason: str) -> Never:
    if os.environ.get("SONDA_CI") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


if __name__ == "__main__":
    print(" ".join(sorted(set(PACKAGES.values()))))
