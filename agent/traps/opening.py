"""The socket for traps: the one that systemd opened (sd_listen_fds(3)), or one bound by ourselves.

Port 162 is privileged and the agent has CAP_NET_RAW alone, so on a real site systemd/sonda-traps.socket binds it.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, MutableMapping

FIRST_FD = 3
"""SD_LISTEN_FDS_START."""
NAME = "traps"
"""FileDescriptorName= of systemd/sonda-traps.socket."""
SOCKET_UNIT = "sonda-traps.socket"


class TrapsNotHeardError(Exception):
    """The port cannot be listened on; the text says what to do."""


def given(environ: MutableMapping[str, str], pid: int, first_fd: int = FIRST_FD) -> socket.socket | None:
    """The socket that systemd passed to the process ``pid``, None where there is none. The environment's word of it is
    taken away, so that no child takes it for its own; further sockets are closed."""
    meant, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "")
    if meant != str(pid) or not count.isdigit():
        return None
    wanted = names.split(":") if names else [NAME] * int(count)
    found: socket.socket | None = None
    for number, name in zip(range(first_fd, first_fd + int(count)), wanted, strict=False):
        taken = _datagram_socket(number) if name == NAME and found is None else None
        if taken is None:
            with contextlib.suppress(OSError):
                os.close(number)
        else:
            found = taken
    return found


def _datagram_socket(number: int) -> socket.socket | None:
    try:
        taken = socket.socket(fileno=number)
    except OSError:
        return None
    if taken.type is not socket.SOCK_DGRAM or taken.family not in {socket.AF_INET, socket.AF_INET6}:
        taken.detach()
        return None
    taken.set_inheritable(False)
    return taken


def bind(host: str, port: int, holder: Callable[[int], str | None]) -> socket.socket:
    """A UDP socket of our own. ``holder(port)`` names who has a busy port, where that can be known.

    Raises TrapsNotHeardError.
    """
    bound: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0]
        bound = socket.socket(found[0], socket.SOCK_DGRAM)
        if found[0] == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(found[4])
    except OSError as error:
        if bound is not None:
            bound.close()
        raise TrapsNotHeardError(_sentence(host, port, error, holder)) from error
    return bound


def _sentence(host: str, port: int, error: OSError, holder: Callable[[int], str | None]) -> str:
    # The kernel refuses a privileged port before it looks whether somebody has it.
    who = holder(port) if error.errno in {errno.EADDRINUSE, errno.EACCES} else None
    if who or error.errno == errno.EADDRINUSE:
        return (
            f"No traps are heard: UDP port {port} is in use{f' by {who}' if who else ''}. Stop that and restart the "
            "agent, or choose another with `port` in [traps] and tell the devices."
        )
    if error.errno == errno.EACCES:
        return (
            f"No traps are heard: UDP port {port} may not be opened without privileges. Let systemd open it: systemctl "
            f"enable {SOCKET_UNIT}, then systemctl restart sonda. Or choose a `port` above 1023 in [traps] and tell "
            "the devices."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"No traps are heard: {host} is no address of this machine. Set `host` in [traps] to one that is, or to "
            "0.0.0.0."
        )
    return f"No traps are heard: {host} port {port} cannot be listened on ({error.strerror or error})."
