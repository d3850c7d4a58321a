"""`make demo`, as someone sees it who has just cloned the project."""

import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

CHECKOUT = Path(__file__).resolve().parents[2]
PRIVATE_HOST = CHECKOUT / "tests/private_host"
DEMO = CHECKOUT / "examples/demo/demo.py"
# In a corner of its own, for it takes /dev/log and makes everybody's home anew.
START = (
    f"import os, sys; sys.path.append({str(PRIVATE_HOST)!r}); from own_corner import take_own_corner; "
    f"take_own_corner(); os.execv(sys.executable, [sys.executable, '-B', {str(DEMO)!r}])"
)


@pytest.fixture(autouse=True)
def no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_without_a_terminal_it_shows_everything_and_ends_well() -> None:
    run = subprocess.run(
        [sys.executable, "-c", START], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    assert "✗" not in run.stdout
    for shown in ("ssh alice@host", "scp", "rsync", "sftp", "deny", "too late", "nothing was forwarded", "8 of 8"):
        assert shown in run.stdout
    assert "3 commands over one connection, 1 tap" in run.stdout


def test_in_a_terminal_a_key_accepts_and_the_shell_is_real() -> None:
    with Terminal([sys.executable, "-c", START], rows=40, columns=110) as terminal:
        terminal.expect("press a here to accept")
        terminal.expect("on your phone")
        terminal.type("a")
        terminal.expect(r"private-host.*~.*\$ ")
        terminal.type("echo $((6*7)); exit\r")
        terminal.expect(r"[\r\n]42\r")
        terminal.expect('On record: .*"verdict": "allow"')
        assert terminal.wait() == 0


def test_in_a_terminal_a_key_denies_and_there_is_no_shell() -> None:
    with Terminal([sys.executable, "-c", START], rows=40, columns=110) as terminal:
        terminal.expect("press a here to accept")
        terminal.expect("on your phone")
        terminal.type("d")
        terminal.expect('On record: .*"verdict": "refuse"')
        assert terminal.wait() == 0
        assert b"alice@private-host:~" not in terminal.output
