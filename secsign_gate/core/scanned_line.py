"""A line of an authorized_keys file (sshd(8)), looked through for one key: the options that stand before it.

sshd starts a program for each key that is offered, and somebody waits for it: so this loads built-in modules only, and
does not read a line that is about another key. authorized_keys.py reads every line, takes as long to load as three
interpreters, and says the same; where an option is not common, it is what decides.
"""

from secsign_gate.errors import GateError

LONGEST = 32 * 1024  # bytes; what a key may run travels in one argument, which may have 128 KiB (execve(2))

_BLANKS = b" \t"
_READ_OVER = b"\v\f\r"  # within a key's base64, as the C library's decoder does
_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_FLAGS = frozenset(
    (
        b"restrict", b"cert-authority", b"port-forwarding", b"agent-forwarding", b"x11-forwarding", b"pty", b"user-rc",
        b"touch-required", b"verify-required", b"no-port-forwarding", b"no-agent-forwarding", b"no-x11-forwarding",
        b"no-pty", b"no-user-rc", b"no-touch-required", b"no-verify-required",
    )
)  # fmt: skip
_FREE_TEXT = frozenset((b"command", b"principals", b"from"))  # whatever the value; at most once
_WITH_VALUE = _FREE_TEXT | {b"expiry-time", b"environment", b"permitopen", b"permitlisten", b"tunnel"}
_SIGNATURES = {
    b"rsa-sha2-256": b"ssh-rsa",
    b"rsa-sha2-512": b"ssh-rsa",
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com": b"sk-ecdsa-sha2-nistp256@openssh.com",
}
_DATE, _MINUTES, _SECONDS = 8, 12, 14  # digits of an expiry-time
_QUOTE, _BACKSLASH, _COMMA, _EQUALS = b'"\\,='


class UnusableLineError(GateError):
    """A line that is about the key and must be passed over: sshd would pass over it, too."""


class ScannedLine:
    """What stands before the key: `options` as (name in lower case, value as written between the quotes, or None)."""

    __slots__ = ("options",)

    def __init__(self, options: list[tuple[bytes, bytes | None]]) -> None:
        self.options = options

    @property
    def cert_authority(self) -> bool:
        """Whether the key is that of an authority, and not itself allowed to log in."""
        return (b"cert-authority", None) in self.options

    @property
    def command(self) -> bytes | None:
        """What the key is restricted to, possibly empty; None if it is not."""
        value = dict(self.options).get(b"command")
        return None if value is None else value.replace(b'\\"', b'"')

    def permits(self, what: bytes, *, by_default: bool) -> bool:
        """Tell whether `what` is permitted, a name as in `no-NAME`; `by_default`: where no option says anything."""
        permitted = by_default
        for name, _ in self.options:
            if name in (b"restrict", b"no-" + what):
                permitted = False
            elif name == what:
                permitted = True
        return permitted

    def has_expired(self, utc: bytes, local: bytes) -> bool:
        """Tell whether an expiry-time has certainly passed, at `utc` and `local`, 14 digits each.

        One that is written in an odd way has not, as far as this can tell; sshd is the one who judges.
        """
        for name, value in self.options:
            if name == b"expiry-time" and value is not None and _is_common_time(value):
                digits = _without_zone(value)
                if digits.ljust(_SECONDS, b"0") < (local if digits == value else utc):
                    return True
        return False


def scan_line(line: bytes, key_type: bytes, key_text: bytes) -> ScannedLine | None:
    """Return the options before the key that is written `key_text` in base64; None if this is not a line of that key.

    Raises UnusableLineError, with a sentence, if sshd would pass the line over.
    """
    text = line.partition(b"\0")[0].lstrip(_BLANKS)
    if not text or text.startswith(b"#"):
        return None
    if len(text) > LONGEST:
        raise UnusableLineError(f"the line is longer than {LONGEST} bytes")
    if _begins_with_key(text, key_type, key_text):
        return ScannedLine([])
    end = _end_of_options(text)
    if not _begins_with_key(text[end:].lstrip(_BLANKS), key_type, key_text):
        return None
    scanned = ScannedLine(_options(text[:end]))
    if any(value is not None and not _is_common(name, value) for name, value in scanned.options):
        _judge_closely(text[:end])
    return scanned


