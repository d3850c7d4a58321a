"""What we read of sshd's files and what a real sshd reads: the same, however they are written."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko  # type: ignore[import-untyped]  # it ships no types
import pytest
import sshd as running_sshd
from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate.core.login import Account
from secsign_gate.doctor.sshd.points import account_classes, connections
from secsign_gate.sshd.config_files import read_config
from secsign_gate.sshd.program import Sshd, SshdError, find_sshd, listeners, started_with

if TYPE_CHECKING:
    from gate import Gate

WORD = st.text(st.sampled_from("ab \t\"'\\#=,"), min_size=1, max_size=10)
NAMES = st.sampled_from(["alice", "!alice", "bob", "*", "z*", "!zoe", "operators", "!operators", "kim,"])
PATTERNS = st.lists(NAMES, min_size=1, max_size=3).map(",".join)
PEOPLE = ("alice", "bob", "zoe", "kim", "root")
FEW = settings(max_examples=60)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Sshd:
    """An sshd whose configuration each example writes."""
    Path("/run/sshd").mkdir(exist_ok=True)
    return find_sshd(running_sshd.SSHD, str(tmp_path_factory.mktemp("sshd") / "sshd_config"))


def write(sshd: Sshd, text: str) -> None:
    Path(sshd.configuration).write_text(f"HostKey {running_sshd.HOST_KEYS[0]}\n{text}\n", newline="\n")


@FEW
@given(st.lists(WORD, min_size=1, max_size=4))
def test_words_are_split_as_sshd_splits_them(sshd: Sshd, words: list[str]) -> None:
    write(sshd, f"SetEnv A=1 {' '.join(f'B{at}={word}' for at, word in enumerate(words))}")
    try:
        said = sshd.settings().values("setenv")
    except SshdError:  # a quote that is not closed, or a word without =
        return
    (line,) = [one for one in read_config(sshd.configuration).lines if one.keyword == "setenv"]
    first: dict[str, str] = {}  # of several with one name, sshd takes the first
    for word in line.arguments:
        first.setdefault(word.partition("=")[0], word)
    assert {*first.values()} == {*said}


WRITTEN = (
    "Banner /a",
    "banner=/a",
    "BANNER = /a",
    '"Banner" /a',
    "  Banner\t/a  ",
    "Banner /a\r",
    "Banner '/a' # why",
    '\tBanner "/a"',
)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_line_is_read_as_sshd_reads_it(sshd: Sshd, text: str) -> None:
    write(sshd, text)
    assert sshd.settings().value("banner") == "/a"
    line = read_config(sshd.configuration).lines[-1]
    assert (line.keyword, line.arguments) == ("banner", ("/a",))


@FEW
@given(st.lists(st.tuples(st.sampled_from(["User", "Group"]), PATTERNS), min_size=1, max_size=3))
def test_accounts_that_we_take_as_alike_sshd_does_too(sshd: Sshd, blocks: list[tuple[str, str]]) -> None:
    write(sshd, "\n".join(f"Match {name} {patterns}\n Banner /{at}" for at, (name, patterns) in enumerate(blocks)))
    groups = {"alice": ("alice", "operators"), "zoe": ("zoe", "operators")}
    accounts = [Account(name, 1, "/", "", groups.get(name, (name,))) for name in PEOPLE]
    try:
        said = {name: sshd.effective(name, "192.0.2.7", "192.0.2.7").value("banner") for name in PEOPLE}
    except SshdError:
        return
    for alike in account_classes(accounts, read_config(sshd.configuration).lines):
        assert len({said[one.name] for one in alike}) == 1


@pytest.mark.parametrize(
    "criteria",
    ["Address 10.1.0.0/16", "Address *,!10.1.0.0/16", "Host 10.1.0.1", "LocalPort 2222", "LocalAddress 10.1.0.5",
     "Address 10.1.* LocalPort 2222", "Address 2001:db8:1::/48", "User alice Address 10.1.?.1", "RDomain mgmt",
     "RDomain vrf-*,!vrf-x"],
)  # fmt: skip
def test_some_login_that_is_asked_about_is_inside_and_some_outside(sshd: Sshd, criteria: str) -> None:
    write(sshd, f"Match {criteria}\n Banner /inside")
    places = connections(read_config(sshd.configuration).lines, [22], names_looked_up=False)
    said = {sshd.effective("alice", *one).value("banner") for one in places.connections}
    assert said == {"/inside", "none"}


def test_what_is_for_all_is_told_though_a_block_is_about_a_port(sshd: Sshd) -> None:
    write(sshd, "Port 2222\nMatch LocalPort 22\n Banner /inside")
    assert sshd.settings().values("port") == ("2222",)


ADDRESSES = st.sampled_from(
    ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.1", "10.1.*", "!10.0.0.0/24", "*", "2001:db8:1::/48", "!10.1.0.0/16"]
)
CRITERIA = {
    "Address": st.lists(ADDRESSES, min_size=1, max_size=2).map(",".join),
    "LocalPort": st.sampled_from(["22", "2222"]),
    "LocalAddress": st.sampled_from(["10.9.0.5", "10.9.0.0/16", "*,!10.9.0.5"]),
    "RDomain": st.sampled_from(["mgmt", "*", "*,!mgmt", "vrf-*"]),
    "Host": st.sampled_from(["10.0.0.1", "10.1.*", "*,!10.0.0.1"]),
}
BLOCKS = st.lists(
    st.lists(st.sampled_from([*CRITERIA]), min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.tuples(*(CRITERIA[name].map(f"{name} {{}}".format) for name in names)).map(" ".join)
    ),
    min_size=1,
    max_size=4,
)
LOGINS = st.tuples(
    st.sampled_from(
        ["10.0.0.1", "10.0.0.9", "10.1.2.3", "10.200.0.7", "192.0.2.9", "127.0.0.1", "2001:db8:1::5", "::1"]
    ),
    st.sampled_from(["10.9.0.5", "10.9.7.7", "192.0.2.1"]),
    st.sampled_from([22, 2222]),
    st.sampled_from(["", "mgmt", "vrf-a"]),
)


@FEW
@given(BLOCKS, LOGINS)
def test_no_login_meets_what_none_that_is_asked_about_meets(
    sshd: Sshd, blocks: list[str], login: tuple[str, str, int, str]
) -> None:
    write(sshd, "\n".join(f"Match {criteria}\n Banner /{at}" for at, criteria in enumerate(blocks)))
    places = connections(read_config(sshd.configuration).lines, [22, 2222], names_looked_up=False)
    address, local_address, port, domain = login
    met = sshd.effective("alice", address, address, local_address, port, domain).value("banner")
    asked = (sshd.effective("alice", *one).value("banner") for one in places.connections)
    assert not places.all_of_them or met in asked


def test_the_line_that_counts_is_named_as_sshd_decides(sshd: Sshd) -> None:
    write(sshd, "Banner /global\nMatch User alice\nBanner /first\nMatch all\nBanner /second")
    alice, bob = (sshd.effective(name, "192.0.2.7", "192.0.2.7") for name in ("alice", "bob"))
    counting = [(one.value("banner"), line.number) for one in (alice, bob) if (line := one.set_at("Banner"))]
    assert counting == [("/first", 4), ("/second", 6)]
    assert [line.text for line in alice.applied("Banner")] == ["/first", "/second", "/global"]


def test_options_of_the_command_line_are_sshds_too(sshd: Sshd) -> None:
    write(sshd, "Banner /file\nMaxSessions 3")
    started = sshd._replace(options=("-o", "Banner=/option", "-o", "AllowUsers=alice bob"))
    effective = started.effective("alice", "192.0.2.7", "192.0.2.7")
    line = effective.set_at("Banner")
    assert line is not None
    assert (effective.value("banner"), line.place) == ("/option", "sshd's command line")
    assert effective.values("allowusers") == ("alice", "bob")
    assert started_with(started.options) == (None, started.options)


@pytest.mark.parametrize("name", ["a b", "-T", "*", "a=b", "ä", "%u", "!alice", "$(id)", "a;b"])
def test_odd_names_of_accounts_can_be_asked_about(sshd: Sshd, name: str) -> None:
    write(sshd, "Match User alice\nBanner /a")
    assert sshd.effective(name, "192.0.2.7", "192.0.2.7").value("banner") == "none"


@pytest.mark.parametrize("name", ["a,addr=10.0.0.1", "", "a\nb", "a\0b"])
def test_names_that_sshd_would_misread_are_refused(sshd: Sshd, name: str) -> None:
    write(sshd, "Banner /a")
    with pytest.raises(SshdError, match="sshd cannot be asked about user"):
        sshd.effective(name, "192.0.2.7", "192.0.2.7")


def test_a_file_that_includes_itself_is_refused_by_both(sshd: Sshd) -> None:
    write(sshd, f"Include {sshd.configuration}")
    with pytest.raises(SshdError, match="sshd does not take"):
        sshd.validate()
    with pytest.raises(SshdError, match="includes itself"):
        read_config(sshd.configuration)


def test_whoever_is_not_root_is_told_in_one_sentence(sshd: Sshd) -> None:
    write(sshd, "Banner /a")
    pid = os.fork()
    if pid == 0:
        os.setuid(2001)
        try:
            sshd.validate()
        except SshdError as error:
            os._exit(0 if str(error).isprintable() and "\n" not in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_session_that_listens_for_a_forwarded_port_is_no_server(gate: Gate, tmp_path: Path) -> None:
    alice = gate.user("alice")
    with running_sshd.Sshd(tmp_path / "open", {}) as server:
        transport = paramiko.Transport((server.address, server.port))
        with contextlib.closing(transport):
            transport.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(str(alice.client.key)))
            forwarded = transport.request_port_forward("127.0.0.1", 0)
            ports = {port for one in listeners() for _, port in one.listens_on}
            own = server.port
    assert own in ports
    assert forwarded not in ports


def test_what_was_said_to_a_running_sshd_is_read_from_its_title(sshd: Sshd) -> None:
    write(sshd, "Banner /a")
    port = running_sshd._free_port("127.0.0.1")
    options = ("-p", str(port), "-o", "AllowUsers=alice bob", "-o", "ListenAddress=127.0.0.1")
    command = [running_sshd.SSHD, "-D", "-e", "-f", sshd.configuration, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(running_sshd.READY.search(line) for line in process.stderr)
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(4) == b"SSH-"  # by now it has its title
        (one,) = [one for one in listeners() if one.pid == process.pid]
        process.kill()
    assert (one.executable, one.is_roots, one.listens_on) == (running_sshd.SSHD, True, (("127.0.0.1", port),))
    assert started_with(one.arguments) == (sshd.configuration, options)
