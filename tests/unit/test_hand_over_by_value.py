"""The hand-over by value: which environment, which program, which arguments, and what is said if there is none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.doors import greeting
from secsign_gate.doors.hand_over import HARDENING, _program, environ_for
from secsign_gate.wire import Answer

if TYPE_CHECKING:
    from pathlib import Path

HOME = b"/home/alice"
FROM_SHELLS = (b"PWD", b"OLDPWD", b"SHLVL", b"SHELLOPTS", b"_", b"A__z")
FROM_TCSH = (b"HOSTTYPE", b"VENDOR", b"OSTYPE", b"MACHTYPE", b"GROUP", b"HOST", b"NLSPATH", b"REMOTEHOST")
TAKEN = {*HARDENING, *FROM_SHELLS, *FROM_TCSH, b"SSH_ORIGINAL_COMMAND", b"SSH_USER_AUTH"}

values = st.binary(max_size=20).map(lambda value: value.replace(b"\0", b""))
names = st.from_regex(rb"[A-Za-z_.%-][A-Za-z0-9_.%-]*", fullmatch=True).filter(lambda name: name not in TAKEN)
blocks = st.dictionaries(names, values, max_size=6)


class Orders(TypedDict, total=False):
    """What the broker orders besides."""

    program: list[bytes]
    command: bytes | None
    original_command: bytes | None
    keep_auth_info: bool


def answer(login_shell: bytes, **orders: Unpack[Orders]) -> Answer:
    return Answer(allowed=True, why="approved", home=HOME, login_shell=login_shell, **orders)


def entries(variables: dict[bytes, bytes]) -> list[bytes]:
    return [name + b"=" + value for name, value in variables.items()]


@given(given_by_sshd=blocks, added=st.dictionaries(st.sampled_from(FROM_SHELLS), values), command=st.none() | values)
def test_what_gate_and_shells_add_is_gone_and_all_else_is_as_it_was(
    given_by_sshd: dict[bytes, bytes], added: dict[bytes, bytes], command: bytes | None
) -> None:
    ours = {} if command is None else {b"SSH_ORIGINAL_COMMAND": command, b"SSH_USER_AUTH": b"/tmp/sshauth.x"}
    found = entries(given_by_sshd | HARDENING | added | ours)
    expected = entries(given_by_sshd | {b"HOME": HOME})
    assert sorted(environ_for(answer(command=command, login_shell=b"/bin/bash"), found)) == sorted(expected)


@pytest.mark.parametrize("name", [name for name in HARDENING if name != b"HOME"])
def test_another_value_than_the_drop_ins_is_the_administrators(name: bytes) -> None:
    assert environ_for(answer(login_shell=b"/bin/sh"), [name + b"=own"]) == [name + b"=own"]


def test_only_tcsh_loses_what_tcsh_adds() -> None:
    found = entries(dict.fromkeys(FROM_TCSH, b"x"))
    assert (
        environ_for(answer(login_shell=b"/usr/bin/tcsh"), found)
        == environ_for(answer(login_shell=b"/bin/csh"), found)
        == []
    )
    assert environ_for(answer(login_shell=b"/bin/bash"), found) == found


def test_a_restricted_command_learns_what_was_asked_for_and_auth_info_is_kept_on_demand() -> None:
    found = [b"SSH_ORIGINAL_COMMAND=forged", b"SSH_USER_AUTH=/tmp/sshauth.x"]
    assert environ_for(answer(original_command=b"", login_shell=b"/bin/sh"), found) == [b"SSH_ORIGINAL_COMMAND="]
    assert environ_for(answer(keep_auth_info=True, login_shell=b"/bin/sh"), found) == [b"SSH_USER_AUTH=/tmp/sshauth.x"]


@pytest.mark.parametrize(
    ("orders", "program", "arguments"),
    [
        ({}, b"/usr/bin/zsh", [b"-zsh"]),
        ({"command": b""}, b"/usr/bin/zsh", [b"zsh", b"-c", b""]),
        ({"command": b"id\xff\n"}, b"/usr/bin/zsh", [b"zsh", b"-c", b"id\xff\n"]),
        ({"command": b"x", "program": [b"/sftp", b"-R"]}, b"/sftp", [b"/sftp", b"-R"]),
    ],
)
def test_program_and_arguments_are_sshds(orders: Orders, program: bytes, arguments: list[bytes]) -> None:
    assert _program(answer(login_shell=b"/usr/bin/zsh", **orders)) == (program, arguments)


@pytest.mark.parametrize(
    ("program", "status", "sentence"),
    [
        ("/no/such", 127, "cannot run /no/such (No such file or directory)"),
        ("/etc/passwd", 126, "cannot run /etc/passwd (Permission denied)"),
    ],
)
def test_what_cannot_be_run_is_said_and_nothing_kills_who_says_it(program: str, status: int, sentence: str) -> None:
    code = (
        "import os\n"
        "from secsign_gate.doors.hand_over import hand_over\n"
        "from secsign_gate.errors import NothingToExec\n"
        "from secsign_gate.wire import Answer\n"
        "try:\n"
        f"    hand_over(Answer(allowed=True, why='', login_shell=b'/bin/sh', program=({program.encode()!r},)), [])\n"
        "except NothingToExec as error:\n"
        "    reading, writing = os.pipe()\n"
        "    os.close(reading)\n"
        "    try:\n"
        "        os.write(writing, b'a word to nobody')\n"
        "    except BrokenPipeError:\n"
        "        print(error.exit_status, error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, f"{status} {sentence}\n", "")


record = st.tuples(
    st.sampled_from([b"\7\0", b"\x08\0", b"\xff\xff"]),
    st.sampled_from([b"pts/1", b"pts/2", b"x" * 32]),
    st.sampled_from([b"alice", b"bob", b"", b"alice" + b"x" * 27]),
    st.sampled_from([b"192.0.2.7", b"::1", b":0", b"tmux(1).%0", b"\xff" * 256, b""]),
    st.binary(min_size=4, max_size=4),
).map(
    lambda parts: (
        b"".join(
            (parts[0].ljust(8, b"\0"), parts[1].ljust(36, b"\0"), parts[2].ljust(32, b"\0"), parts[3].ljust(264, b"\0"))
        )
        + parts[4].ljust(44, b"\0")
    )
)


@given(records=st.lists(record | st.binary(max_size=400), max_size=5))
def test_any_wtmp_gives_one_line_or_none(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "wtmp"
    path.write_bytes(b"".join(records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greeting, "_WTMP", (bytes(path), b"/no/such/wtmp"))
        line = greeting._last_login(b"alice", b"pts/1")
    assert line == b"" or (line.startswith(b"Last login: ") and line.endswith(b"\r\n") and line.count(b"\n") == 1)


def test_wtmp_is_told_from_its_windows(tmp_path: Path) -> None:
    def entry(line: bytes, host: bytes, seconds: int) -> bytes:
        head = b"\7\0".ljust(8, b"\0") + line.ljust(36, b"\0") + b"alice".ljust(32, b"\0") + host.ljust(264, b"\0")
        return head + seconds.to_bytes(4, "little").ljust(44, b"\0")

    older, newer = tmp_path / "wtmp.1", tmp_path / "wtmp"
    older.write_bytes(entry(b"pts/1", b"2001:db8::7", 86400))
    newer.write_bytes(entry(b"pts/3", b":pts/1:S.0", 172800) + entry(b"pts/1", b"192.0.2.7", 259200))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greeting, "_WTMP", (bytes(newer), bytes(older)))
        assert greeting._last_login(b"alice", b"pts/1").endswith(b" 1970 from 2001:db8::7\r\n")
        assert greeting._last_login(b"bob", b"pts/1") == b""