def first_word(text: bytes) -> tuple[bytes, bytes]:
    """Return `text` up to the first blank or tab, and what follows the blanks there."""
    end = min((at for at in (text.find(b" "), text.find(b"\t")) if at >= 0), default=len(text))
    return text[:end], text[end:].lstrip(_BLANKS)


def _begins_with_key(text: bytes, key_type: bytes, key_text: bytes) -> bool:
    word, after = first_word(text)
    written, _ = first_word(after)
    return _SIGNATURES.get(word, word) == key_type and written.translate(None, _READ_OVER) == key_text


def _end_of_options(text: bytes) -> int:
    """Return where the first blank outside quotes is. A quote behind a backslash is none, whatever precedes that."""
    quoted = False
    escaped = False
    for at, byte in enumerate(text):
        if not quoted and byte in _BLANKS:
            return at
        if byte == _QUOTE and not escaped:
            quoted = not quoted
        escaped = byte == _BACKSLASH
    if quoted:
        raise UnusableLineError("the line has a quote that is not closed")
    return len(text)


def _options(field: bytes) -> list[tuple[bytes, bytes | None]]:
    """Return the options that stand in `field`. Raises UnusableLineError."""
    options: list[tuple[bytes, bytes | None]] = []
    lowered = field.lower()
    at = 0
    while at < len(field):
        if field[at] != _COMMA:  # sshd takes an empty place between commas for nothing at all
            name, value, at = _option(field, lowered, at)
            if name not in (_FLAGS if value is None else _WITH_VALUE):
                raise UnusableLineError(f"the line has the option {name[:40].decode()!r}, which sshd does not know so")
            if name in _FREE_TEXT and name in dict(options):
                raise UnusableLineError(f"the line has the option {name.decode()} twice")
            options.append((name, value))
            if at < len(field) and field[at] != _COMMA:
                raise UnusableLineError(f"the line's option {name.decode()} is not followed by a comma or a blank")
        at += 1
    return options


def _option(field: bytes, lowered: bytes, start: int) -> tuple[bytes, bytes | None, int]:
    """Return the option that begins at `start`: its name, its value, and where it ends. Raises UnusableLineError."""
    at = start
    while at < len(field) and lowered[at] in _NAME:
        at += 1
    if at == start:
        raise UnusableLineError("the line has something before the key that is no option")
    if field[at : at + 2] != b'="':
        return lowered[start:at], None, at
    end = _closing_quote(field, at + 2)
    return (lowered[start:at], None, at) if end < 0 else (lowered[start:at], field[at + 2 : end], end + 1)


def _closing_quote(field: bytes, start: int) -> int:
    """Return where the next quote is that stands behind no backslash, -1 if there is none."""
    at = field.find(b'"', start)
    while at > start and field[at - 1] == _BACKSLASH:
        at = field.find(b'"', at + 1)
    return at


def _is_common(name: bytes, value: bytes) -> bool:
    """Tell whether sshd takes this value for certain."""
    return name in _FREE_TEXT or (name == b"expiry-time" and _is_common_time(value))


def _is_common_time(value: bytes) -> bool:
    """Tell whether `value` is YYYYMMDD[HHMM[SS]][Z] as people write it, a time that there is in every year."""
    digits = _without_zone(value)
    return (
        len(digits) in (_DATE, _MINUTES, _SECONDS)
        and digits.isdigit()
        and digits[:4] >= b"1971"
        and b"01" <= digits[4:6] <= b"12"
        and b"01" <= digits[6:8] <= b"28"
        and digits[8:10] <= b"23"
        and digits[10:12] <= b"59"
        and digits[12:14] <= b"59"
    )


def _without_zone(value: bytes) -> bytes:
    """Return an expiry-time without its time zone: sshd takes one, `Z` or `UTC`, and not one behind the other."""
    text = value.upper()
    return text[:-1] if text.endswith(b"Z") else text.removesuffix(b"UTC")


def _judge_closely(field: bytes) -> None:
    """Raise UnusableLineError for options that sshd would not take."""
    from secsign_gate.core.key_options import KeyLineError, parse_key_options  # noqa: PLC0415 - slow, and seldom needed

    try:
        parse_key_options(field)
    except KeyLineError as error:
        raise UnusableLineError(str(error)) from None
