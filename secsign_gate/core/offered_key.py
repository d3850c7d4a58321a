"""A key as sshd names it to an AuthorizedKeysCommand, and the one line that answers. Built-in modules only.

What is answered closes more than the line in the file does: `restrict`, the gate as the key's command, and nothing that
works before an approval, unless the administrator wrote it for this key. sshd judges from=, expiry and the like itself.
"""

from binascii import Error, a2b_base64, b2a_base64

from secsign_gate.core.scanned_line import ScannedLine
from secsign_gate.errors import GateError

LONGEST_KEY = 64 * 1024  # letters of base64; the longest key that sshd takes has a tenth of it
_LONGEST_NAME = 64  # RFC 4251 section 6
_CERTIFICATE = b"-cert-v01@openssh.com"
_FORWARDING = (b"port-forwarding", b"agent-forwarding", b"x11-forwarding")
_DECIDED_HERE = frozenset((b"restrict", b"pty", b"no-pty", b"user-rc", b"no-user-rc", b"command", *_FORWARDING)).union(
    b"no-" + name for name in _FORWARDING
)
_NOT_THE_USERS_TO_SAY = frozenset((b"environment",))
_UNLIKE_IN_SHELLS = b"'\\!"  # within single quotes: the quote itself, fish's escape, tcsh's history


class OfferedKeyError(GateError):
    """What was given is no key as sshd gives it."""


class OfferedKey:
    """A key or certificate: its type, its base64 text, and what that encodes."""

    __slots__ = ("blob", "is_certificate", "key_text", "key_type")

    def __init__(self, key_type: bytes, key_text: bytes) -> None:
        """Take %t and %k (sshd_config(5), TOKENS). Raises OfferedKeyError."""
        if not 0 < len(key_text) <= LONGEST_KEY:
            raise OfferedKeyError(f"the key (%k) has not 1 to {LONGEST_KEY} letters")
        try:
            blob = a2b_base64(key_text, strict_mode=True)
        except (Error, ValueError):
            blob = b""
        if not blob or b2a_base64(blob, newline=False) != key_text:
            raise OfferedKeyError("the key (%k) is no base64")
        if not 0 < len(key_type) <= _LONGEST_NAME or first_string(blob) != key_type:
            raise OfferedKeyError("the key (%k) is not of the type (%t) that is said")
        self.key_type = key_type
        self.key_text = key_text
        self.blob = blob
        self.is_certificate = key_type.endswith(_CERTIFICATE)


def plain_key(blob: bytes) -> OfferedKey:
    """Return the key that `blob` encodes, such as that of an authority. Raises OfferedKeyError."""
    return OfferedKey(first_string(blob), b2a_base64(blob, newline=False))


def first_string(blob: bytes) -> bytes:
    """Return the string that `blob` begins with (RFC 4251 section 5), as much of it as is there."""
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")]


def answer_line(
    key: OfferedKey, scanned: ScannedLine, gate: bytes, *, by_root: bool, certificate_allows_rc: bool = True
) -> bytes:
    r"""Return the line, ended by \n, that lets `key` as far as the gate, with all that `scanned` says of it.

    `gate` is the command that starts the gate. `by_root`: root wrote the line, so it may permit forwarding and set
    variables, both of which work before an approval. ~/.ssh/rc is the user's, so sshd is not to run it before one;
    the gate does after it, if the line and, where there is one, the certificate allow it.
    """
    options = [b"restrict"]
    if scanned.permits(b"pty", by_default=True):
        options.append(b"pty")
    if by_root:
        options += [name for name in _FORWARDING if scanned.permits(name, by_default=False)]
    for name, value in scanned.options:
        if name not in _DECIDED_HERE and (by_root or name not in _NOT_THE_USERS_TO_SAY):
            options.append(name if value is None else name + b'="' + value + b'"')
    user_rc = certificate_allows_rc and scanned.permits(b"user-rc", by_default=True)
    command = gate_command(gate, scanned.command, user_rc=user_rc)
    options.append(b'command="' + command.replace(b'"', b'\\"') + b'"')
    return b",".join(options) + b" " + key.key_type + b" " + key.key_text + b"\n"


def gate_command(gate: bytes, command: bytes | None, *, user_rc: bool) -> bytes:
    """Return the command of a key that may run `command` only, anything if that is None, once the gate lets it.

    It is read by the login shell, and not two of them read quotes alike; what could be read in two ways goes in hex.
    """
    words = [gate, b"--started-by-key"]
    if user_rc:
        words.append(b"--user-rc")
    if command is not None and _is_read_alike(command):
        words.append(b"--restricted-to '" + command + b"'")
    elif command is not None:
        words.append(b"--restricted-to-hex " + command.hex().encode())
    return b" ".join(words)


def _is_read_alike(command: bytes) -> bool:
    """Tell whether every shell makes the same of `command` within single quotes."""
    return all(0x20 <= byte <= 0x7E and byte not in _UNLIKE_IN_SHELLS for byte in command)  # noqa: PLR2004 - ASCII
