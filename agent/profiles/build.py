"""From a profile as it is written (schema.py) to the engine's types; rules.py made sure that it is whole."""

import re

from agent.profiles.schema import (
    ConditionModel,
    IdentityModel,
    MatchModel,
    SourceModel,
    TableModel,
    ValueModel,
)
from collectors.snmp.gear.model import Condition, IdentitySpec, Match, Source, Table, ValueSpec


def match(model: MatchModel) -> Match:
    return Match(
        object_ids=model.object_id,
        descr=_regex(model.descr),
        not_descr=_regex(model.not_descr),
        present=model.present,
        value=_instance(model.value) if model.value else None,
    )


def identity(model: IdentityModel) -> IdentitySpec:
    return IdentitySpec(
        vendor=_instances(model.vendor),
        model=_instances(model.model),
        firmware=_instances(model.firmware),
        serial=_instances(model.serial),
    )


def table(model: TableModel) -> Table:
    assert model.name is not None
    assert model.entry is not None
    fields = model.field
    return Table(
        name=model.name,
        entry=model.entry,
        scalar=model.scalar,
        index=model.index,
        every=model.every,
        volatile=model.volatile,
        changed=model.changed,
        where=_conditions(model.where),
        label=_sources(model.label),
        alternative=model.alternative,
        witness=model.witness,
        values=tuple(_value(value) for value in model.value),
        sort=model.sort,
        fields=None if fields is None else {name: _sources(sources) for name, sources in fields.items()},
    )


def _value(model: ValueModel) -> ValueSpec:
    return ValueSpec(
        kind=model.kind,
        source=_source(model),
        kind_by=_optional(model.kind_by),
        scale=model.scale,
        plus=_sources(model.plus),
        scale_by=_sources(model.scale_by),
        divide_by=_sources(model.divide_by),
        share_with=_sources(model.share_with),
        decimals_by=_optional(model.decimals_by),
        offset=model.offset,
        negate=model.negate,
        absolute=model.absolute,
        mask=model.mask,
        drop=frozenset(model.drop),
        least=model.least,
        most=model.most,
        where=_conditions(model.where),
        name=_sources(model.name),
        reduce=model.reduce,
        group_by=_optional(model.group_by),
        limit=_optional(model.limit),
        port=_optional(model.port),
    )


def _conditions(models: tuple[ConditionModel, ...]) -> tuple[Condition, ...]:
    """The pattern is the condition's: its source has none."""
    return tuple(
        Condition(
            source=_source(model.model_copy(update={"pattern": None})),
            within=None if model.within is None else frozenset(model.within),
            outside=None if model.outside is None else frozenset(model.outside),
            pattern=_regex(model.pattern),
        )
        for model in models
    )


def _optional(model: SourceModel | None) -> Source | None:
    return None if model is None else _source(model)


def _sources(models: tuple[SourceModel, ...]) -> tuple[Source, ...]:
    return tuple(map(_source, models))


def _source(model: SourceModel) -> Source:
    return Source(
        column=model.column,
        oid=model.oid,
        first=model.first,
        system=model.system,
        index=model.index,
        text=model.text,
        join=_sources(model.join or ()),
        at=_sources(model.at),
        form=model.form,
        pattern=_regex(model.pattern),
        template=model.template,
        map=model.map,
    )


def _instances(models: tuple[SourceModel, ...]) -> tuple[Source, ...]:
    return tuple(map(_instance, models))


def _instance(model: SourceModel) -> Source:
    """Outside of tables ``oid`` is one instance: what ``at`` says is its end."""
    if model.join:
        model = model.model_copy(update={"join": tuple(map(_with_instance, model.join))})
    return _source(_with_instance(model))


def _with_instance(model: SourceModel) -> SourceModel:
    if not model.at:
        return model
    whole = ".".join([model.oid or "", *(at.text or "" for at in model.at)])
    return model.model_copy(update={"oid": whole, "at": ()})


def _regex(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern)
