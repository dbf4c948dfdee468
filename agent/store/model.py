"""What goes into the store and what comes out. Frozen; payloads ("plain") are JSON types and are packed inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.messages import MessageDraft
from kpi.model import Incident

MONTH = 0
"""The ``length_s`` of a calendar month, whose length varies; its ``start_utc`` is the site's first of the month."""

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3600, 86400

GAP_TOPIC = "event/gap"
GAP_SCHEMA = "sonda.gap.v1"
STREAM_TOPIC = "event/stream"
STREAM_SCHEMA = "sonda.stream.v1"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Limits of one store. Days are days of 86,400 s; bytes are bytes on disk, ballast and WAL included."""

    max_bytes: int = 4_000_000_000
    keep_minute_days: float = 2
    keep_five_minutes_days: float = 90
    keep_hour_days: float = 731
    keep_acknowledged_days: float = 35
    keep_acknowledged_bytes: int = 1_000_000_000
    keep_digest_days: float = 731
    keep_state_days: float = 731
    """Changes of state, and incidents that are over: as long as the hours that they explain."""
    ballast_bytes: int = 24_000_000
    """Reserve for a full disk. Three times ``wal_bytes``: what the log holds has to fit into the database then, and
    a new log beside it."""
    wal_bytes: int = 8_000_000
    """The write-ahead log is copied into the database when about this much has been written to it."""
    ack_linger_s: float = 0.2
    """Delivery marks are gathered this long into one commit; losing one means a duplicate, never a loss."""
    check_s: float = 10.0
    """After an unclean shutdown the file is checked for damage for at most this long before measuring starts."""
    check_clean_s: float = 2.0
    """The same after a clean one: a card forgets while it lies in a drawer."""
    carry_s: float = 30.0
    """So long is taken, at the most, to carry what is readable of a damaged database into a new one."""
    queue: int = 64
    """Writes that may wait for the writer; more wait on the caller's side."""


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One packed window. Its identity is (entity, kind, length, start, boot, mono_start): writing the same again
    replaces it unless its ``revision`` is lower. A folded window belongs to no boot (``boot=""``, ``mono_start=0``),
    so that there is one a start; pieces of a window torn by a restart or a clock step stand side by side.
    """

    entity: str
    kind: str
    length_s: int
    boot: str
    mono_start: float
    """Seconds of the monotonic clock of ``boot``."""
    start_utc: int | None
    """Seconds since the epoch, a whole minute; None while the clock is not synchronised."""
    plain: Any
    """JSON types. What has to wait for its transaction may be written as JSON already (agent.store.packing.compact):
    those bytes are a small part of the objects."""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class StateRow:
    """From ``mono_at`` (``utc_at`` where dated) on the entity's ``aspect`` ("icmp", "snmp", ...) is ``state``."""

    entity: str
    aspect: str
    boot: str
    mono_at: float
    utc_at: float | None
    state: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CountersRow:
    """The last counter readings of a device (kpi/README.md R8); replaces the device's former ones."""

    entity: str
    boot: str
    mono_at: float
    utc_at: float | None
    plain: Any


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device of the registry. ``first_seen_utc`` is kept from the first time it was written."""

    id: str
    name: str
    first_seen_utc: float | None
    keys: Mapping[str, Any] = field(default_factory=dict)
    """What recognises it: serial, chassis id, engine id, MAC, ..."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of it."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """From ``start_utc`` to before ``end_utc`` a clock that was not trusted has given dates that are another pass's:
    what has them loses them. What ``boot`` wrote from the monotonic time ``from_mono`` on is that other pass's."""

    start_utc: float
    end_utc: float
    boot: str
    from_mono: float
    with_end: bool = False
    """Changes of state at ``end_utc`` as well."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is committed together, in one transaction. A row that can never be written is left out and counted."""

    withdrawn: Sequence[Withdrawal] = ()
    """Comes first: what else is in the batch keeps its dates."""
    windows: Sequence[WindowRow] = ()
    states: Sequence[StateRow] = ()
    incidents: Sequence[Incident] = ()
    counters: Sequence[CountersRow] = ()
    devices: Sequence[DeviceRow] = ()
    drafts: Sequence[MessageDraft] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """The numbers the batch's messages got, in the order of the drafts; None where it had none."""

    first_seq: int | None
    last_seq: int | None
    refused: int = 0
    """Rows that can never be written (no JSON, an impossible start) and were left out; the log names them."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as kept: ``payload`` is None once it was dropped, its SHA-256 ``digest`` lives two years longer."""

    seq: int
    topic: str | None
    payload: bytes | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was given up since the database began, by kind, for age or for lack of space."""

    kind: str
    for_age: int
    for_space: int
    first_utc: int | None = None
    """Of unsent messages: when the first of them went for lack of space. None where the clock was not set then."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds of one kind ("windows 60 s", "acknowledged", "unsent", ...). Bytes are packed payloads."""

    kind: str
    rows: int
    bytes: int
    oldest_utc: int | None
    days: float
    """From the oldest to now."""


@dataclass(frozen=True, slots=True)
class Report:
    """How full the store is."""

    bytes_used: int
    """Pages in use, the write-ahead log (at least its allowance) and the ballast."""
    bytes_file: int
    bytes_limit: int
    bytes_free_on_disk: int
    ballast_bytes: int
    """Reserve for a full disk that is in place now; 0 where it had to be used."""
    held: tuple[Held, ...]
    dropped: tuple[Dropped, ...]
    days_left: float | None
    """Days until the byte limit is reached, from what was written so far; None before the first day is over, and
    where retention by age keeps it below the limit."""
    page_size: int
    freelist_bytes: int
    rows_damaged: int = 0
    """Rows that were left out in reading since the start: their checksum does not fit."""
    rows_refused: int = 0
    """Rows that the database did not take since the start."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What happened when the store was opened; for page, log and the ``probe.fault`` event."""

    fresh: bool
    """A new database was started."""
    clean: bool
    """The last shutdown was clean."""
    check: str
    """"not needed" (a new file), "ok", or "unfinished" where the time for it was over."""
    migrations: tuple[str, ...]
    set_aside: Path | None = None
    """Where a corrupt database was moved."""
    reason: str | None = None
    """What was wrong with it."""
    predecessor: str | None = None
    """The stream before this one, where it is known."""
    lost: tuple[tuple[int, int], ...] = ()
    """Ranges of numbers of the predecessor that were committed, perhaps never sent, and are not readable any more."""
    carried: Mapping[str, int] = field(default_factory=dict)
    """Rows of the damaged database that are in this one, by kind ("messages", "states", "windows 3600 s", ...)."""


NOT_OPENED = Opened(fresh=False, clean=False, check="not opened", migrations=())
"""Of a database that could not be opened yet."""
