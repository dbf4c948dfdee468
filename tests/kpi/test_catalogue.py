"""The catalogue is whole, speaks both languages, and kpi/README.md is what it says."""

import ast
import re
import sys
from pathlib import Path

import pytest

from kpi.catalogue import CATALOGUE, entry_of, scope_in
from kpi.entry import SITE_WEIGHTS, Better, Kpi, Scope, Words, scope_of
from kpi.model import Role
from kpi.readme import readme

ROOM = Path(__file__).parents[2] / "kpi"
EVERY = pytest.mark.parametrize("kpi", CATALOGUE.values(), ids=list(CATALOGUE))


def words_of(kpi: Kpi) -> list[Words]:
    return [kpi.title, kpi.says, kpi.do, *kpi.nulls.values()]


def test_the_kpis_are_there() -> None:
    assert set(CATALOGUE) == {
        "rtt_ms", "loss_ratio", "jitter_ms", "availability_pct", "network_uptime_pct", "monitoring_coverage_pct",
        "if_in_bps", "if_out_bps", "if_util_pct", "p95_rate_bps", "if_error_pct", "if_discard_pct", "link_flap", "reboots",
        "wifi_clients", "wifi_signal_dbm", "wifi_snr_db", "wifi_link_drop_db", "wifi_interference_pct", "wifi_noise_dbm",
        "wifi_retry_pct", "wifi_ap_up_pct",
        "power_events", "on_battery_s", "ups_runtime_min", "poe_headroom_pct", "cooling_margin_c", "resource_used_pct",
        "port_used_pct",
        "duplex_mismatch", "stp_changes", "neighbour_churn", "ospf_stability", "ospf_resets", "bgp_stability", "bgp_resets",
    }  # fmt: skip


@EVERY
def test_an_entry_is_whole(kpi: Kpi) -> None:
    assert CATALOGUE[kpi.id] is kpi
    assert re.fullmatch(r"[a-z0-9_]+", kpi.id)
    assert kpi.unit in {"ms", "%", "bit/s", "1", "s", "min", "dB", "dBm", "°C"}
    assert kpi.nulls
    assert kpi.formula
    assert kpi.merge
    assert kpi.source
    assert kpi.status_on in {"value", *kpi.parts}
    for words in words_of(kpi):
        assert words.en.strip() == words.en != ""
        assert words.it.strip() == words.it != ""
        assert words.en != words.it
        assert not re.search(r"\b(latency|jitter|packet loss|latenza)\b", words.en + words.it, re.IGNORECASE)
    for words in (kpi.says, kpi.do, *kpi.nulls.values()):
        assert words.en[-1] == words.it[-1] == "."


@EVERY
def test_thresholds_are_in_order_and_have_a_window(kpi: Kpi) -> None:
    if not kpi.thresholds:
        assert kpi.better is None
        return
    assert kpi.status_window_s
    for threshold in kpi.thresholds:
        assert (threshold.good > threshold.warn) == (kpi.better is Better.HIGH)
    assert len({threshold.scope for threshold in kpi.thresholds}) == len(kpi.thresholds)


def test_names_with_a_scope() -> None:
    assert entry_of("rtt_ms@wan") is CATALOGUE["rtt_ms"]
    assert (scope_in("rtt_ms@wan"), scope_in("rtt_ms")) == (Scope.WAN, None)
    with pytest.raises(KeyError):
        entry_of("voice_mos")


def test_every_role_has_a_weight_and_a_scope() -> None:
    assert set(SITE_WEIGHTS) == set(Role)
    assert [role for role in Role if scope_of(role) is Scope.WAN] == [Role.INTERNET]


def test_the_readme_is_not_stale() -> None:
    written = (ROOM / "README.md").read_text(encoding="utf-8")
    assert written == readme(), "kpi/README.md is stale; its first lines say how to write it anew"


def test_the_room_imports_the_standard_library_alone() -> None:
    forbidden = {"time", "datetime", "asyncio", "logging", "random", "os", "pathlib", "socket", "sqlite3"}
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in (n.partition(".")[0] for n in names):
                assert name == "kpi" or (name in sys.stdlib_module_names and name not in forbidden), f"{path}: {name}"
