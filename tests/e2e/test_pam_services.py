"""PAM's other services: sudo, su and the console. There is no SSH connection, and an approval covers no further one."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from accounts import PASSWORD
from by_hand import PYTHON
from pam_stack import EXAMPLES, OUR_LINE, pam_doors
from processes import ended
from records import wait_for_record
from running_broker import RunningBroker
from terminal import Terminal

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate
    from pam_stack import PamStack

SUDOERS = Path("/etc/sudoers")
LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


@pytest.fixture(autouse=True)
def broker(gate: Gate) -> Iterator[RunningBroker]:
    for name in ("alice", "bob"):
        gate.add_to_users_file(f"{name} {gate.id_of(name)}")
    with RunningBroker() as running:
        yield running


@pytest.fixture(autouse=True)
def sudoers() -> Iterator[None]:
    """Alice may do everything, and is asked each time."""
    before = SUDOERS.read_bytes()
    SUDOERS.write_text("Defaults timestamp_timeout=0, !lecture\nroot ALL=(ALL) ALL\nalice ALL=(ALL:ALL) ALL\n")
    SUDOERS.chmod(0o440)
    yield
    SUDOERS.write_bytes(before)


def as_alice(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "--reset-env", "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
    )


def at_a_terminal(*command: str) -> Terminal:
    """Alice at a terminal of this host, who types her password."""
    terminal = Terminal(["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "--", *command])
    terminal.expect("assword")
    terminal.type(PASSWORD + "\r")
    return terminal


def typed(running: subprocess.Popen[bytes], password: str = PASSWORD) -> None:
    assert running.stdin is not None
    running.stdin.write(password.encode() + b"\n")
    running.stdin.flush()


def phone(gate: Gate, name: str) -> str:
    """Wait until a request is on a phone."""
    gate.simulator.wait_for(gate.id_of(name))
    return gate.id_of(name)


def test_sudo_asks_the_phone_of_who_calls_it_and_says_so_on_the_terminal(gate: Gate, pam: PamStack) -> None:
    pam.use("sudo", service="sudo")
    with at_a_terminal("sudo", "sh", "-c", "id -un >/tmp/output; tty") as terminal:
        terminal.expect(r"secsign-gate: accept alice@private-host on the phone of SecSign ID alice\S* within 60 s\r\n")
        gate.simulator.accept(phone(gate, "alice"))
        assert terminal.wait() == 0
    (record,) = gate.records
    names = ("door", "phase", "service", "wanted", "account", "uid", "client_address", "unproven")
    assert [record.get(name) for name in names] == [
        "pam_exec", "auth", "sudo", "service", "alice", 2001, None, None
    ]  # fmt: skip
    assert record["service_terminal"].startswith("/dev/pts/")


def test_not_a_byte_of_ours_is_in_the_output_of_a_command(gate: Gate, pam: PamStack) -> None:
    pam.use("sudo", service="sudo")
    running = as_alice("sudo", "-S", "-p", "", "id", "-un")
    typed(running)
    gate.simulator.accept(phone(gate, "alice"))
    assert running.communicate(timeout=LONGEST_WAIT) == (b"root\n", b"")
    assert running.returncode == 0


def test_sudo_is_refused_on_the_phone(gate: Gate, pam: PamStack) -> None:
    pam.use("sudo", service="sudo")
    with at_a_terminal("sudo", "touch", "/tmp/proof") as terminal:
        gate.simulator.deny(phone(gate, "alice"))
        terminal.expect("denied on the phone")
        assert terminal.wait() == 1
    assert not Path("/tmp/proof").exists()
    assert gate.records[0]["reason"] == Reason.DENIED_ON_PHONE


def test_an_approval_of_sudo_covers_no_other(gate: Gate, broker: RunningBroker, pam: PamStack) -> None:
    pam.use("sudo", service="sudo")
    for _ in range(2):
        running = as_alice("sudo", "-S", "-p", "", "true")
        typed(running)
        gate.simulator.accept(phone(gate, "alice"))
        running.communicate(timeout=LONGEST_WAIT)
        assert running.returncode == 0
        assert broker.status()["grants"] == []
    assert [record["ground"] for record in gate.records] == ["approved", "approved"]


def test_ctrl_c_ends_su_and_leaves_no_push_behind(gate: Gate, pam: PamStack) -> None:
    pam.use("login", service="su")
    with at_a_terminal("su", "bob", "-c", "true") as terminal:
        terminal.expect("within 50 s")
        secsign_id = phone(gate, "bob")
        doors = pam_doors()
        terminal.type("\x03")
        assert terminal.wait() != 0
    assert ended(doors)
    wait_for_record(gate, reason="client_left")
    while not all(one["disposed"] for one in gate.simulator.auth_sessions() if one["secsignid"] == secsign_id):
        pass


def test_sudo_that_is_killed_leaves_no_push_behind(gate: Gate, pam: PamStack) -> None:
    pam.use("sudo", service="sudo")
    running = as_alice("sudo", "-S", "-p", "", "true")
    typed(running)
    secsign_id = phone(gate, "alice")
    os.kill(running.pid, signal.SIGKILL)
    running.communicate(timeout=LONGEST_WAIT)
    wait_for_record(gate, reason="client_left")
    while not all(one["disposed"] for one in gate.simulator.auth_sessions() if one["secsignid"] == secsign_id):
        pass


@pytest.mark.parametrize("command", [["sudo", "touch", "/tmp/proof"], ["sh", "-c", "sudo touch /tmp/proof; true"]])
def test_a_terminal_that_is_hung_up_takes_the_push_along(gate: Gate, pam: PamStack, command: list[str]) -> None:
    """Else a tap that comes late would run the command with nobody there (law 2)."""
    Path("/tmp/proof").unlink(missing_ok=True)
    pam.use("sudo", service="sudo")
    with at_a_terminal(*command) as terminal:
        terminal.expect("within 60 s")
        phone(gate, "alice")
        doors = pam_doors()
        terminal.hang_up()
        assert ended(doors)
        wait_for_record(gate, reason="client_left")
        while not all(one["disposed"] for one in gate.phone("alice").auth_sessions()):
            pass
    assert not Path("/tmp/proof").exists()


def test_who_started_su_cannot_stop_the_door(gate: Gate, pam: PamStack) -> None:
    """su runs with its caller's real uid, who may signal what has that."""
    pam.use("login", service="su")
    running = as_alice("su", "bob", "-c", "id -un")
    typed(running)
    secsign_id = phone(gate, "bob")
    (door,) = pam_doors()
    kill = ["setpriv", "--reuid=alice", "--regid=alice", "--clear-groups", "--", "kill", "-STOP", str(door)]
    assert subprocess.run(kill, check=False, capture_output=True).returncode == 1
    gate.simulator.accept(secsign_id)
    stdout, _ = running.communicate(timeout=LONGEST_WAIT)
    assert (running.returncode, stdout) == (0, b"bob\n")


