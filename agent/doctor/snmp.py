"""One device by SNMP: whether it answers, and if not, which part of the credential, the device or the way is wrong.

Every device gets a client of its own, so that what its counters say of strays is about this device.
"""

import socket
from collections.abc import Sequence

from agent.doctor import second_snmp
from agent.doctor.model import Case, Finding, Kind, ok, problem, shown, spoken
from agent.settings.convert import snmp_credential
from agent.settings.models import CredentialSettings, DeviceSettings, SnmpSettings
from collectors.snmp import oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community, Credential, UsmUser
from collectors.snmp.errors import AccessDenied, AnsweredElsewhere, AuthFailure, SnmpError, Timeout, Unreachable
from collectors.snmp.message import AUTHORIZATION_ERROR, Reply
from collectors.snmp.peer import Peer
from collectors.snmp.text import clean_text

ANSWERS = ok("snmp.ok")
SILENT = problem(
    "snmp.silent",
    "By SNMP 1 and 2c a wrong community is indistinguishable from silence: an agent that does not know the community "
    "says nothing, exactly as one that is switched off, or that does not permit this address.",
)
COMMUNITY = problem(
    "snmp.community",
    "An SNMP agent is there: it answered a question of version 3 that needs no credential. So neither a firewall nor a "
    "switched-off agent is the cause: the community is wrong, this version is off, or this address is not permitted.",
)
V3_SILENT = problem(
    "snmp.v3_silent",
    "Even the first question of version 3, which needs no credential, has no answer: the cause is not the user and not "
    "a secret. SNMP or its version 3 is off, this address is not permitted, or a firewall drops UDP.",
)
V3_MUTE = problem(
    "snmp.v3_mute",
    "SNMPv3 is on and this address is permitted; the real question is thrown away. Agents do that where the context is "
    "unknown to them, and overloaded ones do it at times.",
)
CLOSED = problem("snmp.closed", "The device is there, and no SNMP agent listens on that port.")
UNREACHABLE = problem("snmp.unreachable", "The question does not reach the device's SNMP agent.")
OWN_FAULT = problem("snmp.own_fault", "The question did not even leave this machine.")
USER = problem("snmp.unknown_user", "The device answers, and has no such user.")
DIGEST = problem(
    "snmp.wrong_digest", "The device knows the user; the authentication secret or its algorithm is another there."
)
PRIVACY = problem(
    "snmp.wrong_privacy",
    "User and authentication are right; the encryption secret or its algorithm is another on the device.",
)
LEVEL = problem(
    "snmp.unsupported_level",
    "The device knows the user, and does not do authentication or encryption for it.",
)
TIME = problem(
    "snmp.not_in_time_window",
    "The device refuses correctly signed questions as too old or too new: its own count of boots or time is broken, or "
    "something on the way repeats old answers.",
    "Restart the device's SNMP agent, or the device. If that does not help, its engine id is used by another device as "
    "well: set a unique one there.",
)
CONTEXT = problem("snmp.unknown_context", "User and secrets are right; the device has no such context.")
REFUSES = problem(
    "snmp.refuses",
    "The device's SNMPv3 security refuses the question without a reason that RFC 3414 knows.",
    "Delete the user on the device and make it again; if that does not help, restart its SNMP agent.",
)
UNREADABLE = problem(
    "snmp.unreadable",
    "What listens there answers with something that is not SNMP, or its SNMP agent is broken.",
    "Check `snmp_port`, and restart or update the device's SNMP agent.",
)
OTHER_SOURCE = problem(
    "snmp.other_source",
    "The device answers from another address or port than it was asked at. Such answers are ignored, because anybody "
    "could forge them.",
    "Tell the device to answer from the address it is asked at (often called SNMP source interface), or write the "
    "address it answers from as `address`. Where it stands behind a router that translates addresses, mend that.",
)
DENIED = problem(
    "snmp.access_denied",
    "The credential is right, and the device lets it read nothing at this security level: most often it demands "
    "encryption of this user, or the user's group has no read view.",
)
NO_VIEW = problem(
    "snmp.no_view",
    "The credential is right, and the device shows it nothing: its view or access group leaves the system group out.",
    "On the device, give this community or user a read view of 1.3.6.1.2.1 (mib-2), better of 1.3.6.1 (internet).",
)
DIFFERS = problem(
    "snmp.second_differs",
    "The agent answers only now and then (overloaded, or it limits questions), or Sonda's client has a fault.",
    "Run the doctor again. If Sonda has no answer again and pysnmp has one, report it with `sonda doctor --json`.",
)

