"""Writing state changes, incidents, last counter readings and the registry of devices."""

import json
from collections.abc import Sequence

from agent.store.db import Connection
from agent.store.model import CountersRow, DeviceRow, StateRow, Withdrawal
from agent.store.packing import Packer, compact
from agent.store.seals import seal, sound
from agent.store.words import Words
from kpi.model import Incident

STATE_COLUMNS = "entity, aspect, boot, mono_at, utc_at, state, reason"


class Ledger:
    """Used by the writer thread within its transaction."""

    def __init__(self, con: Connection, words: Words, packer: Packer) -> None:
        self._con, self._words, self._packer = con, words, packer

    def write_states(self, rows: Sequence[StateRow]) -> None:
        self._con.executemany(
            f"INSERT INTO state ({STATE_COLUMNS}, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - column names
            [
                (*columns, seal(*columns))
                for row in rows
                for columns in [
                    (
                        self._words.number("entity", row.entity),
                        row.aspect,
                        self._words.boot(row.boot),
                        float(row.mono_at),
                        _real(row.utc_at),
                        row.state,
                        row.reason,
                    )
                ]
            ],
        )

    def write_incidents(self, incidents: Sequence[Incident]) -> None:
        """The present form of an incident replaces the former one of the same id."""
        self._con.executemany(
            "INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?)",
            [
                (*columns, seal(*columns))
                for incident in incidents
                for columns in [
                    (
                        incident.id,
                        _real(incident.opened_utc),
                        _real(incident.closed_utc),
                        json.dumps([incident.kind, incident.entity, incident.cause, list(incident.hides)]),
                    )
                ]
            ],
        )

    def write_counters(self, rows: Sequence[CountersRow]) -> None:
        """Counter64 stays inside the packed JSON, where an integer has no limit; SQLite's end at 2^63."""
        packed = sorted(
            (
                self._words.number("entity", row.entity),
                self._words.boot(row.boot),
                float(row.mono_at),
                _real(row.utc_at),
                *self._packer.pack("counters", row.plain if isinstance(row.plain, bytes) else compact(row.plain)),
            )
            for row in rows
        )
        self._con.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(*row, seal(*row[:5], body=row[5])) for row in packed],
        )

    def write_devices(self, rows: Sequence[DeviceRow]) -> None:
        for row in rows:
            kept = self._con.execute("SELECT first_seen_utc FROM device WHERE id = ?", (row.id,)).fetchone()
            columns = (
                row.id,
                json.dumps(row.name),
                _real(row.first_seen_utc if kept is None or kept[0] is None else kept[0]),
                json.dumps(dict(row.keys)),
                json.dumps(dict(row.about)),
            )
            self._con.execute("INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?)", (*columns, seal(*columns)))

    def relabel(self, boot: str, offset_s: float, from_utc: float) -> None:
        """Dates what the boot wrote before its clock was synchronised; states only from ``from_utc`` on."""
        number = self._words.boot(boot)
        for row in self._con.execute(
            f"SELECT id, {STATE_COLUMNS}, seal FROM state WHERE boot = ? AND utc_at IS NULL AND mono_at >= ?",  # noqa: S608 - column names
            (number, from_utc - offset_s),
        ).fetchall():
            if sound(row[-1], *row[1:-1]):
                columns = (*row[1:5], round((row[4] + offset_s) * 1000) / 1000, *row[6:-1])
                self._con.execute(
                    "UPDATE state SET utc_at = ?, seal = ? WHERE id = ?", (columns[4], seal(*columns), row[0])
                )
        for row in self._con.execute(
            "SELECT entity, boot, mono_at, utc_at, dictionary, body, seal FROM counters"
            " WHERE boot = ? AND utc_at IS NULL",
            (number,),
        ).fetchall():
            if sound(row[6], *row[:5], body=row[5]):
                columns = (*row[:3], row[2] + offset_s, row[4])
                self._con.execute(
                    "UPDATE counters SET utc_at = ?, seal = ? WHERE entity = ?",
                    (columns[3], seal(*columns, body=row[5]), row[0]),
                )

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Changes of state lose their dates."""
        for row in self._con.execute(
            f"SELECT id, {STATE_COLUMNS}, seal FROM state WHERE utc_at >= ? AND (utc_at < ? OR utc_at = ?)"  # noqa: S608 - column names
            " AND NOT (boot = ? AND mono_at >= ?)",
            (
                withdrawal.start_utc,
                withdrawal.end_utc,
                withdrawal.end_utc if withdrawal.with_end else None,
                self._words.boot(withdrawal.boot),
                withdrawal.from_mono,
            ),
        ).fetchall():
            if sound(row[-1], *row[1:-1]):
                columns = (*row[1:5], None, *row[6:-1])
                self._con.execute("UPDATE state SET utc_at = NULL, seal = ? WHERE id = ?", (seal(*columns), row[0]))


def _real(value: float | None) -> float | None:
    return float(value) if value is not None else None
