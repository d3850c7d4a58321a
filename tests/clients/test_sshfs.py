"""sshfs: a home directory as a file system."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

# ssh's standard error stays open as long as the mount, hence the file.
SCRIPT = """
mkdir mount
sshfs -F "$SETTINGS" server: mount 2>"$HOME/said" || { status=$?; cat "$HOME/said" >&2; rmdir mount; exit $status; }
cp data.bin mount/put.bin; cp mount/remote.bin got.bin; sha256sum mount/*.bin
mkdir mount/sub; mv mount/put.bin mount/sub/moved.bin; ln -s moved.bin mount/sub/link; readlink mount/sub/link
truncate --size=1000 mount/sub/moved.bin; rm mount/remote.bin; ls -1 mount; cat mount/missing
fusermount3 -u mount
rmdir mount; cat "$HOME/said" >&2
"""


def sshfs(side: Side) -> list[Outcome]:
    return [side.run("sh", "-c", SCRIPT, SETTINGS=str(side.settings))]


def test_sshfs(both: BothWays) -> None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"there are no file systems in user space on this machine: /dev/fuse: {error.strerror}")
    both.same(sshfs, pushes=1)
    both.denied(sshfs)
