"""Inheritance, the standard set, the user's own files, and what is done with files that cannot be used."""

import logging
from pathlib import Path

import pytest

from agent.profiles import examine_library, load_library, load_profile
from agent.settings import SettingsError, Severity
from collectors.snmp.gear.library import Library as WhatTheEngineNeeds
from collectors.snmp.gear.model import Profile, Source
from kpi.gear import Kind
from tests.agent.profiles.written import written

STANDARD = """
always = true
[identity]
vendor = { text = "standard" }
[[table]]
name = "ports"
entry = "1.3.6.1.2.1.2.2.1"
[[table.value]]
kind = "current"
column = 1
[[table]]
name = "sensors"
entry = "1.3.6.1.2.1.99.1"
[[table.value]]
kind = "temperature"
column = 1
"""
PARENT = """
base = true
[identity]
vendor = { text = "parent" }
model = { text = "parent's" }
[[table]]
name = "radios"
entry = "1.3.6.1.4.1.1.1"
[[table.value]]
kind = "rssi"
column = 1
[[table]]
name = "fans"
entry = "1.3.6.1.4.1.1.2"
[[table.value]]
kind = "fan_speed"
column = 1
"""
CHILD = """
extends = "parent"
without = ["fans", "sensors"]
priority = 3
[[match]]
object_id = "1.3.6.1.4.1.1"
[identity]
vendor = [{ text = "child" }, { system = "sysName" }]
[[table]]
name = "radios"
entry = "1.3.6.1.4.1.1.9"
[[table.value]]
kind = "snr"
column = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "profiles", standard=STANDARD, parent=PARENT, child=CHILD)


def entries_of(profile: Profile) -> dict[str, str]:
    return {table.name: table.entry for table in profile.tables}


def texts(sources: tuple[Source, ...]) -> list[str | None]:
    return [source.text or source.system for source in sources]


def said(error: pytest.ExceptionInfo[SettingsError]) -> str:
    return str(error.value)


def test_the_engine_can_use_it(folder: Path) -> None:
    library: WhatTheEngineNeeds = load_library(folder)
    assert [(entry.name, entry.priority) for entry in library.entries()] == [("child", 3)]
    assert library.entries()[0].matches[0].object_ids == ("1.3.6.1.4.1.1",)


def test_a_childs_table_replaces_its_parents_and_unwanted_ones_go(folder: Path) -> None:
    profile = load_library(folder).profile("child")
    assert entries_of(profile) == {"radios": "1.3.6.1.4.1.1.9", "ports": "1.3.6.1.2.1.2.2.1"}
    assert profile.tables[0].values[0].kind is Kind.SNR
    assert (profile.name, profile.priority) == ("child", 3)


def test_identity_is_the_childs_then_the_parents_then_the_standards(folder: Path) -> None:
    identity = load_library(folder).profile("child").identity
    assert texts(identity.vendor) == ["child", "sysName", "parent", "standard"]
    assert texts(identity.model) == ["parent's"]


def test_a_parent_stays_as_it_is(folder: Path) -> None:
    profile = load_library(folder).profile("parent")
    assert list(entries_of(profile)) == ["radios", "fans", "ports", "sensors"]


def test_the_standard_set_alone(folder: Path) -> None:
    profile = load_library(folder).profile(None)
    assert list(entries_of(profile)) == ["ports", "sensors"]
    assert profile.matches == ()


def test_what_a_parent_does_without_its_child_does_without(folder: Path) -> None:
    written(folder, grandchild='extends = "child"\n[[match]]\ndescr = "x"\n')
    assert list(entries_of(load_library(folder).profile("grandchild"))) == ["radios", "ports"]


def test_of_two_parents_the_first_counts_and_without_is_its_own_matter(folder: Path) -> None:
    """What one parent does without may come by another."""
    written(
        folder,
        other=PARENT.replace("1.3.6.1.4.1.1.", "1.3.6.1.4.1.2.").replace('"fans"', '"more-fans"'),
        both='extends = ["child", "other"]\n[[match]]\ndescr = "x"\n',
        third='extends = ["child", "parent"]\n[[match]]\ndescr = "x"\n',
    )
    library = load_library(folder)
    assert entries_of(library.profile("both")) == {
        "radios": "1.3.6.1.4.1.1.9",
        "more-fans": "1.3.6.1.4.1.2.2",
        "ports": "1.3.6.1.2.1.2.2.1",
    }
    assert "fans" in entries_of(library.profile("third"))


def test_an_unknown_name(folder: Path) -> None:
    with pytest.raises(KeyError):
        load_library(folder).profile("nobody")


def test_profiles_are_kept_and_share_their_tables(folder: Path) -> None:
    library = load_library(folder)
    assert library.profile("child") is library.profile("child")
    assert library.profile("child").tables[-1] is library.profile(None).tables[0]


def test_an_own_file_takes_the_place_of_one_of_its_name(folder: Path, tmp_path: Path) -> None:
    own = written(
        tmp_path / "own", parent=PARENT.replace("1.3.6.1.4.1.1.2", "1.3.6.1.4.1.7.7").replace("fans", "vents")
    )
    profile = load_library(folder, own).profile("child")
    assert entries_of(profile)["vents"] == "1.3.6.1.4.1.7.7"


def test_a_faulty_own_file_leaves_the_shipped_one_in_its_place(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = written(
        tmp_path / "own", parent="base = true\ncolour = 1\n", child='extends = "nobody"\n[[match]]\ndescr = "x"\n'
    )
    with caplog.at_level(logging.WARNING, "sonda.profiles"):
        library = load_library(folder, own)
    assert entries_of(library.profile("child"))["radios"] == "1.3.6.1.4.1.1.9"
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"a profile is left out: {own}/parent.toml:2: colour is not a key of a profile.")
    assert second == f'a profile is left out: {own}/child.toml:1: extends: there is no profile named "nobody".'


def test_what_extends_a_faulty_one_is_left_out_too(folder: Path) -> None:
    written(
        folder,
        a='extends = "b"\n[[match]]\ndescr = "x"\n',
        b='extends = "c"\n[[match]]\ndescr = "x"\n',
        c="colour = 1\n[[match]]\ndescr = 'x'\n",
    )
    library = load_library(folder)
    assert sorted(library.heads) == ["child", "parent", "standard"]
    assert len(library.faults) == 3


def test_a_file_that_is_spoilt_later_costs_no_more_than_its_own_tables(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = load_library(folder)
    (folder / "child.toml").write_text("[[")
    with caplog.at_level(logging.WARNING, "sonda.profiles"):
        profile = library.profile("child")
    assert profile.name == "child"
    assert profile.tables == library.profile(None).tables
    assert f"profile child cannot be used: {folder}/child.toml:1" in caplog.text


def test_a_directory_that_is_not_there_or_is_none(folder: Path, tmp_path: Path) -> None:
    assert load_library(folder, tmp_path / "nowhere").faults == ()
    (tmp_path / "file").write_text("")
    assert [str(fault) for fault in load_library(folder, tmp_path / "file").faults] == [
        f"{tmp_path}/file: cannot be read: Not a directory."
    ]


def test_other_files_beside_are_let_alone(folder: Path) -> None:
    for name in (".hidden.toml", "schema.json", "child.toml~"):
        (folder / name).write_text("[[")
    assert load_library(folder).faults == ()


def test_a_profile_from_anywhere(folder: Path, tmp_path: Path) -> None:
    library = load_library(folder)
    own = written(tmp_path / "own", mine='extends = "parent"\n[[match]]\ndescr = "x"\n', wrong='extends = "parnt"\n')
    assert list(entries_of(load_profile(own / "mine.toml", library))) == ["radios", "fans", "ports", "sensors"]
    assert "mine" not in library.heads
    with pytest.raises(SettingsError) as error:
        load_profile(own / "wrong.toml", library)
    assert "match is missing" in said(error)
    (own / "wrong.toml").write_text('extends = "parnt"\n[[match]]\ndescr = "x"\n')
    with pytest.raises(SettingsError) as error:
        load_profile(own / "wrong.toml", library)
    assert said(error).endswith('wrong.toml:1: extends: there is no profile named "parnt". Did you mean "parent"?')
    with pytest.raises(SettingsError) as error:
        load_profile(own / "nowhere.toml", library)
    assert "there is no such file" in said(error)


def test_an_instance_outside_of_tables_is_one_oid(tmp_path: Path) -> None:
    text = (
        '[[match]]\nvalue = { oid = "1.3.6.1.4.1.1.5", at = { text = "1001.2" }, pattern = "x" }\n'
        '[identity]\nmodel = { join = [{ oid = "1.3.6.1.2.1.43.5.1.1.16", at = { text = "1" } }, { text = "A" }] }\n'
    )
    profile = load_library(written(tmp_path / "own", one=text)).profile("one")
    assert profile.matches[0].value is not None
    assert profile.matches[0].value.oid == "1.3.6.1.4.1.1.5.1001.2"
    assert profile.identity.model[0].join[0].oid == "1.3.6.1.2.1.43.5.1.1.16.1"


def test_every_key_gets_where_it_belongs(tmp_path: Path) -> None:
    text = """
