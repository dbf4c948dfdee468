"""MQTT over aiomqtt (asyncio-mqtt under its present name) and paho-mqtt below it. Nobody else imports either.

What aiomqtt 2.5 drops or leaves open is taken up here, and pinned by tests/agent/mqtt/test_pinned.py:

1. The PUBACK's reason code (aiomqtt throws it away: a publish that an ACL denies looks like success) and the
   CONNACK's properties: the callbacks are overridden.
2. A broker that closes before the CONNACK would be waited for until the timeout: it ends the dial at once.
3. A socket that outlives a failed or cancelled dial: TCP is dialled here and handed to paho, TLS and WebSocket
   handshakes run in the executor and end when the socket is shut down under them.
4. An end that comes in one breath with the CONNACK is forgotten: it fails the dial.
5. A writer registered for a descriptor that was closed, and perhaps used again, in the same turn of the loop.
6. paho's queue: every message is in the outbox, so a client lives for one connection and is thrown away.
7. paho reads packets of up to 256 MB into memory: what exceeds our maximum ends the connection before it is read.
8. paho keeps a message of QoS 2 until its PUBREL comes, and each answer of its own until the broker reads it, both
   without end. We subscribe with QoS 1: QoS 2 ends the connection at its fixed header, too many answers do as well.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.mqtt_connection import DialError, Events, Fault, Inbound, LostError, Version, Will
from agent.mqtt_dial import NO_TLS, TlsContext, explain, open_socket, resolve, tls_context
from agent.mqtt_settings import BrokerSettings

_PROTOCOLS: dict[Version, aiomqtt.ProtocolVersion] = {
    "5": aiomqtt.ProtocolVersion.V5,
    "3.1.1": aiomqtt.ProtocolVersion.V311,
}
_AT_MOST = 1000
"""More than any window; a publish beyond it is an error of ours and raises, so that paho never queues."""
_INBOUND_MAXIMUM = 20
_INBOUND_OCTETS = 256 * 1024
"""What the broker may send us at once: bounds the memory that a stranger's retained message can take. MQTT 5 brokers
are told; whatever is larger all the same is refused by its fixed header, before it is read."""
_OUTBOUND_AT_MOST = 2 * _AT_MOST
"""Packets that wait to be written: our publishes, and the PUBACKs that a broker asks for and does not read."""
GOODBYE_S = 1.0
DELIVERIES = ("live", "backlog")

_CONNACK: dict[int, tuple[Fault, str]] = {
    0x84: (Fault.VERSION, "does not speak this version of MQTT"),
    0x85: (Fault.BROKER, "refuses our client id"),
    0x86: (Fault.CREDENTIALS, "refuses the user name or password: check them in [mqtt]"),
    0x87: (Fault.NOT_AUTHORISED, "does not let this user in: check `username`, `password` and certificate in [mqtt]"),
    0x88: (Fault.BROKER, "is unavailable"),
    0x89: (Fault.BROKER, "is busy"),
    0x8A: (Fault.NOT_AUTHORISED, "has banned this client"),
    0x8C: (Fault.CREDENTIALS, "wants another way of authentication"),
    0x90: (Fault.NOT_AUTHORISED, "does not accept the topic of the last will"),
    0x97: (Fault.BROKER, "says that a quota is used up"),
    0x9A: (Fault.BROKER, "keeps no retained messages, which the status needs"),
    0x9B: (Fault.BROKER, "does not take QoS 1, which acknowledgement needs"),
    0x9C: (Fault.BROKER, "says that another server is to be used"),
    0x9D: (Fault.BROKER, "says that another server is to be used"),
    0x9F: (Fault.BROKER, "says that we connect too often"),
}

_REFUSES = (
    "refuses the connection ({}): its log says why; check `username`, `password`, `protocol` and the topics that this "
    "user may write to, in [mqtt] and at the broker"
)
"""Where the reason says nothing that somebody could act upon."""


def client_id(tenant: str, site: str, probe: str) -> str:
    """Stable for a probe; at most 128 characters, and "_" is in none of the three, so no two probes share one."""
    return f"sonda_{tenant}_{site}_{probe}"


class BrokerDialler:
    """Dials one broker (Dialler of mqtt_connection.py)."""

    def __init__(self, settings: BrokerSettings, identifier: str) -> None:
        self._settings = settings
        self._identifier = identifier
        self._resolving: asyncio.Task[list[tuple[int, tuple[object, ...]]]] | None = None
        kind = "WebSocket" if settings.transport == "websocket" else "TCP"
        self.place = f"{settings.host}:{settings.port} ({kind}{' over TLS' if settings.tls else ''})"

    @property
    def warnings(self) -> tuple[str, ...]:
        settings, found = self._settings, []
        if settings.tls is not None and settings.tls.insecure:
            found.append("the broker's certificate is not checked (insecure): anybody in between can read and forge")
        elif settings.tls is not None and not settings.tls.check_hostname:
            found.append("the name in the broker's certificate is not checked")
        if settings.tls is None and settings.password is not None and not _is_here(settings.host):
            found.append("user name and password travel unencrypted: there is no TLS")
        return tuple(found)

    @contextlib.asynccontextmanager
    async def connect(self, version: Version, will: Will, events: Events) -> AsyncIterator["BrokerConnection"]:
        settings = self._settings
        context: TlsContext | None = None
        sock: socket.socket | None = None
        client: _Client | None = None
        try:
            try:
                async with asyncio.timeout(settings.dial_timeout_s):
                    if settings.tls is not None:
                        context = await asyncio.to_thread(tls_context, settings.tls)
                    sock = await open_socket(settings, await self._resolve())
                    client = _Client(
                        settings,
                        identifier=self._identifier,
                        version=version,
                        will=will,
                        events=events,
                        sock=sock,
                        context=context,
                    )
                    await client.enter()
            except TimeoutError as error:
                raise DialError(
                    Fault.TIMEOUT, f"{self.place}: no connection within {settings.dial_timeout_s:g} s"
                ) from error
            yield BrokerConnection(client, version, context)
        finally:
            if client is not None:
                await client.leave()
            if context is not None:
                context.close()
            if sock is not None:
                sock.close()

    async def _resolve(self) -> list[tuple[int, tuple[object, ...]]]:
        """One lookup at a time: a resolver that hangs keeps one thread, not one a dial."""
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.create_task(
                resolve(self._settings.host, self._settings.port), name="mqtt.resolve"
            )
            self._resolving.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, if by nobody
        return await asyncio.shield(self._resolving)


class _UnreadError(OSError):
    """A packet from the broker that is not read. paho takes it for a failed read, and ends the connection."""


class _TooLargeError(_UnreadError):
    """It is larger than what is read."""


class _Notes(logging.Handler):
    """The last exception that paho speaks of: it logs what ended a connection and hands on a mere "lost"."""

    cause: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, BaseException):
                self.cause = argument


class _Client(aiomqtt.Client):
    """aiomqtt's client for one connection over a socket that is already open."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        identifier: str,
        version: Version,
        will: Will,
        events: Events,
        sock: socket.socket,
        context: TlsContext | None,
    ) -> None:
        self.place = f"{settings.host}:{settings.port}"
        self.granted: Properties | None = None
        self._events = events
        self._context = context
        self._lever = sock.dup()
        self._notes = _Notes()
        self._why: tuple[bool, ReasonCode] | None = None
        self._leaving = False
        logger = logging.Logger("sonda.mqtt.paho", logging.ERROR)  # noqa: LOG001 - heard by _notes alone, not by the log
        logger.addHandler(self._notes)
        properties = None
        if version == "5":
            properties = _properties(PacketTypes.CONNECT)
            properties.ReceiveMaximum = _INBOUND_MAXIMUM
            properties.MaximumPacketSize = _INBOUND_OCTETS
        super().__init__(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password.reveal() if settings.password is not None else None,
            logger=logger,
            identifier=identifier,
            protocol=_PROTOCOLS[version],
            will=aiomqtt.Will(will.topic, will.payload, 1, retain=True),
            clean_session=None if version == "5" else True,
            transport="websockets" if settings.transport == "websocket" else "tcp",
            timeout=settings.dial_timeout_s,
            keepalive=settings.keepalive_s,
            max_queued_outgoing_messages=_AT_MOST,
            max_inflight_messages=_AT_MOST,
            properties=properties,
            tls_context=context,
            websocket_path=settings.path if settings.transport == "websocket" else None,
        )
        self.paho = self._client
        self.paho.connect_timeout = settings.dial_timeout_s
        self.paho._create_socket_connection = lambda: sock  # type: ignore[method-assign]  # noqa: SLF001 - see 3 above
        self._receive = self.paho._sock_recv  # noqa: SLF001 - see 7 above
        self.paho._sock_recv = self._receive_bounded  # type: ignore[method-assign]  # noqa: SLF001

    def _receive_bounded(self, bufsize: int) -> bytes:
        """paho asks for all that its packet's fixed header announces; the first octet of that is known by then."""
        first = self.paho._in_packet["command"]  # noqa: SLF001 - see 8 above
        if first & 0xF0 == PacketTypes.PUBLISH << 4 and first & 0b0110 > 0b0010:
            raise _UnreadError(errno.EPROTO, "the broker sends a message of QoS 2, and our subscription says QoS 1")
        if len(self.paho._out_packet) > _OUTBOUND_AT_MOST:  # noqa: SLF001 - see 8 above
            raise _UnreadError(errno.ENOBUFS, "the broker sends, and does not read what we answer")
        if bufsize > _INBOUND_OCTETS:
            raise _TooLargeError(errno.EMSGSIZE, f"the broker sends a packet of {bufsize} octets")
        return self._receive(bufsize)

    @property
    def gone(self) -> asyncio.Future[None]:
        return self._disconnected

    async def enter(self) -> None:
        """DialError, or the CONNACK was good."""
        first_end = self._disconnected
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.wait({entering})
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                self._lever.shutdown(socket.SHUT_RDWR)
            await asyncio.wait({entering})  # its socket is dead: the thread, or the wait for the CONNACK, ends now
            entering.exception()
            raise
        if (error := entering.exception()) is not None:
            raise self._why_not(error) from error
        if first_end.done():  # aiomqtt has forgotten it
            end = self.why_lost(first_end.exception())
            raise DialError(end.fault, str(end))
        self._disconnected.add_done_callback(self._ended)

    async def leave(self) -> None:
        """Drops the socket, if there is one yet. No goodbye."""
        self._leaving = True
        self.paho.reinitialise()
        self._lever.close()
        if (task := self._misc_task) is not None:
            task.cancel()
            await asyncio.wait({task})
        for future in (self._connected, self._disconnected, *([task] if task else [])):
            if future.done() and not future.cancelled():
                future.exception()  # seen, so that asyncio does not complain that nobody looked

    async def goodbye(self) -> None:
        self._leaving = True
        if self.paho.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            await asyncio.wait({self._disconnected}, timeout=GOODBYE_S)

    def _why_not(self, error: BaseException) -> DialError:
        if isinstance(error, aiomqtt.MqttCodeError) and isinstance(error.rc, ReasonCode):
            fault, what = _CONNACK.get(error.rc.value, (Fault.BROKER, _REFUSES.format(error.rc)))
            return DialError(fault, f"the broker at {self.place} {what}")
        in_handshake = isinstance(error.__context__, OSError)  # TLS or WebSocket, in the executor
        cause = error.__context__ if in_handshake else self._notes.cause
        if isinstance(cause, WebsocketConnectionError):
            return DialError(Fault.WEBSOCKET, f"what listens at {self.place} does not speak MQTT over WebSocket there")
        why = explain(cause or error, self.place)
        if cause is not None and why.fault is not Fault.CLOSED:
            return why
        if in_handshake and self._context is not None:
            return DialError(Fault.TLS, f"TLS with {self.place} failed: {NO_TLS}")
        if self._why is None:
            return why
        hint = "" if self._context is not None else "; does it want TLS?"
        return DialError(Fault.CLOSED, f"{self.place} closed the connection instead of accepting it{hint}")

    def _ended(self, future: "asyncio.Future[None]") -> None:
        error = future.exception() if not future.cancelled() else None
        if not self._leaving:
            self._leaving = True
            self._events.lost(self.why_lost(error))

    def why_lost(self, error: BaseException | None = None) -> LostError:
        """What is known of the end by now."""
        by_broker, reason = self._why if self._why is not None else (False, None)
        if by_broker and reason is not None:
            fault = {0x8E: Fault.TAKEN_OVER, 0x87: Fault.NOT_AUTHORISED}.get(reason.value, Fault.BROKER)
            return LostError(fault, f"the broker at {self.place} ended the connection: {reason}")
        if self._notes.cause is not None:
            return self._by_cause(self._notes.cause)
        if reason is not None and reason.getName() == "Keep alive timeout":
            return LostError(Fault.TIMEOUT, f"the connection was lost: {self.place} did not answer a ping")
        if reason is not None and reason.getName() == "Protocol error":
            return LostError(Fault.PROTOCOL, f"the connection was lost: {self.place} sent something that is not MQTT")
        if error is not None and reason is None:
            return LostError(Fault.PROTOCOL, f"the connection was lost: {explain(error, self.place)}")
        return LostError(Fault.CLOSED, f"the broker at {self.place} closed the connection")

    def _by_cause(self, cause: BaseException) -> LostError:
        if isinstance(cause, _TooLargeError):
            most = f"more than {_INBOUND_OCTETS // 1024} KiB are not read"
            return LostError(Fault.TOO_LARGE, f"the connection was ended: {cause.strerror}; {most}")
        if isinstance(cause, _UnreadError):
            return LostError(Fault.UNASKED, f"the connection was ended: {cause.strerror}")
        why = explain(cause, self.place)
        return LostError(why.fault, f"the connection was lost: {why}")

    # aiomqtt's callbacks, called by paho; they carry what aiomqtt drops.

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self.granted = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        if self._why is None:
            self._why = (flags.is_disconnect_packet_from_server, reason_code)
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("closed before the CONNACK"))
        if self._connected.cancelled():  # the dial was given up meanwhile; aiomqtt would ask what came of it
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._events.acknowledged(mid, reason_code.value, str(reason_code))

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._events.received(Inbound(topic, bytes(message.payload), message.retain))

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False  # paho's connect() runs in the executor and queues the CONNECT there
        if here:
            self._loop.add_writer(sock.fileno(), self._write)
        else:
            self._loop.call_soon_threadsafe(self._register_later, sock)

    def _register_later(self, sock: Any) -> None:
        if sock.fileno() >= 0 and self.paho.want_write():
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self.paho.loop_write()
        except OSError as error:  # what paho has not turned into a code of its own
            if not self._disconnected.done():
                self._disconnected.set_exception(error)


