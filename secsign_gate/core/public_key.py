"""Plain public keys in SSH's encoding (RFC 4253 section 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f).

One key can be written in several ways (a number with zeros before it, a short name for its type) that sshd takes for
the same key. Whoever compares blobs must compare what `canonical` returns.
"""

import base64
import hashlib
from typing import NamedTuple

from secsign_gate.core.ssh_encoding import EncodingError, SshReader, ssh_string

_ED25519_LENGTH = 32
_UNCOMPRESSED = 4  # the first byte of an elliptic curve's point, in the only form that OpenSSH reads

# What follows the name: m a number, c the name of the curve, p a point, k 32 bytes, a the application.
# The capital is what no two keys share.
_FIELDS = {
    b"ssh-rsa": "mM",
    b"ssh-dss": "mmmM",
    b"ecdsa-sha2-nistp256": "cP",
    b"ecdsa-sha2-nistp384": "cP",
    b"ecdsa-sha2-nistp521": "cP",
    b"ssh-ed25519": "K",
    b"sk-ecdsa-sha2-nistp256@openssh.com": "cPa",
    b"sk-ssh-ed25519@openssh.com": "Ka",
}
# Names of signatures, which sshd also takes for the name of the key that makes them …
_SIGNATURES = {
    b"rsa-sha2-256": b"ssh-rsa",
    b"rsa-sha2-512": b"ssh-rsa",
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com": b"sk-ecdsa-sha2-nistp256@openssh.com",
}
# … and short names, in any case, that it takes inside a blob.
_SHORT_NAMES = {
    b"rsa": b"ssh-rsa",
    b"dsa": b"ssh-dss",
    b"ed25519": b"ssh-ed25519",
    b"ed25519-sk": b"sk-ssh-ed25519@openssh.com",
}
_CERTIFICATE = b"-cert-v01@openssh.com"


class PlainKey(NamedTuple):
    """A public key. `blob` is its canonical encoding; `material` is the part of it that no other key has."""

    key_type: str
    blob: bytes
    material: bytes


def parse_public_key(blob: bytes) -> PlainKey:
    """Return the plain key that `blob` encodes.

    A type that is not known is kept as it stands: sshd may be newer than this program. Raises EncodingError for a
    certificate and for what is no key.
    """
    reader = SshReader(blob)
    name = plain_type(reader.text())
    if not is_type_name(name) or is_certificate_type(name):
        raise EncodingError("it is no plain public key")
    if name not in _FIELDS:
        return PlainKey(name.decode("ascii"), blob, blob)
    key = read_key_fields(name, reader)
    reader.end()
    return key


def read_key_fields(name: bytes, reader: SshReader) -> PlainKey:
    """Take the fields of a key of the type `name` off `reader`. Raises EncodingError if they are not there."""
    if name not in _FIELDS:
        raise EncodingError("its key type is unknown")
    fields = [(_read_field(field.lower(), name, reader), field.isupper()) for field in _FIELDS[name]]
    material = b"".join(value for value, unique in fields if unique)
    blob = ssh_string(name) + b"".join(ssh_string(value) for value, _ in fields)
    return PlainKey(name.decode("ascii"), blob, material)


def canonical(blob: bytes) -> bytes:
    """Return the one encoding of the plain key in `blob`. Raises EncodingError if there is none."""
    return parse_public_key(blob).blob


def fingerprint(blob: bytes) -> str:
    """Return what `ssh-keygen -l` shows of a plain key: `SHA256:` and base64 without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def plain_type(name: bytes) -> bytes:
    """Return the key type that sshd means by the `name` in a blob: names of signatures and short ones stand for it."""
    return _SIGNATURES.get(name) or _SHORT_NAMES.get(name.lower(), name)


def same_type(word: bytes, name: bytes) -> bool:
    """Tell whether the `word` before a key in a file and the `name` within its blob mean the same type."""
    return _SIGNATURES.get(word, word) == plain_type(name)


def is_certificate_type(name: bytes) -> bool:
    """Tell whether `name` is that of a certificate's type."""
    return name.endswith(_CERTIFICATE)


def certified_type(name: bytes) -> bytes:
    """Return the type of the key in a certificate of type `name`: `sk-…@openssh.com` in `sk-…-cert-v01@openssh.com`."""
    stem = name.removesuffix(_CERTIFICATE)
    return stem + b"@openssh.com" if stem.startswith(b"sk-") else stem


def is_type_name(name: bytes) -> bool:
    """Tell whether `name` could name a type (RFC 4251 section 6: printable ASCII without commas, 64 at most)."""
    return 0 < len(name) <= 64 and all(0x21 <= byte <= 0x7E and byte != 0x2C for byte in name)  # noqa: PLR2004


def _read_field(field: str, name: bytes, reader: SshReader) -> bytes:
    """Take one field as `_FIELDS` describes it."""
    if field == "m":
        return reader.mpint()
    value = reader.text() if field in "ca" else reader.string()
    expected_curve = name.removeprefix(b"sk-").removeprefix(b"ecdsa-sha2-").removesuffix(b"@openssh.com")
    if field == "c" and value != expected_curve:
        raise EncodingError("its curve is not that of its key type")
    if field == "k" and len(value) != _ED25519_LENGTH:
        raise EncodingError("its key has the wrong length")
    if field == "p" and value[:1] != bytes([_UNCOMPRESSED]):
        raise EncodingError("its point is not uncompressed")
    return value