[[match]]
object_id = [".1.3.6.1.4.1.1", "1.3.6.1.4.1.2"]
descr = '^A'
not_descr = 'B'
present = "1.3.6.1.4.1.3"
[[table]]
name = "t"
entry = "1.3.6.1.4.1.4"
index = ["inet", "rest"]
every = "static"
volatile = true
changed = "1.3.6.1.4.1.5.0"
witness = "1.3.6.1.4.1.6"
alternative = "word"
where = [{ column = 7, within = [2, "up"] }, { column = "1.5", outside = [3] }, { column = 8, pattern = 'C' }]
label = [{ oid = "1.3.6.1.4.1.8", at = { index = 2 } }, { text = "none", map = { "*" = "{}" } }]
[[table.value]]
kind_by = { column = 1, map = { "8" = "temperature" } }
column = 5
form = "number"
pattern = '(\\d+)'
scale = 2
scale_by = { column = 2, map = { "8" = "0.001" } }
decimals_by = { column = 3 }
offset = -1
negate = true
absolute = true
mask = 255
drop = [0, 65535]
least = -110
most = 0.5
where = { column = 9, within = "x" }
name = { join = [{ text = "a" }, { index = 1 }], template = "{1}-{2}" }
port = { index = 1 }
limit = { column = 6 }
reduce = "count"
group_by = { index = 2 }
"""
    profile = load_library(written(tmp_path / "own", one=text)).profile("one")
    match, table = profile.matches[0], profile.tables[0]
    value = table.values[0]
    assert match.object_ids == ("1.3.6.1.4.1.1", "1.3.6.1.4.1.2")
    assert match.descr is not None and match.descr.pattern == "^A"
    assert match.not_descr is not None and match.not_descr.pattern == "B"
    assert match.present == "1.3.6.1.4.1.3"
    assert (table.index, table.every, table.volatile) == (("inet", "rest"), "static", True)
    assert (table.changed, table.witness, table.alternative) == ("1.3.6.1.4.1.5.0", "1.3.6.1.4.1.6", "word")
    one, two, three = table.where
    assert (one.source.column, one.within) == ("7", frozenset({"2", "up"}))
    assert (two.source.column, two.outside) == ("1.5", frozenset({"3"}))
    assert three.pattern is not None and three.pattern.pattern == "C" and three.source.pattern is None
    assert (table.label[0].oid, table.label[0].at[0].index) == ("1.3.6.1.4.1.8", 2)
    assert table.label[1].map == {"*": "{}"}
    assert value.kind is None and value.kind_by is not None and value.kind_by.map == {"8": "temperature"}
    assert (value.source.column, value.source.form) == ("5", "number")
    assert value.source.pattern is not None and value.source.pattern.pattern == r"(\d+)"
    assert (value.scale, value.offset, value.negate, value.absolute, value.mask) == (2.0, -1.0, True, True, 255)
    assert value.scale_by[0].map == {"8": "0.001"}
    assert value.decimals_by == Source(column="3")
    assert (value.drop, value.least, value.most) == (frozenset({0.0, 65535.0}), -110.0, 0.5)
    assert value.where[0].within == frozenset({"x"})
    assert value.name == (Source(join=(Source(text="a"), Source(index=1)), template="{1}-{2}"),)
    assert (value.port, value.limit, value.group_by) == (Source(index=1), Source(column="6"), Source(index=2))
    assert value.reduce == "count"


def test_fields_of_a_sort(tmp_path: Path) -> None:
    text = (
        '[[match]]\ndescr = "x"\n[[table]]\nname = "lldp"\nsort = "neighbors"\nentry = "1.0.8802.1.1.2.1.4.1.1"\n'
        '[table.field]\nprotocol = { text = "lldp" }\nlocal_port = { index = 2 }\n'
        'remote_port = [{ column = 7, form = "chassis" }, { column = 8 }]\n'
    )
    table = load_library(written(tmp_path / "own", one=text)).profile("one").tables[0]
    assert table.fields is not None
    assert (table.sort, list(table.fields)) == ("neighbors", ["protocol", "local_port", "remote_port"])
    assert [source.column for source in table.fields["remote_port"]] == ["7", "8"]


def test_shipped_files_are_read_as_far_as_needed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What stands in the tables of a shipped profile is not read at the start."""
    with (folder / "child.toml").open("a") as stream:
        stream.write("=")
    monkeypatch.setattr("agent.profiles.loading.SHIPPED", folder)
    assert load_library(folder).faults == ()
    assert [fault.severity for fault in examine_library(folder).faults] == [Severity.FAULT]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("upps.toml", "{own}/upps.toml: there is no such file. Did you mean {own}/ups.toml?"),
        ("", "{own}: a directory, expected a TOML file. Name the file itself."),
        ("elsewhere/x.toml", "{own}/elsewhere/x.toml: there is no such file."),
    ],
)
def test_a_file_to_try_that_is_none(tmp_path: Path, name: str, said: str) -> None:
    own = written(tmp_path / "own", ups='[[match]]\ndescr = "x"\n')
    with pytest.raises(SettingsError) as raised:
        load_profile(own / name, load_library(own))
    assert [str(fault) for fault in raised.value.faults] == [said.format(own=own)]
