"""The ground that the other tests stand on: a host of their own, from which nothing gets out."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from accounts import ACCOUNTS
from booted import Booted, CannotBootError

CHECKOUT = Path(__file__).resolve().parents[2]
ENTER = CHECKOUT / "tests/private_host/enter.py"
FETCH = CHECKOUT / "tests/private_host/fetch_packages.py"


def test_there_is_no_way_to_other_machines() -> None:
    assert [name for _, name in socket.if_nameindex() if name != "lo"] in ([], ["sit0"], ["tunl0"])
    with socket.socket() as outside, pytest.raises(OSError, match="unreachable"):
        outside.connect(("192.0.2.1", 9))  # TEST-NET-1: nobody is there anyway


def test_the_kernels_settings_and_the_program_under_test_are_read_only() -> None:
    for path in ("/proc/sys/kernel/hostname", "/opt/secsign-gate/bin/secsign-gate", PROGRAM / "__init__.py"):
        with pytest.raises(OSError, match="Read-only file system"):
            os.open(path, os.O_WRONLY)


def test_nor_does_systemd_write_them_where_it_is_process_1() -> None:
    """Those of the network belong to this host as well, and to the tests that come after."""
    longest_log = Path("/proc/sys/net/unix/max_dgram_qlen")
    before = longest_log.read_text()
    try:
        with Booted():
            pass
    except CannotBootError as error:
        pytest.skip(str(error))
    assert longest_log.read_text() == before


def test_the_program_under_test_is_the_checkouts() -> None:
    ours = CHECKOUT / "secsign_gate"
    names = {path.relative_to(ours) for path in ours.rglob("*.py")}
    assert names == {path.relative_to(PROGRAM) for path in PROGRAM.rglob("*.py")}


@pytest.mark.parametrize("account", [account.name for account in ACCOUNTS])
def test_everybody_can_run_it(account: str) -> None:
    shown = as_account(account, "/opt/secsign-gate/bin/secsign-gate", "--version")
    assert (shown.returncode, shown.stderr) == (0, "")


def test_it_says_in_a_sentence_that_it_needs_root() -> None:
    refused = as_account("alice", "/usr/bin/python3", str(ENTER), "--", "true")
    assert refused.returncode == 69
    assert refused.stderr == "private host: several accounts need root; run it with sudo.\n"


def test_it_says_in_a_sentence_where_packages_cannot_come_from() -> None:
    """This host has no /var/lib/dpkg."""
    refused = subprocess.run(["/usr/bin/python3", FETCH, "demo"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (69, "")
    assert refused.stderr.startswith("fetch_packages: this needs a Debian or Ubuntu system")
    assert refused.stderr.count("\n") == 1


def as_account(account: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups", *command],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )


PROGRAM = next(Path("/opt/secsign-gate/lib").glob("python3*/site-packages/secsign_gate"))
