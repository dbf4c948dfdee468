"""The text of kpi/README.md, out of the catalogue:

python -c "from kpi.readme import readme; print(readme(), end='')" > kpi/README.md
"""

from kpi.catalogue import CATALOGUE
from kpi.entry import DAY_S, FIVE_MINUTES_S, HOUR_S, THIRTY_DAYS_S, Better, Kpi, NotOnPage, Rule, Scope, Threshold
from kpi.model import Status

_HEAD = """\
<!-- Generated from the catalogue; a test fails when it is stale. To write it anew:
python -c "from kpi.readme import readme; print(readme(), end='')" > kpi/README.md -->

# What the figures mean

Pure functions from measurements to figures: no clock, no store, no logging, the standard library alone.

| file | what |
|---|---|
| `model.py` | the vocabulary |
| `reachability.py` | is a device there: confirmation, backdating, what hides behind a dead parent |
| `sketch.py`, `value_counts.py` | DDSketch, and counts a value: distributions that merge exactly |
| `coverage.py` | how much is known of what a figure is made from |
| `echo.py` | one target's echoes in one window: loss, round trip, variation |
| `states.py` | seconds up, down, unknown and in maintenance; outages; the site's own state |
| `counters.py` | two readings of a counter: the delta, or why there is none |
| `ports.py`, `port_counts.py` | one port's readings turned into windows; their merging and packing |
| `flap.py`, `reboots.py` | links that flap; devices and SNMP agents that restart |
| `fabric.py`, `sessions.py`, `duplex.py` | routing and switching, with `fabric_counts.py` and `fabric_figures.py` |
| `gear.py`, `gear_accumulator.py`, `gear_counts.py` | what a device tells beyond its ports; windows; merging |
| `wireless.py`, `links.py`, `power.py`, `climate.py` | one poll of access points, links, supplies, sensors |
| `levels.py` | what holds from one reading to the next, as integrals over time |
| `planned.py` | what planned work takes out of a window, and how that is kept apart |
| `merge.py` | coarser windows as folds of finer ones |
| `figures.py`, `gear_figures.py`, `status.py` | counts to figures; figures to good, attention, bad |
| `gear_status.py` | readings of this moment judged one by one |
| `sentence.py`, `sentence_gear.py`, `tiles.py` | what is said first, and the parts that a person thinks in |
| `findings.py` | which figures are not good, and what is said of each |
| `seen.py` | what is known of a site at one moment |
| `summary.py`, `gear_site.py`, `port_summary.py` | all figures of a device, the site, the ports; their JSON |
| `catalogue.py` | the one source of titles, sentences, units and thresholds (`entry.py`, `entries_*.py`) |

## Rules R1 to R12

The code cites them by these names. What follows below is how they are kept.

- **R1 States.** A check says up, down, unknown or maintenance, valid until the next one and for two periods at most.
  Unknown: the probe could not have measured (it was stopped, its own link, the gateway or the device's parent was
  down, the send failed). A device that answers echoes and not SNMP is up, and its SNMP figures are unknown.
- **R2 Confirmation.** Echoes are confirmed as agent/README.md says (ICMP); for other checks two failures, the second
  within 10 s of the first.
- **R3 Windows** are half-open, in UTC: five minutes, an hour, a day, a month of the site's time zone. Coverage is the
  seconds known, divided by the window without maintenance, of the measurements that a figure is made from: echoes, or
  the polls of that device, port and table. Below 0.9 a figure is partial, below 0.5 it has no status; a window that
  is all maintenance has none.
- **R4 Maintenance** leaves numerator and denominator of every figure, and of events and thresholds; the raw value
  stays beside. Planned work that is entered late makes all of them be computed again.
- **R5 Clock.** Durations are monotonic, wall time only labels. Where the two part by more than 2 s the window is
  closed and flagged. Before the clock is set, windows are kept by boot and monotonic time. No window holds more than
  its length.
- **R6 Counters.** A difference counts where sysUpTime went on like the probe's clock, within 3 s or 1 %, and the
  discontinuity time stayed. A Counter32 that went back has gone round, where that is within 1.05 times the line rate,
  or the packets a line can carry, and the poll is quicker than one round; a Counter64 that went back was reset, and
  one that rose by more than a line carries is wrong (rule 15). Else the difference is unknown, never 0. Rates are
  divided by the device's own time.
- **R7 Restarts.** sysUpTime goes round after 497.1 days. Where it, or snmpEngineBoots, was reset and hrSystemUptime
  ran on, the SNMP agent alone restarted; else the device did.
- **R8 Restart of the probe.** The gap is unknown. The last readings before it give totals over it where R6 holds,
  never rates or peaks. A reboot inside the gap shows as a sysUpTime shorter than the gap.
- **R9 Merging.** Sums, least and most, and sketches (relative accuracy 1 %) merge exactly; percentiles and ratios are
  never averaged. Whole numbers of few values (dBm, dB, degrees, percent) are counted a value. Published ratios are
  rounded away from perfect.
- **R10 Status.** A status belongs to a value: null, too little coverage or too small an n gives none and withdraws
  the one that stood. Events go by the last 24 hours, safety limits are bad at once and better after two windows,
  ratios become worse by the Wilson lower bound and better after two windows, the rest goes by two of three windows.
- **R11 Null.** What is missing is null with a reason (`no_data`, `unsupported`, `auth`, `insufficient`), never 0.
- **R12 Identity.** A device is its serial number, chassis id or engine id; a port is its device and ifName.

## Rules that every figure follows

1. A window's counts add up. Times are whole milliseconds, round trips whole nanoseconds, so that an hour folded from
   minutes is, bit for bit, the hour counted at once. Percentiles come from merged sketches and are never averaged.
2. A figure that is not known is null with a reason, never 0. A missing column is not a zero.
3. What the probe failed to send is neither sent nor lost; it lowers coverage, as skipped echoes do. An echo that the
   target itself refused was answered, without a round trip.
4. Losses come two seconds after their sending, among later answers: runs and variation go by the echo's number. D is
   taken between neighbouring numbers that were both answered; J starts anew after ten missing in a row. Echoes that
   were not sent neither break a run of losses nor lengthen it.
5. A quantile of the round trip is never outside min and max. PDV carries the sketch's 1 % of the round trip.
6. A counter interval counts, whole, in the window in which it ends. Polls lie anywhere in their window, so that a
   5-minute bin shows the 5 minutes up to its last poll; sharing an interval out would mean to open closed windows
   again. Totals are conserved. An interval longer than one and a half windows, and one over a restart of the probe,
   is in `gap_octets` alone: totals, never rates or peaks.
7. A counter delta needs proof that nothing restarted: sysUpTime went on like the probe's clock and the discontinuity
   time stayed. An agent whose sysUpTime stands still or runs in the wrong unit loses trust after two odd intervals
   (the first gives unknown) and gets it back after three good ones; meanwhile the probe's own time counts, a counter
   that went back is a reset, and the figure is flagged `uptime`. A restart that steps sysUpTime back is no odd clock.
   A 32-bit counter that went back by less than 1 % of its range stumbled: that is unknown, never a wrap. Each 32-bit
   counter has a limit in time: octets at the line rate, packets, errors and discards at a frame of 64 octets each.
8. Where the speed is unknown, a 32-bit counter that went back is taken as gone round up to 20 Mb/s (RFC 2863 wants 64
   bits above), and polls slower than 5.7 minutes (100 Mb/s) are unknown; the figure is flagged `speed_assumed`.
9. Without a working sysUpTime nothing is inferred from ifLastChange, nor where it equals sysUpTime in each reading.
   Transitions are between up and not up (down, lowerLayerDown, notPresent); dormant and testing are neither.
10. An outage runs from the first down to the next up; unknown and maintenance within it neither end nor lengthen it.
11. The site is down while no internet target answers and the probe's link is up: each of them known to be down, or the
    gateway (what lies behind a dead gateway is unknown, and unreachable all the same).
12. Ratios become worse when chance is ruled out (Wilson 95 %), better after two windows within the limit. Of events
    (link changes, restarts, resets, topology changes, neighbours, time on battery) the last 24 hours decide at once,
    both ways: whole hours, and what has passed of the present one. The battery's minutes and the margin to overheating
    are worse at once, better after two windows; the rest goes by two of the last three windows, by the window itself
    where it is the first. A status belongs to a value: below half of the time known, and below the count named, there
    is none, the one that stood is withdrawn, and the window does not vote. Of events only "good" asks for half of the
    24 hours (so a probe that begins says it of none for twelve): what happened has happened, however little is known.
13. A level (clients, percent, degrees) holds from its reading to the next, at most two periods; the period is what the
    readings show. Means are over the time known.
14. Power failures and time on battery over a restart of the probe are totals of the window that ends them, which may
    be longer than it.
15. A share is a share whatever a device counts: of a port that sends fewer packets than errors and discards together
    each share is of the packets, at most 100 % (`undercounted`), and a port that carries more than the speed it tells
    is full (`over_speed`).
16. Coverage is that of the measurements a figure is made from: echoes, or the SNMP polls of that device, port or table
    (`in_ms` for traffic, `in_packet_ms` for errors, levels `told_...` for what is no level itself); where the worst of
    several is the figure (the busier direction, the fullest resource), of that one; of sessions on average. A window
    that is all planned work has no status; `monitoring_coverage_pct` has one however little is known.
17. Two-way of OSPF is stable where the own interface is DROther (ospfIfState, of the interface that shares most leading
    bits with the neighbour). Where nobody tells, it stands apart as `two_way_s`.
18. A restart is dated by the uptime that shows it, between the two readings; it is planned where it began in planned
    work, and counts in the window of the reading. One in the probe's own gap shows as less uptime than has passed; so
    does one between the first two readings, which counts with the third (a clock in the wrong unit shows the same).
19. Planned work leaves numerator and denominator of every figure (`planned.py`), whenever it was entered: states and
    restarts at their own times, an echo with its minute, what comes by SNMP with its five minutes and those after the
    work, as a difference that is read after it may lie in it. `incl_maint` is the value with planned work.
20. Restarts, like every count of events, are judged on the last 24 hours (R10): none is good, one is worth attention,
    two are bad; a restart three weeks ago makes no status. Time on battery is in whole seconds, so that 299 is the most
    that is not bad. Heat is judged by the margin to the limit that the sensor or its vendor names, not by the air.

Marks: **[V]** read in the source itself · **[K]** known value of a standard whose text was not open · **[D]** product
default.

## Catalogue
"""
_WINDOWS = {FIVE_MINUTES_S: "5 min", HOUR_S: "1 h", DAY_S: "1 d", THIRTY_DAYS_S: "30 d or a month"}
_SCOPES = {Scope.ANY: "", Scope.LAN: "LAN ", Scope.WAN: "WAN "}
_RULES = {
    Rule.RATIO: "Wilson bound",
    Rule.TWO_OF_THREE: "two of three windows",
    Rule.EVENTS: "the last 24 h decide at once",
    Rule.SAFETY: "worse at once, better after two windows",
}


