import base64
from pathlib import Path

import pytest
from ssh_keygen import SshKeygen
from ssh_samples import DSA, ED25519, MODULUS, OTHER_ED25519, PLAIN_KEYS, RSA, certificate, words

from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, emit_key_line, parse_key_line, parse_trusted_keys
from secsign_gate.core.key_options import Expiry, KeyOption, KeyOptions, parse_key_options
from secsign_gate.core.public_key import canonical, fingerprint
from secsign_gate.core.ssh_encoding import ssh_string

KEY = words(ED25519)


def line(text: bytes) -> KeyLine:
    parsed = parse_key_line(text)
    assert parsed is not None
    return parsed


def options(text: bytes) -> KeyOptions:
    return line(text + b" " + KEY).options


@pytest.mark.parametrize("blob", PLAIN_KEYS, ids=lambda blob: blob[4 : 4 + blob[3]].decode())
def test_a_line_of_every_key_type(blob: bytes) -> None:
    word = blob[4 : 4 + blob[3]].decode()
    assert line(words(blob)) == KeyLine(KeyOptions(), word, blob, b"")
    assert line(b"pty " + words(blob) + b" a comment\n").comment == b"a comment"


@pytest.mark.parametrize("text", [b"", b"\n", b"   \t", b"# comment", b" \t# ssh-ed25519 AAAA", b"\0command"])
def test_what_is_no_line(text: bytes) -> None:
    assert parse_key_line(text) is None


def test_blanks_and_comments_stand_where_sshd_lets_them() -> None:
    word, _, text = KEY.partition(b" ")
    parsed = line(b' \t command="echo #1" \t ' + word + b"\t  " + text + b' \t# not "a comment\xff \n')
    assert parsed == KeyLine(
        KeyOptions((KeyOption("command", b"echo #1"),)), "ssh-ed25519", ED25519, b'# not "a comment\xff '
    )


def test_a_line_ends_at_a_nul_byte() -> None:
    assert line(KEY + b"\0,anything") == line(KEY)


@pytest.mark.parametrize("ignored", [b"\r", b"\v", b"\f"])
def test_base64_is_read_over_what_the_c_library_reads_over(ignored: bytes) -> None:
    assert line(KEY[:40] + ignored + KEY[40:] + ignored).blob == ED25519


@pytest.mark.parametrize(
    "text",
    [
        KEY[:-1],
        KEY + b"=",
        KEY[:-4],
        KEY.replace(b"ssh-ed25519", b"ssh-rsa"),
        KEY.replace(b"ssh-ed25519", b"SSH-ED25519"),
        KEY.replace(b"ssh-ed25519", b"ed25519"),
        b"ssh-ed25519",
        b"ssh-ed25519 ",
        b'command="x"',
        b'command="x ' + KEY,
        b"AAAA " + KEY,
        b"ssh-ed25519 \xff\xff\xff",
        b'"x" ' + KEY,
        b'restrict,"x" ' + KEY,
        b"=pty " + KEY,
        words(ssh_string(b"\xff-cert-v01@openssh.com") + b"x"),
        words(ssh_string(b"")),
        words(ssh_string(b"ssh-rsa") + ssh_string(bytes(2050)) + ssh_string(MODULUS)),
        words(ssh_string(b"ssh-rsa") + ssh_string(b"\x01" * 2049) + ssh_string(MODULUS)),
        words(ED25519 + b"\0"),
        words(ssh_string(b"ssh-ed25519") + ssh_string(bytes(31))),
        words(ssh_string(b"ecdsa-sha2-nistp256") + ssh_string(b"nistp384") + ssh_string(b"\x04" + bytes(64))),
        words(ssh_string(b"ecdsa-sha2-nistp256") + ssh_string(b"nistp256") + ssh_string(b"\x02" + bytes(32))),
        words(ssh_string(b"ssh-rsa") + ssh_string(b"\x81") + ssh_string(MODULUS)),
    ],
)
def test_a_line_without_a_key_is_passed_over(text: bytes) -> None:
    with pytest.raises(KeyLineError, match=r"^the line "):
        parse_key_line(text)


def test_a_certificate_in_a_file_is_read_but_is_no_plain_key() -> None:
    assert line(words(certificate())).key_type == "ssh-ed25519-cert-v01@openssh.com"


