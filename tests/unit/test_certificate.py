import pytest
from ssh_keygen import SshKeygen
from ssh_samples import ED25519, OTHER_ED25519, PLAIN_KEYS, SK_ED25519, certificate, options, words

from secsign_gate.core.authorized_keys import decode_key
from secsign_gate.core.certificate import Certificate, CertificateError, CertificateKind, parse_certificate
from secsign_gate.core.public_key import fingerprint
from secsign_gate.core.ssh_encoding import ssh_string


def blob_of(word: bytes, text: bytes) -> bytes:
    blob = decode_key(word, text)
    assert blob is not None
    return blob


@pytest.fixture(scope="module")
def keygen(tmp_path_factory: pytest.TempPathFactory) -> SshKeygen:
    return SshKeygen(tmp_path_factory.mktemp("keys"))


@pytest.mark.parametrize("plain", PLAIN_KEYS, ids=lambda blob: blob[4 : 4 + blob[3]].decode())
def test_every_type_of_certificate(plain: bytes) -> None:
    parsed = parse_certificate(certificate(plain))
    assert parsed.plain_key == plain
    assert parsed == Certificate(
        key_type=parsed.key_type,
        plain_key=plain,
        serial=7,
        kind=CertificateKind.USER,
        key_id=b"id",
        principals=(b"alice",),
        valid_after=0,
        valid_before=2**64 - 1,
        force_command=None,
        source_address=None,
        verify_required=False,
        extensions=(b"permit-pty", b"permit-user-rc"),
        ca_key=OTHER_ED25519,
    )


@pytest.mark.parametrize(
    "made_with", [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "ecdsa"), ("-t", "ecdsa", "-b", "521")]
)
def test_a_real_certificate_says_what_ssh_keygen_says(keygen: SshKeygen, made_with: tuple[str, ...]) -> None:
    name = "-".join(made_with)
    plain = blob_of(*keygen.public(name, *made_with))
    asked = ("-z", "42", "-V", "20250101Z:20350101Z", "-O", "force-command=date +%s", "-O", "no-user-rc")
    word, text = keygen.certificate("ca", name, *asked, principals="alice,bob")
    parsed = parse_certificate(blob_of(word, text))
    shown = keygen.description(word, text)
    assert parsed.plain_key == plain
    assert fingerprint(parsed.plain_key) in shown
    assert fingerprint(parsed.ca_key) in shown
    assert f'Key ID: "{parsed.key_id.decode()}"' in shown
    assert f"Serial: {parsed.serial}\n" in shown
    assert "force-command date +%s" in shown
    assert parsed.force_command == b"date +%s"
    assert parsed.principals == (b"alice", b"bob")
    assert (parsed.valid_after, parsed.valid_before) == (1735689600, 2051222400)
    assert [name.decode() for name in parsed.extensions] == shown.rpartition("Extensions:")[2].split()
    assert not parsed.user_rc


def test_a_real_certificate_of_a_security_key(keygen: SshKeygen) -> None:
    keygen.put_public("sk", *words(SK_ED25519).split(b" "))
    word, text = keygen.certificate("ca", "sk", "-O", "verify-required", "-O", "no-touch-required")
    parsed = parse_certificate(blob_of(word, text))
    assert word == b"sk-ssh-ed25519-cert-v01@openssh.com"
    assert parsed.plain_key == SK_ED25519
    assert parsed.verify_required
    assert b"no-touch-required" in parsed.extensions


def test_a_real_certificate_with_everything_cleared_and_some_options_of_its_own(keygen: SshKeygen) -> None:
    asked = ("-O", "clear", "-O", "source-address=10.0.0.0/8,::1", "-O", "extension:x@example.org=y")
    parsed = parse_certificate(blob_of(*keygen.certificate("ca", "plain", *asked, principals="")))
    assert parsed.extensions == (b"x@example.org",)
    assert parsed.source_address == b"10.0.0.0/8,::1"
    assert parsed.principals == ()
    host = parse_certificate(blob_of(*keygen.certificate("ca", "plain", "-h")))
    assert host.kind is CertificateKind.HOST


def test_a_critical_option_that_is_not_known_is_refused(keygen: SshKeygen) -> None:
    blob = blob_of(*keygen.certificate("ca", "plain", "-O", "critical:only-on-mondays=yes"))
    with pytest.raises(CertificateError, match="only-on-mondays"):
        parse_certificate(blob)


FORCE = (b"force-command", b"date")


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        ED25519,
        certificate()[:-1],
        certificate(rest=b"\0"),
        certificate(kind=0),
        certificate(kind=3),
        certificate(ca=certificate()),
        certificate(ca=b""),
        certificate(ca=OTHER_ED25519[:-1]),
        certificate(principals=(b"al\0ice",)),
        certificate(principals=tuple(b"p%d" % number for number in range(257))),
        certificate(critical=b"\0"),
        certificate(critical=options(FORCE, FORCE)),
        certificate(critical=ssh_string(b"force-command") + ssh_string(b"date")),
        certificate(critical=ssh_string(b"force-command") + ssh_string(ssh_string(b"date") + b"x")),
        certificate(critical=options((b"force-command", b"a\0b"))),
        certificate(critical=options((b"verify-required", b"x"))),
        certificate(critical=(ssh_string(b"verify-required") + ssh_string(b"")) * 2),
        certificate(critical=options((b"source-address", b",".join([b"10.0.0.1"] * 65)))),
        certificate(extensions=(ssh_string(b"x@example.org") + ssh_string(b"")) * 65),
        certificate(critical=options((b"source-address", b"10.0.0.1/8"))),
        certificate(critical=options((b"source-address", b"host"))),
        certificate(critical=options((b"Force-Command", b"date"))),
        certificate(critical=options((b"\xff" * 500, b"date"))),
        certificate(extensions=options((b"permit-user-rc", b"x"))),
        certificate(extensions=ssh_string(b"permit-pty")),
        certificate().replace(b"ssh-ed25519-cert", b"ssh-ed25510-cert"),
        certificate().replace(b"-cert-v01", b"-cert-v00"),
    ],
)
def test_a_certificate_that_sshd_refuses_is_an_error_in_one_printable_sentence(blob: bytes) -> None:
    with pytest.raises(CertificateError) as refusal:
        parse_certificate(blob)
    assert str(refusal.value).startswith("the certificate")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


def test_a_text_may_end_in_a_nul_byte_that_does_not_count() -> None:
    parsed = parse_certificate(certificate(critical=options((b"force-command\0", b"date\0")), principals=(b"alice\0",)))
    assert parsed.force_command == b"date"
    assert parsed.principals == (b"alice",)
