"""The broker: a name, a way there, TLS, credentials, and a message of our own that comes back."""

import asyncio
import socket

from agent.doctor import certificate
from agent.doctor.certificate import SOON_DAYS, Certificate
from agent.doctor.model import Case, Finding, Kind, as_the_service, attention, ok, problem, shown
from agent.doctor.roundtrip import DIAL_S, Trip, travel
from agent.mqtt import BrokerDialler
from agent.mqtt_connection import REFUSED_FROM, DialError, Fault
from agent.mqtt_settings import BrokerSettings
from agent.settings.convert import broker
from agent.settings.models import SiteSettings
from agent.threads import in_thread

KEEPS = "Nothing is lost: what is measured waits in the store until the broker takes it."
_CLOCK = "See the section Clock: a clock that is wrong makes good certificates look bad."

NONE = ok("broker.none", "Everything stays on this machine. A section [mqtt] names a broker.")
GOOD = ok("broker.ok")
CERTIFICATE = ok("broker.certificate")
NAME = problem("broker.name", KEEPS, "Mend the name server (/etc/resolv.conf), or `host` in [mqtt].")
REFUSED = problem(
    "broker.refused",
    f"The broker's machine is there, and nothing listens on that port, or a firewall refuses. {KEEPS}",
    "Compare `port` in [mqtt] with the broker's (usually 8883 with TLS, 1883 without), and see that it runs.",
)
UNREACHABLE = problem(
    "broker.unreachable",
    f"There is no way to the broker. {KEEPS}",
    "Check this machine's gateway and VLAN, and whether a firewall lets it out to that port.",
)
TIMEOUT = problem(
    "broker.timeout",
    f"Something swallows the connection: most often a firewall that drops, else a broker that hangs. {KEEPS}",
    'Let TCP to that host and port pass; where only web traffic may go out, use transport = "websocket" with TLS on '
    "port 443, if the broker offers it.",
)
CLOSED = problem(
    "broker.closed",
    f"Something listens there and hangs up: a port that wants TLS, or no broker at all. {KEEPS}",
    "If the broker wants TLS there, write a section [mqtt.tls]; else compare host and port.",
)
EXPIRED = problem(
    "broker.tls_expired", KEEPS, f"Renew the certificate on the broker and make the broker read it again. {_CLOCK}"
)
EARLY = problem("broker.tls_not_yet_valid", KEEPS, f"Set this machine's clock right. {_CLOCK}")
HOSTNAME = problem(
    "broker.tls_hostname",
    f"Either `host` is not the broker's own name, or this is another machine. {KEEPS}",
    "Write one of those names as `host` in [mqtt], or have the broker's certificate made for the name that is used.",
)
UNKNOWN_CA = problem(
    "broker.tls_unknown_ca",
    f"Nobody whom this machine trusts vouches for the broker: it may be another machine. {KEEPS}",
    "Get the certificate of the authority (PEM) from the people who run the broker, by a way that can be trusted, and "
    "name it as `ca` in [mqtt.tls].",
)
CLIENT = problem(
    "broker.tls_client_certificate",
    f"The broker knows its probes by their certificates. {KEEPS}",
    "Have the people who run the broker issue one for this probe, and name it as `cert` and `key` in [mqtt.tls].",
)
FILES = problem(
    "broker.tls_files", KEEPS, "Mend the file, or its name in [mqtt.tls]; the agent's user must be able to read it."
)
TLS = problem(
    "broker.tls",
    KEEPS,
    "Compare `port` with the broker's for TLS; where it has none, take out [mqtt.tls]. The broker's log says more.",
)
WEBSOCKET = problem(
    "broker.websocket",
    KEEPS,
    'Compare `port` and `path` in [mqtt] with the broker\'s, or write transport = "tcp".',
)
VERSION = problem(
    "broker.version",
    KEEPS,
    'Write protocol = "auto" in [mqtt], or update the broker: MQTT 3.1.1 is the least it needs.',
)
LOGIN = problem(
    "broker.login",
    f"Brokers say the same to a wrong name, a wrong password and a user who may not connect. {KEEPS}",
)
NO_RETAIN = problem(
    "broker.no_retain",
    "Central servers find `status`, `info` and `inventory` as retained messages, and notice by the retained last will "
    "that a probe is gone.",
    "Allow retained messages on the broker (Mosquitto: retain_available true).",
)
OTHER = problem("broker.other", KEEPS, "The broker's own log says more; its keeper has to mend it.")
WEAK = attention(
    "broker.weak",
    "Anyone between this machine and the broker can read or forge what is sent.",
    "Write a section [mqtt.tls] with the authority as `ca`, and leave `verify` and `check_hostname` as they are.",
)
UNREAD = attention(
    "broker.secret_unread",
    "Without it the broker would refuse, and the refusal would tell nothing: it was not asked.",
    "Run the doctor as the service runs:",
)
OLD_VERSION = attention(
    "broker.version_old",
    "MQTT 3.1.1 acknowledges also what the broker refuses: a topic that is not permitted looks as if it were sent. And "
    "receivers cannot tell live from late messages by their properties.",
    'Update the broker to one that speaks MQTT 5, and write protocol = "auto".',
)
SOON = attention(
    "broker.certificate_soon",
    "From then on there is no connection; what is measured waits in the store.",
    "Renew it before that day.",
)
SUBSCRIBE = problem(
    "broker.subscribe_refused",
    "The probe hears neither what the broker keeps of it, by which it notices a cloned box, nor commands.",
)
PUBLISH = problem("broker.publish_refused", f"The broker knows this user and does not let it write there. {KEEPS}")
NOT_BACK = problem(
    "broker.not_read_back",
    "Either this user may not read below its own root, or the broker throws away what it may not write and "
    "acknowledges it all the same.",
)
NO_PUBACK = problem(
    "broker.not_acknowledged",
    f"The broker, or something before it, takes messages and does not acknowledge them. {KEEPS}",
    "See the broker's log: a full disk, a rule engine or a bridge that hangs.",
)
LOST = problem(
    "broker.lost",
    f"The broker took the connection and then dropped it. {KEEPS}",
    "See the broker's log: it hangs up on what it does not permit (message size, topic, a second client of one name).",
)

