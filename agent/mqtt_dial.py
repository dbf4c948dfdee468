"""The way to the broker below MQTT: name, TCP, TLS. And what each failure there means, as a sentence."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from agent.mqtt_connection import DialError, Fault
from agent.mqtt_settings import BrokerSettings, TlsSettings
from agent.threads import in_thread

ADDRESS_S = 5.0
"""For one address of several, so that a dead IPv6 does not use up the dial."""


class ReadFirstSocket(socket.socket):
    """A closed connection shows at reading alone. A broker that refuses a message and closes (mosquitto) resets what we
    still write; paho would close at that error, with the PUBACK that says why unread in the kernel."""

    def send(self, data: Any, flags: int = 0, /) -> int:
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise BlockingIOError(errno.EAGAIN, "closed: the reader will find it") from error


class TlsContext(ssl.SSLContext):
    """A client's context that keeps what it wraps: paho drops the wrapped socket unclosed when a handshake fails."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: object, **kwargs: object) -> ssl.SSLSocket:
        self.wrapped = super().wrap_socket(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
        return self.wrapped

    def close(self) -> None:
        if self.wrapped is not None:
            self.wrapped.close()


def tls_context(tls: TlsSettings) -> TlsContext:
    """Reads the files anew, so that a renewed certificate counts at the next dial. Blocks on the disk. DialError."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if tls.minimum_version == "1.3" else ssl.TLSVersion.TLSv1_2
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.check_hostname = tls.check_hostname
        _load(tls.ca, "the authorities (ca)", lambda: _trust(context, tls))
    if tls.certificate is not None:
        _load(tls.certificate, "the client certificate or its key", lambda: _show(context, tls))
    return context


def _trust(context: TlsContext, tls: TlsSettings) -> None:
    if tls.ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=tls.ca)


def _show(context: TlsContext, tls: TlsSettings) -> None:
    assert tls.certificate is not None
    # Without a password OpenSSL would ask for one on the terminal.
    password = tls.key_password.reveal() if tls.key_password is not None else ""
    context.load_cert_chain(tls.certificate, tls.key, password=lambda: password)


def _load(path: object, what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise DialError(Fault.TLS_FILES, f"{what} in {path} cannot be used: {_reason(error)}") from error
    except OSError as error:
        raise DialError(Fault.TLS_FILES, f"{what} in {path} cannot be read: {error.strerror or error}") from error


async def resolve(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    """Families and socket addresses in the resolver's order. DialError where the name is not known."""
    try:
        found = await in_thread(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else str(error)
        raise DialError(Fault.NAME, f"the name {host} does not resolve: {why}") from error
    return [(family, tuple(address)) for family, _, _, _, address in found]


async def open_socket(settings: BrokerSettings, addresses: list[tuple[int, tuple[object, ...]]]) -> socket.socket:
    """A connected, blocking TCP socket to the first address that answers. DialError names the last failure."""
    failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for number, (family, address) in enumerate(addresses, 1):
        done = False
        sock = ReadFirstSocket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.setblocking(False)
            # PUBLISH packets are small and many; Nagle would hold each behind the ACK of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            limit = ADDRESS_S if number < len(addresses) else settings.dial_timeout_s
            async with asyncio.timeout(limit):
                await asyncio.get_running_loop().sock_connect(sock, address)
            done = True
        except TimeoutError:
            failure = TimeoutError(errno.ETIMEDOUT, f"waited {limit:g} s")
        except OSError as error:
            failure = error
        finally:
            if not done:
                sock.close()
        if done:
            return sock
    raise explain(failure, f"{settings.host}:{settings.port}") from failure


_TLS_ALERTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the broker demands a client certificate, and none is set",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the broker refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the broker says that our client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "the broker says that our client certificate is revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the broker refuses our client certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the broker refuses our client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the broker does not know the authority that signed our client certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "the broker refuses our client certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "the broker refuses our client certificate",
}
NO_TLS = "the connection was closed within the handshake; is this the port for plain connections?"
_TLS_REASONS = {
    "WRONG_VERSION_NUMBER": "what listens there does not speak TLS; is this the port for plain connections?",
    "HTTP_REQUEST": "what listens there does not speak TLS; is this the port for plain connections?",
    "UNSUPPORTED_PROTOCOL": "the broker speaks an older TLS than the minimum that is set",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the broker does not speak the TLS versions that are allowed",
    "TLSV1_ALERT_INTERNAL_ERROR": "the broker failed inside its own TLS",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the broker and this machine have no TLS cipher in common, or it demands a "
    "client certificate",
    "UNEXPECTED_EOF_WHILE_READING": NO_TLS,
}
_OS_FAULTS = {
    errno.ECONNREFUSED: (Fault.REFUSED, "nothing listens there, or a firewall refuses"),
    errno.EHOSTUNREACH: (Fault.UNREACHABLE, "there is no way to that host"),
    errno.ENETUNREACH: (Fault.UNREACHABLE, "there is no way to that network; is this machine online?"),
    errno.ETIMEDOUT: (Fault.TIMEOUT, "no answer"),
    errno.ECONNRESET: (Fault.CLOSED, "the other side reset the connection"),
    errno.EPIPE: (Fault.CLOSED, "the other side closed the connection"),
    errno.EACCES: (Fault.UNREACHABLE, "this machine's firewall forbids it"),
    errno.EPERM: (Fault.UNREACHABLE, "this machine's firewall forbids it"),
}


def explain(error: BaseException, place: str) -> DialError:
    """The sentence for what went wrong on the way to ``place``."""
    match error:
        case DialError():
            return error
        case ssl.SSLCertVerificationError():
            return _explain_certificate(error, place)
        case ssl.SSLError():
            why = _TLS_ALERTS.get(error.reason or "")
            fault = Fault.TLS_CLIENT_CERTIFICATE if why else Fault.TLS
            why = why or _TLS_REASONS.get(error.reason or "") or _reason(error)
            return DialError(fault, f"TLS with {place} failed: {why}")
        case OSError():
            fault, why = _OS_FAULTS.get(error.errno or 0, (Fault.UNREACHABLE, "no connection"))
            if isinstance(error, TimeoutError):
                fault, why = Fault.TIMEOUT, "no answer in time"
            return DialError(fault, f"{place}: {why} ({error.strerror or error or type(error).__name__})")
        case _:
            return DialError(Fault.PROTOCOL, f"{place}: {str(error) or type(error).__name__}")


def _explain_certificate(error: ssl.SSLCertVerificationError, place: str) -> DialError:
    """By the X509_V_ERR codes of OpenSSL."""
    match error.verify_code:
        case 10:
            fault, why = Fault.TLS_EXPIRED, "the broker's certificate has expired"
        case 9:
            fault = Fault.TLS_NOT_YET_VALID
            why = "the broker's certificate is not valid yet; is this machine's clock right?"
        case 62 | 64:
            fault, why = Fault.TLS_HOSTNAME, f"the broker's certificate is for another name ({error.verify_message})"
        case 18:
            fault, why = Fault.TLS_UNKNOWN_CA, "the broker's certificate is signed by itself and not among our own"
        case 2 | 19 | 20 | 21:
            fault, why = Fault.TLS_UNKNOWN_CA, "the broker's certificate is signed by an authority we do not know"
        case _:
            fault, why = Fault.TLS, f"the broker's certificate is refused: {error.verify_message}"
    return DialError(fault, f"TLS with {place} failed: {why}")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or str(error)).replace("_", " ").lower()
