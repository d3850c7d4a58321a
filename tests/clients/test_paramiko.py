"""paramiko: several channels of one connection, opened by a program and not by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import paramiko  # type: ignore[import-untyped]  # it ships no types
import pytest
from both_ways import ENDED, LONGEST_WAIT, TYPED, after_the_line, in_short

if TYPE_CHECKING:
    from both_ways import BothWays, Side


def connected(side: Side) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.load_host_keys(str(side.known_hosts))
    client.connect(side.host, side.port, side.account, key_filename=str(side.key), allow_agent=False)
    return client


def commands(side: Side) -> list[Any]:
    with connected(side) as client:
        return [
            executed(client, "cat > put.bin; echo noise >&2; exit 3", side.data),
            executed(client, "cat remote.bin; exec 1>&-; cat missing"),
            executed(client, ""),
        ]


def executed(client: paramiko.SSHClient, command: str, data: bytes = b"") -> tuple[bytes, bytes, int]:
    stdin, stdout, stderr = client.exec_command(command, timeout=LONGEST_WAIT)
    with stdin, stdout, stderr:
        stdin.write(data)
        stdin.channel.shutdown_write()
        return in_short(stdout.read()), in_short(stderr.read()), stdout.channel.recv_exit_status()


def test_commands(both: BothWays) -> None:
    seen = both.same(commands, pushes=3)
    assert [status for _, _, status in seen] == [3, 1, 0]


def files(side: Side) -> list[Any]:
    with connected(side) as client, client.open_sftp() as sftp:
        sftp.put(str(side.folder / "data.bin"), "put.bin")
        sftp.get("remote.bin", str(side.folder / "got.bin"))
        sftp.posix_rename("put.bin", "folder/renamed.bin")
        sftp.chmod("folder/renamed.bin", 0o600)
        return [sorted(sftp.listdir("folder")), sftp.normalize("."), sftp.stat("folder/renamed.bin").st_mode]


def test_files(both: BothWays) -> None:
    both.same(files, pushes=1)


def refused(side: Side) -> None:
    with connected(side) as client:
        stdout, _, status = executed(client, "cat remote.bin; touch proof")
        assert (stdout, status) == (b"", 77)
        with pytest.raises(paramiko.SSHException):
            client.open_sftp()


def test_when_denied(both: BothWays) -> None:
    both.denied(refused)


def shell(side: Side) -> list[Any]:
    """Type ahead, and change the window before and after the prompt."""
    with connected(side) as client, client.get_transport().open_session() as channel:
        channel.settimeout(LONGEST_WAIT)
        channel.update_environment({"LC_PAPER": "a4"})
        channel.get_pty("vt100", 100, 30)
        channel.invoke_shell()
        channel.resize_pty(90, 25)
        channel.sendall(TYPED)
        output = b""
        while ENDED not in output:
            piece = channel.recv(9999)
            assert piece, output
            output += piece
        channel.resize_pty(70, 20)
        channel.sendall(b"\n")
        while piece := channel.recv(9999):
            output += piece
        return [after_the_line(output), channel.recv_exit_status()]


def test_shell(both: BothWays) -> None:
    output, status = both.same(shell, pushes=1)
    assert b"25 90\r\n" in output
    assert b"20 70\r\n" in output
    assert status == 5
