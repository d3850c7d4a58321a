import base64
from ipaddress import ip_address
from typing import Literal, TypedDict, Unpack

import pytest
from ssh_keygen import SshKeygen
from ssh_samples import ED25519, OTHER_ED25519, RSA, certificate, options, words

from secsign_gate.core import key_restriction
from secsign_gate.core.authorized_keys import decode_key
from secsign_gate.core.key_restriction import (
    MOST_BYTES,
    MOST_LINES,
    KeyOrders,
    KeyRestrictionError,
    found_lines,
    key_orders,
)
from secsign_gate.core.key_search import FoundLine, needles
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import AuthenticationMethod, IpAddress, OtherMethod, PublicKey
from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.core.verdict import Reason

NOW = 1_750_000_000  # 2025-06-15 15:06:40 UTC
KEY, CA, SECOND = words(ED25519), words(OTHER_ED25519), words(RSA)
HERE = Circumstances("alice", ip_address("127.0.0.1"), NOW)
FREE = KeyOrders(None, user_rc=True)


def used(blob: bytes) -> PublicKey:
    return PublicKey(words(blob).split()[0].decode(), blob)


ALICE = used(ED25519)


def found(methods: tuple[AuthenticationMethod, ...], *files: bytes) -> tuple[FoundLine, ...]:
    """Search as the door does."""
    sought = needles(methods)
    return tuple(
        FoundLine(b"/keys%d" % file, number, line)
        for file, content in enumerate(files, 1)
        for number, line in enumerate(content.split(b"\n"), 1)
        if any(needle in line.translate(None, b"\v\f\r") for needle in sought)
    )


class Otherwise(TypedDict, total=False):
    """What a test wants otherwise than HERE."""

    client_address: IpAddress | None
    trusted_keys: tuple[bytes, ...]
    principals_lines: tuple[FoundLine, ...] | None
    elsewhere: Literal["refuse", "unrestricted"]


def orders(*files: bytes, method: AuthenticationMethod = ALICE, **otherwise: Unpack[Otherwise]) -> KeyOrders:
    return key_orders((method,), found((method,), *files), HERE._replace(**otherwise))


def reason(*files: bytes, method: AuthenticationMethod = ALICE, **otherwise: Unpack[Otherwise]) -> Reason:
    with pytest.raises(KeyRestrictionError) as refusal:
        orders(*files, method=method, **otherwise)
    assert str(refusal.value).isprintable()
    return refusal.value.reason


def test_a_key_without_options_may_do_anything() -> None:
    assert orders(KEY) == FREE


def test_a_restricted_key_stays_restricted() -> None:
    assert orders(b'command="rsync --server",restrict ' + KEY) == KeyOrders(b"rsync --server", user_rc=False)


def test_an_empty_command_is_a_command() -> None:
    # sshd runs `$SHELL -c ""`, which is no shell
    assert orders(b'command="" ' + KEY).force_command == b""


@pytest.mark.parametrize(
    ("text", "user_rc"),
    [
        (b"no-user-rc", False),
        (b"restrict", False),
        (b"restrict,user-rc", True),
        (b"user-rc,restrict", False),
        (b"no-user-rc,user-rc", True),
    ],
)
def test_whether_the_users_rc_file_may_run(text: bytes, user_rc: bool) -> None:
    assert orders(text + b" " + KEY).user_rc is user_rc


@pytest.mark.parametrize(
    "passed_over",
    [
        # With OpenSSH 9.2p1 the second line decided in each of these.
        b'bogus,command="1" ' + KEY,
        b'command="1",command="1" ' + KEY,
        b'command="1" ' + KEY + b"=",
        b'environment="A-B=1",command="1" ' + KEY,
        b'from="10.0.0.0/8",command="1" ' + KEY,
        b'from="*,!127.0.0.1",command="1" ' + KEY,
        b'from="127.0.0.1/8",command="1" ' + KEY,
        b'expiry-time="20200101",command="1" ' + KEY,
        b'expiry-time="20300101",expiry-time="20200101Z",command="1" ' + KEY,
        b'principals="alice",command="1" ' + KEY,
        b'cert-authority,command="1" ' + KEY,
        b'permitopen="host:0",command="1" ' + KEY,
        b'# command="1" ' + KEY,
        b'command="1 ' + KEY,
        words(certificate()) + b" " + KEY,
        SECOND + b" " + KEY,
        b"",
    ],
)
def test_a_line_that_sshd_passes_over_counts_for_nothing(passed_over: bytes) -> None:
    assert orders(passed_over + b'\ncommand="2" ' + KEY).force_command == b"2"
    assert reason(passed_over) is Reason.KEY_NOT_FOUND


