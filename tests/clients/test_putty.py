"""PuTTY's command-line programs."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from both_ways import BothWays, Side
    from ssh_client import Outcome

def options(side):
    """What stands in the place of PuTTY's questions."""
    ppk = side.key.with_suffix(".ppk")
    if not ppk.exists():
        subprocess.run(["puttygen", side.key, "-O", "private", "-o", ppk], check=True)
    host_key = subprocess.run(["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"], capture_output=True, text=True, check=True)
    return ["-batch", "-P", str(side.port), "-l", side.account, "-i", str(ppk), "-hostkey", re.search("SHA256:\\S+", host_key.stdout).group()]


def commands(side: Side):
    plink = ["plink", *options(side), "127.0.0.1"]
    return [
        side.run(*plink, "cat > put.bin; sha256sum put.bin; echo noise >&2; exit 3", stdin=(side.folder/"data.bin").read_bytes(), status=3),
        side.run(*plink, "cat remote.bin"),
        side.run(*plink, "-s", "sftp", stdin=b"\0\0\0\5\1\0\0\0\3"),
    ]

def test_plink(both: BothWays) -> None:
    print(both.same(commands, pushes=3)[0])
    print([o._replace(stdout=o.stdout[:90]) for o in both.denied(commands)])

PSFTP = b"""put data.bin put.bin
get remote.bin got.bin
mkdir sub
cd sub
pwd
put data.bin
ls -l
mv data.bin other.bin
chmod 600 other.bin
quit
"""
def transfers(side: Side):
    o = options(side)
    return [
        side.run("pscp", "-q", *o, "data.bin", "127.0.0.1:pscp.bin"),
        side.run("pscp", "-q", *o, "127.0.0.1:remote.bin", "pscp-got.bin"),
        side.run("pscp", "-scp", "-q", *o, "data.bin", "127.0.0.1:pscp2.bin"),
        side.run("psftp", "-b", "-", *o, "127.0.0.1", stdin=PSFTP),
    ]
def test_pscp_and_psftp(both: BothWays) -> None:
    print(both.same(transfers, pushes=4))
    print(both.denied(transfers))
