import functools
import ipaddress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ssh_samples import ED25519, OTHER_ED25519, PLAIN_KEYS, certificate, options, words

from secsign_gate.core.address_list import Answer, cidr_list_allows, from_list_allows
from secsign_gate.core.auth_info import AuthInfoError, parse_auth_info
from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, emit_key_line, parse_key_line
from secsign_gate.core.certificate import CertificateError, parse_certificate
from secsign_gate.core.key_options import KeyOption, KeyOptions, parse_key_options
from secsign_gate.core.key_restriction import KeyOrders, KeyRestrictionError, key_orders
from secsign_gate.core.key_search import FoundLine, needles
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import PublicKey
from secsign_gate.core.patterns import PatternList, matches_pattern
from secsign_gate.core.ssh_encoding import ssh_string

ALICE = PublicKey("ssh-ed25519", ED25519)
HERE = Circumstances("alice", ipaddress.ip_address("127.0.0.1"), 1_750_000_000)

# The alphabets are small, so that what matters comes often.
pattern_text = st.text("ab*?", max_size=12)
option_bytes = st.lists(st.sampled_from([b'"', b"\\", b" ", b"\t", b",", b"=", b"a", b"\xff", b"command"]), max_size=12)
line_pieces = st.lists(
    st.sampled_from(
        [b'command="', b'"', b"\\", b",", b" ", b"\t", b"restrict", b"no-pty", b"cert-authority", b'from="*"', b"#"]
        + [words(blob) for blob in PLAIN_KEYS]
        + [b"\0", b"\r", b"\v", b"="]
    ),
    max_size=10,
).map(b"".join)
without_newline = st.binary(max_size=60).filter(lambda data: b"\n" not in data)


def check_sentence(error: Exception) -> None:
    """Insist that the sentence can be shown, whatever the input held."""
    assert str(error).isprintable()


def matches_by_definition(text: str, pattern: str) -> bool:
    """A matcher that says what a pattern means, and takes its time."""

    @functools.cache
    def rest(at: int, in_pattern: int) -> bool:
        if in_pattern == len(pattern):
            return at == len(text)
        if pattern[in_pattern] == "*":
            return rest(at, in_pattern + 1) or (at < len(text) and rest(at + 1, in_pattern))
        return at < len(text) and pattern[in_pattern] in ("?", text[at]) and rest(at + 1, in_pattern + 1)

    return rest(0, 0)


@settings(deadline=None)
@given(text=st.text("ab*", max_size=12), pattern=pattern_text)
def test_a_pattern_means_what_its_definition_says(text: str, pattern: str) -> None:
    assert matches_pattern(text, pattern) is matches_by_definition(text, pattern)


@settings(deadline=None)
@given(elements=st.lists(st.tuples(st.booleans(), pattern_text), max_size=5), name=st.text("ab", max_size=6))
def test_a_list_means_what_its_definition_says(elements: list[tuple[bool, str]], name: str) -> None:
    text = ",".join(("!" if negated else "") + pattern for negated, pattern in elements)
    assume(text)  # the empty text is the empty list, not a list of an empty pattern
    try:
        accepted = PatternList.parse(text)
    except ValueError:
        assert not any(pattern and not negated for negated, pattern in elements) or any(not p for _, p in elements)
        return
    ruled_out = any(negated and matches_by_definition(name, pattern) for negated, pattern in elements)
    named = any(not negated and matches_by_definition(name, pattern) for negated, pattern in elements)
    assert accepted.matches(name) is (named and not ruled_out)
    assert accepted.matches_any([name]) is accepted.matches(name)


networks = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).flatmap(
    lambda address: st.integers(0, address.max_prefixlen).map(
        lambda length: ipaddress.ip_network((address, length), strict=False)
    )
)


