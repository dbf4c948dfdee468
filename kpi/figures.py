"""Figures of the catalogue out of counts: one function a KPI, null with a reason where too little is known (R11)."""

from kpi.echo import NS_PER_MS, EchoCounts
from kpi.model import Figure, NullReason
from kpi.port_counts import BILLED, FULL_DUPLEX, HALF_DUPLEX, Absent, PortCounts, p95_bps
from kpi.reboots import RestartCounts
from kpi.states import (
    StateSeconds,
    availability_bounds_pct,
    availability_incl_maint_pct,
    availability_pct,
    monitoring_coverage_pct,
)

Parts = dict[str, float | None]

PDV_FULL_N = 1000
"""From here on the 99.9th percentile stands for the slowest answers, below it the 99th (RFC 5481)."""
FEWEST_PACKETS = 1000
UNDERCOUNTED = "undercounted"
"""The device counts fewer packets than went wrong: each share is of the packets, and at most 100 %."""
OVER_SPEED = "over_speed"
"""More passed than the speed that the device tells can carry: the share is 100 %."""


def share_pct(part: float, whole: float) -> float:
    """``part`` of ``whole`` in percent, never below 0 or above 100; 0 of nothing."""
    return 100 * min(max(part, 0), whole) / whole if whole > 0 else 0.0


def rtt_ms(echo: EchoCounts | None) -> Figure:
    """Median round trip in ms, with min, p95, max."""
    if echo is None or echo.min_ns is None or echo.max_ns is None:
        return _null("rtt_ms", NullReason.NO_DATA)
    parts: Parts = {
        "min_ms": echo.min_ns / NS_PER_MS,
        "p95_ms": echo.rtt_ms(0.95),
        "max_ms": echo.max_ns / NS_PER_MS,
    }
    if echo.clock_flagged:
        parts["clock_flagged"] = echo.clock_flagged
    if echo.sketch.zero:
        parts["zero"] = echo.sketch.zero  # the wire form of the sketch holds what is above 1 ns
    flags = ("clock",) if echo.clock_flagged else ()
    return Figure("rtt_ms", echo.rtt_ms(0.5), n=echo.answered, parts=parts, flags=flags)


def loss_ratio(echo: EchoCounts | None) -> Figure:
    """Lost echoes in percent of those sent."""
    faults: Parts = {}
    if echo is not None and echo.faults:
        faults["faults"] = echo.faults
    if echo is not None and echo.skipped:
        faults["skipped"] = echo.skipped
    if echo is None or echo.sent <= 0:
        return _null("loss_ratio", NullReason.NO_DATA, faults)
    parts: Parts = {"lost": echo.lost, "longest_run": echo.longest_run, **faults}
    return Figure("loss_ratio", share_pct(echo.lost, echo.sent), n=echo.sent, parts=parts)


def jitter_ms(echo: EchoCounts | None) -> Figure:
    """PDV in ms: from the fastest answer to nearly the slowest; beside it mean |D| and the last J."""
    if echo is None or echo.min_ns is None:
        return _null("jitter_ms", NullReason.NO_DATA)
    n = echo.answered
    slow = echo.rtt_ms(0.999 if n >= PDV_FULL_N else 0.99)
    if n < 2 or slow is None:
        return _null("jitter_ms", NullReason.INSUFFICIENT, n=n)
    parts: Parts = {"n_d": echo.n_d}
    if echo.n_d:
        parts["mean_abs_d_ms"] = echo.abs_d_ns / echo.n_d / NS_PER_MS
    if echo.j_ns is not None:
        parts["j_ms"] = echo.j_ns / NS_PER_MS
    return Figure("jitter_ms", max(slow - echo.min_ns / NS_PER_MS, 0.0), n=n, parts=parts)


def availability(states: StateSeconds, kpi: str = "availability_pct") -> Figure:
    """Time up in percent of the time known; also that of the site (``network_uptime_pct``)."""
    value = availability_pct(states)
    low, high = availability_bounds_pct(states)
    parts: Parts = {"up_s": states.up_s, "down_s": states.down_s, "unknown_s": states.unknown_s}
    if states.unknown_ms and low is not None:
        parts |= {"lo_pct": low, "hi_pct": high}
    if states.maintenance_ms:
        parts |= {"maintenance_s": states.maintenance_s, "incl_maint": availability_incl_maint_pct(states)}
    if states.outages_started or states.outages_restored:
        parts |= {"outages_started": states.outages_started, "outages_restored": states.outages_restored}
        parts["restored_s"] = states.restored_ms / 1000
    if states.open_ms:
        parts["open_s"] = states.open_ms / 1000
    if value is None:
        return _null(kpi, NullReason.NO_DATA, parts, n=states.checks)
    return Figure(kpi, value, n=states.checks, parts=parts)


