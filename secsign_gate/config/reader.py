"""One TOML file becomes Settings, or every reason why it cannot: what settings there are, and what each must be.

A section is one function here; docs/configuration.md says the same for people, and a test compares the two.
"""

import os
from typing import Literal

from secsign_gate.config.pin_account import read_pin_account
from secsign_gate.config.rules import (
    Rule,
    absolute_file,
    account_name,
    api_method,
    command_line,
    command_pattern,
    exempting,
    file_below,
    flag,
    https_url,
    list_of,
    metrics_place,
    network,
    one_of,
    pattern_list,
    proxy_url,
    seconds,
    shown_on_phone,
    sshd_file_pattern,
    whole_number,
)
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
from secsign_gate.config.table import Reading, Table
from secsign_gate.config.toml_text import parse_toml
from secsign_gate.core.patterns import PatternList
from secsign_gate.errors import ConfigError, Problem
from secsign_gate.trusted_file import read_trusted, read_trusted_lines

DEFAULT_PATH = "/etc/secsign-gate/secsign-gate.toml"
DEFAULT_SOCKET = "/run/secsign-gate/broker.sock"
DEFAULT_ACCOUNT = "secsign-gate"  # made by systemd/sysusers.d/secsign-gate.conf
DEFAULT_USERS_FILE = "users"  # beside the TOML

Dialect = Literal["form", "rest"]

_DIALECT: Rule[Dialect] = one_of("form", "rest")
_ACCESS_PASS: Rule[Literal["with-terminal", "never"]] = one_of("with-terminal", "never")
_PER: Rule[Literal["connection", "channel"]] = one_of("connection", "channel")
_ELSEWHERE: Rule[Literal["refuse", "unrestricted"]] = one_of("refuse", "unrestricted")
_NOBODY = PatternList()

# As pam_motd(8): of alternatives the first that opens, of directories all their files by name.
_MOTD_FILES = ("/run/motd.dynamic", "/etc/motd:/run/motd:/usr/lib/motd", "/etc/motd.d:/run/motd.d:/usr/lib/motd.d")


def load_settings(path: str) -> Settings:
    """Return the orders in the TOML file at `path`; relative names in it are below its folder.

    The file, and the secrets file and CA file that it names, are judged as trusted_file.py says. Raises ConfigError
    with ALL problems.
    """
    return parse_settings(path, read_trusted_lines(path))


def parse_settings(path: str, text: str) -> Settings:
    """Return the orders in `text`, the content of the file at `path`. Raises ConfigError as `load_settings`."""
    reading = Reading(path, text)
    root = Table(reading, (), parse_toml(path, text))
    absolute = _absolute(path)
    folder = os.path.dirname(absolute)  # noqa: PTH120 - see _absolute
    settings = Settings(
        path=absolute,
        users_file=_users_file(root, folder),
        registry_file=root.take("registry_file", file_below(folder), None),
        id_server=_id_server(reading, root.table("id_server"), folder),
        push=_push(root.table("push")),
        policy=_policy(root.table("policy")),
        sshd=_sshd(root.table("sshd")),
        messages=_messages(root.table("messages")),
        audit=_audit(root.table("audit")),
        grants=_grants(root.table("grants")),
        limits=_limits(root.table("limits")),
        broker=_broker(root.table("broker")),
    )
    orders = absolute, settings.users_file, settings.registry_file
    if settings.audit.file is not None and settings.audit.file in orders:
        reading.fault(("audit", "file"), "is a file that orders are read from", "record verdicts in a file of its own")
    root.end()
    reading.refuse_unless_clean()
    return settings


def users_file_named_in(path: str) -> str | None:
    """Return the users file that the TOML file at `path` names, although its other orders may be unusable.

    None if that cannot be told. For finding further mistakes only, never for obeying.
    """
    try:
        reading = Reading(path, read_trusted_lines(path))
        root = Table(reading, (), parse_toml(path, reading.text))
        users_file = _users_file(root, os.path.dirname(_absolute(path)))  # noqa: PTH120 - see _absolute
        reading.refuse_unless_clean()
    except ConfigError:
        return None
    return users_file