@pytest.mark.parametrize(
    "taken",
    [
        # With OpenSSH 9.2p1 the first line decided in each of these.
        b'command="1" ' + KEY,
        b' \t,command="1",, ' + KEY + b"\r",
        b'Command="1",No-X11-Forwarding\t' + KEY + b' comment "x',
        b'command="1" ' + KEY[:30] + b"\v" + KEY[30:50] + b"\r" + KEY[50:],
        b'from="127.0.0.0/8",command="1" ' + KEY,
        b'from="!10.0.0.0/8,127.1",command="1" ' + KEY,
        b'expiry-time="20300101",command="1" ' + KEY,
        b'tunnel="3",permitlisten="8080",command="1" ' + KEY,
        b'command="1" ' + KEY + b'\0,command="3"',
        b'command="1" ssh-ed25519 ' + base64.b64encode(ssh_string(b"ED25519") + ED25519[15:]),
    ],
)
def test_the_first_line_that_sshd_takes_decides(taken: bytes) -> None:
    assert orders(taken + b"\n" + KEY, KEY).force_command == b"1"


def test_files_count_in_their_order() -> None:
    assert orders(SECOND, b'command="2" ' + KEY, KEY).force_command == b"2"


def test_a_key_that_no_file_has() -> None:
    assert reason(SECOND, b"") is Reason.KEY_NOT_FOUND
    assert orders(SECOND, elsewhere="unrestricted") == FREE
    assert orders(b'command="1" ' + KEY, elsewhere="unrestricted").force_command == b"1"


def test_a_line_that_only_a_newer_sshd_understands_does_not_come_from_elsewhere() -> None:
    assert reason(b'only-on-mondays,command="1" ' + KEY, elsewhere="unrestricted") is Reason.KEY_NOT_FOUND


def test_a_file_that_sshd_may_have_passed_over_must_agree_with_what_comes_after_it() -> None:
    unsafe, safe = (
        line._replace(unsafe=unsafe) for line, unsafe in zip(found((ALICE,), KEY, KEY), (True, False), strict=True)
    )
    restricted = safe._replace(line=b'command="1" ' + KEY)
    assert key_orders((ALICE,), (unsafe,), HERE) == FREE
    assert key_orders((ALICE,), (unsafe, safe), HERE) == FREE
    with pytest.raises(KeyRestrictionError, match="which line sshd went by"):
        key_orders((ALICE,), (unsafe, restricted), HERE)


def test_a_login_without_a_key_has_nothing_that_restricts() -> None:
    assert key_orders((OtherMethod("password"), OtherMethod("keyboard-interactive/pam")), (), HERE) == FREE


def test_a_client_without_an_address_is_not_one_from_an_allowed_network() -> None:
    assert reason(b'from="10.0.0.0/8" ' + KEY, client_address=None) is Reason.KEY_NOT_FOUND
    assert orders(b'from="*",command="1" ' + KEY, client_address=None).force_command == b"1"


