"""May this machine send echoes, and does it measure what another program measures?"""

from collections.abc import Mapping

from agent.doctor import second_icmp
from agent.doctor.access import service_user
from agent.doctor.echoes import Ends, Ledger, survey
from agent.doctor.model import Case, Finding, as_the_service, attention, ok, problem
from collectors.icmp import IcmpEngine, Mode
from collectors.icmp.sockets import Channel, Closed, buffer_help, open_channel, permission_help

OWN = {4: "127.0.0.1", 6: "::1"}

GOOD = ok("icmp.ok")
PERMISSION = problem(
    "icmp.permission",
    "Devices are asked by TCP connect instead: a device that ignores closed ports cannot be told from a dead one, and "
    "its state stays unknown. Round trip and loss of ICMP are not measured.",
)
SERVICE = problem(
    "icmp.service",
    PERMISSION.means,
    "Take back what was changed in the unit: it needs AmbientCapabilities=CAP_NET_RAW. Then reload it, and restart the "
    "service.",
)
NO_SOCKET = problem(
    "icmp.no_socket",
    "No device can be asked by ICMP: the state of all stays unknown.",
    "The kernel, a container profile (seccomp) or the unit's RestrictAddressFamilies= forbids the address family: "
    "allow AF_INET and AF_INET6 there.",
)
_MANY_FILES = "Too many files are open: raise LimitNOFILE= in the unit (`ulimit -n` in a shell)."
NO_IPV6 = ok("icmp.ipv6_off", "Devices with IPv6 addresses cannot be asked from here; those with IPv4 addresses can.")
SELF_SILENT = problem(
    "icmp.self_silent",
    "A machine always answers itself, unless its own settings or firewall drop echoes; then echoes to devices, or "
    "their answers, are probably dropped as well and would count as loss.",
)
BUFFER = attention(
    "icmp.buffer", "In a busy second answers may be dropped; those seconds are told apart and lower the coverage."
)
NEIGHBOURS = problem(
    "icmp.neighbours_full",
    "An echo to a neighbour without a place in it is not sent: that device is unknown, and nothing is wrong with it.",
    "Make it larger, and keep that in a file of your own below /etc/sysctl.d.",
)
AGREES = ok("icmp.second_opinion")
DISAGREES = attention(
    "icmp.second_differs",
    "Two programs that ask the same are treated differently: something on this machine (a firewall that looks into "
    "packets, a limit on echoes) lets one pass and not the other, or one of the two has a fault.",
    "Look for rules on ICMP; where there are none, report this with the output of `sonda doctor --json`.",
)


async def check(case: Case) -> list[Finding]:
    sockets = {version: open_channel(version) for version in OWN}
    for channel in sockets.values():
        if isinstance(channel, Channel):
            channel.sock.close()
    ledger = Ledger()
    with IcmpEngine(case.clock, ledger) as engine:
        modes = dict(engine.modes)
        ends = await survey(engine, ledger, {f"ipv{v}": address for v, address in OWN.items()}, case.clock)
    allowed = " ".join((case.read("proc/sys/net/ipv4/ping_group_range") or "unknown").split())
    facts = {"modes": {f"ipv{v}": str(mode) for v, mode in modes.items()}, "ping_group_range": allowed}
    closed = {version: channel.reason for version, channel in sockets.items() if isinstance(channel, Closed)}
    denied = [f"IPv{version}" for version, reason in closed.items() if reason == "icmp_permission"]
    if denied:
        seen = (
            f"This user may open no ICMP socket ({' and '.join(denied)}): net.ipv4.ping_group_range is "
            f'"{allowed}", and there is no CAP_NET_RAW.'
        )
        mend = permission_help()
        commands = _typed(mend)
        if case.service_user is not None:
            mend += f" That is for this user; what the service (user {case.service_user}) may, the last line shows."
            commands.append(as_the_service(case.service_user))
        return [PERMISSION.found(seen, mend=mend, commands=commands, facts=facts)]
    if 4 in closed:
        many = _MANY_FILES if closed[4] in {"icmp_emfile", "icmp_enfile"} else None
        return [NO_SOCKET.found(f"No IPv4 socket for ICMP can be opened ({closed[4]}).", mend=many, facts=facts)]
    found = _of_own(case, modes, ends, allowed, facts) + _of_service(case, allowed, facts)
    octets = min(channel.buffer_octets for channel in sockets.values() if isinstance(channel, Channel))
    if enlarge := buffer_help(octets):
        limits = {name: case.read(f"proc/sys/net/core/{name}") or "unknown" for name in ("rmem_max", "wmem_max")}
        seen = (
            f"The receive buffer of the ICMP socket is {octets // 1024} KiB instead of 1024 KiB or more "
            f"(net.core.rmem_max = {limits['rmem_max']}, wmem_max = {limits['wmem_max']})."
        )
        found.append(
            BUFFER.found(seen, mend=enlarge, commands=_typed(enlarge), facts={"buffer_octets": octets} | limits)
        )
    return found + _neighbours(case) + await _second(modes[4], ends["ipv4"])


