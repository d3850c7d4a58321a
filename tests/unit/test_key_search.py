import base64

import pytest
from ssh_samples import ED25519, OTHER_ED25519, PLAIN_KEYS, RSA, certificate, words

from secsign_gate.core.certificate import CertificateError
from secsign_gate.core.key_search import expand_pattern, fingerprints, needles, principals_sought
from secsign_gate.core.login import Account, OtherMethod, PublicKey
from secsign_gate.core.public_key import fingerprint
from secsign_gate.core.ssh_encoding import ssh_string

ALICE = Account("alice", 1001, "/home/alice", "/bin/bash", ("alice",))


def used(blob: bytes) -> PublicKey:
    return PublicKey(words(blob).split()[0].decode(), blob)


def holds_a_needle(line: bytes, *methods: PublicKey) -> bool:
    return any(needle in line for needle in needles(methods))


@pytest.mark.parametrize("blob", PLAIN_KEYS, ids=lambda blob: blob[4 : 4 + blob[3]].decode())
def test_a_line_with_the_key_is_found(blob: bytes) -> None:
    assert holds_a_needle(b'command="x" ' + words(blob) + b" comment", used(blob))


@pytest.mark.parametrize("blob", PLAIN_KEYS, ids=lambda blob: blob[4 : 4 + blob[3]].decode())
def test_a_line_with_another_key_is_not_sent_around(blob: bytes) -> None:
    others = [words(other) for other in PLAIN_KEYS if other != blob]
    assert [line for line in others if holds_a_needle(line, used(blob))] == []


@pytest.mark.parametrize("name", [b"rsa", b"RSA", b"ssh-rsa", b"ssh-rsa\0", b"rsa-sha2-256"])
@pytest.mark.parametrize("zeros", range(4))
def test_a_key_is_found_however_it_is_written(name: bytes, zeros: int) -> None:
    exponent, modulus = b"\x01\x00\x01", RSA[11 + 7 + 4 :]
    blob = ssh_string(name) + ssh_string(bytes(zeros) + exponent) + ssh_string(bytes(zeros) + modulus)
    assert holds_a_needle(b"ssh-rsa " + base64.b64encode(blob), used(RSA))


def test_for_a_certificate_the_authority_is_sought() -> None:
    method = used(certificate(ED25519, ca=OTHER_ED25519))
    assert holds_a_needle(b"cert-authority " + words(OTHER_ED25519), method)
    assert not holds_a_needle(words(ED25519), method)


def test_without_a_key_nothing_is_sought() -> None:
    assert needles((OtherMethod("password"),)) == ()


def test_every_needle_is_long_enough_to_single_out_a_key() -> None:
    assert min(len(needle) for blob in PLAIN_KEYS for needle in needles((used(blob),))) >= 24


@pytest.mark.parametrize("blob", [b"", b"junk", certificate()[:-1], ED25519[:-1]])
def test_a_broken_key_is_an_error(blob: bytes) -> None:
    for name in ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"):
        with pytest.raises(CertificateError):
            needles((PublicKey(name, blob),))


def test_principals_and_fingerprints_of_what_was_used() -> None:
    methods = (used(ED25519), OtherMethod("password"), used(certificate(RSA, principals=(b"alice", b"", b"ops"))))
    assert principals_sought(methods) == (b"alice", b"ops")
    assert fingerprints(methods) == (fingerprint(ED25519), fingerprint(RSA))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (".ssh/authorized_keys", "/home/alice/.ssh/authorized_keys"),
        ("%h/.ssh/authorized_keys", "/home/alice/.ssh/authorized_keys"),
        ("/etc/ssh/keys/%u", "/etc/ssh/keys/alice"),
        ("/etc/ssh/keys/%U.%%", "/etc/ssh/keys/1001.%"),
        ("keys/%u", "/home/alice/keys/alice"),
        ("none", None),
        ("NONE", None),
        ("%%h", "/home/alice/%h"),
    ],
)
def test_which_file_a_pattern_names(pattern: str, path: str | None) -> None:
    assert expand_pattern(pattern, ALICE) == path


@pytest.mark.parametrize("pattern", ["%k", "/keys/%", "%H", "%d/x", "a%"])
def test_a_token_that_sshd_does_not_know_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="means nothing"):
        expand_pattern(pattern, ALICE)


def test_a_name_with_a_token_in_it_is_not_expanded_again() -> None:
    assert expand_pattern("/keys/%u", ALICE._replace(name="%h")) == "/keys/%h"
