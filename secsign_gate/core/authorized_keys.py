"""One line of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT), read as sshd reads it and written again.

Bytes throughout: such a line is in no particular encoding, and sshd does not care.
"""

import base64
import binascii
import re
from typing import NamedTuple

from secsign_gate.core.key_options import KeyLineError, KeyOptions, parse_key_options
from secsign_gate.core.public_key import is_certificate_type, is_type_name, parse_public_key, same_type
from secsign_gate.core.scanned_line import first_word
from secsign_gate.core.ssh_encoding import EncodingError, SshReader

__all__ = [
    "KeyLine",
    "KeyLineError",
    "cut_after_options",
    "decode_key",
    "emit_key_line",
    "parse_key_line",
    "parse_trusted_keys",
]

_BLANKS = b" \t"
# No possessive quantifiers: those of Python before 3.11.5 go astray (CPython issue 106052).
_FIELD = re.compile(rb'(?:\\"|"(?:\\"|\\(?!")|[^"\\])*"|\\(?!")|[^ \t"\\])*')
_IGNORED_IN_BASE64 = b"\n\v\f\r"  # the C library's decoder passes over them, so sshd does


class KeyLine(NamedTuple):
    """A line with a key. `key_type` is the word as written; `blob` is the decoded key as it stands, not canonical."""

    options: KeyOptions
    key_type: str
    blob: bytes
    comment: bytes


def parse_key_line(line: bytes) -> KeyLine | None:
    """Return what `line` holds, None for a blank line or a comment. A newline at its end does not count.

    Raises KeyLineError, with a sentence, for a line that sshd passes over.
    """
    text = line.removesuffix(b"\n").partition(b"\0")[0].lstrip(_BLANKS)
    if not text or text.startswith(b"#"):
        return None
    key = _key(text)
    if key is not None:
        return KeyLine(KeyOptions(), *key)
    field, rest = cut_after_options(text)
    key = _key(rest.lstrip(_BLANKS))
    if key is None:
        raise KeyLineError("the line holds no key that can be read")
    return KeyLine(parse_key_options(field), *key)


def emit_key_line(line: KeyLine) -> bytes:
    """Return `line` as text, without a newline.

    Raises KeyLineError if sshd would read anything else from it than `line` says: a value that ends in a backslash, a
    newline in it, a key that is none. So whoever changes options can rely on what is written.
    """
    words = (line.options.emit(), line.key_type.encode("ascii", "replace"), base64.b64encode(line.blob), line.comment)
    text = b" ".join(word for word in words if word)
    try:
        faithful = b"\n" not in text and parse_key_line(text) == line
    except KeyLineError:
        faithful = False
    if not faithful:
        raise KeyLineError("the line holds something that cannot be written in an authorized_keys file")
    return text


def parse_trusted_keys(content: bytes) -> tuple[bytes, ...]:
    """Return the canonical blobs of a file of authorities' keys (sshd_config(5), TrustedUserCAKeys).

    sshd reads such a file up to the first line that is no key, and options are none; so does this.
    """
    blobs = []
    for line in content.split(b"\n"):
        text = line.partition(b"\0")[0].lstrip(_BLANKS)
        if not text or text.startswith(b"#"):
            continue
        key = _key(text)
        if key is None:
            break
        if not is_certificate_type(key[0].encode()):
            blobs.append(parse_public_key(key[1]).blob)
    return tuple(blobs)


def decode_key(word: bytes, text: bytes) -> bytes | None:
    """Return the blob that `text` is the base64 of, None unless it is a key or certificate of the type `word`."""
    exact = text.translate(None, _IGNORED_IN_BASE64)
    try:
        blob = binascii.a2b_base64(exact, strict_mode=True)
        name = SshReader(blob).text()
        if not is_type_name(name):
            return None
        if not is_certificate_type(name):
            parse_public_key(blob)
    except (binascii.Error, EncodingError):
        return None
    # Python's decoder lets a "=" too many pass, and bits set beyond the last byte; sshd's does not.
    is_exact = binascii.b2a_base64(blob, newline=False) == exact
    return blob if is_exact and same_type(word, name) else None


def cut_after_options(text: bytes) -> tuple[bytes, bytes]:
    """Return `text` up to the first blank outside quotes, and the rest. Raises KeyLineError for a quote left open."""
    end = next(_FIELD.finditer(text)).end()  # there is always one, if only an empty one
    if text[end : end + 1] == b'"':
        raise KeyLineError("the line has a quote that is not closed")
    return text[:end], text[end:]


def _key(text: bytes) -> tuple[str, bytes, bytes] | None:
    """Return type, blob and comment of a text that begins with a key, None if it does not."""
    word, after = first_word(text)
    written, comment = first_word(after)
    blob = decode_key(word, written) if after else None
    return None if blob is None else (word.decode("ascii"), blob, comment)