class TestTwoKeys:
    BOTH = (ALICE, used(RSA))

    def orders(self, first: bytes, second: bytes) -> KeyOrders:
        return key_orders(self.BOTH, found(self.BOTH, first + KEY + b"\n" + second + SECOND), HERE)

    def test_all_that_they_order_holds(self) -> None:
        assert self.orders(b"", b"") == FREE
        assert self.orders(b'command="1" ', b"") == KeyOrders(b"1", user_rc=True)
        assert self.orders(b"", b'no-user-rc,command="2" ') == KeyOrders(b"2", user_rc=False)
        assert self.orders(b'command="1" ', b'command="1" ') == KeyOrders(b"1", user_rc=True)

    def test_what_contradicts_is_refused(self) -> None:
        with pytest.raises(KeyRestrictionError, match="different commands") as refusal:
            self.orders(b'command="1" ', b'command="2" ')
        assert refusal.value.reason is Reason.KEY_OPTIONS_UNREADABLE

    def test_one_that_is_missing_is_refused(self) -> None:
        with pytest.raises(KeyRestrictionError) as refusal:
            key_orders(self.BOTH, found(self.BOTH, KEY), HERE)
        assert refusal.value.reason is Reason.KEY_NOT_FOUND

    def test_one_from_elsewhere_does_not_lift_the_others_restriction(self) -> None:
        lines = found(self.BOTH, b'command="1" ' + KEY)
        assert key_orders(self.BOTH, lines, HERE._replace(elsewhere="unrestricted")).force_command == b"1"


class TestWhatCannotBeTold:
    """A line that sshd may have taken or not: what comes after it must agree, or the login is refused."""

    @pytest.mark.parametrize(
        "maybe",
        [
            b'from="*.example.org",command="1" ',  # UseDNS
            b'permitopen="localhost:http",command="1" ',  # /etc/services
            b'expiry-time="202506150400",command="1" ',  # the time zone
            b'expiry-time="20250616",command="1" ',
            b'expiry-time="20250615150630Z",command="1" ',  # ten seconds ago; sshd judged before that, or not
        ],
    )
    def test_lines_that_disagree_are_refused(self, maybe: bytes) -> None:
        assert reason(maybe + KEY + b"\n" + KEY) is Reason.KEY_OPTIONS_UNREADABLE
        assert reason(maybe + KEY, b'command="2" ' + KEY) is Reason.KEY_OPTIONS_UNREADABLE
        assert orders(maybe + KEY + b'\nno-user-rc,command="1" ' + KEY) == KeyOrders(b"1", user_rc=False)
        assert orders(maybe + KEY) == KeyOrders(b"1", user_rc=True)

    @pytest.mark.parametrize(
        ("expiry", "command"),
        [
            (b"20250615150641Z", b"1"),
            (b"20250615145639Z", b"2"),
            (b"20250616050641", b"1"),
            (b"20250615025639", b"2"),
        ],
    )
    def test_outside_the_doubtful_span_an_expiry_is_clear(self, expiry: bytes, command: bytes) -> None:
        both = b'expiry-time="' + expiry + b'",command="1" ' + KEY + b'\ncommand="2" ' + KEY
        assert orders(both).force_command == command

    def test_the_sentence_says_which_lines(self) -> None:
        with pytest.raises(KeyRestrictionError, match=r"/keys1 line 2 and /keys2 line 1"):
            orders(b'\nfrom="*.example.org",command="1" ' + KEY, KEY)


AUTHORITY = b"cert-authority " + CA


