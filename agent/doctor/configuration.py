"""The configuration, as `sonda check` sees it, and who else may read its secrets."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.access import barred, service_user
from agent.doctor.model import Case, Finding, attention, ok, problem
from agent.settings import Examined, Fault, Settings
from agent.settings.secret import others_may_read, secrets_in

GOOD = ok("configuration.ok")
NONE = attention(
    "configuration.none",
    "Only this machine could be examined: no device and no broker is known.",
    "Write one (`sonda help config` explains every setting), or name it with --config.",
)
FAULT = problem(
    "configuration.fault",
    "The agent does not start with it; a running one keeps its old settings. Devices, broker, store and page could not "
    "be examined.",
)
WARNING = attention("configuration.warning", "It can be used, and something in it is probably not meant so.")
OPEN_SECRET = problem(
    "configuration.open_secret",
    "Every program and every user of this machine can read a secret.",
    "Take that away.",
)
UNREADABLE = problem(
    "configuration.unreadable",
    "The service runs as that user, and does not start: it must read all that its settings name.",
    "Let its group read it, and nobody else; a key or a certificate may also be copied to /etc/sonda/secrets.",
)


async def check(case: Case) -> list[Finding]:
    examined = case.examined
    if examined is None:
        return [NONE.found("There is no configuration at its usual place, /etc/sonda/sonda.toml.")]
    found = [FAULT.found(_said(fault), mend=fault.hint or "Mend that line.") for fault in examined.faults]
    found += _unreadable(case, examined)
    if examined.settings is None:
        return found
    open_files = [file for file in _secret_files(examined.settings) if _is_open(file)]
    found += [
        WARNING.found(_said(warning), mend=warning.hint or "Mend it, or leave it if it is meant so.")
        for warning in examined.warnings
        if not any(f"can read {file}" in warning.message for file in open_files)  # said below
    ]
    found += [
        OPEN_SECRET.found(
            f"Everybody on this machine may read {file}.", subject=str(file), commands=[f"chmod o= {file}"]
        )
        for file in open_files
    ]
    if not found:
        files = ", ".join(str(file) for file in examined.files)
        found.append(GOOD.found(f"It can be used, without a warning ({files})."))
    return found


def _said(fault: Fault) -> str:
    """Place and fault, without the hint: that is the mend."""
    where = f"{fault.place}: " if fault.place else ""
    verb = fault.message.startswith(("is ", "takes "))
    what = f"{fault.setting}{' ' if verb else ': '}" if fault.setting else ""
    return f"{where}{what}{fault.message}."


def _secret_files(settings: Settings) -> Iterator[Path]:
    """Of secrets by reference, and of private keys."""
    seen: set[Path] = set()
    files = (*(secret.file for secret in secrets_in(settings)), settings.mqtt.tls.key, settings.http.key)
    for file in files:
        if file is not None and file not in seen:
            seen.add(file)
            yield file


def _unreadable(case: Case, examined: Examined) -> Iterator[Finding]:
    """What the service's user may not read, though root, who runs the doctor, may: settings, secrets, certificates."""
    user = service_user(case.service_user)
    if user is None:
        return
    files = list(examined.files)
    if (settings := examined.settings) is not None:
        named = (settings.mqtt.tls.ca, settings.mqtt.tls.cert, settings.http.cert)
        files += [*_secret_files(settings), *(file for file in named if file is not None)]
    said: set[Path] = set()
    for file in files:
        at = barred(user, file, os.R_OK)
        if at is None or at in said:
            continue
        said.add(at)
        why = "" if at == file else f": the folder {at} does not let it pass"
        may = "r" if at == file else "x"
        seen = f"The user {user.name} may not read {file}{why}."
        commands = [f"chgrp {user.name} {at}", f"chmod g+{may} {at}"]
        yield UNREADABLE.found(seen, subject=str(file), commands=commands)


def _is_open(file: Path) -> bool:
    try:
        return others_may_read(file) or bool(file.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False
