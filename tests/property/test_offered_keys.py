"""Two readers of one format: what is looked through for one key says what the reader of all lines says, or nothing."""

from __future__ import annotations

from calendar import timegm
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from ssh_samples import ED25519, PLAIN_KEYS, words

from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, parse_key_line
from secsign_gate.core.offered_key import OfferedKey, OfferedKeyError, answer_line, gate_command
from secsign_gate.core.registry_line import lines_that_hold, parse_registry_line
from secsign_gate.core.scanned_line import ScannedLine, UnusableLineError, scan_line

GATE = b"exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
TYPE, TEXT = words(ED25519).split()
ALICES = OfferedKey(TYPE, TEXT)
CLOSED = ("port-forwarding", "agent-forwarding", "X11-forwarding", "user-rc")

# The alphabets are small, so that what matters comes often.
pieces = st.sampled_from(
    [
        b'command="', b'from="', b'principals="', b'expiry-time="', b'environment="A=', b'permitopen="', b'tunnel="',
        b'"', b"\\", b'\\"', b",", b" ", b"\t", b"=", b"!", b"'", b"\xff", b"\0", b"\v", b"\r", b"#", b"x:1", b"1",
        b"20300101", b"Z", b"20010101", b"19000101", b"20300231", b"restrict", b"no-", b"pty", b"user-rc", b"RESTRICT",
        b"port-forwarding", b"X11-forwarding", b"agent-forwarding", b"cert-authority", b"verify-required",
        b"touch-required", words(ED25519), TYPE, TEXT, words(PLAIN_KEYS[1]), words(PLAIN_KEYS[6]),
    ]
)  # fmt: skip
jumble = st.lists(pieces, max_size=9).map(b"".join)
an_option = st.one_of(
    st.sampled_from(
        [b"restrict", b"pty", b"no-pty", b"user-rc", b"no-user-rc", b"port-forwarding", b"X11-forwarding",
         b"no-port-forwarding", b"cert-authority", b"agent-forwarding", b"verify-required", b"no-touch-required", b""]
    ),
    st.builds(
        lambda name, value: name + b'="' + value.replace(b'"', b'\\"') + b'"',
        st.sampled_from([b"command", b"from", b"principals", b"environment", b"permitopen", b"tunnel"]),
        st.one_of(st.binary(max_size=8), st.sampled_from([b"A=b", b"h:80", b"*:*", b"1", b"any", b"'", b"a!b", b"\\"])),
    ),
    st.builds(
        lambda digits, zone: b'expiry-time="' + digits + zone + b'"',
        st.one_of(
            st.integers(19600101, 20991299).map(lambda number: str(number).encode()),
            st.integers(196001010000, 209912992500).map(lambda number: str(number).encode()),
            st.integers(19600101000000, 20991231236060).map(lambda number: str(number).encode()),
        ),
        st.sampled_from([b"", b"Z", b"UTC", b"utc", b"ZUTC", b"UTCZ", b" "]),
    ),
)  # fmt: skip
orderly = st.builds(
    lambda options, comment: b",".join(options) + (b" " if options else b"") + words(ED25519) + comment,
    st.lists(an_option, max_size=5),
    st.sampled_from([b"", b" alice", b"\t#", b" " + words(PLAIN_KEYS[1])]),
).filter(lambda line: b"\n" not in line)
lines = st.one_of(orderly, jumble)


def check_sentence(error: Exception) -> None:
    """Insist that the sentence can be shown, whatever the input held."""
    assert str(error).isprintable()


def read(line: bytes) -> KeyLine | None:
    """Return what the other reader makes of it, None if that is not a line of alice's key."""
    try:
        parsed = parse_key_line(line)
    except KeyLineError:
        return None
    return parsed if parsed is not None and parsed.blob == ED25519 else None


def scan(line: bytes) -> ScannedLine | None:
    try:
        return scan_line(line, TYPE, TEXT)
    except UnusableLineError as error:
        check_sentence(error)
        return None