def network_uptime_pct(network: StateSeconds | None, weighted_pct: float | None) -> Figure:
    """The site's; ``network`` is None where fewer than three internet targets are set up."""
    if network is None:
        return _null("network_uptime_pct", NullReason.INSUFFICIENT, {"weighted_pct": weighted_pct})
    figure = availability(network, "network_uptime_pct")
    parts = {**figure.parts, "weighted_pct": weighted_pct}
    return Figure("network_uptime_pct", figure.value, figure.null_reason, figure.n, parts=parts)


def coverage_pct(expected: list[StateSeconds]) -> Figure:
    """How much of the time of the expected devices is known."""
    parts: Parts = {
        "devices": len(expected),
        "known_s": sum(s.known_ms for s in expected) / 1000,
        "expected_s": sum(s.expected_ms for s in expected) / 1000,
    }
    value, n = monitoring_coverage_pct(expected), sum(s.checks for s in expected)
    if value is None:
        return _null("monitoring_coverage_pct", NullReason.NO_DATA, parts, n=n)
    return Figure("monitoring_coverage_pct", value, n=n, parts=parts)


def reboots(restarts: RestartCounts | None) -> Figure:
    """Restarts of the device outside maintenance."""
    if restarts is None or restarts.readings == 0:
        return _null("reboots", NullReason.NO_DATA)
    parts: Parts = {"agent_restarts": restarts.agent}
    return Figure("reboots", float(restarts.device), n=restarts.readings, parts=parts)


def port_figures(counts: PortCounts, unanswered: NullReason = NullReason.NO_DATA) -> tuple[Figure, ...]:
    """All figures of one port. ``unanswered``: why there is nothing where SNMP gave nothing (NO_DATA or AUTH)."""
    return (
        if_bps(counts, "in", unanswered),
        if_bps(counts, "out", unanswered),
        if_util_pct(counts, unanswered),
        p95_rate_bps(counts, unanswered),
        if_share_pct(counts, "error", unanswered),
        if_share_pct(counts, "discard", unanswered),
        link_flap(counts, unanswered),
    )