class TestCertificates:
    def test_the_authoritys_line_lets_it_in(self) -> None:
        assert orders(AUTHORITY, method=used(certificate())) == FREE

    @pytest.mark.parametrize("content", [CA, KEY, words(certificate()), b'from="10.0.0.0/8",' + AUTHORITY, b""])
    def test_nothing_else_does(self, content: bytes) -> None:
        assert reason(content, method=used(certificate())) is Reason.KEY_NOT_FOUND

    def test_its_own_command_holds_from_wherever_it_was_trusted(self) -> None:
        method = used(certificate(critical=options((b"force-command", b"date"))))
        assert orders(AUTHORITY, method=method).force_command == b"date"
        assert orders(b"", method=method, trusted_keys=(OTHER_ED25519,)).force_command == b"date"
        assert orders(b"", method=method, elsewhere="unrestricted").force_command == b"date"

    def test_the_lines_command_holds(self) -> None:
        assert orders(b'command="1",' + AUTHORITY, method=used(certificate())).force_command == b"1"

    def test_two_commands_must_be_one(self) -> None:
        method = used(certificate(critical=options((b"force-command", b"date"))))
        assert orders(b'command="date",' + AUTHORITY, method=method).force_command == b"date"
        assert reason(b'command="1",' + AUTHORITY, method=method) is Reason.KEY_NOT_FOUND
        # sshd goes on to the next line, and to TrustedUserCAKeys
        assert orders(b'command="1",' + AUTHORITY + b"\n" + AUTHORITY, method=method).force_command == b"date"
        other = orders(b'command="1",' + AUTHORITY, method=method, trusted_keys=(OTHER_ED25519,))
        assert other.force_command == b"date"

    def test_a_certificate_permits_the_rc_file_only_by_name(self) -> None:
        assert not orders(AUTHORITY, method=used(certificate(extensions=b""))).user_rc
        assert not orders(b"no-user-rc," + AUTHORITY, method=used(certificate())).user_rc
        assert not orders(b"", method=used(certificate(extensions=b"")), elsewhere="unrestricted").user_rc

    @pytest.mark.parametrize(
        ("listed", "principals", "is_for_alice"),
        [
            (None, (b"alice",), True),
            (None, (b"bob", b"alice"), True),
            (None, (b"bob",), False),
            (None, (b"Alice",), False),
            (None, (b"*",), False),
            (b"bob", (b"bob",), True),
            (b"x,bob", (b"alice", b"bob"), True),
            (b"x", (b"alice",), False),
            (b"", (b"alice",), False),
            (b"", (b"",), False),
            (b"*", (b"alice",), False),
            (b"alice", (), False),
        ],
    )
    def test_whose_it_is(self, listed: bytes | None, principals: tuple[bytes, ...], is_for_alice: bool) -> None:
        line = AUTHORITY if listed is None else b'principals="' + listed + b'",' + AUTHORITY
        method = used(certificate(principals=principals))
        if is_for_alice:
            assert orders(line, method=method) == FREE
        else:
            assert reason(line, method=method) is Reason.KEY_NOT_FOUND

    @pytest.mark.parametrize(
        ("line", "principals"),
        [
            (b'command="1",' + AUTHORITY, ()),  # everybody's before OpenSSH 10.3, nobody's since
            (b'principals="bob",command="1",' + AUTHORITY, (b"x,bob",)),
            (b'principals="x,,bob",command="1",' + AUTHORITY, (b"bob",)),
            (b'principals="' + b"x," * 40 + b'bob",command="1",' + AUTHORITY, (b"bob",)),
        ],
    )
    def test_where_versions_of_openssh_differ_lines_must_agree(
        self, line: bytes, principals: tuple[bytes, ...]
    ) -> None:
        method = used(certificate(principals=principals))
        assert orders(line, method=method).force_command == b"1"
        assert orders(line, line, method=method).force_command == b"1"
        assert reason(line, line.replace(b'"1"', b'"2"'), method=method) is Reason.KEY_OPTIONS_UNREADABLE

    def test_one_that_sshd_cannot_have_taken_is_refused(self) -> None:
        far = used(certificate(critical=options((b"source-address", b"10.0.0.0/8"))))
        near = used(certificate(critical=options((b"source-address", b"10.0.0.0/8,127.0.0.0/8"))))
        assert reason(AUTHORITY, method=far) is Reason.AUTH_INFO_UNUSABLE
        assert reason(AUTHORITY, method=far, elsewhere="unrestricted") is Reason.AUTH_INFO_UNUSABLE
        assert orders(AUTHORITY, method=near) == FREE
        assert reason(AUTHORITY, method=near, client_address=None) is Reason.AUTH_INFO_UNUSABLE
        assert reason(AUTHORITY, method=used(certificate(kind=2))) is Reason.AUTH_INFO_UNUSABLE

    def test_one_with_orders_that_are_not_understood_is_refused(self) -> None:
        method = used(certificate(critical=options((b"only-on-mondays", b"yes"))))
        lines = found((used(certificate()),), AUTHORITY)
        with pytest.raises(KeyRestrictionError, match="only-on-mondays") as refusal:
            key_orders((method,), lines, HERE._replace(elsewhere="unrestricted"))
        assert refusal.value.reason is Reason.KEY_OPTIONS_UNREADABLE

    def test_that_it_has_run_out_since_is_no_reason(self) -> None:
        # A later channel of a connection that sshd let in while it was valid.
        assert orders(AUTHORITY, method=used(certificate(before=NOW - 1))) == FREE

    def test_real_ones(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        keygen = SshKeygen(tmp_path_factory.mktemp("keys"))
        ca = b" ".join(keygen.public("ca"))
        asked = ("-O", "force-command=internal-sftp", "-O", "no-user-rc", "-O", "source-address=127.0.0.0/8")
        blob = decode_key(*keygen.certificate("ca", "key", *asked))
        assert blob is not None
        assert orders(b"cert-authority " + ca, method=used(blob)) == KeyOrders(b"internal-sftp", user_rc=False)


def principals(*lines: bytes) -> tuple[FoundLine, ...]:
    return tuple(FoundLine(b"/principals", number, line) for number, line in enumerate(lines, 1))


class TestTrustedUserCAKeys:
    BOB = used(certificate(principals=(b"bob", b"ops")))

    def trusted(self, method: PublicKey, *lines: bytes) -> KeyOrders:
        return orders(b"", method=method, trusted_keys=(OTHER_ED25519,), principals_lines=principals(*lines))

    def test_without_a_principals_file_the_account_must_be_named(self) -> None:
        assert orders(b"", method=used(certificate()), trusted_keys=(ED25519, OTHER_ED25519)) == FREE
        assert reason(b"", method=used(certificate()), trusted_keys=(ED25519,)) is Reason.KEY_NOT_FOUND
        assert reason(b"", method=self.BOB, trusted_keys=(OTHER_ED25519,)) is Reason.KEY_NOT_FOUND
        nobody = used(certificate(principals=()))
        assert reason(b"", method=nobody, trusted_keys=(OTHER_ED25519,)) is Reason.KEY_NOT_FOUND

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            # What OpenSSH 9.2p1 did with each of these files.
            ((b"bob",), FREE),
            ((b"# x", b"", b"ops # comment"), FREE),
            ((b'command="1" bob',), KeyOrders(b"1", user_rc=True)),
            ((b'command="1" \tbob ',), KeyOrders(b"1", user_rc=True)),
            ((b'command="a b" x bob',), KeyOrders(b"a b", user_rc=True)),
            ((b"restrict bob",), KeyOrders(None, user_rc=False)),
            ((b"restrict,\tbob",), KeyOrders(None, user_rc=False)),
            ((b"alice", b"bogus bob", b'command="1" ops'), KeyOrders(b"1", user_rc=True)),
        ],
    )
    def test_with_one_the_first_line_with_a_principal_decides(
        self, lines: tuple[bytes, ...], expected: KeyOrders
    ) -> None:
        assert self.trusted(self.BOB, *lines) == expected

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            (b"alice",),
            (b"bob\r",),
            (b"b\0ob",),
            (b'command="echo #" bob',),
            (b'command="echo 1"\tbob',),
            (b'command="1 bob',),
            (b"cert-authority bob", b"bob"),
            (b'from="10.0.0.0/8" bob', b"bob"),
            (b'expiry-time="20200101" bob', b"bob"),
            (b'principals="bob" bob', b"bob"),
        ],
    )
    def test_what_sshd_refuses(self, lines: tuple[bytes, ...]) -> None:
        with pytest.raises(KeyRestrictionError) as refusal:
            self.trusted(self.BOB, *lines)
        assert refusal.value.reason is Reason.KEY_NOT_FOUND

    def test_commands_of_line_and_certificate_must_be_one(self) -> None:
        method = used(certificate(critical=options((b"force-command", b"date"))))
        assert self.trusted(method, b'command="date" alice').force_command == b"date"
        with pytest.raises(KeyRestrictionError):
            self.trusted(method, b'command="1" alice', b"alice")

    def test_the_key_files_come_first(self) -> None:
        method, known = used(certificate()), (OTHER_ED25519,)
        assert orders(b'command="1",' + AUTHORITY, method=method, trusted_keys=known).force_command == b"1"
        assert orders(b'from="10.0.0.0/8",command="1",' + AUTHORITY, method=method, trusted_keys=known) == FREE
        maybe = b'from="*.example.org",command="1",' + AUTHORITY
        assert reason(maybe, method=method, trusted_keys=known) is Reason.KEY_OPTIONS_UNREADABLE


