"""How much of a window is known of what a figure is made from (rule R3): echoes, or the SNMP polls of that device,
port or table. What is planned work was not due.
"""

from collections.abc import Iterable, Mapping

from kpi.echo import EchoCounts
from kpi.fabric_counts import FabricCounts, SessionCounts
from kpi.gear_figures import known_s
from kpi.merge import DeviceWindow
from kpi.model import Figure
from kpi.port_counts import BIN_S, HALF_DUPLEX, PortCounts

_TRAFFIC = frozenset({"if_in_bps", "if_out_bps", "if_util_pct"})
_PACKETS = frozenset({"if_error_pct", "if_discard_pct"})
_WAYS = ("in", "out")
_ECHOES = frozenset({"rtt_ms", "loss_ratio", "jitter_ms"})


def device_coverage(device: DeviceWindow, kpi: str) -> float | None:
    """Of one figure of a device, 0..1; None where nothing was due, all of the window being maintenance."""
    due_ms = device.states.expected_ms
    if due_ms <= 0:
        return None
    if kpi in _ECHOES:
        return device.states.coverage * sent_share(device.echo)
    if kpi == "reboots" and device.restarts is not None and device.restarts.known_ms:
        return _share(device.restarts.known_ms, due_ms)
    if kpi in {"link_flap", "port_used_pct"}:
        return _mean([_share(_state_ms(counts), due_ms) for counts in device.ports.values()])
    known_ms = _fabric_ms(device.fabric, kpi) if device.fabric is not None else None
    if known_ms is None and device.gear is not None:
        known = known_s(device.gear, kpi)
        known_ms = 1000 * known if known is not None else None
    return device.states.coverage if known_ms is None else _share(known_ms, due_ms)


def port_coverage(counts: PortCounts, figure: Figure, due_ms: float) -> float | None:
    """Of one figure of a port in a window of which ``due_ms`` are not planned work: where it is that of the worse
    direction, of that one; where it is that of both together (half duplex), of the one that is known for less. Older
    windows have packets without the time in which they are known. Of p95_rate_bps it is the share of the bins that are
    there of the direction that it is of."""
    if due_ms <= 0:
        return None
    if figure.kpi == "if_util_pct" and HALF_DUPLEX in figure.flags:
        return min(_share(getattr(counts, f"{way}_ms"), due_ms) for way in _WAYS)
    if figure.kpi in _TRAFFIC:
        return max(_share(getattr(counts, f"{way}_ms"), due_ms) for way in _deciding(figure))
    if figure.kpi == "p95_rate_bps":
        return _share(1000 * BIN_S * figure.n, due_ms)
    if figure.kpi in _PACKETS:
        return max(_packet_share(counts, way, due_ms) for way in _deciding(figure))
    return _share(_state_ms(counts), due_ms)


def _packet_share(counts: PortCounts, way: str, due_ms: float) -> float:
    known_ms = getattr(counts, f"{way}_packet_ms")
    untimed = counts.in_packet_ms <= 0 and counts.out_packet_ms <= 0 and getattr(counts, f"{way}_packets") > 0
    return 1.0 if untimed else _share(known_ms, due_ms)


def _deciding(figure: Figure) -> tuple[str, ...]:
    """The direction whose value is the figure's; both, where both are alike or nothing tells."""
    own = next((way for way in _WAYS if figure.kpi == f"if_{way}_bps"), None)
    if own is not None:
        return (own,)
    found = tuple(way for way in _WAYS if figure.value is not None and figure.parts.get(f"{way}_pct") == figure.value)
    return found or _WAYS


def _state_ms(counts: PortCounts) -> int:
    return counts.up_ms + counts.down_ms + counts.off_ms


def sent_share(echo: EchoCounts | None) -> float:
    """Of the echoes that were due, those that the probe could send; 1 where none was."""
    if echo is None:
        return 1.0
    due = echo.sent + echo.faults + echo.skipped
    return _share(echo.sent, due) if due > 0 else 1.0


def site_coverage(devices: Iterable[DeviceWindow], kpi: str, told: Mapping[str, Figure]) -> float | None:
    """Of one figure of the site: that of ``devices``, which have it, weighted by the time that was due of each.
    ``told``: the figure itself by device, where the window comes without its ports."""
    known = due = 0.0
    for device in devices:
        share = told[device.device].coverage if device.device in told else device_coverage(device, kpi)
        if share is not None:
            known += share * device.states.expected_ms
            due += device.states.expected_ms
    return _share(known, due) if due > 0 else None


def _fabric_ms(fabric: FabricCounts, kpi: str) -> float | None:
    """Duplex is what holds as the window ends: it is known or there is no figure."""
    parts: Mapping[str, float | None] = {
        "stp_changes": fabric.known_ms.get("stp"),
        "neighbour_churn": fabric.known_ms.get("neighbours"),
        "ospf_stability": _sessions_ms(fabric.ospf),
        "ospf_resets": _sessions_ms(fabric.ospf),
        "bgp_stability": _sessions_ms(fabric.bgp),
        "bgp_resets": _sessions_ms(fabric.bgp),
        "duplex_mismatch": float("inf") if fabric.duplex is not None and fabric.duplex.judged else 0.0,
    }
    return parts.get(kpi)


def _sessions_ms(sessions: Mapping[str, SessionCounts]) -> float:
    """On average over the sessions, as each has its share in the figure."""
    return _mean(session.known_ms + session.two_way_ms for session in sessions.values()) or 0.0


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def _share(known: float, due: float) -> float:
    return min(max(known / due, 0.0), 1.0)
