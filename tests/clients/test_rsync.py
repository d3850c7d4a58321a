"""rsync over ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome


def rsync(side: Side) -> list[Outcome]:
    rsync = ["rsync", "--rsh", side.ssh, "--archive", "--itemize-changes"]
    return [
        side.run(*rsync, "data.bin", "server:pushed/"),
        side.run(*rsync, "server:remote.bin", "server:folder", "pulled/"),
        side.run(*rsync, "--delete", "--checksum", "./", "server:folder/"),
        side.run(*rsync, "server:missing", "pulled/", status=23),
    ]


def test_rsync(both: BothWays) -> None:
    both.same(rsync, pushes=4)
    both.denied(rsync)