def test_a_broken_key_is_refused() -> None:
    with pytest.raises(KeyRestrictionError) as refusal:
        key_orders((PublicKey("ssh-ed25519", b"junk"),), (), HERE)
    assert refusal.value.reason is Reason.AUTH_INFO_UNUSABLE


class TestHowMuchIsLookedAt:
    """What a door may make a broker do: it serves others, too."""

    @staticmethod
    def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
        calls: list[object] = []
        real = getattr(key_restriction, name)

        def noted(*arguments: object) -> object:
            calls.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(key_restriction, name, noted)
        return calls

    def test_a_line_is_read_and_judged_once_however_many_keys_are_claimed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = tuple(used(ssh_string(b"ssh-ed25519") + ssh_string(bytes([number] * 32))) for number in range(8))
        line = b'from="*.example.org",command="1" '
        lines = found(keys, b"\n".join(line + words(key.blob) for key in keys))
        read, judged = self.counted(monkeypatch, "parse_key_line"), self.counted(monkeypatch, "usable")
        assert key_orders(keys, lines, HERE).force_command == b"1"
        assert (len(read), len(judged)) == (8, 8)

    def test_a_key_that_is_claimed_twice_is_judged_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = found((ALICE,), b"\n".join([b'from="*.example.org" ' + KEY] * 256))
        judged = self.counted(monkeypatch, "names_account")
        assert key_orders((ALICE,) * 8, lines, HERE) == FREE
        assert len(judged) == 256

    def test_so_many_certificates_of_one_authority_have_its_lines_judged_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificates = tuple(used(certificate(principals=(b"alice", b"%d" % number))) for number in range(8))
        lines = found(certificates, b"\n".join([b'from="*.example.org",' + AUTHORITY] * 10))
        judged = self.counted(monkeypatch, "usable")
        assert key_orders(certificates, lines, HERE) == FREE
        assert len(judged) == 10

    def test_as_many_lines_as_anybody_has_are_taken_as_they_are(self) -> None:
        lines = [(b"/keys", number, KEY) for number in range(1, MOST_LINES + 1)]
        assert found_lines(lines, []) == tuple(FoundLine(*line) for line in lines)
        assert [line.unsafe for line in found_lines([(b"/a", 1, KEY), (b"/b", 1, KEY)], [b"/b"])] == [False, True]

    @pytest.mark.parametrize(
        "lines",
        [
            [(b"/keys", number, KEY) for number in range(MOST_LINES + 1)],
            [(b"/keys", 1, b"#" * MOST_BYTES)],
            [(b"/" * MOST_BYTES, 1, KEY)],
        ],
        ids=["many", "long", "long path"],
    )
    def test_more_is_refused(self, lines: list[tuple[bytes, int, bytes]]) -> None:
        with pytest.raises(KeyRestrictionError, match="256 lines or 64 KiB") as refusal:
            found_lines(lines, [])
        assert refusal.value.reason is Reason.KEY_OPTIONS_UNREADABLE

    def test_more_unsafe_files_are_refused(self) -> None:
        with pytest.raises(KeyRestrictionError):
            found_lines([(b"/keys", 1, KEY)], [b"/keys"] * (MOST_LINES + 1))

    def test_the_sentence_names_only_so_many_lines(self) -> None:
        lines = b"\n".join(b'from="*.example.org",command="%d" ' % number + KEY for number in range(256))
        with pytest.raises(KeyRestrictionError, match="/keys1 line 4 and others; make them agree"):
            orders(lines)
