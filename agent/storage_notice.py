"""What the page says of the database, in its languages, when something is wrong with it: the disk does not take what is
measured, the file was damaged, gone or older than it should be, rows are left out."""

from collections.abc import Mapping

from agent.store.model import Opened

UNWRITABLE = {
    "en": "The probe cannot write to its disk: what it measures is kept in memory for about an hour, and lost with a "
    "restart.",
    "it": "La sonda non riesce a scrivere sul disco: le misurazioni restano in memoria per circa un'ora e si perdono "
    "con un riavvio.",
}
UNPUBLISHED = {
    "en": "The probe keeps what it measures and publishes nothing new: a file beside its database cannot be written.",
    "it": "La sonda conserva le misurazioni ma non pubblica nulla di nuovo: un file accanto al database non può essere "
    "scritto.",
}
DAMAGED = {
    "en": "The database was damaged. A new one goes on with what could be read; some of the history may be missing.",
    "it": "Il database era danneggiato. Ne è stato creato uno nuovo con i dati ancora leggibili: può mancare parte "
    "dello storico.",
}
LOST = {
    "en": "The database was gone. A new one was begun: the history before this start is missing.",
    "it": "Il database non c'era più. Ne è stato creato uno nuovo: manca lo storico precedente a questo avvio.",
}
ROLLED_BACK = {
    "en": "The database is an older copy: the history between that copy and this start is missing.",
    "it": "Il database è una copia meno recente: manca lo storico tra quella copia e questo avvio.",
}
ROWS = {
    "en": "Parts of the database are damaged and left out: some of the history is missing.",
    "it": "Alcune parti del database sono danneggiate e non vengono usate: manca parte dello storico.",
}


def storage_trouble(trouble: str | None, unnoted: str | None = None) -> Mapping[str, str] | None:
    """What is wrong with the disk now: one sentence by language; None where all is well. ``unnoted`` is why nothing new
    is published, where anything is to be published at all."""
    if trouble is not None:
        return UNWRITABLE
    return UNPUBLISHED if unnoted is not None else None


def storage_notice(opened: Opened, rows_damaged: int) -> Mapping[str, str] | None:
    """What was wrong with the database, of that what matters most: one sentence by language; None where nothing
    was."""
    if opened.set_aside is not None:
        return DAMAGED
    if opened.predecessor is not None:
        return ROLLED_BACK if opened.reason else LOST
    return ROWS if rows_damaged else None