def _user_property(delivery: str) -> Properties:
    properties = _properties(PacketTypes.PUBLISH)
    properties.UserProperty = ("delivery", delivery)
    return properties


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it without hints


class BrokerConnection:
    """A connection that the broker accepted (Connection of mqtt_connection.py)."""

    def __init__(self, client: _Client, version: Version, context: TlsContext | None) -> None:
        self._client = client
        self._deliveries = {name: _user_property(name) for name in DELIVERIES} if version == "5" else {}
        granted = client.granted
        self.version: Version = version
        self.receive_maximum = int(getattr(granted, "ReceiveMaximum", 65535))
        self.maximum_packet: int | None = getattr(granted, "MaximumPacketSize", None)
        self.retains = bool(getattr(granted, "RetainAvailable", 1))
        self.tls = context.wrapped.version() if context is not None and context.wrapped is not None else None

    def publish(self, topic: str, payload: bytes, *, retain: bool, delivery: str | None) -> int:
        properties = self._deliveries.get(delivery or "")
        info = self._client.paho.publish(topic, payload, 1, retain, properties)
        if info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN or self._client.gone.done():
            raise self._client.why_lost()
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise RuntimeError(f"paho did not take a message for {topic}: {info.rc!r}")
        return int(info.mid)

    async def subscribe(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        wanted: Any = [(topic, SubscribeOptions(qos=1) if self.version == "5" else 1) for topic in topics]
        asking = asyncio.ensure_future(self._client.subscribe(wanted))
        try:
            waits: set[asyncio.Future[Any]] = {asking, self._client.gone}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
        if not asking.done() or asking.cancelled():
            raise LostError(Fault.CLOSED, "the connection was lost while subscribing")
        if (error := asking.exception()) is not None:
            raise LostError(Fault.PROTOCOL, f"the broker did not answer a subscription: {error}") from error
        return tuple(code.value if isinstance(code, ReasonCode) else int(code) for code in asking.result())

    async def disconnect(self) -> None:
        await self._client.goodbye()


def _is_here(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