_SYS_DESCR = oid.parse("1.3.6.1.2.1.1.1.0")
_SYS_NAME = oid.parse("1.3.6.1.2.1.1.5.0")
_SYS_UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")
_NOBODY = UsmUser("sonda-doctor")
"""A user that no device has: whoever answers "unknown user" is an SNMPv3 agent."""
PATIENCE_S = 2.0

_OTHER_EXTENSION = {"aes192": "aes192c", "aes256": "aes256c", "aes192c": "aes192", "aes256c": "aes256"}
_BY_REASON: dict[str, Kind] = {
    "refused": CLOSED,
    "send_fault": OWN_FAULT,
    "undecodable": UNREADABLE,
    "unknown_user": USER,
    "wrong_digest": DIGEST,
    "decryption_error": PRIVACY,
    "unsupported_sec_level": LEVEL,
    "not_in_time_window": TIME,
    "unknown_context": CONTEXT,
    "access_denied": DENIED,
}


class SecondOpinions:
    """Who is asked about once more by pysnmp: a few, for it takes 0.3 s of CPU a device, and one silent switch is
    telling enough."""

    def __init__(self, most: int = 4) -> None:
        self._left = most

    async def ask(
        self, address: str, port: int, credential: Credential, *, timeout_s: float
    ) -> tuple[bool, str | None]:
        """Whether pysnmp was asked, and what it heard."""
        if self._left <= 0:
            return False, None
        self._left -= 1
        return True, await second_snmp.answers(address, port, credential, timeout_s=timeout_s)


async def look(
    case: Case, device: DeviceSettings, address: str, snmp: SnmpSettings, opinions: SecondOpinions
) -> Finding:
    """What SNMP says of this device. Some 5 s where it is silent, 10 s with the second opinion."""
    settings = _settings_of(case, device)
    credential = snmp_credential(settings)
    timeout_s = min(snmp.timeout_s, PATIENCE_S)
    peer = Peer(address, device.snmp_port, credential, answers_from=device.snmp_answers_from)
    async with SnmpClient(case.clock) as client:
        try:
            oids = [_SYS_DESCR, _SYS_NAME, _SYS_UPTIME]
            reply = await client.get(peer, oids, timeout_s=timeout_s, retries=min(snmp.retries, 1))
        except (Unreachable, AnsweredElsewhere) as error:
            return _unreached(device, address, settings, error)
        except Timeout:
            strays = client.counters["foreign"] + client.counters["wrong_id"]
            alive = client.counters["engine_discovered"] > 0
            if isinstance(credential, Community) and not strays:
                alive = await _speaks_v3(client, peer)
        except SnmpError as error:
            return _refused(device, address, settings, error)
        else:
            return _answered(device, address, settings, reply)
    if strays:
        seen = f"SNMP {settings.version}: {strays} answers came, and none from {address} port {device.snmp_port}."
        return OTHER_SOURCE.found(seen, subject=device.name)
    asked, heard = await opinions.ask(address, device.snmp_port, credential, timeout_s=timeout_s)
    if heard is not None:
        seen = f"SNMP {settings.version}: Sonda had no answer; pysnmp, asked afterwards, had one (“{shown(heard)}”)."
        return DIFFERS.found(seen, subject=device.name)
    return _silent(device, address, settings, alive=alive, asked_twice=asked)


def _unreached(
    device: DeviceSettings, address: str, settings: CredentialSettings, error: Unreachable | AnsweredElsewhere
) -> Finding:
    if isinstance(error, Unreachable):
        return _unreachable(device, address, error)
    return _elsewhere(device, address, settings, error)


