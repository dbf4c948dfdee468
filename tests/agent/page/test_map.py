"""The map as geometry: who hangs below whom, what is summed up, how long names stay in their place."""

from typing import Any
from zoneinfo import ZoneInfo

from agent.live import EndNow, LinkNow, NodeNow, TopologyNow
from agent.page.map import MOST_ALIKE, WIDE_REM, site_map
from agent.page.say import Say

EN, IT = (Say(language, ZoneInfo("Europe/Rome")) for language in ("en", "it"))


def node(device: str, *parents: str, role: str = "switch", state: str = "up", name: str = "") -> NodeNow:
    return NodeNow(device, name or device, role, state, parents, derived=True)


def drawn(*nodes: NodeNow, links: tuple[LinkNow, ...] = (), probe: EndNow | None = None) -> dict[str, Any]:
    found = site_map(TopologyNow(nodes, links, probe), EN)
    assert found is not None
    return found


def outline(found: dict[str, Any]) -> list[tuple[str, float]]:
    """Each row's device and how far it is indented, from the top downwards."""
    tops = [float(row.y.removesuffix("rem")) for row in found["rows"]]
    assert tops == sorted(tops)
    assert tops[-1] < float(found["height"].removesuffix("rem"))
    return [(row.id or row.ids, float(row.x.removesuffix("rem")) / 1.5) for row in found["rows"]]


def test_the_tree_goes_from_the_probe_downwards() -> None:
    found = drawn(node("nas", "a", role="server"), node("b", "a"), node("ap", "b", role="access-point"), node("a"))
    assert outline(found) == [("a", 1), ("b", 2), ("ap", 3), ("nas", 2)]


def test_a_site_of_which_nothing_is_known_has_no_map() -> None:
    assert site_map(TopologyNow((node("a"), node("b", "unwatched")), (), None), EN) is None
    assert site_map(TopologyNow((), (), None), EN) is None


def test_a_second_parent_draws_no_second_branch() -> None:
    assert outline(drawn(node("a"), node("b"), node("c", "gone", "b", "a"))) == [("a", 1), ("b", 1), ("c", 2)]


def test_lines_are_sure_where_both_ends_tell_and_ports_are_the_parents() -> None:
    links = (
        LinkNow(EndNow("a", "ge1"), EndNow("b", "ge2"), confirmed=True, by="lldp"),
        LinkNow(EndNow("c", "ge3"), EndNow("b", "ge4"), confirmed=False, by="lldp"),
    )
    found = drawn(node("a"), node("b", "a"), node("c", "b"), node("d", "b"), links=links, probe=EndNow("a", "ge9"))
    assert [line.kind for line in found["lines"] if line.kind != "trunk"] == ["sure", "sure", "assumed", "assumed"]
    assert [row.port for row in found["rows"]] == ["port ge9", "port ge1", "port ge4", ""]


def test_many_ends_that_are_well_are_summed_up_and_one_that_is_not_stands_alone() -> None:
    cameras = [node(f"c{n}", "a", role="camera") for n in range(MOST_ALIKE + 1)]
    found = drawn(node("a"), *cameras, node("bad", "a", role="camera", state="down"))
    assert outline(found) == [("a", 1), ("bad", 2), (" ".join(c.id for c in cameras), 2)]
    assert found["rows"][-1].says == f"and {MOST_ALIKE + 1} more, all reachable"
    assert len(drawn(node("a"), *cameras[1:])["rows"]) == 1 + MOST_ALIKE


def test_a_switch_is_never_summed_up() -> None:
    assert len(drawn(node("a"), *[node(f"s{n}", "a") for n in range(12)])["rows"]) == 13


def test_long_names_wrap_to_a_phone_and_lose_nothing() -> None:
    long = "Telecamera sopra l'ingresso dell'officina, a sinistra del cancello " + "x" * 60
    (_, row) = drawn(node("a"), node("b", "a", name=long))["rows"]
    assert "".join(text for text, _ in row.lines).replace(" ", "") == long.replace(" ", "")
    assert max(len(text) for text, _ in row.lines) * 0.56 + float(row.text_x.removesuffix("rem")) <= WIDE_REM


def test_names_have_no_direction_marks() -> None:
    (_, row) = drawn(node("a"), node("b", "a", name="\u202egnp.exe"))["rows"]
    assert row.lines[0][0] == "gnp.exe"
    assert "\u202e" not in row.says


def test_states_are_said_in_words_of_the_language() -> None:
    topology = TopologyNow((node("a"), node("b", "a", state="down")), (), None)
    english, italian = site_map(topology, EN), site_map(topology, IT)
    assert english is not None
    assert italian is not None
    assert [row.word for row in english["rows"]] == ["Reachable", "Not reachable"]
    assert [row.tone for row in english["rows"]] == ["good", "problem"]
    assert english["rows"][1].says == "b: Not reachable. Reached through: a."
    assert italian["rows"][0].says == "a: Raggiungibile. Raggiunto tramite: Questa sonda."
