"""How tests look at findings: by their id, and by what the sentence has to say (sentences.py)."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.doctor.model import Case, Finding
from agent.doctor.running import RunningAgent
from agent.settings import Surroundings, examine
from collectors.clock import Clock, SystemClock
from tests.agent.cli.console import SONDA, sonda
from tests.agent.doctor.sentences import SENTENCES
from tests.lab.network import Namespace

ROOT = Path(__file__).resolve().parents[3]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]

SITE = """
[site]
tenant = "rossi"
site = "bologna"
probe = "probe-1"
timezone = "Europe/Rome"
"""

Found = Mapping[str, Any]


def site(folder: Path, text: str = "", *, base: str = SITE, store: str = "sonda.db", http: str = "") -> Path:
    """A configuration; the store in the folder, no page and no gateway unless asked for."""
    folder.chmod(0o755)
    if "[network]" not in text:
        text += '\n[network]\ngateway = "none"\n'
    if "[http]" not in text:
        text += f"\n[http]\n{http or 'enabled = false'}\n"
    if "[store]" not in text:
        text += f'\n[store]\npath = "{store}"\nmax_bytes = "64 MB"\n'
    file = folder / "sonda.toml"
    file.write_text(base + text)
    return file


def device(name: str, address: str, more: str = "", role: str = "switch") -> str:
    return f'\n[[device]]\nname = "{name}"\nrole = "{role}"\naddress = "{address}"\n{more}\n'


def secret(folder: Path, name: str, text: str) -> str:
    """A secret in a file that nobody else reads, as a reference."""
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return f'{{ file = "{file}" }}'


def case(config: Path, *, root: Path = Path("/"), clock: Clock | None = None, service_user: str | None = None) -> Case:
    """What a check is given, from a real configuration."""
    examined = examine([config], surroundings=Surroundings(credentials_required=False))
    assert examined.settings is not None, [str(fault) for fault in examined.faults]
    http = examined.settings.http
    return Case(clock or SystemClock(), RunningAgent(http), examined, root, service_user)


def doctor(
    config: Path, *only: str, place: Namespace | None = None, who: Sequence[str] = (), code: int | None = None
) -> list[Found]:
    """The findings of the command itself, in a namespace and as another user where asked for."""
    arguments = ["doctor", "--json", "--config", str(config), *(word for name in only for word in ("--only", name))]
    if place is None:
        ended = sonda(*arguments)
        assert ended.out, ended.err
        text = ended.out
        assert code is None or ended.code == code, ended
    else:
        here = Path.cwd()
        os.chdir(ROOT)
        try:
            text = place.run(*who, str(SONDA), *arguments, check=False, timeout=60)
        finally:
            os.chdir(here)
    found: list[Found] = json.loads(text)["findings"]
    return found


def sees(findings: Sequence[Finding] | Sequence[Found], identifier: str, subject: str | None = None) -> Found:
    """The finding of that id, whose sentences say all that sentences.py demands; AssertionError where there is none."""
    plain = [asdict(finding) if isinstance(finding, Finding) else finding for finding in findings]
    every = [f for f in plain if f["id"] == identifier and (subject is None or f["subject"] == subject)]
    assert every, f"no {identifier} among {[(f['id'], f['subject'], f['seen']) for f in plain]}"
    found = every[0]
    said = "\n".join([found["seen"], found["means"] or "", found["mend"] or "", *found["commands"]])
    for phrase in SENTENCES[identifier]:
        assert phrase in said, f"{identifier} does not say {phrase!r}: {said}"
    if str(found["severity"]) != "ok":
        assert found["means"], f"{identifier} does not say what it means"
        assert found["mend"], f"{identifier} does not say how to mend it"
    assert found["seen"].endswith((".", "?")) or "SHA-256" in found["seen"], found["seen"]
    return found


def ids(findings: Sequence[Finding] | Sequence[Found]) -> set[str]:
    return {f.id if isinstance(f, Finding) else f["id"] for f in findings}