def _elsewhere(device: DeviceSettings, address: str, settings: CredentialSettings, error: AnsweredElsewhere) -> Finding:
    asked = f"asked at {address} port {device.snmp_port}"
    seen = f"SNMP {settings.version}: {asked}, the device answers from {error.address} port {error.port}."
    if error.address == address:
        return OTHER_SOURCE.found(seen, subject=device.name)
    mend = (
        "Tell the device to answer from the address it is asked at (often called SNMP source interface), or write "
        f'`snmp_answers_from = "{error.address}"` at its [[device]].'
    )
    return OTHER_SOURCE.found(seen, subject=device.name, mend=mend)


def _answered(device: DeviceSettings, address: str, settings: CredentialSettings, reply: Reply) -> Finding:
    if reply.error_status == AUTHORIZATION_ERROR:
        return _refused(device, address, settings, AccessDenied(address))
    present = any(isinstance(bind.value, bytes | int) for bind in reply.varbinds)
    if present and not reply.error_status:
        return _good(device, settings, reply.values, reply.seconds)
    why = f"error status {reply.error_status}" if reply.error_status else "no such object"
    seen = f"SNMP {settings.version} answers, and has no sysDescr, sysName or sysUpTime for us ({why})."
    return NO_VIEW.found(seen, subject=device.name)


def _settings_of(case: Case, device: DeviceSettings) -> CredentialSettings:
    assert case.settings is not None
    assert device.snmp is not None
    return case.settings.credential(device.snmp)


def _good(device: DeviceSettings, settings: CredentialSettings, values: Sequence[object], seconds: float) -> Finding:
    descr, name, uptime = values
    called = shown(clean_text(name)) if isinstance(name, bytes) else ""
    what = shown(clean_text(descr)) if isinstance(descr, bytes) else ""
    up = f", up for {spoken(uptime / 100)}" if isinstance(uptime, int) else ""
    said = f"“{called}”, {what}" if called else what
    seen = f"SNMP {settings.version} answers in {seconds * 1000:.0f} ms: {said or 'without a name'}{up}."
    return ANSWERS.found(seen, subject=device.name, facts={"snmp_ms": round(seconds * 1000, 1), "sys_name": called})


async def _speaks_v3(client: SnmpClient, peer: Peer) -> bool:
    try:
        await client.get(Peer(peer.address, peer.port, _NOBODY), [_SYS_DESCR], timeout_s=PATIENCE_S / 2, retries=0)
    except AuthFailure:
        return True
    except SnmpError:
        return False
    return True


