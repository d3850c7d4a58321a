"""The configuration: one TOML file, read and judged as a whole, or not obeyed at all."""

from secsign_gate.config.reader import load_settings
from secsign_gate.config.settings import (
    AuditSettings,
    BrokerSettings,
    ExemptCommand,
    GrantSettings,
    IdServerSettings,
    LimitSettings,
    MessageSettings,
    PinAccount,
    PolicySettings,
    PushSettings,
    Settings,
    SshdSettings,
)

__all__ = [
    "AuditSettings",
    "BrokerSettings",
    "ExemptCommand",
    "GrantSettings",
    "IdServerSettings",
    "LimitSettings",
    "MessageSettings",
    "PinAccount",
    "PolicySettings",
    "PushSettings",
    "Settings",
    "SshdSettings",
    "load_settings",
]
