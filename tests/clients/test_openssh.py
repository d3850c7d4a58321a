"""OpenSSH's own copying programs, old protocol and new."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

SFTP = b"put data.bin put.bin\nget remote.bin got.bin\nmkdir sub\nrename put.bin sub/moved.bin\nln -s sub link\nls -1\n"


def copies(side: Side) -> list[Outcome]:
    scp = ["scp", "-q", "-F", str(side.settings)]
    return [
        side.run(*scp, "data.bin", "server:scp.bin"),
        side.run(*scp, "-r", "-p", "server:folder", "fetched"),
        side.run(*scp, "-O", "data.bin", "server:scp-O.bin"),
        side.run(*scp, "-O", "-r", "server:folder", "fetched-O"),
        side.run("sftp", "-q", "-F", side.settings, "-b", "-", "server", stdin=SFTP),
    ]


def test_scp_and_sftp(both: BothWays) -> None:
    both.same(copies, pushes=5)
    both.denied(copies)
