"""Fuzzes what reads keys, their options, certificates and patterns: a value or its own error, and no law broken.

    python tests/fuzz/fuzz_keys.py --seconds 600 --reader key_line

Mutates valid input and keeps what got a new outcome. `one(data)` is the target, for any other fuzzer too; it gives
`data` to every reader.
"""

import base64
import binascii
import functools
import random
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import fuzzing
from ssh_samples import ED25519, OTHER_ED25519, PLAIN_KEYS, RSA, certificate, options, words

from secsign_gate.core.address_list import cidr_list_allows, from_list_allows
from secsign_gate.core.auth_info import AuthInfoError, parse_auth_info
from secsign_gate.core.authorized_keys import KeyLineError, emit_key_line, parse_key_line, parse_trusted_keys
from secsign_gate.core.certificate import CertificateError, parse_certificate
from secsign_gate.core.key_restriction import KeyRestrictionError, key_orders
from secsign_gate.core.key_search import FoundLine, fingerprints, needles, principals_sought
from secsign_gate.core.line_judgement import Circumstances, principals_options
from secsign_gate.core.login import AuthenticationMethod, PublicKey
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.public_key import canonical, parse_public_key
from secsign_gate.core.ssh_encoding import EncodingError

KEY, CA = words(ED25519), words(OTHER_ED25519)
FORCED = certificate(critical=options((b"force-command", b"date"), (b"source-address", b"127.0.0.0/8,::1")))
CERTIFICATES = (*map(certificate, PLAIN_KEYS), FORCED, certificate(critical=options((b"verify-required", b""))))
ALICE, BY_CERTIFICATE = PublicKey("ssh-ed25519", ED25519), PublicKey("ssh-ed25519-cert-v01@openssh.com", FORCED)
HERE = Circumstances("alice", ip_address("127.0.0.1"), 1_750_000_000, (OTHER_ED25519,))

LINES = (
    *map(words, PLAIN_KEYS),
    b'command="say \\"hi\\" \\\\x",no-pty,environment="A=b c" ' + KEY + b' alice@laptop "x',
    b'from="127.0.0.0/8,!10.*,*.example.org,::1",expiry-time="20300101Z",restrict,user-rc ' + KEY,
    b'cert-authority,principals="alice,bob",command="date" ' + CA,
    b'permitopen="[::1]:80",permitopen="host:http",permitlisten="8080",tunnel="any",verify-required ' + KEY,
    b" \t# comment\n\n" + KEY + b"\r\n",
    b"rsa-sha2-512 " + base64.b64encode(RSA),
    b"cert-authority " + CA,
    b'command="date",Agent-Forwarding\talice',
)
TOKENS = (
    *(bytes([byte]) for byte in b'"\\ \t\r\n\v\0,=#!*?/:[]%\xff'),
    *(
        b"command=",
        b'from="',
        b"restrict,",
        b"no-",
        b"cert-authority,",
        b"principals=",
        b"expiry-time=",
        b"ssh-ed25519 ",
    ),
    *(
        b"20300101Z",
        b"127.0.0.1",
        b"::1",
        b"10.0.0.0/8",
        b"/33",
        b"0x7f.1",
        b"fe80::1%eth0",
        b"publickey ",
        b"==",
        b"A" * 40,
    ),
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x0bssh-ed25519", b"force-command", b"-cert-v01@openssh.com", b'\\"'),
)


def check_sentence(error: Exception) -> str:
    """A sentence is fit to be shown, whatever the input held."""
    sentence = str(error)
    assert sentence.isprintable()
    assert 10 < len(sentence) < 500
    return sentence


def key_line(data: bytes) -> str:
    """Whatever is read can be written, and read again as the same; every blob is a key's."""
    outcome = ""
    for text in data.split(b"\n")[:20]:
        try:
            line = parse_key_line(text)
        except KeyLineError as error:
            outcome = check_sentence(error)
            continue
        if line is None:
            continue
        assert parse_key_line(emit_key_line(line)) == line
        assert binascii.b2a_base64(line.blob, newline=False) in emit_key_line(line)
        assert (line.options.force_command is None) is (
            b"command" not in text.lower() or not line.options.values("command")
        )
        outcome = " ".join(sorted({entry.name for entry in line.options.entries})) or line.key_type
    for blob in parse_trusted_keys(data):
        assert canonical(blob) == blob
    return outcome


def public_key(data: bytes) -> str:
    """A canonical key is its own canonical form, and found by its needles."""
    try:
        key = parse_public_key(data)
    except EncodingError as error:
        return check_sentence(error)
    assert canonical(key.blob) == key.blob
    method = (PublicKey(key.key_type, data),)
    assert any(needle in base64.b64encode(data) for needle in needles(method))
    return key.key_type if key.blob != data else ""


