"""Every configured device, as the agent would ask it: its name, by ICMP, by SNMP."""

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence

from agent.boundary import Boundary
from agent.doctor import second_icmp, snmp
from agent.doctor.echoes import Ends, Ledger, survey
from agent.doctor.icmp import DISAGREES, larger_table, neighbours_at_most
from agent.doctor.model import Case, Finding, as_the_service, attention, ok, problem
from agent.doctor.runner import FAILED
from agent.settings.models import DeviceSettings, Settings
from agent.site import SitePlan, devices_in_words, plan_site
from agent.threads import in_thread
from collectors.icmp import IcmpEngine, Mode
from collectors.link import read_routes
from kpi.model import Device, Role

NOTHING = ok("device.none", "`sonda check` names what is missing.")
WATCHED = ok("device.watched")
ANSWERS = ok("device.ok")
NO_NAME = problem(
    "device.name",
    "The device cannot be asked until its name has an address.",
)
SILENT = problem(
    "device.silent", "It is switched off, has another address, drops echoes, or something between drops them."
)
ECHO_BLOCKED = problem(
    "device.echo_blocked",
    "It lives, for SNMP answers, and it or a firewall drops echoes: it would count as down.",
    "Allow ICMP echo requests from this probe on the device or the firewall, or write `echo = false` for the device.",
)
UNREACHABLE = problem("device.unreachable", "Echoes come back as undeliverable.")
LOSSY = attention(
    "device.loss",
    "The way to the device loses packets, or the device limits its answers.",
    "Look at cable, Wi-Fi and duplex on the way, first at the ports with errors; where the device limits echoes, ask "
    "it more seldom with `echo_s`.",
)
OWN_FAULT = problem(
    "device.own_fault",
    "This machine could not send: the device is not at fault, and its state would stay unknown.",
)
BY_TCP = attention(
    "device.by_tcp",
    "For want of ICMP permission it was asked by TCP connect; of a device that drops what comes to closed ports this "
    "tells nothing.",
    "Mend the ICMP permission, see the section ICMP.",
)
SECOND_AGREES = ok("device.second_opinion")

UNREAD = attention(
    "snmp.secret_unread",
    "The devices with this credential were not asked by SNMP.",
    "Run the doctor as the service runs:",
)

_TOGETHER = 64
"""SNMP devices asked at a time."""
_SECOND_MOST = 8
"""Silent devices that icmplib is asked about."""
RESOLVE_S = 5.0


