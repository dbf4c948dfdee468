"""Figures of routing and switching out of a device's FabricCounts: one function a KPI, null with a reason (R11)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

from kpi.duplex import Verdict
from kpi.fabric_counts import DuplexCounts, FabricCounts, NeighbourCounts, SessionCounts, StpCounts, merge_fabric
from kpi.figures import share_pct
from kpi.model import Figure, NullReason
from kpi.worst import beside_worst, worst_of

NEW_ROOT_WEIGHS = 3
"""Another root bridge is worth attention by itself: as much as the fewest changes that are."""
MOST_NAMED = 5
"""Ports that are named in a figure's flags."""
_COUNTED = frozenset({"stp_changes", "ospf_resets", "bgp_resets"})
_WORST_ON = {"duplex_mismatch": "grade", "stp_changes": "weight", "neighbour_churn": "infrastructure"}


def fabric_figures(counts: FabricCounts, unanswered: NullReason = NullReason.NO_DATA) -> tuple[Figure, ...]:
    """Of what the device has, in the order of the catalogue. ``unanswered``: why SNMP gave nothing, where it gave
    nothing."""
    found: list[Figure] = []
    if counts.duplex is not None:
        found.append(duplex_mismatch(counts.duplex, unanswered))
    if counts.stp is not None:
        found.append(stp_changes(counts.stp, unanswered))
    if counts.neighbours is not None:
        found.append(neighbour_churn(counts.neighbours, unanswered))
    for name, sessions in (("ospf", counts.ospf), ("bgp", counts.bgp)):
        if sessions:
            found += [stability(name, sessions, unanswered), resets(name, sessions, unanswered)]
    return tuple(_flagged(figure) for figure in found) if counts.odd_clock else tuple(found)


def has_fabric(counts: FabricCounts, kpi: str) -> bool:
    """Whether the device has what this figure is made from."""
    parts: Mapping[str, object] = {
        "duplex_mismatch": counts.duplex is not None,
        "stp_changes": counts.stp is not None,
        "neighbour_churn": counts.neighbours is not None,
        "ospf_stability": counts.ospf,
        "ospf_resets": counts.ospf,
        "bgp_stability": counts.bgp,
        "bgp_resets": counts.bgp,
    }
    return bool(parts.get(kpi))


def site_fabric(devices: Mapping[str, FabricCounts]) -> list[Figure]:
    """The sums over the devices that have any of it, with the worst of them beside each."""
    whole = reduce(merge_fabric, (counts.named(device) for device, counts in devices.items()), FabricCounts())
    each = {device: {f.kpi: f for f in fabric_figures(counts)} for device, counts in devices.items()}
    found = []
    for total in fabric_figures(whole):
        those = {device: figures[total.kpi] for device, figures in each.items() if total.kpi in figures}
        part = "worst_pct" if total.kpi.endswith("_stability") else "worst"
        found.append(beside_worst(total, part, worst_of(those, _WORST_ON.get(total.kpi, "value"))))
    return found


def _flagged(figure: Figure) -> Figure:
    """What comes of counters says that the device's clock is not to be trusted (kpi/README.md R6)."""
    return replace(figure, flags=(*figure.flags, "uptime")) if figure.kpi in _COUNTED else figure


def duplex_mismatch(duplex: DuplexCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """1 where the ends of a cable disagree on duplex, or may; ``grade`` is 2 where it is certain."""
    if not duplex.judged:
        return Figure("duplex_mismatch", None, NullReason.INSUFFICIENT if duplex.seen else unanswered)
    wrong = sorted(duplex.verdicts, key=lambda port: (-duplex.verdicts[port], port))
    certain = sum(verdict == Verdict.CERTAIN for verdict in duplex.verdicts.values())
    grade = max(duplex.verdicts.values(), default=0)
    return Figure(
        "duplex_mismatch",
        float(bool(wrong)),
        n=duplex.judged,
        parts={"certain": certain, "suspected": len(wrong) - certain, "grade": grade},
        flags=tuple(f"port:{port}" for port in wrong[:MOST_NAMED]),
    )


def stp_changes(stp: StpCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Topology changes of the spanning tree."""
    roots = {"root_changes": float(stp.roots)}
    if not stp.readings:
        return Figure("stp_changes", None, unanswered)
    if not stp.intervals:
        why = NullReason.INSUFFICIENT if stp.counted else NullReason.UNSUPPORTED
        return Figure("stp_changes", None, why, parts=roots)
    weight = max(stp.changes, NEW_ROOT_WEIGHS if stp.roots else 0)
    return Figure("stp_changes", float(stp.changes), n=stp.intervals, parts={**roots, "weight": weight})


def neighbour_churn(walks: NeighbourCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Neighbours that came or went, poll by poll."""
    if not walks.polls and not walks.either:
        return Figure("neighbour_churn", None, NullReason.INSUFFICIENT if walks.partial else unanswered)
    parts = {
        "added": float(walks.added),
        "removed": float(walks.removed),
        "infrastructure": float(walks.infrastructure),
        "stability_pct": share_pct(walks.kept, walks.either) if walks.either else 100.0,
    }
    return Figure("neighbour_churn", float(walks.added + walks.removed), n=walks.polls, parts=parts)


def stability(name: str, sessions: Mapping[str, SessionCounts], unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Time established (``bgp``), or full (``ospf``; or two-way where the own interface is DROther), in percent of the
    time known; ``n`` polls. Time in two-way that nobody can judge stands apart."""
    kpi = f"{name}_stability"
    known_ms = sum(session.known_ms for session in sessions.values())
    lost_ms = sum(session.lost_ms for session in sessions.values())
    two_way_ms = sum(session.two_way_ms for session in sessions.values())
    n = max((session.checks for session in sessions.values()), default=0)
    apart = {"two_way_s": two_way_ms / 1000} if two_way_ms else {}
    if known_ms <= 0:
        return Figure(kpi, None, NullReason.INSUFFICIENT if apart else unanswered, n, parts=apart)
    shares = {key: share_pct(s.known_ms - s.lost_ms, s.known_ms) for key, s in sessions.items() if s.known_ms > 0}
    worst = min(shares, key=lambda key: (shares[key], key))
    return Figure(
        kpi,
        share_pct(known_ms - lost_ms, known_ms),
        n=n,
        parts={"sessions": len(sessions), "lost_s": lost_ms / 1000, "worst_session_pct": shares[worst], **apart},
        flags=(f"session:{worst}",) if lost_ms else (),
    )


def resets(name: str, sessions: Mapping[str, SessionCounts], unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """How often sessions were lost."""
    kpi = f"{name}_resets"
    lost = sum(session.resets for session in sessions.values())
    checks = max((session.checks for session in sessions.values()), default=0)
    if not checks:
        return Figure(kpi, None, unanswered)
    parts = {"unseen": float(sum(session.unseen for session in sessions.values()))}
    worst = max(sessions, key=lambda key: sessions[key].resets)
    return Figure(kpi, float(lost), n=checks, parts=parts, flags=(f"session:{worst}",) if lost else ())
