"""From closed windows to summaries: kept in memory for page and API, and said to the central servers.

The arithmetic is kpi/summary.py's; here stands what is said when: site and devices every five minutes, ports hourly,
and at once for a port that changed.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

from agent.messages import MessageDraft
from agent.polled import PollOutcome
from agent.windows import FIVE_S, PORTS, Five
from kpi.model import Figure, NullReason, Outcome, Summary, Window
from kpi.port_counts import PortCounts, ports_window_from_plain
from kpi.port_summary import port_figures, ports_to_plain
from kpi.status import Reading
from kpi.summary import SITE, device_summary, reading_of, site_summary, summary_to_plain

SITE_SCHEMA = "sonda.summary.site.v1"
DEVICE_SCHEMA = "sonda.summary.device.v1"
PORTS_SCHEMA = "sonda.summary.ports.v1"
HOUR_S = 3600
BEFORE = 2
"""Windows before the present one that a status looks at (KPI.md R10)."""


class Summaries:
    """The figures of the last closed five minutes, and the messages made of them."""

    def __init__(self) -> None:
        self.latest: dict[str, Summary] = {}
        """By entity: device ids, and "site"."""
        self.ports: dict[str, Mapping[str, Sequence[Figure]]] = {}
        """By device and port key."""
        self._before: dict[tuple[str, str], deque[Reading]] = defaultdict(lambda: deque(maxlen=BEFORE))

    def closed(self, five: Five, polls: Mapping[str, PollOutcome | None]) -> list[MessageDraft]:
        """Summaries of five closed minutes; the messages carry the window, so they are for dated ones alone."""
        window = Window(five.label, FIVE_S)
        drafts = []
        for device in five.devices.values():
            unanswered = why_unanswered(polls.get(device.device))
            summary = device_summary(device, window, history=self._history(device.device), unanswered=unanswered)
            self._keep(summary)
            self.ports[device.device] = port_figures(device.ports, window, unanswered=unanswered)
            topic = f"summary/device/{device.device}"
            drafts.append(MessageDraft(topic, DEVICE_SCHEMA, summary_to_plain(summary)))
            changed = {key: counts for key, counts in device.ports.items() if counts.transitions}
            if changed:
                drafts.append(_ports(device.device, window, changed))
        self._forget(five)
        site = site_summary(five.devices.values(), five.network, window, history=self._history(SITE))
        self._keep(site)
        flags = {"flags": list(five.flags)} if five.flags else {}
        drafts.append(MessageDraft("summary/site", SITE_SCHEMA, {**summary_to_plain(site), **flags}))
        return drafts

    def hour(self, start: int, folded: Mapping[str, Mapping[str, Any]]) -> list[MessageDraft]:
        """The ports of every device over one closed hour."""
        window = Window(start, HOUR_S)
        return [
            _ports(device, window, ports_window_from_plain(plain)) for device, plain in folded.get(PORTS, {}).items()
        ]

    def _history(self, entity: str) -> dict[str, Sequence[Reading]]:
        return {kpi: tuple(readings) for (of, kpi), readings in self._before.items() if of == entity}

    def _keep(self, summary: Summary) -> None:
        self.latest[summary.entity] = summary
        for figure in summary.figures:
            self._before[summary.entity, figure.kpi].append(reading_of(figure))

    def _forget(self, five: Five) -> None:
        for gone in self.latest.keys() - five.devices.keys() - {SITE}:
            del self.latest[gone]
            self.ports.pop(gone, None)
        for entity, kpi in [k for k in self._before if k[0] not in five.devices and k[0] != SITE]:
            del self._before[entity, kpi]


def why_unanswered(poll: PollOutcome | None) -> NullReason:
    """Why SNMP figures are missing: the device refuses our credentials, or there is simply nothing."""
    if poll is not None and poll.outcome is Outcome.REFUSED and poll.reason not in {None, "port_unreachable"}:
        return NullReason.AUTH
    return NullReason.NO_DATA


def _ports(device: str, window: Window, ports: Mapping[str, PortCounts]) -> MessageDraft:
    figures = port_figures(ports, window)
    span = {"start": window.start_utc, "length_s": window.length_s}
    body = {"entity": device, "window": span, **ports_to_plain(figures)}
    return MessageDraft(f"summary/ports/{device}", PORTS_SCHEMA, body)
