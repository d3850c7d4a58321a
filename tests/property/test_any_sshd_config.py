"""Whatever stands in sshd's files, in PAM's or in what sshd prints: it is read, or left out, and nothing breaks."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secsign_gate.core.bypass import BYPASSES
from secsign_gate.core.login import Account
from secsign_gate.core.patterns import matches_pattern, split_patterns, verdict_on
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.pam.lines import parse_pam
from secsign_gate.doctor.sshd.judge import judge
from secsign_gate.doctor.sshd.points import account_classes, addresses_like, connections
from secsign_gate.doctor.sshd.session import Connection, Host, Session
from secsign_gate.sshd.config_lines import Criterion, parse_criteria, parse_line, split_arguments
from secsign_gate.sshd.effective import Effective, parse_effective
from secsign_gate.sshd.program import SshdError, started_with
from secsign_gate.sshd.version import Version, parse_version

ANY_TEXT = st.text(max_size=200)
ODD = st.text(st.sampled_from("ab \t\"'\\#=,*!?:/.-1\r\f\x1b"), max_size=60)
WORDS = st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=12), max_size=6)
NAMES = st.sampled_from(["alice", "bob", "svc-a", "svc-b", "root", "a,b", "wheel", "x"])
LISTS = st.lists(st.sampled_from(["alice", "!alice", "svc-*", "!svc-b", "*", "wh?el", "!wheel", ""]), max_size=4)


def quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.one_of(ANY_TEXT, ODD))
@example('"')
@example("=")
@example('"" x')
@example("Match = ")
def test_any_line_is_read_or_none(text: str) -> None:
    line = parse_line("/f", 1, (), text.replace("\n", " "))
    if line is not None:
        assert line.keyword == line.keyword.lower()
        assert line.text == line.text.rstrip(" \t\r\f")
    for criterion in parse_criteria(text):
        assert criterion.name == criterion.name.lower()


@given(WORDS)
def test_what_is_quoted_comes_back(words: list[str]) -> None:
    assert split_arguments(" ".join(map(quoted, words))) == tuple(words)


@given(st.one_of(ANY_TEXT, ODD), st.one_of(ANY_TEXT, ODD))
def test_whatever_sshd_prints_is_read(text: str, told: str) -> None:
    effective = parse_effective(text, told)
    for line in text.split("\n"):
        name, _, value = line.partition(" ")
        if name:
            assert value in effective.values(name)


@given(ANY_TEXT)
def test_a_version_is_read_or_refused(text: str) -> None:
    try:
        version = parse_version(text)
    except ValueError:
        return
    assert "OpenSSH_" in version.text


@given(st.lists(ODD, max_size=6))
@example(["-o"])
@example(["-f", "relative"])
@example(["-o", "AllowUsers=a", "b", "c", "-p", "22"])
def test_any_command_line_is_understood_or_refused(arguments: list[str]) -> None:
    try:
        configuration, options = started_with(tuple(arguments))
    except SshdError:
        return
    assert configuration is None or configuration.startswith("/")
    assert started_with(options) == (None, options)


@given(st.one_of(ANY_TEXT, ODD))
def test_any_pam_file_is_read(text: str) -> None:
    for line in parse_pam("/etc/pam.d/sshd", text):
        assert 1 <= line.number <= text.count("\n") + 1
        assert line.module


@given(st.lists(LISTS, max_size=3), st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3)), max_size=8))
def test_accounts_of_one_class_are_taken_by_the_same_lines(
    lists: list[list[str]], people: list[tuple[str, list[str]]]
) -> None:
    lines = []
    for number, patterns in enumerate(lists):
        criterion = Criterion("user" if number % 2 else "group", ",".join(patterns))
        line = parse_line("/f", number, (criterion,), "Banner none")
        assert line is not None
        lines.append(line)
    accounts = [Account(name, 1000 + at, "/h", "", tuple(groups)) for at, (name, groups) in enumerate(people)]
    classes = account_classes(accounts, lines)
    assert sorted(one.uid for alike in classes for one in alike) == [one.uid for one in accounts]
    for alike in classes:
        for line in lines:
            (criterion,) = line.match
            wanted = list(split_patterns(criterion.argument))
            if criterion.name == "user":
                assert len({verdict_on(one.name, wanted) is True for one in alike}) == 1


@given(st.one_of(ODD, st.from_regex(r"\A[0-9*?.:/]{0,20}\Z"), st.ip_addresses().map(str)))
def test_an_example_of_an_address_is_matched_by_its_pattern(pattern: str) -> None:
    address = next(iter(addresses_like(pattern)), "")
    if not address or pattern.endswith(".*"):
        return
    try:
        assert ip_address(address) in ip_network(pattern, strict=False)
    except ValueError:
        same = {address, ip_address(address).exploded}
        assert any(matches_pattern(one, pattern) for one in same) or ":" in address


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["address", "host", "localport", "localaddress", "rdomain", "x"]), ODD))
    )
)
def test_connections_are_ones_that_sshd_can_be_asked_about(blocks: list[list[tuple[str, str]]]) -> None:
    lines = []
    for block in blocks:
        line = parse_line("/f", 1, tuple(Criterion(*one) for one in block), "Banner none")
        assert line is not None
        lines.append(line)
    for connection in connections(lines, [22], names_looked_up=False).connections:
        ip_address(connection.address)
        ip_address(connection.local_address)
        assert 0 <= connection.local_port <= 99999


SETTINGS = (
    "forcecommand", "disableforwarding", "allowtcpforwarding", "allowstreamlocalforwarding", "permittunnel", "setenv",
    "x11forwarding", "allowagentforwarding", "permitopen", "permitlisten", "permituserenvironment", "acceptenv",
    "authenticationmethods", "unusedconnectiontimeout", "exposeauthinfo", "chrootdirectory", "permitrootlogin",
    "usepam", "logingracetime", "subsystem", "authorizedkeyscommand", "trustedusercakeys", "authorizedkeysfile",
    "allowusers",
)  # fmt: skip
VALUES = st.one_of(ODD, st.sampled_from(["yes", "no", "none", "any", "exec /x/secsign-gate-force-command", "0", "*"]))


@pytest.mark.parametrize("shell", ["/bin/bash", "/usr/sbin/nologin", "", "/odd"])
@given(st.dictionaries(st.sampled_from(SETTINGS), st.lists(VALUES, min_size=1, max_size=3)))
def test_whatever_sshd_says_every_bypass_is_judged(shell: str, settings: dict[str, list[str]]) -> None:
    effective = Effective({name: tuple(values) for name, values in settings.items()})
    host = Host(Version(9, 2, ""))
    account = Account("alice", 1000, "/home/alice", shell, ("alice",))
    findings = judge([Session(account, Connection("192.0.2.7", "192.0.2.7", "192.0.2.1", 22), effective, host)])
    if [one.status for one in findings] != [Status.NOTE]:
        assert {one.bypass for one in findings} >= {bypass.name for bypass in BYPASSES}
