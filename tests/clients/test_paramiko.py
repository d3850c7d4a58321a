"""paramiko: a library that opens several channels of one connection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import paramiko

if TYPE_CHECKING:
    from both_ways import BothWays, Side

def connect(side: Side):
    client = paramiko.SSHClient()
    client.load_host_keys(str(side.settings.with_name("known_hosts")))
    client.connect("127.0.0.1", side.port, side.account, key_filename=str(side.key), allow_agent=False, look_for_keys=False)
    return client

def channels(side: Side) -> list[Any]:
    with connect(side) as client:
        return [
            executed(client, "cat > put.bin; echo noise >&2; exit 3", side.data),
            executed(client, "cat remote.bin"),
            executed(client, ""),
            transferred(client, side),
        ]


def executed(client: paramiko.SSHClient, command: str, data: bytes = b""):
    stdin, stdout, stderr = client.exec_command(command)
    with stdin, stdout, stderr:
        stdin.write(data)
        stdin.channel.shutdown_write()
        return stdout.read(), stderr.read(), stdout.channel.recv_exit_status()

def transferred(client, side):
    with client.open_sftp() as sftp:
        sftp.put(str(side.folder / "data.bin"), "sftp.bin")
        sftp.get("remote.bin", str(side.folder / "got.bin"))
        sftp.rename("sftp.bin", "renamed.bin")
        sftp.chmod("renamed.bin", 0o600)
        return sorted(sftp.listdir()), sftp.normalize("."), sftp.stat("renamed.bin").st_mode

def test_channels(both: BothWays) -> None:
    both.same(channels, pushes=4)

def shell(side: Side) -> list[Any]:
    with connect(side) as client, client.invoke_shell("vt100", 100, 30, environment={"LC_PAPER": "x"}) as channel:
        channel.sendall(b"stty size; stty -a; echo $TERM $LC_PAPER; read x; stty size; exit 5\n")
        out = b""
        while b"x\r\n" not in out:
            out += channel.recv(9999)
        channel.resize_pty(70, 20)
        channel.sendall(b"\n")
        while x := channel.recv(9999):
            out += x
        return out, channel.recv_exit_status()

def test_shell(both: BothWays) -> None:
    both.same(shell, pushes=1)