def _of_service(case: Case, allowed: str, facts: Mapping[str, object]) -> list[Finding]:
    """What root may is no proof for the service: its user has the permission from its unit or the kernel. Nothing is
    said where there is no unit (a container)."""
    user, unit = service_user(case.service_user), case.root / "etc/systemd/system/sonda.service"
    if user is None or not unit.is_file():
        return []
    bounds = [int(word) for word in allowed.split() if word.isdigit()]
    if len(bounds) == 2 and any(bounds[0] <= group <= bounds[1] for group in user.groups):
        return []
    given: list[str] = []
    for file in (unit, *sorted(unit.with_name("sonda.service.d").glob("*.conf"))):
        for line in (case.read(str(file.relative_to(case.root))) or "").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "AmbientCapabilities":
                given = [*given, *value.split()] if value.strip() else []
    if "CAP_NET_RAW" in given:
        return []
    seen = (
        f"The service (user {user.name}) may open no ICMP socket: its unit gives it no CAP_NET_RAW, and "
        f'net.ipv4.ping_group_range is "{allowed}".'
    )
    commands = ["systemctl cat sonda", "systemctl daemon-reload", "systemctl restart sonda"]
    return [SERVICE.found(seen, commands=commands, facts=facts)]


def larger_table(most: int) -> list[str]:
    """What to type so that the kernel remembers four times as many neighbours, of IPv4 and IPv6."""
    third = max(4 * most, 4096)
    return [
        f"sysctl -w net.{family}.neigh.default.gc_thresh{step}={value}"
        for family in ("ipv4", "ipv6")
        for step, value in ((3, third), (2, third // 2), (1, third // 4))
    ]


def neighbours_at_most(case: Case) -> int | None:
    """How many neighbours the kernel remembers (net.ipv4.neigh.default.gc_thresh3)."""
    text = case.read("proc/sys/net/ipv4/neigh/default/gc_thresh3") or ""
    return int(text) if text.isdigit() else None


def _neighbours(case: Case) -> list[Finding]:
    """Of the tables that Linux has for all its network namespaces together, one for IPv4 and one for IPv6."""
    most = neighbours_at_most(case)
    tables = {name: _counts(case, f"{name}_cache") for name in ("arp", "ndisc")}
    full = {name: counts["table_fulls"] for name, counts in tables.items() if counts.get("table_fulls")}
    if most is None or not full:
        return []
    entries = max(tables[name].get("entries", 0) for name in full)
    seen = (
        f"The kernel's table of neighbours was full {sum(full.values())} times since this machine was started; it "
        f"holds {most} (net.ipv4.neigh.default.gc_thresh3), and now {entries} are in it."
    )
    facts = {"gc_thresh3": most, "entries": entries, "table_fulls": sum(full.values())}
    return [NEIGHBOURS.found(seen, commands=larger_table(most), facts=facts)]


def _counts(case: Case, name: str) -> dict[str, int]:
    """A file of /proc/net/stat: hexadecimal, a line a processor. ``entries`` is that of the table, in every line."""
    header, *lines = (case.read(f"proc/net/stat/{name}") or "").splitlines() or [""]
    counts: dict[str, int] = {}
    for line in lines:
        try:
            values = dict(zip(header.split(), (int(word, 16) for word in line.split()), strict=False))
        except ValueError:
            continue
        for column, value in values.items():
            counts[column] = value if column == "entries" else counts.get(column, 0) + value
    return counts


def _typed(mend: str) -> list[str]:
    """What a sentence has in backticks to be typed, to be copied from a line of its own."""
    return [each for each in mend.split("`")[1::2] if each.startswith("sysctl ")]


def _of_own(
    case: Case, modes: Mapping[int, Mode], ends: Mapping[str, Ends], allowed: str, facts: Mapping[str, object]
) -> list[Finding]:
    found: list[Finding] = []
    good: list[str] = []
    for version, address in OWN.items():
        end = ends[f"ipv{version}"]
        if end.answered:
            good.append(f"IPv{version} by {modes[version]} socket, {end.best_ms:.2f} ms to itself")
        elif version == 6 and (modes[6] is Mode.NONE or end.faults):
            why = ", ".join(end.faults) or "no socket"
            found.append(NO_IPV6.found(f"IPv6 is switched off on this machine ({why}).", facts={"reason": why}))
        else:
            found.append(_self_silent(case, version, address, end))
    if good:
        # What root and CAP_NET_RAW may is no proof for a service without them.
        note = f'; others need CAP_NET_RAW, ping_group_range is "{allowed}"' if modes[4] is Mode.RAW else ""
        found.insert(0, GOOD.found(f"Echoes go out and come back: {'; '.join(good)}{note}.", facts=facts))
    return found


def _self_silent(case: Case, version: int, address: str, end: Ends) -> Finding:
    why = ", ".join((*end.lost, *end.faults)) or "no answer"
    seen = f"This machine does not answer its own echoes to {address} ({why})."
    key = "net.ipv4.icmp_echo_ignore_all" if version == 4 else "net.ipv6.icmp.echo_ignore_all"
    if case.read(f"proc/sys/{key.replace('.', '/')}") == "1":
        return SELF_SILENT.found(seen, mend=f"{key} is 1: set it back to 0.", commands=[f"sysctl -w {key}=0"])
    return SELF_SILENT.found(
        seen,
        mend=f"Look for firewall rules that drop ICMP on `lo`, and allow it from {address}.",
        commands=["nft list ruleset", "iptables-save"],
    )


async def _second(mode: Mode, ours: Ends) -> list[Finding]:
    theirs = await second_icmp.ask(OWN[4], raw=mode is Mode.RAW)
    if theirs is None:
        return []
    if bool(theirs) != bool(ours.answered):
        words = ("answered", "not answered")
        a, b = words if ours.answered else words[::-1]
        return [DISAGREES.found(f"Echoes to {OWN[4]} are {a} to Sonda, and {b} to icmplib.")]
    if not theirs:
        return []
    seen = f"icmplib agrees about {OWN[4]}: {min(theirs):.2f} ms there, {ours.best_ms:.2f} ms here."
    return [AGREES.found(seen, facts={"icmplib_ms": min(theirs), "sonda_ms": ours.best_ms})]
