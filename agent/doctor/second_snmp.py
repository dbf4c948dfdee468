"""A second opinion on SNMP by pysnmp, where our own client gets nothing. Owner of pysnmp.

pysnmp takes half a second of CPU to load and reads MIB files as it starts: it is imported where it is asked, in a
thread with a loop of its own, and never by the daemon.
"""

import asyncio
from typing import Any

from agent.threads import ThreadFailed, in_thread
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser

SYS_DESCR = "1.3.6.1.2.1.1.1.0"

_AUTH = {
    AuthProtocol.MD5: "USM_AUTH_HMAC96_MD5",
    AuthProtocol.SHA1: "USM_AUTH_HMAC96_SHA",
    AuthProtocol.SHA224: "USM_AUTH_HMAC128_SHA224",
    AuthProtocol.SHA256: "USM_AUTH_HMAC192_SHA256",
    AuthProtocol.SHA384: "USM_AUTH_HMAC256_SHA384",
    AuthProtocol.SHA512: "USM_AUTH_HMAC384_SHA512",
}
_PRIV = {
    PrivProtocol.DES: "USM_PRIV_CBC56_DES",
    PrivProtocol.AES128: "USM_PRIV_CFB128_AES",
    PrivProtocol.AES192: "USM_PRIV_CFB192_AES_BLUMENTHAL",
    PrivProtocol.AES256: "USM_PRIV_CFB256_AES_BLUMENTHAL",
    PrivProtocol.AES192C: "USM_PRIV_CFB192_AES",
    PrivProtocol.AES256C: "USM_PRIV_CFB256_AES",
}
"""Names in pysnmp's high-level API. What it calls plain AES-192 and AES-256 is Cisco's key extension."""


async def answers(address: str, port: int, credential: Credential, *, timeout_s: float) -> str | None:
    """What pysnmp hears: sysDescr, "" where there is none; None where it hears nothing either."""
    try:
        return await in_thread(_ask, address, port, credential, timeout_s)
    except (ThreadFailed, ValueError):  # a second opinion that cannot be had is none
        return None


def _ask(address: str, port: int, credential: Credential, timeout_s: float) -> str | None:
    return asyncio.run(_get(address, port, credential, timeout_s))


async def _get(address: str, port: int, credential: Credential, timeout_s: float) -> str | None:
    from pysnmp.error import PySnmpError  # noqa: PLC0415 - only where it is asked
    from pysnmp.hlapi.v3arch import asyncio as hlapi  # noqa: PLC0415 - the same

    engine = hlapi.SnmpEngine()
    transport = hlapi.Udp6TransportTarget if ":" in address else hlapi.UdpTransportTarget
    try:
        target = await transport.create((address, port), timeout=timeout_s, retries=1)
        context = hlapi.ContextData(contextName=credential.context if isinstance(credential, UsmUser) else "")
        wanted = hlapi.ObjectType(hlapi.ObjectIdentity(SYS_DESCR))
        error, _status, _index, varbinds = await hlapi.get_cmd(
            engine, _credential(hlapi, credential), target, context, wanted, lookupMib=False
        )
    except (PySnmpError, OSError):
        return None
    finally:
        engine.close_dispatcher()
    if error:
        return None
    return varbinds[0][1].prettyPrint() if varbinds else ""


def _credential(hlapi: Any, credential: Credential) -> Any:
    if isinstance(credential, Community):
        return hlapi.CommunityData(credential.community.decode("latin-1"), mpModel=int(credential.version != "1"))
    options: dict[str, Any] = {}
    if credential.auth and credential.auth_secret:
        options["authKey"] = credential.auth_secret.octets.decode()
        options["authProtocol"] = getattr(hlapi, _AUTH[credential.auth])
    if credential.priv and credential.priv_secret:
        options["privKey"] = credential.priv_secret.octets.decode()
        options["privProtocol"] = getattr(hlapi, _PRIV[credential.priv])
    return hlapi.UsmUserData(credential.name, **options)