def test_su_asks_the_phone_of_the_account_that_is_wanted_after_its_password(gate: Gate, pam: PamStack) -> None:
    pam.use("login", service="su")
    wrong = as_alice("su", "bob", "-c", "true")
    typed(wrong, "wrong")
    wrong.communicate(timeout=LONGEST_WAIT)
    assert wrong.returncode != 0
    assert gate.records == []
    right = as_alice("su", "bob", "-c", "true")
    typed(right)
    gate.simulator.deny(phone(gate, "bob"))
    right.communicate(timeout=LONGEST_WAIT)
    assert right.returncode != 0
    assert gate.records[0]["account"] == "bob"


def test_su_rings_nobodys_phone_without_a_password(gate: Gate, pam: PamStack) -> None:
    text = (Path("/etc/pam.d") / "su").read_text()
    line = "auth requisite pam_exec.so seteuid quiet /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/"
    pam.write("su", text.replace("@include common-auth", f"{line}secsign-gate-pam\nauth required pam_permit.so"))
    running = as_alice("su", "bob", "-c", "id")
    stdout, _ = running.communicate(timeout=LONGEST_WAIT)
    assert running.returncode != 0
    assert stdout == b""
    assert "nobody has shown a key or a password" in gate.records[0]["detail"]
    assert gate.phone("bob").auth_sessions() == []


def test_sudo_by_the_phone_alone_is_the_callers_own_doing(gate: Gate, pam: PamStack) -> None:
    text = (Path("/etc/pam.d") / "sudo").read_text()
    line = "auth requisite pam_exec.so seteuid quiet /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/"
    pam.write("sudo", text.replace("@include common-auth", f"{line}secsign-gate-pam\nauth required pam_permit.so"))
    running = as_alice("sudo", "-S", "-p", "", "id", "-un")
    gate.simulator.accept(phone(gate, "alice"))
    stdout, _ = running.communicate(timeout=LONGEST_WAIT)
    assert (running.returncode, stdout) == (0, b"root\n")