_DIAL: dict[Fault, Kind] = {
    Fault.NAME: NAME,
    Fault.REFUSED: REFUSED,
    Fault.UNREACHABLE: UNREACHABLE,
    Fault.TIMEOUT: TIMEOUT,
    Fault.CLOSED: CLOSED,
    Fault.TLS_EXPIRED: EXPIRED,
    Fault.TLS_NOT_YET_VALID: EARLY,
    Fault.TLS_HOSTNAME: HOSTNAME,
    Fault.TLS_UNKNOWN_CA: UNKNOWN_CA,
    Fault.TLS_CLIENT_CERTIFICATE: CLIENT,
    Fault.TLS_FILES: FILES,
    Fault.TLS: TLS,
    Fault.WEBSOCKET: WEBSOCKET,
    Fault.VERSION: VERSION,
    Fault.CREDENTIALS: LOGIN,
    Fault.NOT_AUTHORISED: LOGIN,
}
RESOLVE_S = 5.0


async def check(case: Case) -> list[Finding]:
    settings = case.settings
    if settings is None:
        return []
    to = broker(settings.mqtt)
    if to is None:
        return [NONE.found("No broker is configured: nothing is published.")]
    dialler = BrokerDialler(to, "")
    found = [WEAK.found(f"{_upper(warning)}.") for warning in dialler.warnings]
    if (unnamed := await _unresolved(to.host)) is not None:
        seen = f"The name {to.host} does not resolve ({unnamed})."
        return [*found, NAME.found(seen, commands=[f"getent ahosts {to.host}"])]
    secrets = (settings.mqtt.password, settings.mqtt.tls.key_password)
    if any(secret is not None and not secret.known for secret in secrets):
        seen = "The password of the broker is a systemd credential, which only the service can read."
        return [*found, UNREAD.found(seen, commands=[as_the_service(case.service_user)])]
    theirs = None
    if to.tls is not None and to.transport == "tcp":
        theirs = await in_thread(certificate.shown_by, to.host, to.port, case.clock.utc(), timeout_s=DIAL_S / 2)
    try:
        trip = await travel(to, settings.site, case.clock)
    except DialError as error:
        return [*found, _no_connection(to, error, theirs)]
    found += _of_trip(trip, dialler.place, settings.site, to)
    return found + _certificates(case, to, theirs)


