"""Everything that can go wrong with a request, as a tree.

SnmpError                 ``reason`` is the short name that samples carry
├── Timeout               no answer within the waiting time of the last try
│   ├── Unreachable       the same, and ICMP said why (host, net, prohibited)
│   └── AnsweredElsewhere the same, and an answer came from an address that was not asked
├── Refused               ICMP port unreachable: the host is there, nobody listens
├── SendFault             our own side could not send, even after the error queue was drained
├── Busy                  the cap of outstanding requests is reached
├── DecodeError           octets that are not an SNMP message (X.690, RFC 1157, 3416, 3412)
├── TooBig                the agent says that its answer would not fit (error-status 1)
└── AuthFailure           SNMPv3 says no (RFC 3414 section 3.2, RFC 3412 section 7.2), or access control does
    ├── UnknownUser
    ├── WrongDigest
    ├── NotInTimeWindow
    ├── DecryptionError
    ├── UnknownEngine
    ├── UnsupportedSecLevel
    ├── UnknownContext
    └── AccessDenied
"""


class SnmpError(Exception):
    """A request that has no answer. ``reason`` is the same for every instance of a class, bar Unreachable."""

    reason: str = "snmp"


class Timeout(SnmpError):  # noqa: N818 -- the word of the field, and what the caller reads
    """No answer to any try."""

    reason = "timeout"


class Unreachable(Timeout):
    """No answer to any try, and an ICMP error for this peer said why."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class AnsweredElsewhere(Timeout):
    """No answer from the address that was asked, and one with the request's id from another: it is named, and not
    believed, for anybody could send it."""

    reason = "other_source"

    def __init__(self, asked: str, address: str, port: int) -> None:
        super().__init__(f"{asked}: an answer came from {address} port {port}")
        self.address = address
        self.port = port
        self.elsewhere = address if address != asked else f"port {port}"


class Refused(SnmpError):  # noqa: N818 -- as above
    """ICMP port unreachable came back for this peer's address and port."""

    reason = "refused"


class SendFault(SnmpError):  # noqa: N818 -- as above
    """The send itself failed twice: no route, no permission, no such interface. Not the device's doing."""

    reason = "send_fault"


class Busy(SnmpError):  # noqa: N818 -- as above
    """Too many requests outstanding; the limit is the client's, not the device's."""

    reason = "busy"


class DecodeError(SnmpError):
    """Octets that cannot be read as what they should be."""

    reason = "undecodable"


class TooBig(SnmpError):  # noqa: N818 -- the name of the error-status in RFC 3416
    """The agent's answer would be larger than it can send: ask for fewer instances."""

    reason = "too_big"


class AuthFailure(SnmpError):  # noqa: N818 -- as above
    """The agent's SNMPv3 security refused the request; the subclass says which part of the credential is wrong."""

    reason = "auth"


class UnknownUser(AuthFailure):
    """usmStatsUnknownUserNames: the agent has no such user."""

    reason = "unknown_user"


class WrongDigest(AuthFailure):
    """usmStatsWrongDigests: authentication secret or protocol differ."""

    reason = "wrong_digest"


class NotInTimeWindow(AuthFailure):
    """usmStatsNotInTimeWindows, still after the engine's time was taken from an authentic message."""

    reason = "not_in_time_window"


class DecryptionError(AuthFailure):
    """usmStatsDecryptionErrors: privacy secret or protocol differ."""

    reason = "decryption_error"


class UnknownEngine(AuthFailure):
    """usmStatsUnknownEngineIDs, still after the engine id was learnt anew."""

    reason = "unknown_engine"


class UnsupportedSecLevel(AuthFailure):
    """usmStatsUnsupportedSecLevels: the agent does not do authentication or privacy for this user."""

    reason = "unsupported_sec_level"


class UnknownContext(AuthFailure):
    """snmpUnknownContexts or snmpUnavailableContexts (RFC 3413)."""

    reason = "unknown_context"


class AccessDenied(AuthFailure):
    """authorizationError (RFC 3416): the credential is known, and may read nothing at its security level; most often
    the device wants privacy of a user who has none."""

    reason = "access_denied"
