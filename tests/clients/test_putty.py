"""PuTTY's command-line programs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from both_ways import after_the_line

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

HOST = "127.0.0.1"
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key.pub")
PSFTP = """\
put data.bin put.bin
get remote.bin got.bin
mkdir sub
cd sub
pwd
put data.bin
mv data.bin other.bin
chmod 600 other.bin
ls -l nothing
quit
"""


def options(side: Side) -> list[str]:
    """Return what answers all of PuTTY's questions."""
    key = side.key.with_suffix(".ppk")
    if not key.exists():
        subprocess.run(["puttygen", side.key, "-O", "private", "-o", key], check=True)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", HOST_KEY], capture_output=True, text=True, check=True)
    host_key = re.findall(r"SHA256:\S+", shown.stdout)
    return ["-batch", "-P", str(side.port), "-l", side.account, "-i", str(key), "-hostkey", *host_key]


def plink(side: Side) -> list[Outcome]:
    plink = ["plink", *options(side), HOST]
    return [
        side.run(*plink, "cat > put.bin; echo noise >&2; exit 3", stdin=side.data, status=3),
        side.run(*plink, "cat remote.bin; cat missing", status=1),
        side.run(*plink, "-T", stdin=b"pwd; echo $0; exit 4\n", status=4),
        side.run(*plink, "-s", "sftp", stdin=b"\0\0\0\5\1\0\0\0\3"),
    ]


def plink_with_a_terminal(side: Side) -> bytes:
    """All input is there, and has ended, before the phone answers."""
    seen = side.run(
        "plink", "-t", *options(side), HOST, stdin=b"test -t 0 && echo $((6*7)); stty -a; exit 5\n", status=5
    )
    return after_the_line(seen.stdout)


def copies(side: Side) -> list[Outcome]:
    (side.settings.with_name("psftp.txt")).write_text(PSFTP)
    return [
        side.run("pscp", "-q", *options(side), "data.bin", f"{HOST}:pscp.bin"),
        side.run("pscp", "-q", "-scp", *options(side), "data.bin", f"{HOST}:pscp-scp.bin"),
        side.run("psftp", "-be", "-b", side.settings.with_name("psftp.txt"), *options(side), HOST),
    ]


def old_download(side: Side) -> list[Outcome]:
    """pscp takes an early end of the old protocol for an empty copy: denied, it ends with 0, without a file."""
    return [side.run("pscp", "-q", "-p", "-scp", *options(side), f"{HOST}:remote.bin", "pscp.bin")]


def test_plink(both: BothWays) -> None:
    both.same(plink, pushes=4)
    assert all(one.stdout == b"" for one in both.denied(plink))


def test_plink_with_a_terminal(both: BothWays) -> None:
    assert b"42\r\n" in both.same(plink_with_a_terminal, pushes=1)


def test_pscp_and_psftp(both: BothWays) -> None:
    both.same(lambda side: copies(side) + old_download(side), pushes=4)
    both.denied(copies)