@settings(deadline=None)
@given(allowed=st.lists(networks, min_size=1, max_size=4), data=st.data())
def test_networks_hold_what_they_hold(
    allowed: list[ipaddress.IPv4Network | ipaddress.IPv6Network], data: st.DataObject
) -> None:
    inside = data.draw(st.sampled_from(allowed))
    in_it = st.integers(0, inside.num_addresses - 1).map(lambda number: inside[number])
    address = data.draw(st.one_of(st.ip_addresses(), in_it))
    text = ",".join(map(str, allowed)).encode()
    expected = any(address.version == network.version and address in network for network in allowed)
    assert cidr_list_allows(text, address) is expected
    assert from_list_allows(text, address) is (Answer.YES if expected else Answer.NO)
    assert from_list_allows(b"!" + text + b",*", address) is not Answer.YES or address not in allowed[0]


@settings(deadline=None)
@given(data=st.one_of(st.binary(max_size=200), line_pieces))
def test_any_line_is_a_value_or_its_own_error_and_is_written_as_it_was_read(data: bytes) -> None:
    assume(b"\n" not in data)
    try:
        line = parse_key_line(data)
    except KeyLineError as error:
        check_sentence(error)
        return
    assert line is None or parse_key_line(emit_key_line(line)) == line


option = st.one_of(
    st.sampled_from(["restrict", "pty", "no-pty", "no-user-rc", "user-rc", "cert-authority", "X11-forwarding"]).map(
        KeyOption
    ),
    st.builds(KeyOption, st.sampled_from(["command", "from", "principals"]), without_newline),
    st.builds(lambda value: KeyOption("environment", b"A=" + value), without_newline),
    st.sampled_from(
        [KeyOption("expiry-time", b"20300101Z"), KeyOption("permitopen", b"[::1]:80"), KeyOption("tunnel", b"1")]
    ),
)


@settings(deadline=None)
@given(entries=st.lists(option, max_size=6), blob=st.sampled_from(PLAIN_KEYS), comment=without_newline)
def test_what_is_written_is_read_as_it_was_meant_or_is_not_written(
    entries: list[KeyOption], blob: bytes, comment: bytes
) -> None:
    line = KeyLine(KeyOptions(tuple(entries)), words(blob).split()[0].decode(), blob, comment)
    once = all(sum(entry.name == name for entry in entries) < 2 for name in ("command", "from", "principals"))
    values = [entry.value or b"" for entry in entries]
    writable = once and not any(b"\0" in value or value.endswith(b"\\") for value in values)
    if not writable or b"\0" in comment or comment[:1] in (b" ", b"\t"):
        with pytest.raises(KeyLineError):
            emit_key_line(line)
    else:
        assert parse_key_line(emit_key_line(line)) == line


@settings(deadline=None)
@given(pieces=option_bytes)
def test_a_quoted_value_is_read_to_its_end(pieces: list[bytes]) -> None:
    """Written with every quote escaped it is read as it was, unless a backslash would swallow the closing quote."""
    value = b"".join(pieces)
    assume(not value.endswith(b"\\"))
    assert parse_key_options(b'command="' + value.replace(b'"', b'\\"') + b'",pty').force_command == value


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_no_certificate_or_one(data: bytes) -> None:
    with pytest.raises(CertificateError):
        parse_certificate(data)


@settings(deadline=None)
@given(blob=st.sampled_from([certificate(plain) for plain in PLAIN_KEYS]), data=st.data())
def test_a_damaged_certificate_is_an_error_or_still_one(blob: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(blob) - 1))
    damaged = blob[:at] + data.draw(st.binary(max_size=3)) + blob[at + data.draw(st.integers(0, 3)) :]
    try:
        parse_certificate(damaged)
    except CertificateError as error:
        check_sentence(error)
    assert parse_certificate(blob).principals == (b"alice",)


@settings(deadline=None)
@given(command=st.binary(max_size=40), name=st.binary(min_size=1, max_size=20))
def test_a_certificates_command_is_its_command_and_unknown_options_refuse(command: bytes, name: bytes) -> None:
    assume(b"\0" not in command + name)
    packed = ssh_string(b"force-command") + ssh_string(ssh_string(command))
    assert parse_certificate(certificate(critical=packed)).force_command == command
    assume(name not in (b"force-command", b"source-address", b"verify-required"))
    with pytest.raises(CertificateError):
        parse_certificate(certificate(critical=packed + options((name, b""))))


