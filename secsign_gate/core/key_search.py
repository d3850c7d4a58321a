"""Where to look for the lines that say what a key may do, and for what."""

import base64
from functools import lru_cache
from typing import NamedTuple

from secsign_gate.core.certificate import CertificateError, parse_certificate
from secsign_gate.core.key_file_name import key_file_name
from secsign_gate.core.login import Account, AuthenticationMethod, PublicKey
from secsign_gate.core.public_key import fingerprint, is_certificate_type, parse_public_key
from secsign_gate.core.ssh_encoding import EncodingError

_REMEMBERED, _LONGEST_REMEMBERED = 256, 4096  # keys, and bytes of one; who logs in by a key does so again and again


class FoundLine(NamedTuple):
    """A line of a key file, without its newline. `number` counts from 1.

    `unsafe`: somebody else could have written to the file, so sshd has passed it over unless StrictModes is off.
    """

    path: bytes
    number: int
    line: bytes
    unsafe: bool = False


def is_certificate(key: PublicKey) -> bool:
    """Tell whether `key` is a certificate."""
    return is_certificate_type(key.key_type.encode("ascii", "replace"))


def needles(methods: tuple[AuthenticationMethod, ...]) -> tuple[bytes, ...]:
    r"""Return the texts of which one stands in every line that could hold a key used in `methods`, or its CA's key.

    They are pieces of base64, three for each key: a key's own bytes may begin at any place within a group of three,
    for what precedes them can be written in more than one way (core/public_key.py). The lines must be searched with
    the bytes \v, \f and \r left out, over which sshd reads. Raises CertificateError for a broken certificate.
    """
    found: dict[bytes, None] = {}
    for method in methods:
        if isinstance(method, PublicKey):
            found.update(dict.fromkeys(_aligned(_sought_material(method))))
    return tuple(found)


def principals_sought(methods: tuple[AuthenticationMethod, ...]) -> tuple[bytes, ...]:
    """Return the principals of the certificates used: one stands in each line of a principals file that counts."""
    certificates = [
        parse_certificate(key.blob) for key in methods if isinstance(key, PublicKey) and is_certificate(key)
    ]
    return tuple(principal for certificate in certificates for principal in certificate.principals if principal)


def fingerprints(methods: tuple[AuthenticationMethod, ...]) -> tuple[str, ...]:
    """Return `SHA256:…` of every key used, for a certificate that of the certified key. Raises CertificateError."""
    keys = [method for method in methods if isinstance(method, PublicKey)]
    return tuple(
        _fingerprint_before(key) if len(key.blob) <= _LONGEST_REMEMBERED else _fingerprint(key) for key in keys
    )


def _fingerprint(key: PublicKey) -> str:
    return fingerprint(parse_certificate(key.blob).plain_key if is_certificate(key) else key.blob)


_fingerprint_before = lru_cache(_REMEMBERED)(_fingerprint)


def expand_pattern(pattern: str, account: Account) -> str | None:
    """Return the file that `pattern` names for `account`, as key_file_name.py says. Raises ValueError as it does."""
    return key_file_name(pattern, account.name, account.home, account.uid)


def _sought_material(key: PublicKey) -> bytes:
    blob = parse_certificate(key.blob).ca_key if is_certificate(key) else key.blob
    try:
        return parse_public_key(blob).material
    except EncodingError as error:
        raise CertificateError(f"the key is malformed: {error}") from None


def _aligned(material: bytes) -> tuple[bytes, ...]:
    """Return the part of the base64 text of `material` that does not depend on its surroundings, for each alignment."""
    pieces = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + material)
        pieces.append(text[(0, 2, 3)[before] : (before + len(material)) // 3 * 4])
    return tuple(pieces)