def test_an_account_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        pwd.getpwnam("nemo")
    environment = {"PAM_USER": "nemo", "PAM_SERVICE": "login", "PAM_TYPE": "account", "PAM_TTY": "tty1"}
    door = ["/opt/secsign-gate/bin/python3", "-I", "-S", "/opt/secsign-gate/bin/secsign-gate-pam"]
    ran = subprocess.run(door, env=environment, capture_output=True, check=False, timeout=LONGEST_WAIT)
    assert ran.returncode == 77
    assert b"no account has the name 'nemo'" in ran.stderr


def test_the_console_asks_too(gate: Gate, pam: PamStack) -> None:
    pam.use("login", service="login")
    with Terminal(["login", "alice"]) as terminal:
        terminal.expect("assword")
        terminal.type(PASSWORD + "\r")
        terminal.expect("within 50 s")
        gate.simulator.accept(phone(gate, "alice"))
        terminal.expect(r"alice@private-host\S*\$ ")
        terminal.type("exit\r")
        assert terminal.wait() == 0
    assert gate.records[0]["service"] == "login"


def test_the_administrators_program_on_the_line_is_the_door_as_well(gate: Gate, pam: PamStack) -> None:
    text = Path("/etc/pam.d/sudo").read_text()
    line = "auth requisite pam_exec.so seteuid quiet /opt/secsign-gate/bin/secsign-gate pam --after-password"
    pam.write("sudo", text.replace("\n@include common-auth\n", f"\n@include common-auth\n{line}\n"))
    running = as_alice("sudo", "-S", "-p", "", "id", "-un")
    typed(running)
    gate.simulator.accept(phone(gate, "alice"))
    assert running.communicate(timeout=LONGEST_WAIT) == (b"root\n", b"")
    running = as_alice("sudo", "-S", "-p", "", "id", "-un")
    typed(running)
    gate.simulator.deny(phone(gate, "alice"))
    assert running.communicate(timeout=LONGEST_WAIT)[0] == b""
    assert [one.get("ground") or one["reason"] for one in gate.records] == ["approved", Reason.DENIED_ON_PHONE]


@pytest.mark.parametrize("service", ["su", "sudo"])
def test_without_seteuid_it_asks_as_well(gate: Gate, pam: PamStack, service: str) -> None:
    """Which is why the doctor calls that weak, and not broken."""
    pam.use("sudo", service=service)
    file = Path(f"/etc/pam.d/{service}")
    file.write_text(file.read_text().replace("seteuid ", ""))
    command, whose = (["sudo", "-S", "-p", ""], "alice") if service == "sudo" else (["su", "bob", "-c"], "bob")
    running = as_alice(*command, "id")
    typed(running)
    gate.simulator.accept(phone(gate, whose))
    assert b"(root)" in running.communicate(timeout=LONGEST_WAIT)[0] or whose == "bob"
    assert running.returncode == 0


@pytest.mark.parametrize("setup", ["sudo", "login"])
def test_what_the_command_prints_is_what_to_write(gate: Gate, pam: PamStack, setup: str) -> None:
    program = "/opt/secsign-gate/bin/secsign-gate"
    printed = subprocess.run([program, "pam", setup], check=True, capture_output=True, text=True).stdout
    text = Path("/etc/pam.d/sudo").read_text()
    pam.write("sudo", text.replace("\n@include common-auth\n", f"\n{printed}\n"))
    running = as_alice("sudo", "-S", "-p", "", "id", "-un")
    typed(running)
    gate.simulator.accept(phone(gate, "alice"))
    assert running.communicate(timeout=LONGEST_WAIT) == (b"root\n", b"")


def test_cron_rings_no_phone_though_the_line_is_in_what_all_services_include(gate: Gate, pam: PamStack) -> None:
    """As cron asks before each job; a line in common-account is for it, too."""
    line = OUR_LINE.search((EXAMPLES / "sshd-account").read_text())
    assert line is not None
    pam.write("cron", f"{line[0]}\n")
    code = (
        "import ctypes\n"
        "pam = ctypes.CDLL('libpam.so.0')\n"
        "handle = ctypes.c_void_p()\n"
        "conversation = (ctypes.c_void_p * 2)()\n"
        "assert pam.pam_start(b'cron', b'alice', conversation, ctypes.byref(handle)) == 0\n"
        "print(pam.pam_acct_mgmt(handle, 0x8000))\n"
    )
    done = subprocess.run([PYTHON, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout != "0\n"
    (record,) = gate.records
    assert record["reason"] == Reason.CONFIGURATION_ERROR
    assert "/etc/pam.d/cron" in record["detail"]
    assert gate.phone("alice").auth_sessions() == []