def read_certificate(data: bytes) -> str:
    """A certificate that is read names a certified key and an authority; whether it forces a command is certain."""
    try:
        read = parse_certificate(data)
    except CertificateError as error:
        return check_sentence(error)
    assert canonical(read.plain_key) == read.plain_key
    assert canonical(read.ca_key) == read.ca_key
    assert read.force_command is None or read.force_command in data
    return f"{read.kind} {read.force_command is None} {read.source_address is None} {read.user_rc}"


def auth_info(data: bytes) -> str:
    """Whatever sshd can have written can be searched for; what it cannot have written is an error."""
    try:
        methods = parse_auth_info(data)
    except AuthInfoError as error:
        return check_sentence(error)
    assert len(methods) == data.count(b"\n")
    try:
        assert len(needles(methods)) <= 3 * len(methods)
        assert all(text.startswith("SHA256:") for text in fingerprints(methods))
        assert all(principals_sought(methods))
    except CertificateError as error:
        return check_sentence(error)
    return " ".join(type(method).__name__ for method in methods[:3])


def patterns(data: bytes) -> str:
    """A list that is accepted matches somebody it names, and lists of addresses always get an answer."""
    from_answers = {from_list_allows(data, client) for client in (ip_address("127.0.0.1"), ip_address("::1"), None)}
    try:
        allowed = cidr_list_allows(data, ip_address("127.0.0.1"))
    except ValueError as error:
        check_sentence(error)
        allowed = False
    try:
        accepted = PatternList.parse(data.decode("latin-1"))
    except ValueError as error:
        return check_sentence(error)
    names = ("alice", "", data.decode("latin-1")[:100])
    assert not data or any(not pattern.negated for pattern in accepted.patterns)
    return f"{from_answers} {allowed} {[accepted.matches(name) for name in names]}"


def orders(data: bytes) -> str:
    """If every line forces a command, the login is never free (law 5); a certificate's own command always holds."""
    found = tuple(FoundLine(b"keys", number, line) for number, line in enumerate(data.split(b"\n")[:20], 1))
    outcome = ""
    for methods in ((ALICE,), (BY_CERTIFICATE,), (ALICE, BY_CERTIFICATE)):
        for where in (HERE, HERE._replace(client_address=None, trusted_keys=()), HERE._replace(principals_lines=found)):
            outcome += _orders(methods, found, where)
    parsed = parse_certificate(FORCED)
    for line in found:
        read = principals_options(line.line, parsed)
        assert read is None or any(name in line.line for name in parsed.principals)
    return outcome


def _orders(methods: tuple[AuthenticationMethod, ...], found: tuple[FoundLine, ...], where: Circumstances) -> str:
    try:
        given = key_orders(methods, found, where)
    except KeyRestrictionError as error:
        check_sentence(error)
        return error.reason + " "
    all_begin_with_a_command = all(line.line.lstrip(b" \t").lower().startswith(b'command="') for line in found)
    assert BY_CERTIFICATE not in methods or given.force_command == b"date"
    assert given.force_command is not None or not all_begin_with_a_command
    return f"{given.force_command is not None} {given.user_rc} "


READERS: dict[str, tuple[Callable[[bytes], str], tuple[bytes, ...]]] = {
    "key_line": (key_line, (*LINES, b"\n".join(LINES))),
    "public_key": (public_key, PLAIN_KEYS),
    "certificate": (read_certificate, CERTIFICATES),
    "auth_info": (
        auth_info,
        tuple(b"publickey " + words(blob) + b"\npassword\n" for blob in (*PLAIN_KEYS, *CERTIFICATES)),
    ),
    "patterns": (
        patterns,
        (b"alice,svc-*,!svc-?", b"*,!root", b"127.0.0.0/8,!10.0.0.1,*.example.org,::1/128", b"10.1,0x7f.1"),
    ),
    "orders": (orders, (*LINES, b"\n".join(LINES))),
}


def one(data: bytes) -> tuple[str, ...]:
    """Give `data` to every reader. Raises for a broken law only."""
    return tuple(read(data) for read, _ in READERS.values())


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Make another input of the corpus."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(6):
            case 0:
                data[start:start] = chance.choice(TOKENS)
            case 1:
                data[start:end] = chance.choice(TOKENS)
            case 2:
                data[start : min(end, start + 3)] = bytes([chance.randrange(256)])
            case 3:
                data[start:start] = data[start:end]
            case 4:
                del data[start : min(end, start + 4)]
            case _:
                data[start:] = chance.choice(corpus)[start:]
    return bytes(data[: 4 * 1024])


def run(reader: str, seed: int, executions: int | None = None, seconds: float | None = None) -> int:
    """Run until either limit and return the number of executions. An input that breaks a law is printed first."""
    read, seeds = READERS[reader]
    return fuzzing.fuzz(read, seeds, mutated, seed=seed, executions=executions, seconds=seconds, name=reader)


if __name__ == "__main__":
    fuzzing.main(__doc__, {reader: functools.partial(run, reader) for reader in READERS})
