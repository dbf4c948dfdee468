"""What a TLS certificate says: for whom, by whom, until when. Reads X.509 by `cryptography`."""

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.doctor.model import spoken

SOON_DAYS = 21.0
"""Who renews by hand needs notice; automatic renewals (ACME) happen 30 days before the end."""
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """Texts as its maker wrote them: not to be trusted. ``days_left`` is negative once it has expired."""

    names: tuple[str, ...]
    """Host names and addresses it is for (subjectAltName), else its common name."""
    issuer: str
    begins: datetime
    ends: datetime
    fingerprint: str
    """SHA-256, as browsers show it."""
    days_left: float

    @property
    def end_text(self) -> str:
        return f"{self.ends:%Y-%m-%d %H:%M} UTC"

    @property
    def left_text(self) -> str:
        return f"in {spoken(self.days_left * _DAY_S)}"


def parse(pem_or_der: bytes, utc: float) -> Certificate:
    """The first certificate. ValueError where it is none."""
    if b"-----BEGIN" in pem_or_der:
        found = x509.load_pem_x509_certificate(pem_or_der)
    else:
        found = x509.load_der_x509_certificate(pem_or_der)
    return Certificate(
        names=_names(found),
        issuer=_common_name(found.issuer),
        begins=found.not_valid_before_utc,
        ends=found.not_valid_after_utc,
        fingerprint=found.fingerprint(hashes.SHA256()).hex(":").upper(),
        days_left=(found.not_valid_after_utc.timestamp() - utc) / _DAY_S,
    )


def read(file: Path, utc: float) -> Certificate:
    """Raises OSError or ValueError."""
    return parse(file.read_bytes(), utc)


def shown_by(host: str, port: int, utc: float, *, timeout_s: float) -> Certificate | None:
    """What the server there shows to anybody, unchecked; None where there is no TLS. Blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return parse(shown, utc) if shown else None


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return (_common_name(found.subject),)
    names = alternative.get_values_for_type(x509.DNSName)
    return (*names, *(str(address) for address in alternative.get_values_for_type(x509.IPAddress)))


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()