@pytest.mark.parametrize(
    ("word", "blob", "same_as"),
    [
        # Each of these lines let the key in, with OpenSSH 9.2p1.
        (b"rsa-sha2-512", RSA, RSA),
        (b"ssh-rsa", ssh_string(b"rsa") + RSA[11:], RSA),
        (b"ssh-rsa", ssh_string(b"rsa-sha2-256") + RSA[11:], RSA),
        (b"ssh-rsa", ssh_string(b"ssh-rsa") + ssh_string(b"\0\0\x01\x00\x01") + ssh_string(MODULUS), RSA),
        (b"ssh-ed25519", ssh_string(b"Ed25519") + ED25519[15:], ED25519),
        (b"ssh-ed25519", ssh_string(b"ssh-ed25519\0") + ED25519[15:], ED25519),
        (b"ssh-dss", ssh_string(b"DSA") + DSA[11:], DSA),
    ],
)
def test_one_key_written_in_several_ways_is_one_key(word: bytes, blob: bytes, same_as: bytes) -> None:
    assert canonical(line(word + b" " + base64.b64encode(blob)).blob) == same_as


def test_a_key_type_of_the_future_is_a_key() -> None:
    blob = ssh_string(b"ssh-mldsa87@example.org") + ssh_string(b"anything")
    assert line(b"restrict " + words(blob)).blob == blob


def test_every_option_of_the_manual() -> None:
    text = (
        b'agent-forwarding,cert-authority,command="date",environment="A=b",expiry-time="20300101",from="*",'
        b'no-agent-forwarding,no-port-forwarding,no-pty,no-user-rc,no-X11-forwarding,permitlisten="80",'
        b'permitopen="host:80",port-forwarding,principals="alice",pty,no-touch-required,verify-required,restrict,'
        b'tunnel="1",user-rc,X11-forwarding'
    )
    parsed = options(text)
    assert parsed.emit() == text
    assert (parsed.force_command, parsed.principals, parsed.from_list) == (b"date", b"alice", b"*")
    assert parsed.cert_authority
    assert parsed.values("environment") == (b"A=b",)


def test_names_are_read_in_any_case_and_written_as_in_the_manual() -> None:
    assert options(b'COMMAND="x",No-x11-Forwarding').emit() == b'command="x",no-X11-forwarding'


@pytest.mark.parametrize(
    ("written", "command"),
    [
        (b'""', b""),
        (b'"a b\tc,d"', b"a b\tc,d"),
        (b'"say \\"hi\\""', b'say "hi"'),
        (b'"\\\\"x\\\\""', b'\\"x\\"'),
        (b'"a\\b\\\\c"', b"a\\b\\\\c"),
        (b'"\xff\xfe"', b"\xff\xfe"),
        (b'"ssh-ed25519 AAAA"', b"ssh-ed25519 AAAA"),
    ],
)
def test_what_quotes_and_backslashes_mean(written: bytes, command: bytes) -> None:
    parsed = options(b"command=" + written)
    assert parsed.force_command == command
    assert options(parsed.emit()) == parsed


@pytest.mark.parametrize(
    "text",
    [
        # OpenSSH 9.2p1 passed over a line with any of these.
        b"bogus",
        b"restricted",
        b"no-restrict",
        b"no-cert-authority",
        b"command",
        b"command=date",
        b'pty=""',
        b'command="a"b',
        b'command="a",command="b"',
        b'from="*",pty,from="*"',
        b'principals="a",principals="b"',
        b'environment="A-B=1"',
        b'environment="=1"',
        b'environment="A"',
        b'permitopen="host"',
        b'permitopen="host:0"',
        b'permitopen="host:99999"',
        b'permitopen="[::1]80"',
        b'permitopen="::1:80"',
        b'permitopen="80"',
        b'permitlisten="0"',
        b'permitlisten=""',
        b'permitopen="' + b"a" * 1025 + b':80"',
        b'tunnel="x"',
        b'tunnel=""',
        b'tunnel="-1"',
        b'tunnel="2147483646"',
        b'expiry-time=""',
        b'expiry-time="20301301"',
        b'expiry-time="19600101"',
        b'expiry-time="00000101"',
        b'expiry-time="2030010112"',
        b'expiry-time="20300101126061Z"',
        b'expiry-time="20300101+1"',
    ],
)
def test_an_option_that_makes_sshd_pass_the_line_over(text: bytes) -> None:
    with pytest.raises(KeyLineError, match=r"^the line"):
        parse_key_line(text + b" " + KEY)


@pytest.mark.parametrize(
    "text",
    [
        # OpenSSH 9.2p1 took a line with any of these.
        b",,restrict,",
        b"touch-required",
        b"no-verify-required",
        b'permitopen="host:*"',
        b'permitopen="host/80"',
        b'permitopen=":80"',
        b'permitopen=" h:080"',
        b'permitopen="h: 80"',
        b'permitopen="h:+80"',
        b'permitopen="[::1]:80"',
        b'permitlisten="8080"',
        b'permitlisten="[::1]:80"',
        b'tunnel="any"',
        b'tunnel=" +3"',
        b'tunnel="2147483645"',
        b'tunnel="1",tunnel="2"',
    ],
)
def test_an_option_that_sshd_takes(text: bytes) -> None:
    assert not options(text).names_a_service