@settings(deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([b"publickey ", words(ED25519), b" ", b"\n", b"password"])).map(b"".join),
    )
)
def test_any_auth_info_is_methods_or_its_own_error(data: bytes) -> None:
    try:
        methods = parse_auth_info(data)
    except AuthInfoError as error:
        check_sentence(error)
        return
    assert len(methods) == data.count(b"\n") > 0


def lines_of(*contents: bytes) -> tuple[FoundLine, ...]:
    return tuple(FoundLine(b"keys", number, line) for number, line in enumerate(contents, 1))


def orders_or_none(lines: list[bytes], circumstances: Circumstances = HERE) -> KeyOrders | None:
    try:
        return key_orders((ALICE,), lines_of(*lines), circumstances)
    except KeyRestrictionError:
        return None


extra = st.sampled_from(
    [
        b"",
        b"restrict,",
        b'from="127.*",',
        b'from="10.*",',
        b'from="*.example.org",',
        b'expiry-time="20250615",',
        b"bogus,",
        b'permitopen="h:http",',
        b'expiry-time="20200101",',
        b'principals="x",',
        b"cert-authority,",
        b'command="2",',
    ],
)


@settings(deadline=None)
@given(
    options_before=st.lists(extra, min_size=1, max_size=4),
    client=st.sampled_from([HERE, HERE._replace(client_address=None)]),
)
def test_if_every_line_forces_a_command_the_login_is_never_free(
    options_before: list[bytes], client: Circumstances
) -> None:
    lines = [before + b'command="1" ' + words(ED25519) for before in options_before]
    given_orders = orders_or_none(lines, client)
    assert given_orders is None or given_orders.force_command == b"1"


@settings(deadline=None)
@given(before=st.lists(extra, max_size=3), garbage=st.lists(line_pieces, max_size=3))
def test_lines_without_the_key_change_nothing(before: list[bytes], garbage: list[bytes]) -> None:
    lines = [b"".join(before) + b" " + words(ED25519)]
    others = [line for line in garbage if not any(needle in line for needle in needles((ALICE,))) and b"\n" not in line]
    assert orders_or_none(others + lines + others) == orders_or_none(lines)


@settings(deadline=None)
@given(before=st.lists(extra, max_size=4, unique=True), after=st.lists(extra, max_size=3))
def test_nothing_after_a_line_that_sshd_certainly_takes_counts(before: list[bytes], after: list[bytes]) -> None:
    lines = [piece + b" " + words(ED25519) for piece in before] + [b'from="127.0.0.0/8" ' + words(ED25519)]
    assert orders_or_none(lines) == orders_or_none(lines + [piece + b" " + words(ED25519) for piece in after])


@settings(deadline=None)
@given(
    line_command=st.sampled_from([None, b"1", b"2", b""]),
    own_command=st.sampled_from([None, b"1", b"2", b""]),
    line_rc=st.booleans(),
    own_rc=st.booleans(),
)
def test_a_certificate_and_its_line_hold_together(
    line_command: bytes | None, own_command: bytes | None, line_rc: bool, own_rc: bool
) -> None:
    critical = b"" if own_command is None else ssh_string(b"force-command") + ssh_string(ssh_string(own_command))
    blob = certificate(critical=critical, extensions=options((b"permit-user-rc", b"")) if own_rc else b"")
    line = b"cert-authority"
    line += b"" if line_command is None else b',command="' + line_command + b'"'
    line += b" " if line_rc else b",no-user-rc "
    method = PublicKey("ssh-ed25519-cert-v01@openssh.com", blob)
    try:
        given_orders = key_orders((method,), lines_of(line + words(OTHER_ED25519)), HERE)
    except KeyRestrictionError:
        assert None not in (line_command, own_command)
        assert line_command != own_command
        return
    assert given_orders.user_rc is (line_rc and own_rc)
    assert {line_command, own_command} - {None} == ({given_orders.force_command} - {None})
