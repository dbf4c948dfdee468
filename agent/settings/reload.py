"""Reading the settings anew while the agent runs: either new settings and what differs, or faults and nothing changes.

What cannot change under a running agent keeps its old value, and is named, so that the settings in force are true.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agent.settings.faults import Fault
from agent.settings.loader import Overrides, examine
from agent.settings.models import DeviceSettings, Settings
from agent.settings.secret import Secret, Surroundings

AT_START: Mapping[str, frozenset[str] | None] = {
    "site": frozenset({"tenant", "site", "probe"}),  # topics, the last will and the stream hang on them
    "store": None,  # the store is never touched by a reload
    "http": None,  # the listening socket; an access code belongs to it
    "traps": None,  # their socket
}
"""Settings that count from the next start on, by section; None is the whole section."""

LISTS = frozenset({"devices", "credentials", "maintenance"})


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload changes. Device ids, section names, and settings as they are written ("[http] port")."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Devices of which anything changed, their credential and its secret included."""
    sections: frozenset[str] = frozenset()
    """Sections with a change that counts at once: "echo", "snmp", "network", "mqtt", "log", "maintenance", "site"."""
    at_start: tuple[str, ...] = ()
    """Settings that changed in the files and stay as they are until the next start."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.sections or self.at_start)

    def sentence(self) -> str:
        """For the log; never a value, so never a secret."""
        words = [
            f"{len(ids)} {word} ({', '.join(ids)})"
            for word, ids in (("added", self.added), ("removed", self.removed), ("changed", self.changed))
            if ids
        ]
        said = [f"Devices: {', '.join(words)}."] if words else []
        if self.sections:
            said.append(f"Changed: {', '.join(f'[{section}]' for section in sorted(self.sections))}.")
        if self.at_start:
            said.append(f"Counts from the next start on: {', '.join(self.at_start)}.")
        return " ".join(said) or "Nothing changed."


@dataclass(frozen=True, slots=True)
class Reloaded:
    """New settings are in force from now on. ``settings`` has the old values of what counts from the next start on."""

    settings: Settings
    difference: Difference
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The old settings stay in force."""

    faults: tuple[Fault, ...]


def reload(
    old: Settings, paths: Sequence[Path], overrides: Overrides | None = None, surroundings: Surroundings | None = None
) -> Reloaded | Rejected:
    """Reads the files again. Blocks on the disk: call it in a thread."""
    examined = examine(paths, overrides, surroundings)
    if examined.settings is None:
        return Rejected(examined.faults)
    new = examined.settings
    return Reloaded(_in_force(old, new), difference(old, new), examined.warnings)


def difference(old: Settings, new: Settings) -> Difference:
    """What lies between two settings."""
    before = {device.id: device for device in old.devices}
    after = {device.id: device for device in new.devices}
    at_start, sections = [], set()
    for section, name in _changed(old, new):
        held = AT_START.get(section, frozenset())
        if held is None or name in held:
            at_start.append(f"[{section}] {name}")
        else:
            sections.add(section)
    if old.maintenance != new.maintenance:
        sections.add("maintenance")
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            sorted(
                device
                for device in before.keys() & after.keys()
                if before[device] != after[device] or _secrets(old, before[device]) != _secrets(new, after[device])
            )
        ),
        sections=frozenset(sections),
        at_start=tuple(at_start),
    )


def _changed(old: Settings, new: Settings) -> Iterator[tuple[str, str]]:
    """(section, setting) of each difference outside the lists, in the order of the models."""
    for section in type(old).model_fields:
        if section not in LISTS:
            before, after = getattr(old, section), getattr(new, section)
            for name in type(before).model_fields:
                if _comparable(getattr(before, name)) != _comparable(getattr(after, name)):
                    yield section, name


def _comparable(value: Any) -> Any:
    """Values as they are, models by their fields, secrets by what they are and by where they come from."""
    if isinstance(value, Secret):
        return (value.file, value.env, value.credential, value.reveal())
    if isinstance(value, BaseModel):
        return tuple(_comparable(getattr(value, name)) for name in type(value).model_fields)
    return value


def _secrets(settings: Settings, device: DeviceSettings) -> Any:
    """The credential a device is polled with, to be compared and thrown away."""
    return None if device.snmp is None else _comparable(settings.credential(device.snmp))


def _in_force(old: Settings, new: Settings) -> Settings:
    updates: dict[str, Any] = {}
    for section, names in AT_START.items():
        before, after = getattr(old, section), getattr(new, section)
        kept = {name: getattr(before, name) for name in names} if names is not None else None
        updates[section] = before if kept is None else after.model_copy(update=kept)
    return new.model_copy(update=updates)
