import base64

import pytest
from ssh_samples import ED25519, PLAIN_KEYS, certificate, words

from secsign_gate.core.authorized_keys import parse_key_line
from secsign_gate.core.offered_key import OfferedKey, OfferedKeyError, answer_line, gate_command, plain_key
from secsign_gate.core.scanned_line import UnusableLineError, scan_line

GATE = b"exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command --broker /run/b"
TYPE, TEXT = words(ED25519).split()
ALICES = OfferedKey(TYPE, TEXT)


def answered(options: bytes, *, by_root: bool = True, certificate_allows_rc: bool = True) -> bytes:
    """Return the options that are printed for a line with these options."""
    scanned = scan_line(options + b" " + words(ED25519) if options else words(ED25519), TYPE, TEXT)
    assert scanned is not None
    line = answer_line(ALICES, scanned, GATE, by_root=by_root, certificate_allows_rc=certificate_allows_rc)
    assert line.endswith(b" " + words(ED25519) + b"\n")
    assert line.count(b"\n") == 1
    return line.removesuffix(b" " + words(ED25519) + b"\n")


def command(rest: bytes) -> bytes:
    return b'command="' + GATE + b" --started-by-key" + rest + b'"'


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        (b"", b"restrict,pty," + command(b" --user-rc")),
        (b"restrict", b"restrict," + command(b"")),
        (b"restrict,pty", b"restrict,pty," + command(b"")),
        (b"pty,restrict", b"restrict," + command(b"")),
        (b"no-pty", b"restrict," + command(b" --user-rc")),
        (b"no-user-rc", b"restrict,pty," + command(b"")),
        (b"restrict,USER-RC", b"restrict," + command(b" --user-rc")),
        (b"port-forwarding", b"restrict,pty,port-forwarding," + command(b" --user-rc")),
        (b"port-forwarding,restrict", b"restrict," + command(b"")),
        (b"restrict,X11-Forwarding,agent-forwarding", b"restrict,agent-forwarding,x11-forwarding," + command(b"")),
        (b"no-port-forwarding,no-agent-forwarding", b"restrict,pty," + command(b" --user-rc")),
        (b'from="10.*,!10.1.1.1"', b'restrict,pty,from="10.*,!10.1.1.1",' + command(b" --user-rc")),
        (b'expiry-time="20990101"', b'restrict,pty,expiry-time="20990101",' + command(b" --user-rc")),
        (b'permitopen="[::1]:80"', b'restrict,pty,permitopen="[::1]:80",' + command(b" --user-rc")),
        (b'environment="A=b \\"c\\""', b'restrict,pty,environment="A=b \\"c\\"",' + command(b" --user-rc")),
        (b"no-touch-required,verify-required", b"restrict,pty,no-touch-required,verify-required,"
         + command(b" --user-rc")),
        (b'cert-authority,principals="a,b"', b'restrict,pty,cert-authority,principals="a,b",'
         + command(b" --user-rc")),
        (b'command="rsync --server ."', b"restrict,pty," + command(b" --user-rc --restricted-to 'rsync --server .'")),
        (b'command=""', b"restrict,pty," + command(b" --user-rc --restricted-to ''")),
        (b'command="echo \\"a b\\""', b"restrict,pty," + command(b" --user-rc --restricted-to 'echo \\\"a b\\\"'")),
        (b'command="it\'s"', b"restrict,pty," + command(b" --user-rc --restricted-to-hex 69742773")),
        (b'command="a!"', b"restrict,pty," + command(b" --user-rc --restricted-to-hex 6121")),
        (b'command="a\\b"', b"restrict,pty," + command(b" --user-rc --restricted-to-hex 615c62")),
        (b'command="\xc3\xb6"', b"restrict,pty," + command(b" --user-rc --restricted-to-hex c3b6")),
        (b",pty,,", b"restrict,pty," + command(b" --user-rc")),
    ],
)  # fmt: skip
def test_what_is_printed_is_closed_but_for_what_the_line_opens(options: bytes, printed: bytes) -> None:
    assert answered(options) == printed


@pytest.mark.parametrize("options", [b"port-forwarding", b"restrict,agent-forwarding", b'environment="LD_PRELOAD=x"'])
def test_a_user_cannot_open_what_works_before_an_approval(options: bytes) -> None:
    for forbidden in (b"forwarding", b"environment"):
        assert forbidden not in answered(options, by_root=False)