def limit_s(devices: int) -> float:
    """Names 5 s, echoes 3.5 s, icmplib 2 s; then SNMP, 12 s at worst for each lot of 64."""
    return 15.0 + 12.0 * -(-devices // _TOGETHER)


async def check(case: Case) -> list[Finding]:
    settings = case.settings
    if settings is None:
        return []
    plan = plan_site(settings, read_routes(case.root / "proc/self/net"), {})
    if not (targets := _targets(settings, plan)):
        return [NOTHING.found("No devices are configured.")]
    boundary = Boundary()
    gate, opinions = asyncio.Semaphore(_TOGETHER), snmp.SecondOpinions()
    resolved = await asyncio.gather(*(_address(device.address) for device in targets))
    addresses = {d.id: a for d, a in zip(targets, resolved, strict=True) if isinstance(a, str)}

    async def by_snmp(device: DeviceSettings) -> Finding | None:
        if device.snmp is None or device.id not in addresses or not _credential_known(settings, device.snmp):
            return None
        async with gate:
            look = snmp.look(case, device, addresses[device.id], settings.snmp, opinions)
            failed = FAILED.found(
                f"The SNMP question to {addresses[device.id]} failed unexpectedly.", subject=device.name
            )
            with boundary.around("question", device.name):
                return await look
            return failed

    echoed = {d.id: addresses[d.id] for d in targets if d.echo and d.id in addresses}
    echoing = asyncio.create_task(_echoes(case, echoed), name="doctor device echoes")
    answers = await asyncio.gather(*map(by_snmp, targets))
    ends, modes = await echoing
    seconds = await _second_opinions(targets, echoed, ends, modes)
    found = [WATCHED.found(f"The agent watches {devices_in_words(plan, settings)}.")]
    for device, address, answer in zip(targets, resolved, answers, strict=True):
        if not isinstance(address, str):
            found.append(_no_name(device, address))
            continue
        if device.id in ends:
            alive = answer is not None and answer.id == snmp.ANSWERS.id
            found.append(_of_echoes(case, device, address, ends[device.id], snmp_alive=alive))
            found += seconds.get(device.id, ())
        if answer is not None:
            found.append(answer)
    return found + _unread(case, settings)


def _targets(settings: Settings, plan: SitePlan) -> tuple[DeviceSettings, ...]:
    """The devices that the agent watches: those of the settings, then the gateway and the internet targets that are
    not among them."""
    listed = {device.id for device in settings.devices}
    added = (w.device for w in plan.devices if w.device.id not in listed)
    return (*settings.devices, *(_added(device) for device in added))


def _added(device: Device) -> DeviceSettings:
    name = "Gateway" if device.role is Role.GATEWAY else f"Internet {device.address}"
    return DeviceSettings(name=name, id=device.id, role=device.role, address=device.address)


def _credential_known(settings: Settings, name: str) -> bool:
    """Not so where a systemd credential was passed unread: outside the service nobody can ask with it."""
    credential = settings.credential(name)
    secrets = (credential.community, credential.auth_secret, credential.priv_secret)
    return all(secret.known for secret in secrets if secret is not None)


def _unread(case: Case, settings: Settings) -> list[Finding]:
    used = {device.snmp for device in settings.devices if device.snmp is not None}
    return [
        UNREAD.found(
            f'A secret of [[credential]] "{name}" is a systemd credential, which only the service can read.',
            subject=name,
            commands=[as_the_service(case.service_user)],
        )
        for name in sorted(used)
        if not _credential_known(settings, name)
    ]


async def _address(host: str) -> str | OSError:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await in_thread(socket.getaddrinfo, host, None, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return TimeoutError(0, f"the name server did not answer within {RESOLVE_S:g} s")
    except (OSError, UnicodeError) as error:
        return error if isinstance(error, OSError) else OSError(0, "it is no name")
    return str(found[0][4][0])


def _no_name(device: DeviceSettings, error: OSError) -> Finding:
    seen = f"The name {device.address} does not resolve ({error.strerror or error})."
    mend = "Mend the name server (/etc/resolv.conf) or the name, or write its number as `address`."
    return NO_NAME.found(seen, subject=device.name, mend=mend, commands=[f"getent ahosts {device.address}"])


async def _echoes(case: Case, addresses: Mapping[str, str]) -> tuple[Mapping[str, Ends], Mapping[int, Mode]]:
    ledger = Ledger()
    with IcmpEngine(case.clock, ledger) as engine:
        modes = dict(engine.modes)
        return (await survey(engine, ledger, addresses, case.clock) if addresses else {}), modes


async def _second_opinions(
    targets: Sequence[DeviceSettings], addresses: Mapping[str, str], ends: Mapping[str, Ends], modes: Mapping[int, Mode]
) -> Mapping[str, Sequence[Finding]]:
    """By icmplib: of the first device that answered, and of those that did not."""
    good = [d for d in targets if d.id in ends and ends[d.id].answered and not ends[d.id].tcp][:1]
    bad = [d for d in targets if d.id in ends and ends[d.id].lost and not ends[d.id].answered][:_SECOND_MOST]

    async def one(device: DeviceSettings) -> tuple[str, Sequence[Finding]]:
        address, end = addresses[device.id], ends[device.id]
        mode = modes[6 if ":" in address else 4]
        theirs = await second_icmp.ask(address, raw=mode is Mode.RAW) if mode in {Mode.RAW, Mode.DATAGRAM} else None
        if theirs is None or end.tcp:
            return device.id, ()
        if theirs and end.answered:
            seen = f"icmplib agrees: {min(theirs):.2f} ms there, {end.best_ms:.2f} ms here."
            return device.id, [SECOND_AGREES.found(seen, subject=device.name)]
        if bool(theirs) == bool(end.answered):
            return device.id, ()
        a, b = ("answered", "not answered") if end.answered else ("not answered", "answered")
        seen = f"Echoes to {address} are {a} to Sonda, and {b} to icmplib."
        return device.id, [DISAGREES.found(seen, subject=device.name)]

    return dict(await asyncio.gather(*(one(device) for device in (*good, *bad))))


def _of_echoes(case: Case, device: DeviceSettings, address: str, end: Ends, *, snmp_alive: bool) -> Finding:
    name, total = device.name, end.total
    if end.faults and not end.answered:
        return _own_fault(case, device, address, end)
    if end.tcp:
        return BY_TCP.found(f"{end.answered} of {total} TCP connects to {address} were answered.", subject=name)
    if not end.answered:
        return _unanswered(device, address, end, snmp_alive=snmp_alive)
    if end.answered == total:
        seen = f"{address} answers echoes, {end.best_ms:.2f} ms."
        return ANSWERS.found(seen, subject=name, facts={"rtt_ms": round(end.best_ms, 3)})
    seen = f"{address} answered {end.answered} of {total} echoes, {end.best_ms:.2f} ms at best."
    return LOSSY.found(seen, subject=name, facts={"answered": end.answered, "sent": total})


def _unanswered(device: DeviceSettings, address: str, end: Ends, *, snmp_alive: bool) -> Finding:
    reasons = [reason for reason in end.lost if reason != "timeout"]
    if reasons:
        return _unreachable(device, address, reasons[0])
    seen = f"{address} answered none of {end.total} echoes."
    if snmp_alive:
        return ECHO_BLOCKED.found(seen, subject=device.name)
    mend = (
        f"Is it on, and does it have the address {address} (its own display, the DHCP list of the router)? "
        "Does its firewall, or one between, allow ICMP echo requests from this probe?"
    )
    return SILENT.found(seen, subject=device.name, mend=mend, commands=[f"ping -c 3 {address}"])


def _unreachable(device: DeviceSettings, address: str, reason: str) -> Finding:
    mends = {
        "host_unreachable": f"Nobody has {address} on its network: is the device on, and is `address` right?",
        "net_unreachable": "There is no route there: check this machine's address, gateway and VLAN.",
        "admin_prohibited": "A firewall on the way says no: allow ICMP echo requests from this probe there.",
        "ttl_exceeded": "Packets go round in a circle: mend the routes between here and there.",
    }
    seen = f"Echoes to {address} come back as undeliverable ({reason.replace('_', ' ')})."
    mend = mends.get(reason, "Follow the way to the device.")
    return UNREACHABLE.found(seen, subject=device.name, mend=mend, commands=[f"ip route get {address}"])


def _spoken(reason: str) -> str:
    """The system's word for an error whose name the engine gives as "send_enetunreach"."""
    number = getattr(errno, reason.removeprefix("send_").upper(), None)
    return os.strerror(number) if isinstance(number, int) else reason.replace("_", " ")


def _own_fault(case: Case, device: DeviceSettings, address: str, end: Ends) -> Finding:
    reason = next(iter(end.faults))
    seen = f"No echo to {address} could be sent ({_spoken(reason)})."
    if reason == "icmp_permission":
        return BY_TCP.found(f"{address} cannot be asked by ICMP, and answers no TCP connect.", subject=device.name)
    if reason == "send_enobufs":
        most = neighbours_at_most(case) or 1024
        mend = (
            f"The kernel remembers {most} neighbours (net.ipv4.neigh.default.gc_thresh3), and more are asked: raise it."
        )
        return OWN_FAULT.found(seen, subject=device.name, mend=mend, commands=larger_table(most))
    mends = {
        "send_enetunreach": "This machine has no route there: check its address, gateway and cable.",
        "send_eperm": "This machine's own firewall forbids it: allow ICMP to go out.",
        "send_eaddrnotavail": "IPv6 is switched off on this machine: switch it on, or write the IPv4 address.",
    }
    mend = mends.get(reason, "Check this machine's address, routes and firewall.")
    return OWN_FAULT.found(seen, subject=device.name, mend=mend, commands=[f"ip route get {address}"])
