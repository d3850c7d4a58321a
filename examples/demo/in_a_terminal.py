"""The demo in a terminal: your login, your phone page, your shell."""

# ruff: noqa: INP001 - a script and its modules, not a package

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate import Gate
    from page import Page

ACCEPT, DENY = b"a", b"d"


def log_in_by_hand(gate: Gate, page: Page) -> int:
    """Invite the person, connect the terminal with `ssh`, and tell afterwards what was recorded."""
    alice = gate.user("alice", secsign_id="alice")
    destination = alice.at("gated")
    page.line(f"  Open {gate.simulator.phone_url} in a browser and pick the picture that appears below,")
    page.line("  or press a here to accept, d to deny. Then you are alice; leave the shell to end the demo.")
    page.line()
    page.line("  From another terminal you may try (each asks the phone):")
    page.line(f"    ssh -F {shlex.quote(str(alice.client.configuration))} {destination} COMMAND")
    page.line()

    def answer_phone(key: bytes) -> bool:
        """Take `key` as an answer if this login waits for one."""
        if key not in (ACCEPT, DENY) or gate.records or not gate.simulator.pending(gate.id_of("alice")):
            return False
        (gate.simulator.accept if key == ACCEPT else gate.simulator.deny)(gate.id_of("alice"))
        return True

    ssh = ["ssh", "-F", str(alice.client.configuration), "-t", destination]
    status = run_in_this_terminal(ssh, answer_phone)
    page.line()
    for record in gate.records:
        told = {
            name: record[name]
            for name in ("account", "verdict", "ground", "reason", "waited_seconds")
            if name in record
        }
        page.line(f"  On record: {json.dumps(told)}")
    page.line(f"  ssh ended with status {status}. Everything is gone again; `make demo </dev/null` shows more.")
    page.line()
    return 0 if gate.records else 1


def run_in_this_terminal(command: list[str], answer_phone: Callable[[bytes], bool]) -> int:
    """Run `command` on a pty between it and this terminal; it gets the keys that `answer_phone` does not take."""
    outer = sys.stdin.fileno()
    master, inner = os.openpty()
    copy_size(outer, master)
    before = termios.tcgetattr(outer)
    signal.signal(signal.SIGWINCH, lambda *_: copy_size(outer, master))
    process = subprocess.Popen(["/usr/bin/setsid", "--ctty", *command], stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    try:
        tty.setraw(outer)
        while True:
            readable, _, _ = select.select([outer, master], [], [])
            if master in readable:
                piece = read(master)
                if not piece:
                    return process.wait()
                os.write(sys.stdout.fileno(), piece)
            if outer in readable:
                keys = read(outer)
                if not answer_phone(keys):
                    os.write(master, keys)
    finally:
        termios.tcsetattr(outer, termios.TCSADRAIN, before)
        process.kill()
        process.wait()
        os.close(master)


def copy_size(source: int, target: int) -> None:
    """Give one terminal the rows and columns of another."""
    fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8)))


def read(descriptor: int) -> bytes:
    """Return what a terminal has to say; b"" at its end."""
    try:
        return os.read(descriptor, 65536)
    except OSError as ended:
        if ended.errno != errno.EIO:  # what Linux says when nobody has the other side of a pty open
            raise
        return b""
