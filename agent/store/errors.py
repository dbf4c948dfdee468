"""What can go wrong with the store. Every message is a sentence that says what to do.

StoreError
├── StoreUnwritable   nothing was written; the caller keeps what it has and tries again
│   ├── DiskFull      no room
│   └── DiskFault     read-only, vanished, an input/output error, locked by another program
├── StoreRefused      what was to be written can never be written as it is
├── StoreCorrupt      the file is damaged: open the store again, which sets it aside
├── StoreClosed       the store is closed, or its writer has ended
├── StoreInUse        another process has this database open
├── StoreTooNew       written by a later version of Sonda
└── StoreFault        any other failure of the database or the file system (no permission)
"""


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnwritable(StoreError):
    """The disk does not take it now, and may later. Nothing of the batch was written."""


class DiskFull(StoreUnwritable):
    """No room, not even after giving up what may be given up."""


class DiskFault(StoreUnwritable):
    """The disk is read-only, gone or failing, or another program holds the database."""


class StoreRefused(StoreError):
    """The database refuses a value: a constraint, a type, a number that is too large."""


class StoreCorrupt(StoreError):
    """SQLite reports a damaged file. Opening the store again sets the file aside and starts a new one."""


class StoreClosed(StoreError):
    """The store is closed, or its writer has ended with an error said elsewhere."""


class StoreInUse(StoreError):
    """Another process holds the database."""


class StoreTooNew(StoreError):
    """The database was written by a later version."""


class StoreFault(StoreError):
    """The database or the file system failed in another way."""


ENDED = (StoreCorrupt, StoreClosed)
"""The store is of no more use to anybody: whoever meets one of these ends, and the process with it."""
