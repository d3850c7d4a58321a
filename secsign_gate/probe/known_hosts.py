"""What known_hosts says of a host: which keys it may have, and which not (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

import base64
import binascii
import hmac
from typing import NamedTuple

from secsign_gate.core.patterns import split_patterns, verdict_on

_HASHED = "|1|"
_REVOKED = "@revoked"
_MARKERS = ("@cert-authority", _REVOKED)
_FIELDS = 3  # hosts, type of the key, the key


class KnownKey(NamedTuple):
    """One key that a file names for a host; a key that is `revoked` must not be talked to."""

    kind: str
    blob: bytes
    revoked: bool


def known_keys(text: str, name: str) -> list[KnownKey]:
    """Return the keys that `text`, the content of a known_hosts file, has for `name`: `host`, or `[host]:port`.

    Lines that cannot be read are passed over, as ssh does it, and so are authorities of host certificates.
    """
    found = []
    for line in text.splitlines():
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0] in _MARKERS else ""
        if len(fields) < _FIELDS or fields[0].startswith("#") or marker not in ("", _REVOKED):
            continue
        hosts, kind, encoded = fields[:_FIELDS]
        if _is_meant(hosts, name):
            try:
                blob = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                continue
            found.append(KnownKey(kind, blob, marker == _REVOKED))
    return found


def _is_meant(hosts: str, name: str) -> bool:
    if not hosts.startswith(_HASHED):
        return verdict_on(name, split_patterns(hosts.lower())) is True
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.removeprefix(_HASHED).split("|"))
    except (binascii.Error, ValueError):
        return False
    # the file's own format; nothing secret hangs on the hash
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)
