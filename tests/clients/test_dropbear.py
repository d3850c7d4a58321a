"""Dropbear's client."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome


def dbclient(side: Side) -> list[Outcome]:
    key = side.key.with_suffix(".dropbear")
    if not key.exists():
        subprocess.run(["dropbearconvert", "openssh", "dropbear", side.key, key], check=True, capture_output=True)
    client = ["dbclient", "-y", "-y", "-p", str(side.port), "-i", str(key), f"{side.account}@127.0.0.1"]
    return [
        side.run(*client, "cat > put.bin; echo noise >&2; exit 3", stdin=side.data, status=3),
        side.run(*client, "cat remote.bin; cat missing", status=1),
        side.run(*client, "-T", stdin=b"pwd; echo $0; exit 4\n", status=4),
    ]


def test_dbclient(both: BothWays) -> None:
    both.same(dbclient, pushes=3)
    assert all(one.stdout == b"" for one in both.denied(dbclient))
