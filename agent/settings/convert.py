"""From settings to what the rooms that use them take. The one place where both vocabularies are known."""

from agent.mqtt_settings import BrokerSettings
from agent.mqtt_settings import TlsSettings as BrokerTls
from agent.settings.models import CredentialSettings, MqttSettings, StoreSettings
from agent.store.model import StoreSettings as StoreLimits
from collectors.snmp.credentials import Community, Credential, UsmUser


def snmp_credential(settings: CredentialSettings) -> Credential:
    """What the SNMP client asks with. rules.py made sure that it is whole."""
    if settings.version != "3":
        assert settings.community is not None
        return Community(settings.version, settings.community.reveal_bytes())
    assert settings.user is not None
    return UsmUser(
        settings.user,
        settings.auth,
        settings.auth_secret.reveal() if settings.auth_secret else None,
        settings.priv,
        settings.priv_secret.reveal() if settings.priv_secret else None,
        context=settings.context,
    )


def broker(settings: MqttSettings) -> BrokerSettings | None:
    """The broker, None where nothing is published."""
    if not settings.enabled or settings.host is None:
        return None
    tls = settings.tls
    return BrokerSettings(
        host=settings.host,
        port=settings.port,
        transport=settings.transport,
        path=settings.path,
        protocol=settings.protocol,
        tls=BrokerTls(
            ca=tls.ca,
            certificate=tls.cert,
            key=tls.key,
            key_password=tls.key_password,
            minimum_version=tls.minimum_version,
            check_hostname=tls.check_hostname,
            insecure=not tls.verify,
        )
        if tls.enabled
        else None,
        username=settings.username,
        password=settings.password,
        keepalive_s=settings.keepalive_s,
    )


def store_limits(settings: StoreSettings) -> StoreLimits:
    """The limits of the store; its path is passed apart."""
    return StoreLimits(
        max_bytes=settings.max_bytes,
        keep_minute_days=settings.keep_minute_days,
        keep_five_minutes_days=settings.keep_five_minutes_days,
        keep_hour_days=settings.keep_hour_days,
        keep_acknowledged_days=settings.keep_acknowledged_days,
        keep_acknowledged_bytes=settings.keep_acknowledged_bytes,
        ballast_bytes=settings.ballast_bytes,
    )
