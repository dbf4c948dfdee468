"""What is given up, and in which order: by age as each kind has it, by bytes from the finest down.

For lack of space: undated windows of earlier boots, windows of 60 s, of 5 min, acknowledged payloads, windows of 1 h,
states and incidents that are over (not those of the last week), digests without a payload, windows of 1 d, and last of
all what is unsent. Months, open incidents, the state that each entity is in and the registry are never given up.
Whatever goes is counted in the tally ("dropped/<kind>/age" and "/space").
"""

from collections.abc import Iterator

from agent.store.db import Connection
from agent.store.keys import LENGTHS
from agent.store.model import DAY, FIVE_MINUTES, HOUR, MINUTE, StoreSettings
from agent.store.outbox import Identity, OutboxTable
from agent.store.words import UNSENT_FIRST, Tally

AGE, SPACE = "age", "space"
_RECENT_S = 7 * 86400.0
_FEWEST, _MOST = 20, 5000  # rows dropped in one go: 2 % of the kind, within these


class Retention:
    """Used by the writer thread; each step is meant for a transaction of its own."""

    def __init__(
        self, con: Connection, settings: StoreSettings, tally: Tally, outbox: OutboxTable, identity: Identity
    ) -> None:
        self._identity, self._boot = identity, identity.boot
        self._con, self._settings, self._tally, self._outbox = con, settings, tally, outbox

    def by_age(self, now_utc: float) -> int:
        """Drops what is older than it may be; how many rows."""
        keep = self._settings
        dropped = 0
        for length_s, days in (
            (MINUTE, keep.keep_minute_days),
            (FIVE_MINUTES, keep.keep_five_minutes_days),
            (HOUR, keep.keep_hour_days),
        ):
            code = LENGTHS.index(length_s) << 59
            minute = max(int((now_utc - days * 86400) // 60), 0)
            dropped += self._drop_windows(length_s, code | minute << 32, AGE)
        dropped += self._drop_acknowledged(self._first_id_of(now_utc, keep.keep_acknowledged_days), None, AGE)
        over = self._tally["message/bytes"] - self._tally["waiting/bytes"] - keep.keep_acknowledged_bytes
        while over > 0 and (more := self._drop_acknowledged(self._outbox.last_id + 1, _MOST, AGE)):
            dropped += more
            over = self._tally["message/bytes"] - self._tally["waiting/bytes"] - keep.keep_acknowledged_bytes
        dropped += self._drop_digests(self._first_id_of(now_utc, keep.keep_digest_days), AGE)
        dropped += self._drop_states(now_utc - keep.keep_state_days * 86400, None, AGE)
        dropped += self._drop_incidents(now_utc - keep.keep_state_days * 86400, None, AGE)
        return dropped

    def for_space(self) -> int:
        """Drops one portion of what matters least; how many rows, 0 where nothing is left to give up."""
        return next((dropped for dropped in self._portions() if dropped), 0)

    def _portions(self) -> Iterator[int]:
        yield self._drop_undated()
        yield self._oldest_windows(MINUTE)
        yield self._oldest_windows(FIVE_MINUTES)
        acknowledged = self._tally["message/rows"] - self._outbox.waiting.count()
        yield self._drop_acknowledged(self._outbox.last_id + 1, _portion(acknowledged), SPACE)
        yield self._oldest_windows(HOUR)
        newest = self._con.execute("SELECT max(utc_at) FROM state").fetchone()[0]
        if newest is not None:
            yield self._drop_states(newest - _RECENT_S, _MOST, SPACE)
        newest = self._con.execute("SELECT max(closed_utc) FROM incident").fetchone()[0]
        if newest is not None:
            yield self._drop_incidents(newest - _RECENT_S, _MOST, SPACE)
        yield self._drop_digests(None, SPACE)
        yield self._oldest_windows(DAY)
        dropped = self._outbox.drop_unsent(max(self._tally["waiting/bytes"] // 20, 1), "space")
        self._tally.add(f"dropped/unsent/{SPACE}", dropped)
        if dropped and not self._tally[UNSENT_FIRST] and self._identity.synchronised():
            self._tally.put(UNSENT_FIRST, int(self._identity.utc()))
        yield dropped

    def _oldest_windows(self, length_s: int) -> int:
        low = LENGTHS.index(length_s) << 59
        found = self._con.execute(
            "SELECT key FROM window WHERE key >= ? AND key < ? ORDER BY key LIMIT 1 OFFSET ?",
            (low, low + (1 << 59), _portion(self._tally[f"window/{length_s}/rows"])),
        ).fetchone()
        return self._drop_windows(length_s, found[0] if found else low + (1 << 59), SPACE)

    def _drop_windows(self, length_s: int, below_key: int, why: str) -> int:
        bounds = (LENGTHS.index(length_s) << 59, below_key)
        rows, bytes_ = self._con.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM window WHERE key >= ? AND key < ?", bounds
        ).fetchone()
        if rows:
            self._con.execute("DELETE FROM window WHERE key >= ? AND key < ?", bounds)
            self._tally.add(f"window/{length_s}/rows", -rows)
            self._tally.add(f"window/{length_s}/bytes", -bytes_)
            self._tally.add(f"dropped/windows {length_s} s/{why}", rows)
        return int(rows)

    def _drop_undated(self) -> int:
        """A boot that never had its clock synchronised cannot be dated any more; the present one's go by arrival."""
        if not self._tally["undated/rows"]:
            return 0
        found = self._con.execute(
            "SELECT id FROM undated ORDER BY id LIMIT 1 OFFSET ?", (_portion(self._tally["undated/rows"]),)
        ).fetchone()
        below = found[0] if found else 1 << 62
        rows, bytes_ = self._con.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM undated WHERE id < ?", (below,)
        ).fetchone()
        self._con.execute("DELETE FROM undated WHERE id < ?", (below,))
        self._tally.add("undated/rows", -rows)
        self._tally.add("undated/bytes", -bytes_)
        self._tally.add(f"dropped/undated/{SPACE}", rows)
        return int(rows)

    def _drop_acknowledged(self, below_id: int, limit: int | None, why: str) -> int:
        """Payloads with an id below ``below_id`` that do not wait, the oldest ``limit`` of them."""
        oldest = self._con.execute("SELECT min(id) FROM message").fetchone()[0]
        if oldest is None:
            return 0
        dropped, low = 0, int(oldest)
        for first, last in [*self._outbox.waiting.ranges(), (below_id, below_id)]:
            high = min(first, below_id) - 1
            if limit is not None:
                high = min(high, low + limit - dropped - 1)
            if low <= high:
                dropped += self._outbox.delete(low, high)
            low = last + 1
            if low >= below_id or (limit is not None and dropped >= limit):
                break
        self._tally.add(f"dropped/acknowledged/{why}", dropped)
        return dropped

    def _drop_digests(self, below_id: int | None, why: str) -> int:
        """Digests below an id (for space: a portion) whose payload is gone; never the last one, which carries the
        highest number."""
        payload = self._con.execute("SELECT min(id) FROM message").fetchone()[0]
        bound = min(self._outbox.last_id, payload if payload is not None else self._outbox.last_id)
        if why == SPACE:
            first = self._con.execute("SELECT min(id) FROM digest").fetchone()[0]
            below_id = first + _portion(bound - first) if first is not None else None
        if below_id is None:
            return 0
        dropped = self._con.execute("DELETE FROM digest WHERE id < ?", (min(below_id, bound),)).rowcount
        self._tally.add(f"dropped/digests/{why}", dropped)
        return dropped

    def _drop_states(self, before_utc: float, limit: int | None, why: str) -> int:
        """Changes before ``before_utc`` that another one of the same entity and aspect followed before then, and those
        of boots that never had a date."""
        at_most = -1 if limit is None else limit
        dropped = self._con.execute(
            "DELETE FROM state WHERE id IN (SELECT id FROM state AS old WHERE utc_at < ?1 AND EXISTS (SELECT 1 FROM"
            " state AS next WHERE next.entity = old.entity AND next.aspect = old.aspect AND next.utc_at < ?1"
            " AND (next.utc_at, next.id) > (old.utc_at, old.id)) ORDER BY id LIMIT ?2)",
            (before_utc, at_most),
        ).rowcount
        dropped += self._con.execute(
            "DELETE FROM state WHERE utc_at IS NULL AND boot NOT IN (SELECT number FROM boot WHERE id = ?)",
            (self._boot,),
        ).rowcount
        self._tally.add(f"dropped/states/{why}", dropped)
        return int(dropped)

    def _drop_incidents(self, before_utc: float, limit: int | None, why: str) -> int:
        """Incidents that were over before then, with what they say; open ones stay."""
        dropped = self._con.execute(
            "DELETE FROM incident WHERE id IN"
            " (SELECT id FROM incident WHERE closed_utc < ? ORDER BY closed_utc LIMIT ?)",
            (before_utc, -1 if limit is None else limit),
        ).rowcount
        self._tally.add(f"dropped/incidents/{why}", dropped)
        return int(dropped)

    def _first_id_of(self, now_utc: float, days: float) -> int:
        """The first id that is not older than so many days; by days, as the table ``day`` has them."""
        first = self._con.execute(
            "SELECT min(first_id) FROM day WHERE utc_day >= ?", (int((now_utc - days * 86400) // 86400),)
        ).fetchone()[0]
        return int(first) if first is not None else self._outbox.last_id + 1


def _portion(rows: int) -> int:
    return min(max(rows // 50, _FEWEST), _MOST)
