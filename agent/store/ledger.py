"""Writing state changes, incidents, last counter readings and the registry of devices."""

import json
from collections.abc import Sequence

from agent.store.db import Connection
from agent.store.model import CountersRow, DeviceRow, StateRow
from agent.store.packing import Packer, compact
from agent.store.words import Words
from kpi.model import Incident


class Ledger:
    """Used by the writer thread within its transaction."""

    def __init__(self, con: Connection, words: Words, packer: Packer) -> None:
        self._con, self._words, self._packer = con, words, packer

    def write_states(self, rows: Sequence[StateRow]) -> None:
        self._con.executemany(
            "INSERT INTO state (entity, aspect, boot, mono_at, utc_at, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    self._words.number("entity", row.entity),
                    row.aspect,
                    self._words.boot(row.boot),
                    row.mono_at,
                    row.utc_at,
                    row.state,
                    row.reason,
                )
                for row in rows
            ],
        )

    def write_incidents(self, incidents: Sequence[Incident]) -> None:
        """The present form of an incident replaces the former one of the same id."""
        self._con.executemany(
            "INSERT INTO incident VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " opened_utc = excluded.opened_utc, closed_utc = excluded.closed_utc, body = excluded.body",
            [
                (
                    incident.id,
                    incident.opened_utc,
                    incident.closed_utc,
                    json.dumps([incident.kind, incident.entity, incident.cause, list(incident.hides)]),
                )
                for incident in incidents
            ],
        )

    def write_counters(self, rows: Sequence[CountersRow]) -> None:
        """Counter64 stays inside the packed JSON, where an integer has no limit; SQLite's end at 2^63."""
        self._con.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?)",
            sorted(
                (
                    self._words.number("entity", row.entity),
                    self._words.boot(row.boot),
                    row.mono_at,
                    row.utc_at,
                    *self._packer.pack("counters", row.plain if isinstance(row.plain, bytes) else compact(row.plain)),
                )
                for row in rows
            ),
        )

    def write_devices(self, rows: Sequence[DeviceRow]) -> None:
        self._con.executemany(
            "INSERT INTO device VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " first_seen_utc = coalesce(first_seen_utc, excluded.first_seen_utc), keys = excluded.keys,"
            " about = excluded.about",
            [
                (
                    row.id,
                    json.dumps(row.name),
                    row.first_seen_utc,
                    json.dumps(dict(row.keys)),
                    json.dumps(dict(row.about)),
                )
                for row in rows
            ],
        )

    def relabel(self, boot: str, offset_s: float) -> None:
        """Dates what the boot wrote before its clock was synchronised."""
        number = self._words.boot(boot)
        for table in ("state", "counters"):
            self._con.execute(
                f"UPDATE {table} SET utc_at = mono_at + ? WHERE boot = ? AND utc_at IS NULL",  # noqa: S608 - two literals
                (offset_s, number),
            )