async def _unresolved(host: str) -> str | None:
    """Why the name has no address, None where it has one."""
    try:
        async with asyncio.timeout(RESOLVE_S):
            await in_thread(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        return f"the name server did not answer within {RESOLVE_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "it is no name"
    return None


def _no_connection(to: BrokerSettings, error: DialError, theirs: Certificate | None) -> Finding:
    kind = _DIAL.get(error.fault, OTHER)
    if error.fault is Fault.BROKER and "retained" in str(error):
        kind = NO_RETAIN
    said, mend = str(error), kind.mend
    seen = _upper(said if said.endswith("?") else f"{said}.")
    if theirs is not None:
        seen += {
            Fault.TLS_EXPIRED: f" It ended on {theirs.end_text}.",
            Fault.TLS_NOT_YET_VALID: f" It begins on {theirs.begins:%Y-%m-%d %H:%M} UTC.",
            Fault.TLS_HOSTNAME: f" It is for {shown(', '.join(theirs.names))}, and `host` is {to.host}.",
            Fault.TLS_UNKNOWN_CA: f" Its authority calls itself “{shown(theirs.issuer)}”.",
        }.get(error.fault, "")
    if kind is LOGIN:
        who = f'the user "{to.username}"' if to.username else "a user without a name, for [mqtt] has no `username`"
        mend = f"Compare `username` and `password` in [mqtt] with the broker's; it was asked as {who}."
    commands = [f"ip route get {to.host}"] if kind is UNREACHABLE else []
    return kind.found(seen, mend=mend, commands=commands, facts={"fault": str(error.fault)})


def _of_trip(trip: Trip, place: str, site: SiteSettings, to: BrokerSettings) -> list[Finding]:
    user, root = to.username or "(no user name)", f"sonda/v1/{site.tenant}/{site.site}/{site.probe}"
    rule = [f"user {user}", f"topic readwrite {root}/#"]
    line = "Let this user read and write below its root on the broker; as lines of a Mosquitto ACL file:"
    found: list[Finding] = []
    if (trip.acknowledged or 0) >= REFUSED_FROM:
        seen = f"The broker refuses to take a message for {trip.topic} ({shown(trip.reason)})."
        found.append(PUBLISH.found(seen, mend=line, commands=rule))
    elif (trip.subscribed or 0) >= REFUSED_FROM:
        seen = f"The broker refuses a subscription of {trip.topic} (reason {trip.subscribed:#x})."
        found.append(SUBSCRIBE.found(seen, mend=line, commands=rule))
    elif trip.lost is not None and trip.seconds is None:
        found.append(LOST.found(f"{_upper(str(trip.lost))}."))
    elif trip.acknowledged is None:
        found.append(NO_PUBACK.found(f"A message to {trip.topic} was not acknowledged."))
    elif trip.seconds is None:
        seen = f"A message to {trip.topic} was acknowledged and did not come back."
        found.append(NOT_BACK.found(seen, mend=line, commands=rule))
    if not trip.retains:
        found.append(NO_RETAIN.found(f"The broker at {place} keeps no retained messages."))
    if trip.version == "3.1.1":
        why = "the broker refuses MQTT 5" if trip.five_refused else f'protocol = "{to.protocol}" asks for it'
        found.append(OLD_VERSION.found(f"MQTT 3.1.1 is spoken: {why}."))
    if trip.seconds is not None:
        limit = "" if trip.receive_maximum == 65535 else f", takes {trip.receive_maximum} messages at once"
        seen = (
            f"{place}: MQTT {trip.version}, {trip.tls or 'not encrypted'}{limit}; a message of our own came back in "
            f"{trip.seconds * 1000:.1f} ms."
        )
        facts = {"version": trip.version, "tls": trip.tls, "receive_maximum": trip.receive_maximum}
        found.insert(0, GOOD.found(seen, facts=facts | {"round_trip_s": round(trip.seconds, 4)}))
    return found


def _certificates(case: Case, to: BrokerSettings, theirs: Certificate | None) -> list[Finding]:
    """How long the broker's, the authority's and our own will last."""
    if to.tls is None:
        return []
    known = [("The broker's certificate", theirs)] if theirs is not None else []
    files = (("The authority's certificate", to.tls.ca), ("Our own certificate", to.tls.certificate))
    for what, file in files:
        if file is not None:
            try:
                known.append((f"{what} ({file})", certificate.read(file, case.clock.utc())))
            except (OSError, ValueError):
                continue  # the connection stands, so that the file is good for OpenSSL
    found = []
    for what, one in known:
        left = f"ends on {one.end_text}, {one.left_text}"
        kind = SOON if one.days_left < SOON_DAYS else CERTIFICATE
        found.append(kind.found(f"{what} {left}.", facts={"days_left": round(one.days_left, 1)}))
    return found


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
