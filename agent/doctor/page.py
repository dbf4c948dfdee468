"""The page: can its port be had, or who has it; how long its certificate lasts, and its fingerprint."""

import ssl

from agent.api.address import WILDCARDS, page_urls
from agent.api.server import PortBusyError, listen
from agent.doctor import certificate
from agent.doctor.certificate import SOON_DAYS
from agent.doctor.model import Case, Finding, attention, ok, problem, shown, spoken
from agent.settings.models import HttpSettings
from agent.settings.rules import loopback
from agent.threads import in_thread
from agent.vitals import own_addresses, who_listens

OFF = ok("page.off")
FREE = ok("page.free", "No agent runs at the moment; `sonda run` or systemctl start sonda starts it.")
RUNNING = ok("page.running")
CERTIFICATE = ok("page.certificate", "Browsers that do not know the authority show this fingerprint: compare it once.")
BUSY = problem("page.busy", "The agent does not start while its port is taken.")
NOT_OPEN = problem("page.not_open", "The agent does not start, because it cannot listen there.")
PLAIN = attention(
    "page.plain",
    "Anyone who listens on the LAN can read the access code, and then the page.",
    "Give it a certificate with `cert` and `key` in [http].",
)
EXPIRED = problem("page.certificate_expired", "Browsers warn of the page, and nobody can tell it from a forged one.")
SOON = attention("page.certificate_soon", "From then on browsers warn of the page.")
UNUSABLE = problem(
    "page.certificate_unusable",
    "The page cannot be served, and the agent does not start.",
    "`cert` must be a PEM file with the certificate first, and `key` the private key that belongs to it, without a "
    "passphrase.",
)

_RENEW = "Renew it, and restart the agent."


async def check(case: Case) -> list[Finding]:
    if case.settings is None:
        return []
    http = case.settings.http
    if not http.enabled:
        return [OFF.found("No page is served (enabled = false in [http]).")]
    found = [await _port(case, http)]
    if http.cert is None and not loopback(http.host):
        found.append(PLAIN.found(f"The page is served on {http.host} without HTTPS."))
    return found + await in_thread(_certificate, http, case.clock.utc())


async def _port(case: Case, http: HttpSettings) -> Finding:
    try:
        listen(http.host, http.port, who_listens).close()
    except PortBusyError as error:
        return await _held(case, http, error)
    except OSError as error:
        seen = f"{http.host} cannot be listened on ({error.strerror or error})."
        return NOT_OPEN.found(seen, mend="Set `host` in [http] to an address of this machine, or to 127.0.0.1.")
    return FREE.found(f"Port {http.port} on {http.host} is free{_reached(http)}.")


def _reached(http: HttpSettings) -> str:
    """Where a browser finds it, where it listens on every address."""
    return f"; browsers reach it at {' and '.join(page_urls(http, own_addresses()))}" if http.host in WILDCARDS else ""


async def _held(case: Case, http: HttpSettings, error: PortBusyError) -> Finding:
    sentence, _, mend = str(error).partition(". ")
    if "is in use" not in sentence:
        return NOT_OPEN.found(f"{sentence.rstrip('.')}.", mend=mend)
    answer = await case.agent.ask()
    if answer.about is not None:
        version, time = shown(answer.about.get("version")), spoken(float(answer.about.get("uptime_s") or 0))
        seen = f"Sonda {version} runs and serves it on {http.host} port {http.port}, for {time}{_reached(http)}."
        return RUNNING.found(seen, facts={"version": version})
    if "access code" in answer.why:
        return RUNNING.found(f"Port {http.port} on {http.host} is held by something that asks for an access code.")
    commands = [f"ss -ltnp 'sport = :{http.port}'"]
    return BUSY.found(f"{sentence}, and it is no Sonda agent.", mend=mend, commands=commands)


def _certificate(http: HttpSettings, utc: float) -> list[Finding]:
    if http.cert is None:
        return []
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.cert, http.key, password=lambda: "")
        own = certificate.read(http.cert, utc)
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        seen = f"{http.cert} and its key cannot be used ({str(why).replace('_', ' ').lower()})."
        return [UNUSABLE.found(seen)]
    names = f" for {shown(', '.join(own.names))}"
    facts = {"days_left": round(own.days_left, 1), "sha256": own.fingerprint}
    if own.days_left < 0:
        return [EXPIRED.found(f"The certificate of the page{names} ended on {own.end_text}.", mend=_RENEW, facts=facts)]
    seen = f"The certificate of the page{names} ends on {own.end_text}, {own.left_text}."
    if own.days_left < SOON_DAYS:
        return [SOON.found(seen, mend=_RENEW, facts=facts)]
    return [CERTIFICATE.found(f"{seen} SHA-256 {own.fingerprint}", facts=facts)]