def own_address(address: str) -> str:
    """Our own address on the way to that one: what a device or a firewall has to permit."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as way:  # connecting a datagram socket sends nothing
            way.connect((address, 161))
            return str(way.getsockname()[0])
    except OSError:
        return "this probe"


def _silent(
    device: DeviceSettings, address: str, settings: CredentialSettings, *, alive: bool, asked_twice: bool
) -> Finding:
    nor = "; pysnmp hears nothing either" if asked_twice else ""
    here, port = own_address(address), device.snmp_port
    permitted = f"permit questions from {here} on the device (SNMP access list, allowed managers)"
    what = f'[[credential]] "{settings.name}"'
    if settings.version == "3" and alive:
        seen = f"SNMP 3: {address} port {port} answers discovery, and not the question{nor}."
        context = (
            f'Compare the context "{shown(settings.context)}" of {what} with the device\'s' if settings.context else ""
        )
        mend = f"{context or 'Look at the load of the device'}, and restart its SNMP agent."
        return V3_MUTE.found(seen, subject=device.name, mend=mend)
    if settings.version == "3":
        seen = f"SNMP 3: no answer from {address} port {port}, not even to discovery{nor}."
        mend = f"Switch SNMP version 3 on at the device, {permitted}, and let UDP port {port} pass."
        return V3_SILENT.found(seen, subject=device.name, mend=mend)
    seen = f"SNMP {settings.version}: no answer from {address} port {port}{nor}."
    if alive:
        mend = (
            f"Compare the community of {what} with the device's, letter by letter (capitals count); see that version "
            f"{settings.version} is on there; {permitted}."
        )
        return COMMUNITY.found(seen, subject=device.name, mend=mend)
    mend = (
        f"Switch SNMP on at the device; compare the community of {what} with the device's, letter by letter; "
        f"{permitted}; let UDP port {port} pass. How to tell: where snmpInBadCommunityNames (1.3.6.1.2.1.11.4.0, or "
        "the device's log) grows with each try, the community is wrong; else the question does not reach it."
    )
    return SILENT.found(seen, subject=device.name, mend=mend)


def _unreachable(device: DeviceSettings, address: str, error: Unreachable) -> Finding:
    mends = {
        "admin_prohibited": f"A firewall on the way says no: allow {own_address(address)} UDP port {device.snmp_port}.",
        "host_unreachable": "Nobody has that address on its network: is the device on, and is `address` right?",
        "net_unreachable": "There is no route there: check this machine's address, gateway and VLAN.",
    }
    reason = error.reason.replace("_", " ")
    mend = mends.get(error.reason, "Follow the way to the device.")
    seen = f"SNMP: a question to {address} port {device.snmp_port} came back as undeliverable ({reason})."
    return UNREACHABLE.found(seen, subject=device.name, mend=mend, commands=[f"ip route get {address}"])


def _refused(device: DeviceSettings, address: str, settings: CredentialSettings, error: SnmpError) -> Finding:
    where, what = f"{address} port {device.snmp_port}", f'[[credential]] "{settings.name}"'
    user, auth, priv = shown(settings.user), settings.auth, settings.priv
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    v3 = f"SNMP 3 at {where}"
    other = _OTHER_EXTENSION.get(priv or "")
    more = f' For such long keys there are two ways to make them: try "{other}".' if other else ""
    said: dict[str, tuple[str, str]] = {
        "refused": (
            f"UDP port {device.snmp_port} of {address} is closed.",
            "Switch SNMP on at the device; if it uses another port, write `snmp_port`.",
        ),
        "send_fault": (
            f"Nothing can be sent to {where} ({shown(error)}).",
            "Check this machine's network and firewall (`ip route`, `nft list ruleset`).",
        ),
        "undecodable": (f"What {where} answers cannot be read as SNMP ({shown(error)}).", UNREADABLE.mend),
        "unknown_user": (
            f'{v3}: the user "{user}" is unknown there.',
            f'Make the user "{user}" on the device, or mend `user` of {what}. Capitals count.',
        ),
        "wrong_digest": (
            f'{v3}: the signature of the user "{user}" is wrong there.',
            f'Set the same passphrase and algorithm ("{auth}") on the device and in `auth`, `auth_secret` of {what}.',
        ),
        "decryption_error": (
            f'{v3}: what the user "{user}" encrypts is not understood there.',
            f'Set the same passphrase and algorithm ("{priv}") on the device and in `priv_secret`, `priv` of {what}.'
            + more,
        ),
        "unsupported_sec_level": (
            f'{v3}: the level {level} is not supported for the user "{user}".',
            f"Give the user {'encryption' if priv else 'authentication'} on the device, or take it out of {what}.",
        ),
        "not_in_time_window": (f"{v3}: it refuses our questions as outside its time window.", TIME.mend),
        "unknown_context": (
            f'{v3}: it has no context "{shown(settings.context)}".',
            f"Write the context that the device has in `context` of {what}, or take it out.",
        ),
        "access_denied": (
            f"SNMP {settings.version} at {where}: it answers that we may not read (authorizationError)"
            + (f", as {user} with {level}." if settings.version == "3" else "."),
            f"Give {what} `priv` and `priv_secret` as the device has them for this user, or"
            f" let its group read at {level}."
            if settings.version == "3" and not priv
            else "On the device, give this user or community a read view of 1.3.6.1 (internet).",
        ),
    }
    seen, mend = said.get(error.reason, (f"{v3}: the question is refused ({shown(error)}).", REFUSES.mend))
    return _BY_REASON.get(error.reason, REFUSES).found(
        seen, subject=device.name, mend=mend, facts={"reason": error.reason}
    )