def if_bps(counts: PortCounts, way: str, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Average rate ``in`` or ``out`` over the time known, in bit/s."""
    kpi = f"if_{way}_bps"
    octets, ms = getattr(counts, f"{way}_octets"), getattr(counts, f"{way}_ms")
    gap = getattr(counts, f"gap_{way}_octets")
    totals: Parts = {"octets": octets, "seconds": ms / 1000}
    if gap:
        totals |= {"gap_octets": gap, "gap_s": counts.gap_ms / 1000}
    if ms <= 0:
        flag = Absent.IN_OCTETS if way == "in" else Absent.OUT_OCTETS
        return _null(kpi, _why(counts, flag, unanswered), totals if gap else {}, flags=counts.flags)
    parts: Parts = {"max_bps": getattr(counts, f"{way}_max_bps"), **totals}
    return Figure(kpi, float(round(8000 * octets / ms)), n=counts.polls, parts=parts, flags=_traffic_flags(counts))


def if_util_pct(counts: PortCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Use of the line in percent, of the busier direction, of both where they take turns (half duplex): each over its
    own time, and null where one is not known. p95 over the 5-minute bins beside it. Where the duplex is not known, or
    changed, both together stand as ``half_duplex_pct``."""
    used = {
        f"{way}_pct": (8 * octets, bits)
        for way, octets, bits in (
            ("in", counts.in_capacity_octets, counts.in_capacity_bits),
            ("out", counts.out_capacity_octets, counts.out_capacity_bits),
        )
        if bits > 0
    }
    shares = {way: share_pct(*of) for way, of in used.items()}
    if not shares:
        if counts.polls and not counts.speed_bps:
            return _null("if_util_pct", NullReason.UNSUPPORTED, flags=counts.flags)
        why = NullReason.INSUFFICIENT if counts.polls else _why(counts, Absent.IN_OCTETS, unanswered)
        return _null("if_util_pct", why, flags=counts.flags)
    half, full = HALF_DUPLEX in counts.flags, FULL_DUPLEX in counts.flags
    both = _together(*used.values()) if len(used) == 2 else None
    takes_turns = half and not full
    bins = [
        share_pct(into + out if takes_turns else max(into, out), speed)
        for into, out, speed in counts.bins
        if speed > 0 and not (takes_turns and min(into, out) < 0)
    ]
    parts: Parts = {**shares, "p95_pct": _p95(bins), "speed_bps": counts.speed_bps}
    if half == full and both is not None:
        parts["half_duplex_pct"] = share_pct(*both)
    flags = (*_traffic_flags(counts), *((HALF_DUPLEX,) if takes_turns else ()))
    if takes_turns and both is None:
        lacks = Absent.OUT_OCTETS if "in_pct" in shares else Absent.IN_OCTETS
        return _null("if_util_pct", _why(counts, lacks, unanswered), parts, n=counts.polls, flags=flags)
    lines = [both] if takes_turns and both is not None else list(used.values())
    over = (OVER_SPEED,) if any(carried > bits for carried, bits in lines) else ()
    value = max(share_pct(*line) for line in lines)
    return Figure("if_util_pct", value, n=counts.polls, parts=parts, flags=(*flags, *over))


def _together(into: tuple[int, int], out: tuple[int, int]) -> tuple[int, int]:
    """What both directions carry of what the line can, where each is known for a time of its own: the fractions add."""
    (in_bits, in_capacity), (out_bits, out_capacity) = into, out
    return in_bits * out_capacity + out_bits * in_capacity, in_capacity * out_capacity


def p95_rate_bps(counts: PortCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """The 95th percentile of the 5-minute averages, of the busier direction, in bit/s; ``n`` bins. Where they are not
    kept the greatest one stands as ``max_bps`` of if_in_bps and if_out_bps."""
    bins, flags = counts.bins, (BILLED,) if BILLED in counts.flags else ()
    into = p95_bps(b[0] for b in bins if b[0] >= 0)
    out = p95_bps(b[1] for b in bins if b[1] >= 0)
    known = [way for way in (into, out) if way is not None]
    if not known:
        return _null("p95_rate_bps", _why(counts, Absent.IN_OCTETS, unanswered), flags=flags)
    value, n = max(known)
    parts: Parts = {"in_bps": into[0] if into else None, "out_bps": out[0] if out else None}
    if flags:
        parts["bins"] = n
    return Figure("p95_rate_bps", float(value), n=n, parts=parts, flags=flags)


def if_share_pct(counts: PortCounts, what: str, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """``error`` or ``discard``: what went wrong in percent of the packets, of the worse direction. Inbound packet
    counters hold only what was delivered; outbound ones what was requested (RFC 2863), be it less than went wrong."""
    kpi, wrong = f"if_{what}_pct", f"{what}s"
    unwanted = {"error": (Absent.IN_ERRORS, Absent.OUT_ERRORS), "discard": (Absent.IN_DISCARDS, Absent.OUT_DISCARDS)}
    into, out = (not counts.absent & flag for flag in unwanted[what])
    wrong_in, wrong_out = getattr(counts, f"in_{wrong}"), getattr(counts, f"out_{wrong}")
    whole_in = counts.in_packets + counts.in_errors + counts.in_discards
    whole_out = max(counts.out_packets, wrong_out)
    ways = [("in_pct", wrong_in, whole_in)] if into else []
    ways += [("out_pct", wrong_out, whole_out)] if out else []
    shares = {way: (share_pct(part, whole), whole) for way, part, whole in ways if whole >= FEWEST_PACKETS}
    parts: Parts = {
        f"in_{wrong}": wrong_in,
        f"out_{wrong}": wrong_out,
        "in_packets": whole_in,
        "out_packets": whole_out,
    }
    flags = _traffic_flags(counts)
    if not shares:
        if whole_in + whole_out > 0 and ways:
            return _null(kpi, NullReason.INSUFFICIENT, parts, n=max(whole_in, whole_out), flags=flags)
        why = _why(counts, unwanted[what][0], unanswered)
        return _null(kpi, NullReason.INSUFFICIENT if counts.polls and into else why, flags=flags)
    if counts.out_errors + counts.out_discards > counts.out_packets and "out_pct" in shares:
        flags = (*flags, UNDERCOUNTED)
    value, n = max(shares.values())
    return Figure(kpi, value, n=n, parts={**{way: share for way, (share, _) in shares.items()}, **parts}, flags=flags)


def link_flap(counts: PortCounts, unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """Changes between up and not up; null where the port was never read, or is an access port."""
    known_ms = counts.up_ms + counts.down_ms + counts.off_ms
    if "access" in counts.flags:
        return _null("link_flap", NullReason.UNSUPPORTED, flags=("access",))
    if known_ms <= 0 and counts.transitions <= 0:
        return _null("link_flap", unanswered)
    parts: Parts = {"downs": counts.downs, "merit": counts.merit}
    flags = ("flapping",) if counts.flapping else ("flapped",) if counts.flapped else ()
    return Figure("link_flap", float(counts.transitions), n=known_ms // 1000, parts=parts, flags=flags)


def _p95(values: list[float]) -> float | None:
    """Element ceil(0.95 n) of the ascending values."""
    return sorted(values)[-(-95 * len(values) // 100) - 1] if values else None


def _traffic_flags(counts: PortCounts) -> tuple[str, ...]:
    return tuple(flag for flag in counts.flags if flag not in {"access", BILLED, HALF_DUPLEX, FULL_DUPLEX})


def _why(counts: PortCounts, flag: Absent, unanswered: NullReason) -> NullReason:
    """Why a counter gave nothing: never answered, not there, or no two readings that can be compared."""
    if counts.absent == Absent.ALL:
        return unanswered
    return NullReason.UNSUPPORTED if counts.absent & flag else NullReason.INSUFFICIENT


def _null(
    kpi: str, reason: NullReason, parts: Parts | None = None, *, n: int = 0, flags: tuple[str, ...] = ()
) -> Figure:
    return Figure(kpi, None, reason, n, parts=parts or {}, flags=flags)