def test_a_port_by_name_hangs_on_the_host() -> None:
    assert options(b'permitopen="localhost:http"').names_a_service
    assert options(b'permitlisten="http"').names_a_service


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        (b"20300101", Expiry(1893456000, utc=False)),
        (b"20300101Z", Expiry(1893456000, utc=True)),
        (b"20300101utc", Expiry(1893456000, utc=True)),
        (b"203001011200", Expiry(1893456000 + 12 * 3600, utc=False)),
        (b"20300101120001z", Expiry(1893456000 + 12 * 3600 + 1, utc=True)),
        (b"20300231Z", Expiry(1898726400, utc=True)),
        (b"2030 1 1Z", Expiry(1893456000, utc=True)),
        (b"20300101125961Z", Expiry(1893456000 + 13 * 3600 + 1, utc=True)),
    ],
)
def test_when_a_line_expires(text: bytes, expiry: Expiry) -> None:
    assert options(b'expiry-time="' + text + b'"').expiries == (expiry,)


@pytest.mark.parametrize(
    ("text", "permitted"),
    [
        (b"pty", True),
        (b"no-pty", False),
        (b"no-pty,pty", True),
        (b"pty,no-pty", False),
        (b"restrict", False),
        (b"restrict,pty", True),
        (b"pty,restrict", False),
        (b"restrict,user-rc", False),
        (b"no-user-rc", True),
    ],
)
def test_the_last_word_on_a_permission_counts(text: bytes, permitted: bool) -> None:
    assert options(text).permits("pty") is permitted


def test_only_what_the_manual_names_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="touch"):
        KeyOptions().permits("touch-required")


def test_hundreds_of_thousands_of_options_are_read_in_one_go() -> None:
    assert len(parse_key_options(b"pty," * 200_000).entries) == 200_000
    with pytest.raises(KeyLineError):
        parse_key_line(b"a" * 1_000_000)
    with pytest.raises(KeyLineError):
        parse_key_line(b'command="' + b'\\"' * 500_000)


def test_a_line_that_is_changed_and_written_again_says_what_was_meant() -> None:
    before = line(b'command="ls \\"x\\"",pty ' + KEY + b" alice@laptop")
    after = before._replace(options=KeyOptions((KeyOption("restrict"), *before.options.entries)))
    assert emit_key_line(after) == b'restrict,command="ls \\"x\\"",pty ' + KEY + b" alice@laptop"


UNCHANGED = line(KEY)


@pytest.mark.parametrize(
    "changed",
    [
        UNCHANGED._replace(options=KeyOptions((KeyOption("command", b"ends in a backslash\\"),))),
        UNCHANGED._replace(options=KeyOptions((KeyOption("command", b"two\nlines"),))),
        UNCHANGED._replace(options=KeyOptions((KeyOption("command", b"nul\0"),))),
        UNCHANGED._replace(options=KeyOptions((KeyOption("command"),))),
        UNCHANGED._replace(options=KeyOptions((KeyOption("PTY"),))),
        UNCHANGED._replace(options=KeyOptions((KeyOption("from", b"*"), KeyOption("from", b"10.*")))),
        UNCHANGED._replace(comment=b'a\ncommand="x"'),
        UNCHANGED._replace(comment=b" leading"),
        UNCHANGED._replace(key_type="ssh-rsa"),
        UNCHANGED._replace(key_type=""),
        UNCHANGED._replace(blob=b""),
    ],
)
def test_what_sshd_would_read_otherwise_is_not_written(changed: KeyLine) -> None:
    with pytest.raises(KeyLineError, match="cannot be written"):
        emit_key_line(changed)


def test_the_fingerprints_of_real_keys_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    keygen = SshKeygen(tmp_path)
    content = b""
    for name, made_with in (("ed", ()), ("rsa", ("-t", "rsa", "-b", "2048")), ("ec", ("-t", "ecdsa", "-b", "384"))):
        word, text = keygen.public(name, *made_with)
        content += b'# x\n\ncommand="a \\" b",no-pty ' + word + b"\t" + text + b" comment\n"
    ours = [fingerprint(parsed.blob) for parsed in map(parse_key_line, content.split(b"\n")) if parsed]
    assert ours == keygen.fingerprints(content)
    assert len(ours) == 3


def test_trusted_keys_are_read_up_to_the_first_line_that_is_none() -> None:
    other = words(OTHER_ED25519)
    assert parse_trusted_keys(b"# CAs\n\n " + KEY + b" a\n" + other) == (ED25519, OTHER_ED25519)
    assert parse_trusted_keys(b"cert-authority " + KEY + b"\n" + other) == ()
    assert parse_trusted_keys(KEY + b"\njunk\n" + other) == (ED25519,)
    assert parse_trusted_keys(words(certificate()) + b"\n" + other) == (OTHER_ED25519,)
