"""How files of profiles are found and read: the shipped ones, their schema, and the example of the page."""

import shutil
from pathlib import Path

import pytest

from agent.profiles import SHIPPED, examine_library, load_library
from agent.profiles.reading import examine, head_of, quick_head
from agent.profiles.reference import json_schema
from kpi.gear import UNITS, Kind
from tests.agent.profiles.written import written

SCHEMA = SHIPPED / "schema.json"


def test_all_shipped_profiles_are_sound() -> None:
    library = examine_library(SHIPPED)
    assert "\n".join(str(fault) for fault in library.faults) == ""
    assert library.heads
    for name in (None, *library.heads):
        assert library.build(name).tables


def test_the_quick_way_to_a_head_leads_to_the_same() -> None:
    for file in SHIPPED.glob("*.toml"):
        model = examine(file).model
        assert model is not None
        assert quick_head(file) == head_of(file, model)


@pytest.mark.parametrize(
    "text",
    [
        '[[table]]\nname = "a"\nentry = "1.3.6"\n[[table.value]]\nkind = "load"\ncolumn = 1\n[[match]]\ndescr = "x"\n',
        "[[match]]\ndescr = '''\n[table]\n'''\n",
        'match = [{ descr = "x" }]\n[identity]\nmodel = { text = "[[match]]" }\n',
        '[identity]\nmodel = { text = "A" }\n [[ match ]]\ndescr = "x"\n',
    ],
)
def test_a_match_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    file = written(tmp_path / "own", one=text) / "one.toml"
    model = examine(file).model
    assert model is not None
    assert (quick_head(file) or head_of(file, model)).matches == head_of(file, model).matches != ()


def test_the_editors_schema_is_as_new_as_the_models() -> None:
    assert SCHEMA.read_text() == json_schema(), "run: python -m agent.profiles.reference config/profiles/schema.json"


def test_two_hundred_profiles_are_ready_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are found; each that is asked for is read then."""
    folder = tmp_path / "many"
    folder.mkdir()
    shutil.copy(SHIPPED / "standard-ups.toml", folder)
    text = (SHIPPED / "standard-ups.toml").read_text().split("[identity]", 1)[1]
    for number in range(200):
        head = f"[[match]]\nobject_id = \"1.3.6.1.4.1.{number + 1}\"\ndescr = '^Device {number} '\n[identity]"
        body = text.replace('name = "ups-', f'name = "u{number}-')
        (folder / f"copy-{number:03}.toml").write_text(f"{head}{body}")
    monkeypatch.setattr("agent.profiles.loading.SHIPPED", folder)
    library = load_library(folder)
    assert library.faults == ()
    assert len(library.entries()) == 200
    own = text.count("[[table]]")
    assert len(library.profile("copy-123").tables) == 2 * own, "its own and the standard ones"


@pytest.mark.parametrize("depth", [200, 490, 2000])
def test_a_file_nested_too_deeply_is_a_fault(tmp_path: Path, depth: int) -> None:
    own = written(tmp_path / "own", deep="[identity]\nmodel = " + "{ join = [" * depth + "]}" * depth)
    (tmp_path / "head.toml").write_text("match = " + "[" * depth + "]" * depth)
    assert quick_head(tmp_path / "head.toml") is None
    said = [str(fault) for fault in examine_library(own).faults]
    assert len(said) == 1
    assert said[0].startswith((f"{own}/deep.toml: nested too deeply", f"{own}/deep.toml:2: nested too deeply"))


def test_the_example_of_the_page_is_sound(tmp_path: Path) -> None:
    page = (SHIPPED.parent / "README.md").read_text()
    own = written(tmp_path / "own", example=page.split("```toml\n#:schema", 1)[1].split("\n", 1)[1].split("```")[0])
    library = examine_library(SHIPPED, own, thorough=False)
    assert library.faults == ()
    first, second, *inherited = [table.name for table in library.profile("example").tables]
    assert (first, second) == ("room", "neighbours")
    assert any(name.startswith("ups-") for name in inherited)


def test_the_page_lists_each_kind_with_its_unit() -> None:
    page = (SHIPPED.parent / "README.md").read_text().partition("| unit | kinds |\n|---|---|\n")[2].partition("\n\n")[0]
    units = {"a number; of states 0 or 1": "1", "°C": "Cel"}
    listed = {
        Kind(kind): units.get(unit, unit)
        for unit, kinds in (row.strip("| ").split(" | ") for row in page.splitlines())
        for kind in kinds.replace("`", "").split(", ")
    }
    assert listed == UNITS
