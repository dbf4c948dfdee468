"""What the page says of the database, in its languages, when something is wrong with it: the disk does not take what is
measured, the file was damaged, gone or older than it should be, rows are left out."""

from collections.abc import Mapping

from agent.store.model import Opened

UNWRITABLE = {
    "en": "The disk does not take what is measured: it is kept in memory for about an hour, and lost with a restart.",
    "it": "Il disco non accetta le misure: restano in memoria per circa un'ora e si perdono con un riavvio.",
}
DAMAGED = {
    "en": "The database was damaged. A new one goes on with what could be read; some of the history may be missing.",
    "it": "Il database era danneggiato. Uno nuovo continua con quanto era leggibile; può mancare parte dello storico.",
}
LOST = {
    "en": "The database was gone. A new one was begun: the history before this start is missing.",
    "it": "Il database non c'era più. Ne è stato iniziato uno nuovo: manca lo storico prima di questo avvio.",
}
ROLLED_BACK = {
    "en": "The database is older than what was sent of it: the history between is missing.",
    "it": "Il database è più vecchio di quanto ne è stato inviato: manca lo storico intermedio.",
}
ROWS = {
    "en": "Damaged rows of the database are left out: some of the history is missing.",
    "it": "Alcune righe danneggiate del database sono tralasciate: manca parte dello storico.",
}


def storage_notice(trouble: str | None, opened: Opened, rows_damaged: int) -> Mapping[str, str] | None:
    """One sentence by language, of what matters most; None where all is well."""
    if trouble is not None:
        return UNWRITABLE
    if opened.set_aside is not None:
        return DAMAGED
    if opened.predecessor is not None:
        return ROLLED_BACK if opened.reason else LOST
    return ROWS if rows_damaged else None
