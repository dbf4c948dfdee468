"""From paths to Settings: read, merge, validate, check the rules, and say every fault at once."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from agent.settings.faults import Fault, Override, SettingsError, Severity, in_order
from agent.settings.lines import Key
from agent.settings.models import (
    CredentialSettings,
    DeviceSettings,
    EchoSettings,
    HttpSettings,
    MaintenanceSettings,
    MqttSettings,
    NetworkSettings,
    Settings,
    SiteSettings,
    SnmpSettings,
    StoreSettings,
)
from agent.settings.rules import Broken, Draft, broken
from agent.settings.secret import Surroundings
from agent.settings.sources import Tree, read_all
from agent.settings.wording import setting_name, to_fault

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line sets over the files. None leaves a setting as it is."""

    http_port: int | None = None
    mqtt_port: int | None = None
    snmp_port: int | None = None

    def apply(self, settings: Settings) -> Settings:
        updates: dict[str, Any] = {}
        if self.http_port is not None:
            updates["http"] = settings.http.model_copy(update={"port": self.http_port})
        if self.mqtt_port is not None:
            updates["mqtt"] = settings.mqtt.model_copy(update={"port": self.mqtt_port})
        if self.snmp_port is not None:
            devices = (device.model_copy(update={"snmp_port": self.snmp_port}) for device in settings.devices)
            updates["devices"] = tuple(devices)
        return settings.model_copy(update=updates)


@dataclass(frozen=True, slots=True)
class Examined:
    """Everything known of a configuration. ``settings`` is None exactly where there are faults."""

    settings: Settings | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    files: tuple[Path, ...]
    overrides: tuple[Override, ...] = field(default=())
    http: HttpSettings | None = None
    """[http] where it stands in the files and has no fault, whatever else has one."""


def load(paths: Sequence[Path], overrides: Overrides | None = None) -> Settings:
    """The settings of these files and of the conf.d/*.toml beside each. Raises SettingsError with every fault.

    Later files override single values of earlier ones; [[device]], [[credential]] and [[maintenance]] add up.
    """
    examined = examine(paths, overrides)
    if examined.settings is None:
        raise SettingsError(examined.faults)
    return examined.settings


def examine(
    paths: Sequence[Path], overrides: Overrides | None = None, surroundings: Surroundings | None = None
) -> Examined:
    """The settings, or every fault, and the warnings besides. Raises nothing for what may stand in a file."""
    around = surroundings or Surroundings()
    tree, faults = read_all(paths)
    whole = not faults
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(tree.data, context=around)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] == "default_factory_not_called":  # follows from another fault
                continue
            if whole or not (detail["type"] == "missing" and len(detail["loc"]) == 1):
                faults.append(to_fault(detail, tree))
    drafting = _Drafting(tree.data, around)
    draft = drafting.draft(whole=settings is not None and whole)
    if whole:  # a file that could not be read may hold what the rules would miss
        faults += [_of_rule(rule, tree) for rule in broken(draft) if drafting.hears(rule)]
    ordered = in_order(faults, tree.files)
    serious = tuple(fault for fault in ordered if fault.severity is Severity.FAULT)
    if serious or settings is None:
        settings = None
    elif overrides is not None:
        settings = overrides.apply(settings)
    warnings = tuple(fault for fault in ordered if fault.severity is Severity.WARNING)
    http = draft.http if drafting.stands("http") else None
    return Examined(settings, serious, warnings, tuple(tree.files), _overrides(tree), http)


def _overrides(tree: Tree) -> tuple[Override, ...]:
    places = tree.places
    return tuple(Override(setting_name(key, tree.data), places[key], old) for key, old in tree.replaced.items())


def _of_rule(rule: Broken, tree: Tree) -> Fault:
    name, place = setting_name(rule.key, tree.data), tree.place(rule.key)
    other = f" ({tree.place(rule.other)})" if rule.other else ""
    return Fault(name, rule.message + other, rule.hint, place, rule.severity, overrides=tree.replaced.get(rule.key))


class _Drafting:
    """Takes the valid parts out of a configuration that may have faults, and remembers which keys were faulty."""

    def __init__(self, data: Mapping[str, Any], around: Surroundings) -> None:
        self._data, self._around = data, around
        self._faulty: set[Key] = set()

    def hears(self, rule: Broken) -> bool:
        """Whether a rule's word counts: not where the key it speaks of was refused by itself."""
        return not any(rule.key[: len(key)] == key for key in self._faulty)

    def stands(self, section: str) -> bool:
        """Whether a section is there, and none of its keys was refused."""
        return section in self._data and not any(key[0] == section for key in self._faulty)

    def draft(self, *, whole: bool) -> Draft:
        site = self._section("site", SiteSettings)
        return Draft(
            devices=self._items("device", DeviceSettings),
            credentials=self._items("credential", CredentialSettings),
            maintenance=self._items("maintenance", MaintenanceSettings),
            device_names=_names(self._data.get("device")),
            credential_names=_names(self._data.get("credential")),
            zone=site.zone if site else ZoneInfo("UTC"),
            network=self._section("network", NetworkSettings),
            echo=self._section("echo", EchoSettings),
            snmp=self._section("snmp", SnmpSettings),
            mqtt=self._section("mqtt", MqttSettings) if "mqtt" in self._data else None,
            http=self._section("http", HttpSettings),
            store=self._section("store", StoreSettings),
            whole=whole,
        )

    def _section(self, name: str, model: type[M]) -> M | None:
        return self._valid(model, self._data.get(name, {}), (name,))

    def _items(self, name: str, model: type[M]) -> dict[int, M]:
        listed = self._data.get(name)
        found = enumerate(listed) if isinstance(listed, list) else ()
        return {at: item for at, raw in found if (item := self._valid(model, raw, (name, at))) is not None}

    def _valid(self, model: type[M], raw: object, key: Key) -> M | None:
        """The model without its faulty keys; None where it cannot do without them."""
        try:
            return model.model_validate(raw, context=self._around)
        except ValidationError as error:
            wrong = [_in_tables(detail["loc"]) for detail in error.errors(include_url=False)]
        self._faulty.update((*key, *way) for way in wrong)
        if not isinstance(raw, dict):
            return None
        left = copy.deepcopy(raw)
        for way in wrong:
            _remove(left, way)
        if model is DeviceSettings:
            left = _stand_ins(key[-1]) | left
        try:
            return model.model_validate(left, context=self._around)
        except ValidationError:
            return None


def _stand_ins(at: int | str) -> dict[str, Any]:
    """What a device needs, so that one whose address is faulty still says what is wrong with its parents."""
    return {"name": f"number {at}", "id": f"stand-in-{at}", "role": "endpoint", "address": f"{at}.invalid"}


def _in_tables(way: Key) -> Key:
    """The part of the way that leads through tables: an item of a list stands and falls with the list."""
    numbers = [position for position, part in enumerate(way) if isinstance(part, int)]
    return way[: numbers[0]] if numbers else way


def _remove(table: dict[str, Any], way: Key) -> None:
    for part in way[:-1]:
        table = table[str(part)] if isinstance(table.get(str(part)), dict) else {}
    if way:
        table.pop(str(way[-1]), None)


def _names(items: object) -> frozenset[str]:
    listed = items if isinstance(items, list) else []
    names = [item.get("name") for item in listed if isinstance(item, dict)]
    return frozenset(name.strip() for name in names if isinstance(name, str))
