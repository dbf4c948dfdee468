"""What can go wrong with the store. Every message is a sentence that says what to do.

StoreError
├── DiskFull          nothing was written; the caller may keep what it has and try again
├── StoreCorrupt      the file is damaged: open the store again, which sets it aside
├── StoreClosed       the store is closed, or its writer has ended
├── StoreInUse        another process has this database open
├── StoreTooNew       written by a later version of Sonda
└── StoreFault        any other failure of the database or the file system (permission, input/output error)
"""


class StoreError(Exception):
    """The store could not do what was asked."""


class DiskFull(StoreError):
    """No room, not even after giving up what may be given up. Nothing of the batch was written."""


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