def readme() -> str:
    """The whole file."""
    rows = ["| id | title | unit | good / attention / bad |", "|---|---|---|---|"]
    rows += [f"| `{k.id}` | {k.title.en} | {_unit(k)} | {_limits(k)} |" for k in CATALOGUE.values()]
    return "\n".join([_HEAD, *rows, "", *[_section(kpi) for kpi in CATALOGUE.values()]])


def _unit(kpi: Kpi) -> str:
    return "count" if kpi.unit == "1" else kpi.unit


def _limits(kpi: Kpi) -> str:
    return "; ".join(_limit(kpi, threshold) for threshold in kpi.thresholds) or "–"


def _limit(kpi: Kpi, t: Threshold) -> str:
    near, far = ("≥", "<") if kpi.better is Better.HIGH else ("≤", ">")
    if t.strict:
        near, far = ("<", "≥") if near == "≤" else (">", "≤")
    return f"{_SCOPES[t.scope]}{near}{t.good:g} / {near}{t.warn:g} / {far}{t.warn:g} [{t.mark}]"


def _page(kpi: Kpi) -> str:
    rule = kpi.page
    if isinstance(rule, NotOnPage):
        return f"nothing. {rule.because}"
    tile = f"no tile ({rule.no_tile[0].lower()}{rule.no_tile[1:].rstrip('.')})" if rule.no_tile else ""
    if not tile:
        tile = f"tile `{rule.tile}`" if rule.tile is not None else "tile of its device"
    alone = {None: "the site's alone", Status.WARN: "one device's too", Status.BAD: "one device's where it is bad"}
    said = " / ".join(f'"{words.en}"' for words in (rule.says, rule.now, rule.problem) if words is not None)
    return f"{tile}; from attention on, {alone[rule.device_from]}: {said}"


def _section(kpi: Kpi) -> str:
    lines = [
        f"### {kpi.id}: {kpi.title.en}",
        "",
        kpi.says.en,
        "",
        f"*{kpi.do.en}*",
        "",
        f"- Formula: {kpi.formula}",
        f"- Unit: {_unit(kpi)}; companions: {', '.join(f'`{part}`' for part in kpi.parts)}",
        f"- Merge: {kpi.merge}",
        f"- Source: {kpi.source}",
    ]
    if kpi.status_window_s and kpi.thresholds:
        on = "the value" if kpi.status_on == "value" else f"`{kpi.status_on}`"
        least = f", from n = {kpi.min_n} on" if kpi.min_n else ""
        lines.append(f"- Status: {on} over {_WINDOWS[kpi.status_window_s]}, {_RULES[kpi.rule]}{least}: {_limits(kpi)}")
    lines.append(f"- First screen: {_page(kpi)}")
    lines += [f"- Null, `{reason}`: {words.en}" for reason, words in kpi.nulls.items()]
    lines += ["", f"> **{kpi.title.it}.** {kpi.says.it} {kpi.do.it}", ""]
    return "\n".join(lines)
