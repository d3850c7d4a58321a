"""Whose a key is, by the registry (registry_line.py): the SecSign ID to ask."""

from collections.abc import Collection
from typing import NamedTuple

from secsign_gate.core.address_list import Answer
from secsign_gate.core.authorized_keys import KeyLineError, parse_key_line
from secsign_gate.core.certificate import Certificate, parse_certificate
from secsign_gate.core.key_search import FoundLine, is_certificate
from secsign_gate.core.line_judgement import Circumstances, names_account, usable
from secsign_gate.core.login import AuthenticationMethod, PublicKey
from secsign_gate.core.public_key import canonical
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.ssh_encoding import EncodingError


class HeldLine(NamedTuple):
    """A line of the registry that is about an account: whose the key is, None if it does not say, and the rest."""

    secsign_id: SecSignId | None
    found: FoundLine


def registered_keys(methods: tuple[AuthenticationMethod, ...]) -> frozenset[bytes]:
    """Return the canonical blobs of the keys that stand in a registry for `methods`: for a certificate its authority's.

    Raises CertificateError and EncodingError.
    """
    return frozenset(key for key, _ in _keys(methods))


def holders(
    methods: tuple[AuthenticationMethod, ...], lines: Collection[HeldLine], circumstances: Circumstances
) -> frozenset[SecSignId]:
    """Return whose the keys are by which somebody has logged in: by every line that sshd may have gone by.

    Raises CertificateError and EncodingError.
    """
    if not lines:
        return frozenset()  # as nearly always, and somebody waits for it
    found = set()
    keys = _keys(methods)
    for held in lines:
        try:
            line = parse_key_line(held.found.line)
            blob = canonical(line.blob) if line is not None else b""
        except (KeyLineError, EncodingError):
            continue  # it lets nobody in
        if line is None or held.secsign_id is None:
            continue
        for key, certificate in keys:
            fits = key == blob and line.options.cert_authority is (certificate is not None)
            if fits and Answer.NO not in (
                usable(line.options, circumstances),
                names_account(line.options, certificate, circumstances),
            ):
                found.add(held.secsign_id)
    return frozenset(found)


def _keys(methods: tuple[AuthenticationMethod, ...]) -> list[tuple[bytes, Certificate | None]]:
    """Return the canonical key, or that of the authority and the certificate, of each key in `methods`."""
    found: list[tuple[bytes, Certificate | None]] = []
    for method in methods:
        if isinstance(method, PublicKey) and is_certificate(method):
            certificate = parse_certificate(method.blob)
            found.append((certificate.ca_key, certificate))
        elif isinstance(method, PublicKey):
            found.append((canonical(method.blob), None))
    return found
