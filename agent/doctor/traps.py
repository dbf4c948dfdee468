"""Traps: does the agent hear them, who else has the port, and are senders refused."""

from collections.abc import Mapping
from typing import Any

from agent.doctor.model import Case, Finding, attention, ok, problem, shown
from agent.settings.models import TrapsSettings
from agent.threads import in_thread
from agent.traps.opening import SOCKET_UNIT
from agent.vitals import who_listens

OFF = ok("traps.off")
HEARD = ok("traps.heard")
FREE = ok("traps.free", "No agent runs at the moment; it will listen there.")
_UNHEARD = "Devices are polled all the same; what happens is noticed at the next poll and not at once."
NOT_HEARD = problem("traps.not_heard", _UNHEARD)
BUSY = problem("traps.busy", _UNHEARD)
NOT_ENABLED = problem("traps.not_enabled", f"The agent may open no port below 1024. {_UNHEARD}", "Let systemd open it.")
NOBODY = attention(
    "traps.nobody_believed",
    "Every trap is refused.",
    "Write a [[credential]] with the community, or the SNMPv3 user, that the devices send their traps with.",
)
REFUSED = attention(
    "traps.refused",
    "The devices that sent them are not asked at once.",
    "Name the senders as devices, and give them the community or user of a [[credential]]; a device sends by the "
    "address that stands in its [[device]].",
)

_ENABLE = (f"systemctl enable {SOCKET_UNIT}", "systemctl restart sonda")
_WANTED = f"etc/systemd/system/sonda.service.wants/{SOCKET_UNIT}"
_REFUSALS = {
    "unknown_source": "from an address that is no device's",
    "bad_community": "with a wrong community",
    "unknown_user": "with an unknown SNMPv3 user",
    "wrong_level": "at another security level than their user's",
    "wrong_digest": "with a wrong authentication secret",
    "undecryptable": "with a wrong privacy secret",
}


async def check(case: Case) -> list[Finding]:
    if case.settings is None:
        return []
    wanted = case.settings.traps
    if not wanted.enabled:
        return [OFF.found("Traps are not listened for (enabled = false in [traps]).")]
    found = []
    if not case.settings.credentials:
        found.append(NOBODY.found("Traps are listened for, and there is no [[credential]]."))
    answer = await case.agent.ask()
    if answer.about is not None:
        return found + _running(wanted, answer.about.get("traps") or {})
    return [*found, await in_thread(_port, case, wanted)]


def _running(wanted: TrapsSettings, told: Mapping[str, Any]) -> list[Finding]:
    listening = told.get("listening")
    if not listening:
        if not told.get("enabled"):
            seen = "The agent that runs was started before traps were wanted."
            return [NOT_HEARD.found(seen, mend="Restart it.", commands=_ENABLE if wanted.port < 1024 else _ENABLE[1:])]
        seen, _, mend = str(told.get("trouble")).partition(". ")
        return [NOT_HEARD.found(f"{seen}.", mend=mend)]
    received, accepted = int(told["received"]), int(told["accepted"])
    seen = (
        f"Traps are heard on {shown(listening['host'])} port {listening['port']}: {received} came, {accepted} counted."
    )
    found = [HEARD.found(seen, facts={"received": received, "accepted": accepted})]
    refused = {reason: count for reason in _REFUSALS if (count := int(told[reason]))}
    if refused:
        words = ", ".join(f"{count} {_REFUSALS[reason]}" for reason, count in refused.items())
        found.append(
            REFUSED.found(f"Of {received} datagrams on the port for traps some were refused: {words}.", facts=refused)
        )
    return found


def _port(case: Case, wanted: TrapsSettings) -> Finding:
    who = who_listens(wanted.port, "udp")
    if who is not None and not who.startswith(("sonda ", "systemd ")):
        return BUSY.found(
            f"UDP port {wanted.port} is in use by {shown(who)}.",
            mend="Stop that, or choose another with `port` in [traps] and tell the devices.",
            commands=(f"ss -lunp 'sport = :{wanted.port}'",),
        )
    installed = (case.root / "etc/systemd/system/sonda.service").exists()
    if wanted.port < 1024 and installed and not (case.root / _WANTED).is_symlink():
        return NOT_ENABLED.found(f"{SOCKET_UNIT} is not enabled.", commands=_ENABLE)
    return FREE.found(f"UDP port {wanted.port} is free for traps.")
