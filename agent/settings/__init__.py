"""The configuration: TOML files in, one frozen Settings out, or every fault with its file and line.

    settings = load([Path("/etc/sonda/sonda.toml")])      # Settings, or SettingsError(.faults)
    examined = examine([...])                              # .settings | None, .faults, .warnings, .files, .overrides

models.py lists the attributes; config/README.md says what each setting means.
"""

from agent.settings.faults import Fault, Override, Place, SettingsError, Severity
from agent.settings.loader import Examined, Overrides, examine, load
from agent.settings.models import (
    CredentialSettings,
    DeviceSettings,
    HttpSettings,
    MqttSettings,
    Settings,
    StoreSettings,
)
from agent.settings.secret import Secret, Surroundings
from agent.settings.sources import DEFAULT_FILE

__all__ = [
    "DEFAULT_FILE",
    "CredentialSettings",
    "DeviceSettings",
    "Examined",
    "Fault",
    "HttpSettings",
    "MqttSettings",
    "Override",
    "Overrides",
    "Place",
    "Secret",
    "Settings",
    "SettingsError",
    "Severity",
    "StoreSettings",
    "Surroundings",
    "examine",
    "load",
]
