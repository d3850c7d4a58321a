"""lftp, which runs an ssh of its own in a terminal of its own and reads what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from both_ways import BothWays, Side
    from ssh_client import Outcome

SCRIPT = """\
set sftp:connect-program "{ssh} -a -x"
set net:max-retries 1
set cmd:fail-exit yes
open -u {account}, sftp://server
put data.bin
get remote.bin
mirror --reverse tree up
mirror folder down
pwd
cls -1
mv data.bin moved.bin
rm remote.bin
"""


def lftp(side: Side) -> list[Outcome]:
    return [side.run("lftp", "-c", SCRIPT.format(ssh=side.ssh, account=side.account))]


def test_lftp(both: BothWays) -> None:
    both.same(lftp, pushes=1)
    both.denied(lftp)
