"""The administrator's orders as values. What each means, and its default: docs/configuration.md.

Types only. Where a rule of core/ obeys a section, its type lives with the rule; the rest is here.
"""

from typing import Literal, NamedTuple

from secsign_gate.core.grant import GrantSettings
from secsign_gate.core.orders import SshdSettings
from secsign_gate.core.policy import ExemptCommand, PolicySettings
from secsign_gate.core.push_limits import LimitSettings
from secsign_gate.core.push_text import PushSettings

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
]


class PinAccount(NamedTuple):
    """Credentials of the REST dialect. `password` is a secret: `repr` hides it."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"PinAccount(name={self.name!r}, password=…)"


class IdServerSettings(NamedTuple):
    """Where the ID server is and how to speak with it.

    URLs are `https://host[:port][/base]` without a trailing slash. `fallback_url` is for a create that certainly was
    not sent. `ca_file` is a PEM file that replaces the system's trust store. `pin_account` is set for `rest` and None
    for `form`. `proxy` is `http://host:port`. `total_seconds` limits one whole request, however its bytes drip in.
    `requests_per_second` limits all requests of one broker together.
    """

    dialect: Literal["form", "rest"]
    url: str
    fallback_url: str | None
    ca_file: str | None
    pin_account: PinAccount | None
    proxy: str | None
    connect_seconds: float
    total_seconds: float
    requests_per_second: int
    api_method: str


class MessageSettings(NamedTuple):
    """Whether a login without a terminal gets a line on stderr before the push, and one after."""

    before: bool
    after: bool


class AuditSettings(NamedTuple):
    """Where verdicts are recorded: syslog's authpriv, a file of JSON lines, or both. Never nowhere."""

    syslog: bool
    file: str | None


class BrokerSettings(NamedTuple):
    """What concerns the daemon only.

    `socket` is where it listens if no service manager listens for it, `account` whom it runs as once it has started.
    `connections_per_account` bounds how many doors of one account wait at once. `metrics` is where Prometheus may read,
    a unix socket's path or an address of the loopback and a port, None for nowhere.
    """

    socket: str
    account: str
    connections_per_account: int
    metrics: str | None


class Settings(NamedTuple):
    """All orders of one configuration file.

    `path` is that file; `users_file` maps accounts to SecSign IDs, and `registry_file` keys, None if there is none.
    """

    path: str
    id_server: IdServerSettings
    push: PushSettings
    policy: PolicySettings
    sshd: SshdSettings
    messages: MessageSettings
    audit: AuditSettings
    grants: GrantSettings
    limits: LimitSettings
    broker: BrokerSettings
    users_file: str
    registry_file: str | None = None
