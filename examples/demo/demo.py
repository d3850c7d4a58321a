"""`make demo`: a real sshd with the gate, the simulator's phone, and you.

With a terminal: one login, yours; accept it on the phone page or by a key, and you are in the shell. Without one: the
phone is answered by itself, and every way through the gate and past it is tried. Runs on a private host
(tests/private_host), so that nothing on this machine changes; ends with status 0 if all went as it should.
"""

# ruff: noqa: INP001 - a script and its modules, not a package

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path += [str(CHECKOUT / folder) for folder in ("tests", "tests/e2e", "tests/private_host")]

from by_itself import show_everything  # noqa: E402
from gate import PIN_ACCOUNT, Gate  # noqa: E402
from in_a_terminal import log_in_by_hand  # noqa: E402 - the tests' modules are found by the line above
from page import Page  # noqa: E402
from running_simulator import RunningSimulator  # noqa: E402
from system_log import SystemLog  # noqa: E402

FOLDER = CHECKOUT / ".cache/demo"  # not in memory: a second terminal of yours may use the key


def main() -> int:
    """Set the stage and play; return the exit status."""
    page = Page(sys.stdout)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with ExitStack() as until_the_end:
        simulator = until_the_end.enter_context(RunningSimulator(FOLDER / "simulator", "--pin-account", PIN_ACCOUNT))
        gate = Gate(FOLDER, simulator, until_the_end.enter_context(SystemLog()), number=0)
        until_the_end.callback(gate.close)
        page.title("secsign-gate: after the key, one tap on the phone")
        page.facts(
            {
                "server": f"{version_of_sshd()} on {gate.sshd.address} port {gate.sshd.port}, gate as ForceCommand",
                "phone": simulator.phone_url,
                "host": "private, in memory: no package, account, service or file of this machine is touched",
            }
        )
        if sys.stdin.isatty() and sys.stdout.isatty():
            return log_in_by_hand(gate, page)
        return show_everything(gate, page)


def version_of_sshd() -> str:
    """Return what `ssh -V` says first; client and server come from one source package."""
    shown = subprocess.run(["/usr/bin/ssh", "-V"], capture_output=True, text=True, check=True)
    return shown.stderr.split(",")[0]


if __name__ == "__main__":
    sys.exit(main())