def broker_socket_named_in(path: str) -> str:
    """Return the socket of the broker that the TOML file at `path` names; the default if that cannot be told.

    For finding a broker that runs under older orders, never for obeying.
    """
    return _broker_in(path).take("socket", absolute_file, DEFAULT_SOCKET)


def broker_account_named_in(path: str) -> str:
    """Return the account of the broker that the TOML file at `path` names; the default if that cannot be told.

    It opens no other file, so that nothing secret is read. For becoming it once `load_settings` says the same.
    """
    return _broker_in(path).take("account", account_name, DEFAULT_ACCOUNT)


def _broker_in(path: str) -> Table:
    """Return the section of the broker, empty if the file is not usable."""
    try:
        text = read_trusted_lines(path)
        values = parse_toml(path, text)
    except ConfigError:
        text, values = "", {}
    return Table(Reading(path, text), (), values).table("broker")


def _absolute(path: str) -> str:
    """Return the absolute name, `..` kept: what is above a symbolic link is not what is above its name."""
    return path if path.startswith("/") else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118 - pathlib would cost each login some milliseconds


def _users_file(root: Table, folder: str) -> str:
    rule = file_below(folder)
    return root.take("users_file", rule, rule(DEFAULT_USERS_FILE))


def _id_server(reading: Reading, table: Table, folder: str) -> IdServerSettings:
    dialect: Dialect = table.require("dialect", _DIALECT, "form")
    url = table.require("url", https_url, "")
    fallback_url = table.take("fallback_url", https_url, None)
    if fallback_url is not None and fallback_url == url:
        table.fault("fallback_url", "is the same as url", "name another server or leave it out")
    connect_seconds = table.take("connect_seconds", seconds(0.1, 60), 5.0)
    total_seconds = table.take("total_seconds", seconds(0.1, 120), 15.0)
    if connect_seconds > total_seconds:
        table.fault(
            "connect_seconds", f"is more than total_seconds, {total_seconds:g}", "connecting is part of a request"
        )
    if dialect == "rest" and "api_method" in table:
        table.fault("api_method", "means nothing to a server of the dialect rest", "remove it")
    ca_file = table.take("ca_file", file_below(folder), None)
    if ca_file is not None:
        _judge_ca_file(reading, ca_file)
    settings = IdServerSettings(
        dialect=dialect,
        url=url,
        fallback_url=fallback_url,
        ca_file=ca_file,
        pin_account=_pin_account(reading, table, folder, dialect),
        proxy=table.take("proxy", proxy_url, None),
        connect_seconds=connect_seconds,
        total_seconds=total_seconds,
        requests_per_second=table.take("requests_per_second", whole_number(1, 1000), 20),
        api_method=table.take("api_method", api_method, "SecSignGate"),
    )
    table.end()
    return settings


def _pin_account(reading: Reading, table: Table, folder: str, dialect: Dialect) -> PinAccount | None:
    given = "pin_account_file" in table
    path = table.take("pin_account_file", file_below(folder), None)
    if dialect == "form" and given and "dialect" in table:
        table.fault("pin_account_file", "is given, but the dialect form has no PIN account", 'remove it or use "rest"')
        return None
    if dialect == "rest" and not given:
        table.fault("pin_account_file", "is missing, and the dialect rest needs it", "name a file with `name:password`")
    if path is None:
        return None
    try:
        return read_pin_account(path)
    except ConfigError as error:
        reading.fault_elsewhere(error)
        return None


def _judge_ca_file(reading: Reading, path: str) -> None:
    """Note whether the CA file cannot be one. Its certificates are for TLS to judge."""
    try:
        content = read_trusted(path)
    except ConfigError as error:
        reading.fault_elsewhere(error)
        return
    if b"-----BEGIN CERTIFICATE-----" not in content:
        problem = Problem(path, 0, "", "holds no certificate in PEM form", "put the CA's certificate there")
        reading.fault_elsewhere(ConfigError([problem]))


def _push(table: Table) -> PushSettings:
    settings = PushSettings(
        service_name=table.take("service_name", shown_on_phone, "{account}@{host}"),
        service_address=table.take("service_address", shown_on_phone, "{host}"),
        access_pass=table.take("access_pass", _ACCESS_PASS, "with-terminal"),
        wait_seconds=table.take("wait_seconds", whole_number(5, 600), 60),
        queue_seconds=table.take("queue_seconds", whole_number(1, 3600), 120),
    )
    table.end()
    return settings


