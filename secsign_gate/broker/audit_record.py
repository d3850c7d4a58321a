"""What is put on record of a login: one JSON object in one line of ASCII, whatever the client sent.

Every field, its meaning and its bounds: docs/audit.md. Where the line goes is audit.py's business.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from secsign_gate.core.login import (
    AuthenticationMethod,
    Command,
    IpAddress,
    Login,
    LoginShell,
    PamService,
    PublicKey,
    SshConnection,
)
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Refuse, Verdict

_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False)

MAX_LINE = 8000  # below the 8 KiB at which rsyslog cuts a message (rsyslog.conf(5), maxMessageSize), header included
_MAX_COMMAND = 1024
_MAX_RESTRICTION = 512
_MAX_SENTENCE = 256
_MAX_DETAIL = 512  # of a configuration error, the first problems
_MAX_NAME = 64
_CONNECTIONS_REMEMBERED = 256  # each has many channels
_MAX_METHODS = 6  # as many as sshd lets a client try (MaxAuthTries)


class Event(StrEnum):
    """What happened."""

    VERDICT = "verdict"
    CLIENT_LEFT_BEFORE_HAND_OVER = "client_left_before_hand_over"  # allowed before, and yet nothing ran


class Certificate(NamedTuple):
    """What names an OpenSSH certificate (PROTOCOL.certkeys): `key_id` is the CA's text for its holder."""

    key_id: bytes
    serial: int


class Record(NamedTuple):
    """One thing to be put on record.

    `time` is in seconds since the epoch. `reference` is the one that the person sees. `verdict` is None only where
    the event is none. `account` is empty if nobody has found it out. `login` is None if its claim was unusable; what
    was known of it by then is in `connection`. `auth_session_id` is the number, never the request id, which is a
    secret. `waited` is in seconds. `unproven` says why the SSH connection is not proven, empty if it is or if nobody
    tried to prove it. `service` is what PAM was asked for, None where it was not PAM that asked.
    """

    time: float
    event: Event
    reference: str
    verdict: Verdict | None
    door: str
    account: str
    uid: int
    login: Login | None = None
    connection: SshConnection | None = None
    certificate: Certificate | None = None
    secsign_id: SecSignId | None = None
    auth_session_id: str | None = None
    waited: float = 0.0
    unproven: str = ""
    service: PamService | None = None


def line_of(record: Record) -> str:
    """Return the JSON object for `record`: ASCII without control characters, at most MAX_LINE characters, no newline.

    A field without a value is left out. Text of foreign origin is escaped as by `escaped` and bounded.
    """
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": record.event.value,
        "reference": _name(record.reference),
        **_verdict_fields(record.verdict),
        "door": _name(record.door),
        **(_service_fields(record.service) if record.service is not None else {}),
        "account": _name(record.account) or None,
        "uid": record.uid,
        **_connection_fields(record.login.connection if record.login is not None else record.connection),
        "unproven": _sentence(record.unproven),
        **(_login_fields(record.login) if record.login is not None else {}),
        **(_certificate_fields(record.certificate) if record.certificate is not None else {}),
        "secsign_id": _sentence(record.secsign_id or ""),
        "auth_session_id": _name(record.auth_session_id or "") or None,
        "waited_seconds": round(record.waited, 3),
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return _ENCODER.encode(given)


def escaped(raw: bytes, limit: int) -> str:
    r"""Return `raw` with all but printable ASCII as `\xNN`, the backslash too, so that it can be read back.

    At most `limit` characters; what is cut ends in `...`, and a whole escape stands before it.
    """
    if len(raw) <= limit and raw.isascii() and b"\\" not in raw and (text := raw.decode("ascii")).isprintable():
        return text  # as nearly always, and somebody waits for it
    pieces = []
    room = limit
    for byte in raw[: limit + 1]:
        piece = chr(byte) if 32 <= byte < 127 and byte != 0x5C else f"\\x{byte:02x}"  # noqa: PLR2004 - printable ASCII
        pieces.append(piece)
        room -= len(piece)
    if room >= 0:
        return "".join(pieces)
    room -= len("...")
    while room < 0:
        room += len(pieces.pop())
    return "".join(pieces) + "..."


def _name(text: str) -> str:
    return _escaped_text(text, _MAX_NAME)


def _escaped_text(text: str, limit: int) -> str:
    if len(text) <= limit and text.isascii() and text.isprintable() and "\\" not in text:
        return text  # as nearly always, and somebody waits for it
    return escaped(_bytes(text), limit)


def _bytes(text: str) -> bytes:
    """Return the bytes that `text` stands for. Text of foreign origin may hold halves of surrogate pairs."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _verdict_fields(verdict: Verdict | None) -> dict[str, object]:
    match verdict:
        case Allow(ground, rule):
            return {"verdict": "allow", "ground": ground.value, "rule": _sentence(rule)}
        case Refuse(reason, detail):
            return {"verdict": "refuse", "reason": reason.value, "detail": _sentence(detail, _MAX_DETAIL)}
        case None:
            return {}


def _sentence(text: str, limit: int = _MAX_SENTENCE) -> str | None:
    return _escaped_text(text, limit) if text else None


@lru_cache(_CONNECTIONS_REMEMBERED)
def _connection_fields(connection: SshConnection | None) -> Mapping[str, object]:
    if connection is None:
        return {}
    return {
        "client_address": _address(connection.client_address),
        "client_port": connection.client_port,
        "server_address": _address(connection.server_address),
        "server_port": connection.server_port,
    }


def _login_fields(login: Login) -> dict[str, object]:
    return {
        "methods": [_method(method) for method in login.methods[:_MAX_METHODS]],
        "fingerprints": [_name(fingerprint) for fingerprint in login.fingerprints[:_MAX_METHODS]],
        "terminal": login.terminal,
        **_wanted_fields(login),
    }


def _wanted_fields(login: Login) -> dict[str, object]:
    fields: dict[str, object] = {}
    match login.wanted:
        case LoginShell():
            fields["wanted"] = "shell"
        case Command(line):
            fields |= {"wanted": "command", "command": escaped(line, _MAX_COMMAND), "command_bytes": len(line)}
        case PamService(whole_connection=whole):
            fields["wanted"] = "connection" if whole else "service"
    if login.restriction is not None:
        fields["restriction"] = escaped(login.restriction, _MAX_RESTRICTION)
        fields["restriction_bytes"] = len(login.restriction)
    return fields


def _service_fields(service: PamService) -> dict[str, object]:
    return {
        "phase": _name(service.phase),
        "service": _name(service.name),
        "service_terminal": _name(service.terminal) or None,
        "remote_host": _sentence(service.remote_host),
    }


def _certificate_fields(certificate: Certificate) -> dict[str, object]:
    return {
        "certificate_key_id": escaped(certificate.key_id, _MAX_SENTENCE),
        "certificate_serial": str(certificate.serial),  # 64 bits: a number would lose the last ones in many readers
    }


def _address(address: IpAddress | None) -> str | None:
    return None if address is None else _name(str(address))


def _method(method: AuthenticationMethod) -> str:
    if isinstance(method, PublicKey):
        return _name(f"publickey {method.key_type}")
    return _name(method.name)
