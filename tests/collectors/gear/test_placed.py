"""OIDs that are written by the device's own sysObjectID."""

import pytest

from collectors.snmp.gear.model import Condition, IdentitySpec, Match, Profile, Source, Table, ValueSpec
from collectors.snmp.gear.placed import NOWHERE, placed
from kpi.gear import Kind

PRODUCT = "1.3.6.1.4.1.99999.7.3"


def profile(written: str) -> Profile:
    """One that has ``written`` wherever an OID may stand."""
    source = Source(oid=written)
    value = ValueSpec(Kind.TEMPERATURE, Source(column="3"), limit=source, where=(Condition(source),), name=(source,))
    facts = Table("facts", written, sort="neighbors", fields={"remote_name": (Source(join=(source,)),)})
    tables = (Table("values", written, witness=written, values=(value,)), facts)
    return Profile("p", (), IdentitySpec(model=(Source(first=written),)), tables)


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("{sysObjectID}.1.2", f"{PRODUCT}.1.2"),
        ("{sysObjectID:8}.1.2.0", "1.3.6.1.4.1.99999.7.1.2.0"),
        ("{sysObjectID:9}.4", f"{PRODUCT}.4"),
        ("{sysObjectID:10}.4", NOWHERE),
        ("1.3.6.1.2.1.1", "1.3.6.1.2.1.1"),
    ],
)
def test_an_oid_is_made_of_the_devices_own(written: str, digits: str) -> None:
    assert placed(profile(written), f".{PRODUCT}") == profile(digits)


def test_a_device_without_sysobjectid_has_none_of_them() -> None:
    assert placed(profile("{sysObjectID}.1"), "") == profile(NOWHERE)


def test_what_must_be_there_is_the_devices_own() -> None:
    assert placed(Match(present="{sysObjectID}.1"), PRODUCT) == Match(present=f"{PRODUCT}.1")


def test_words_in_braces_stay() -> None:
    words = Source(join=(Source(text="{sysObjectID}"),), template="{1} {2}")
    table = Table("t", "1.3", label=(words,))
    kept = Profile("p", (), IdentitySpec(), (table,))
    assert placed(kept, PRODUCT) == kept
