"""A record as it is read back: one line of a log, told from what other programs wrote and from what is damaged.

What a record holds: docs/audit.md. It is read here as what it is by now, foreign text: whoever may write to the log may
have written it. Nothing is opened here.
"""

import json
import re
from typing import NamedTuple

MAX_BYTES = 64 * 1024  # of a line; ours have 8,000 and what syslog puts before them

# What rsyslog and syslog-ng put before a message, with the time as of old or as in RFC 5424, then the tag. Everything
# is anchored: a user whose name is `secsign-gate[1]: {...}` is in the log of sshd, not in ours.
_SYSLOG = re.compile(
    rb"(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{8,24}) "
    rb"[!-~]+ (?:(secsign-gate)\[[0-9]+\]: )?"
)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


class LoggedRecord(NamedTuple):
    """`text` is the JSON object as it was written, printable ASCII; `fields` are what it says, of any type.

    Records sort by `time`, for it has one form: UTC, ISO 8601 with milliseconds and a Z.
    """

    text: str
    fields: dict[str, object]

    def says(self, name: str) -> str:
        """Return the text of a field, empty if there is none or it is no text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    @property
    def time(self) -> str:
        """When, in the one form that sorts."""
        return self.says("time")


def logged_record(line: bytes) -> LoggedRecord | None:
    """Return the record in `line`, a line of a file of records or of a system log; None if another program wrote it.

    Raises ValueError if it should be a record and is none: cut off, overlong, not JSON, or without time and event.
    """
    header = _SYSLOG.match(line)
    if header is not None and header[1] is None:
        return None
    body = line[header.end() :] if header is not None else line
    body = body.removesuffix(b"\n")
    if len(body) > MAX_BYTES:
        raise ValueError("it is too long")
    text = body.decode("ascii")
    if not text.isprintable():
        raise ValueError("it holds control characters")
    try:
        fields = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - one kind of error for each damage
    record = LoggedRecord(text, fields)
    if not _TIME.fullmatch(record.time) or not record.says("event"):
        raise ValueError("it has no time, or no event")
    return record