def _policy(table: Table) -> PolicySettings:
    settings = PolicySettings(
        exempt_accounts=table.take("exempt_accounts", exempting, _NOBODY),
        exempt_groups=table.take("exempt_groups", exempting, _NOBODY),
        exempt_networks=table.take("exempt_networks", list_of(network), ()),
        exempt_commands=tuple([_exempt_command(entry) for entry in table.tables("exempt_commands")]),
    )
    table.end()
    return settings


def _exempt_command(table: Table) -> ExemptCommand:
    rule = ExemptCommand(
        accounts=table.require("accounts", pattern_list, _NOBODY),
        command=table.require("command", command_line, b""),
    )
    table.end()
    return rule


def _sshd(table: Table) -> SshdSettings:
    patterns = list_of(sshd_file_pattern)
    files = list_of(absolute_file)
    settings = SshdSettings(
        authorized_keys_files=table.take(
            "authorized_keys_files", patterns, (".ssh/authorized_keys", ".ssh/authorized_keys2")
        ),
        authorized_keys_elsewhere=table.take("authorized_keys_elsewhere", _ELSEWHERE, "refuse"),
        trusted_user_ca_keys=table.take("trusted_user_ca_keys", files, ()),
        authorized_principals_files=table.take("authorized_principals_files", patterns, ()),
        permit_user_rc=table.take("permit_user_rc", flag, default=True),
        expose_auth_info=table.take("expose_auth_info", flag, default=False),
        subsystems=table.take("subsystems", list_of(command_line), (b"/usr/lib/openssh/sftp-server", b"internal-sftp")),
        sftp_server=table.take("sftp_server", absolute_file, "/usr/lib/openssh/sftp-server"),
        executables=table.take("executables", files, ("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session")),
        motd_files=table.take("motd_files", files, _MOTD_FILES),
        mail_notice=table.take("mail_notice", flag, default=True),
        last_login=table.take("last_login", flag, default=True),
    )
    table.end()
    return settings


def _messages(table: Table) -> MessageSettings:
    settings = MessageSettings(
        before=table.take("before", flag, default=True), after=table.take("after", flag, default=True)
    )
    table.end()
    return settings


def _audit(table: Table) -> AuditSettings:
    settings = AuditSettings(
        syslog=table.take("syslog", flag, default=True), file=table.take("file", absolute_file, None)
    )
    if not settings.syslog and "file" not in table:
        table.fault("syslog", "is false and no file is named, so no verdict would be on record", "keep one of the two")
    table.end()
    return settings


def _grants(table: Table) -> GrantSettings:
    settings = GrantSettings(
        per=table.take("per", _PER, "connection"),
        seconds=table.take("seconds", whole_number(0, 86400), 0),
        per_channel_accounts=table.take("per_channel_accounts", pattern_list, _NOBODY),
        per_channel_commands=table.take("per_channel_commands", list_of(command_pattern), ()),
    )
    table.end()
    return settings


def _limits(table: Table) -> LimitSettings:
    settings = LimitSettings(
        pushes_per_account=table.take("pushes_per_account", whole_number(1, 100_000), 60),
        pushes_per_secsign_id=table.take("pushes_per_secsign_id", whole_number(1, 100_000), 20),
        per_seconds=table.take("per_seconds", whole_number(1, 86400), 600),
        pause_seconds=table.take("pause_seconds", whole_number(0, 86400), 10),
        longest_pause_seconds=table.take("longest_pause_seconds", whole_number(0, 86400), 900),
    )
    if settings.pause_seconds > settings.longest_pause_seconds:
        table.fault("pause_seconds", "is more than longest_pause_seconds", "a pause begins short and grows")
    table.end()
    return settings


def _broker(table: Table) -> BrokerSettings:
    settings = BrokerSettings(
        socket=table.take("socket", absolute_file, DEFAULT_SOCKET),
        account=table.take("account", account_name, DEFAULT_ACCOUNT),
        connections_per_account=table.take("connections_per_account", whole_number(1, 10_000), 128),
        metrics=table.take("metrics", metrics_place, None),
    )
    table.end()
    return settings