@settings(deadline=None, max_examples=500)
@given(line=lines)
def test_both_readers_say_the_same(line: bytes) -> None:
    scanned, parsed = scan(line), read(line)
    assert (scanned is None) is (parsed is None)
    if scanned is None or parsed is None:
        return
    entries = [(name.lower().encode(), value) for name, value in parsed.options.entries]
    assert entries == [(name, value and value.replace(b'\\"', b'"')) for name, value in scanned.options]
    assert scanned.command == parsed.options.force_command
    assert scanned.cert_authority is parsed.options.cert_authority
    for name in ("pty", "user-rc", *CLOSED):
        assert scanned.permits(name.lower().encode(), by_default=True) is parsed.options.permits(name)


@settings(deadline=None, max_examples=500)
@given(line=lines, by_root=st.booleans(), certificate_allows_rc=st.booleans())
def test_what_is_printed_is_one_line_that_allows_no_more_than_the_file(
    line: bytes, by_root: bool, certificate_allows_rc: bool
) -> None:
    scanned, parsed = scan(line), read(line)
    if scanned is None or parsed is None:
        return
    printed = answer_line(ALICES, scanned, GATE, by_root=by_root, certificate_allows_rc=certificate_allows_rc)
    assert printed.endswith(b"\n")
    assert printed.count(b"\n") == 1
    told = parse_key_line(printed)
    assert told is not None, "sshd would not take it"
    assert told.blob == ED25519
    for what in ("pty", *CLOSED):
        assert parsed.options.permits(what) or not told.options.permits(what)
    assert told.options.permits("pty") is parsed.options.permits("pty")
    assert not told.options.permits("user-rc")
    opened = [what for what in CLOSED[:3] if told.options.permits(what)]
    assert not opened or (by_root and all(what.lower().encode() in line.lower() for what in opened))
    user_rc = certificate_allows_rc and parsed.options.permits("user-rc")
    assert told.options.force_command == gate_command(GATE, parsed.options.force_command, user_rc=user_rc)
    for name in ("from", "expiry-time", "principals", "permitopen", "permitlisten", "tunnel"):
        assert told.options.values(name) == parsed.options.values(name)
    assert told.options.values("environment") == (parsed.options.values("environment") if by_root else ())
    assert told.options.cert_authority is parsed.options.cert_authority
    for switch in ("touch-required", "verify-required"):
        flags = [[e.name for e in one.options.entries if e.name.endswith(switch)] for one in (told, parsed)]
        assert flags[0] == flags[1]


@settings(deadline=None)
@given(line=orderly, now=st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1)), hours=st.integers(-12, 14))  # noqa: DTZ001 - the zone is `hours`
def test_a_line_has_not_expired_before_its_time(line: bytes, now: datetime, hours: int) -> None:
    scanned, parsed = scan(line), read(line)
    if scanned is None or parsed is None:
        return
    there = now + timedelta(hours=hours)
    passed = scanned.has_expired(*(time.strftime("%Y%m%d%H%M%S").encode() for time in (now, there)))
    expired = [one for one in parsed.options.expiries if one.seconds < timegm((now if one.utc else there).timetuple())]
    assert not passed or expired


@settings(deadline=None)
@given(data=st.binary(max_size=120) | jumble, text=st.binary(min_size=1, max_size=4))
def test_any_bytes_are_a_registry_line_or_an_error_with_a_sentence(data: bytes, text: bytes) -> None:
    try:
        parsed = parse_registry_line(data)
    except UnusableLineError as error:
        check_sentence(error)
    else:
        assert parsed is None or (parsed.key_line and data.removesuffix(b"\r").endswith(parsed.key_line))
    expected = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if text in line]
    if b"\n" not in text:
        assert list(lines_that_hold(text, data)) == expected


@settings(deadline=None)
@given(key_type=st.binary(max_size=70), text=st.binary(max_size=80) | st.sampled_from([TEXT, TEXT + b"\n", b"AAAA"]))
def test_any_words_are_a_key_or_an_error_with_a_sentence(key_type: bytes, text: bytes) -> None:
    try:
        key = OfferedKey(key_type, text)
    except OfferedKeyError as error:
        check_sentence(error)
    else:
        assert (key.key_type, key.key_text) == (key_type, text)
        assert key_type in key.blob