def test_a_certificate_that_forbids_the_rc_file_is_obeyed() -> None:
    assert b"--user-rc" not in answered(b"", certificate_allows_rc=False)
    assert b"user-rc" not in answered(b"user-rc").replace(b"--user-rc", b""), "sshd runs it before any approval"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"#" + words(ED25519),
        b"ssh-rsa " + TEXT,
        TYPE + b" " + TEXT + b"AAAA",
        TYPE + b" AAAA" + TEXT,
        words(PLAIN_KEYS[1]) + b" " + words(ED25519),
        b'command="' + words(ED25519) + b'" ' + words(PLAIN_KEYS[1]),
        b'command="x"' + words(ED25519),
        TYPE + b"\v" + TEXT,
    ],
)
def test_a_line_of_another_key_is_none(line: bytes) -> None:
    assert scan_line(line, TYPE, TEXT) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (b"nonsense", "does not know so"),
        (b"no-restrict", "does not know so"),
        (b'pty="yes"', "does not know so"),
        (b"command", "does not know so"),
        (b'command="a",command="b"', "twice"),
        (b'from="a",pty,from="a"', "twice"),
        (b'command="a"pty', "not followed by"),
        (b"pty;restrict", "not followed by|no option"),
        (b"=pty", "no option"),
        (b"\xff", "no option"),
        (b'expiry-time="tomorrow"', "value that sshd does not take"),
        (b'expiry-time="20301301"', "value that sshd does not take"),
        (b'expiry-time="20990101ZUTC"', "value that sshd does not take"),
        (b'permitopen="x"', "value that sshd does not take"),
        (b'tunnel="-1"', "value that sshd does not take"),
        (b'environment="=x"', "value that sshd does not take"),
        (b'command="' + b"x" * 32768 + b'"', "longer than"),
    ],
)
def test_a_malformed_line_is_no_line(options: bytes, says: str) -> None:
    with pytest.raises(UnusableLineError, match=says) as caught:
        scan_line(options + b" " + words(ED25519), TYPE, TEXT)
    assert str(caught.value).isprintable()


def test_an_open_quote_is_told_of() -> None:
    with pytest.raises(UnusableLineError, match="quote that is not closed"):
        scan_line(b'command="x ' + words(ED25519), TYPE, TEXT)


@pytest.mark.parametrize(
    ("value", "expired"),
    [
        (b"20250601", True),
        (b"20250602", False),
        (b"202506011259", True),
        (b"202506011401", False),
        (b"20250601130000", False),
        (b"20250601125959", True),
        (b"202506011230Z", False),
        (b"202506011130Z", True),
        (b"202506011159utc", True),
    ],
)
def test_a_line_ends_at_its_time_in_its_time_zone(value: bytes, expired: bool) -> None:
    scanned = scan_line(b'expiry-time="' + value + b'" ' + words(ED25519), TYPE, TEXT)
    assert scanned is not None
    assert scanned.has_expired(utc=b"20250601120000", local=b"20250601130000") is expired


@pytest.mark.parametrize("blob", [*PLAIN_KEYS, certificate()], ids=lambda blob: words(blob).split()[0].decode())
def test_every_kind_of_key_is_taken_as_sshd_names_it(blob: bytes) -> None:
    key_type, text = words(blob).split()
    key = OfferedKey(key_type, text)
    assert key.blob == blob
    assert key.is_certificate is key_type.endswith(b"-cert-v01@openssh.com")
    assert plain_key(blob).key_text == text
    scanned = scan_line(b"no-pty " + words(blob), key_type, text)
    assert scanned is not None
    printed = answer_line(key, scanned, GATE, by_root=True)
    read = parse_key_line(printed)
    assert read is not None
    assert read.blob == blob


@pytest.mark.parametrize(
    ("key_type", "text"),
    [
        (TYPE, b""),
        (b"", TEXT),
        (b"ssh-rsa", TEXT),
        (TYPE, TEXT[:-1]),
        (TYPE, TEXT + b"\n"),
        (TYPE, b" " + TEXT),
        (TYPE, TEXT + b"===="),
        (TYPE, b"AAAA"),
        (TYPE, b"\xff\xfe"),
        (TYPE, b"A" * 100_000),
        (b"x" * 100, base64.b64encode((100).to_bytes(4) + b"x" * 100)),
        (b"../../etc/passwd", TEXT),
    ],
)
def test_what_is_no_key_is_refused(key_type: bytes, text: bytes) -> None:
    with pytest.raises(OfferedKeyError):
        OfferedKey(key_type, text)


def test_no_shell_reads_a_command_of_its_own_into_it() -> None:
    for byte in range(1, 256):
        told = gate_command(GATE, bytes([byte]), user_rc=False).removeprefix(GATE + b" --started-by-key ")
        assert told in (b"--restricted-to '" + bytes([byte]) + b"'", f"--restricted-to-hex {byte:02x}".encode())
