"""The demo without a terminal: each way through the gate once, one refusal, and one approval that comes too late."""

# ruff: noqa: INP001 - a script and its modules, not a package

from __future__ import annotations

import os
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from running_broker import BrokerError, RunningBroker

from secsign_gate.core.verdict import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gate import Gate, Login, Person
    from page import Page

FILES = 20
CHANNELS = 3
MEBIBYTE = os.urandom(1 << 20)
LONGEST_WAIT = 30.0


class Surprise(Exception):
    """Something did not go as it should; str() says what."""


class Stage(NamedTuple):
    """Where the steps play."""

    gate: Gate
    alice: Person
    files: Path

    def accepted(self, login: Login) -> bytes:
        """Accept on the phone and return what the program printed. Raises Surprise if it failed."""
        self.gate.phone("alice").accept()
        outcome = login.outcome()
        expect(outcome.status == 0, f"status {outcome.status}: {outcome.stderr.decode(errors='replace').strip()}")
        return outcome.stdout

    def waits_for_record(self, reason: str) -> None:
        """Wait until a login is on record as refused for this reason."""
        deadline = time.monotonic() + LONGEST_WAIT
        while not any(record.get("reason") == reason for record in self.gate.records):
            expect(time.monotonic() < deadline, f"no login was recorded as {reason}")
            time.sleep(0.05)


def ssh(stage: Stage) -> str:
    """Run a command."""
    printed = stage.accepted(stage.alice.ssh("echo $USER at $(uname -n)")).decode().strip()
    expect(printed == "alice at private-host", f"it printed {printed!r}")
    return f"printed “{printed}”"


def scp(stage: Stage) -> str:
    """Copy a file there and back."""
    (stage.files / "there").write_bytes(MEBIBYTE)
    stage.accepted(stage.alice.scp(stage.files / "there", ":copied"))
    stage.accepted(stage.alice.scp(":copied", stage.files / "back"))
    expect((stage.files / "back").read_bytes() == MEBIBYTE, "the copy differs")
    return "1 MiB there and back, byte for byte"


def rsync(stage: Stage) -> str:
    """Copy a folder."""
    folder = stage.files / "folder"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"file-{number}").write_bytes(MEBIBYTE[: number * 1000])
    stage.accepted(stage.alice.rsync("--archive", f"{folder}/", ":synced"))
    expect(len(list((stage.alice.home / "synced").iterdir())) == FILES, "files are missing")
    return f"{FILES} files"


def sftp(stage: Stage) -> str:
    """Do something that only the sftp subsystem can."""
    stage.accepted(stage.alice.sftp("mkdir letters\nrename copied letters/first\n"))
    expect((stage.alice.home / "letters/first").read_bytes() == MEBIBYTE, "the renamed file differs")
    return "made a folder, moved a file into it"


def denied(stage: Stage) -> str:
    """Refuse on the phone."""
    login = stage.alice.ssh("touch denied")
    stage.gate.phone("alice").deny()
    outcome = login.outcome()
    expect(outcome.status == REFUSED, f"status {outcome.status}")
    expect(not stage.alice.has("denied"), "the command ran all the same")
    return f"nothing ran; status {REFUSED}"


def too_late(stage: Stage) -> str:
    """Accept what nobody waits for any more."""
    login = stage.alice.ssh("touch too-late")
    stage.gate.phone("alice").wait()
    login.session.kill()
    stage.waits_for_record("client_left")  # before sshd itself has noticed, nobody can know
    accepted = stage.gate.simulator.accept_all()
    seen = "accepted after the client had gone" if accepted else "the request was withdrawn from the phone"
    expect(not stage.alice.has("too-late"), "the command ran although its client had gone")
    return f"nothing ran; {seen}"


def forwarding(stage: Stage) -> str:
    """Try to get through without a session, which ForceCommand would not guard."""
    target = f"127.0.0.1:{stage.gate.sshd.port}"  # sshd's own port: there is always something listening
    outcome = stage.alice.ssh(options=["-W", target]).outcome()
    expect(outcome.status != 0 and b"SSH-" not in outcome.stdout, "a connection was forwarded")
    return "no way around: nothing was forwarded"


def one_tap(stage: Stage) -> str:
    """Run commands over one connection, with the daemon: the first asks the phone, the others are covered by that."""
    alice, phone = stage.alice, stage.gate.phone("alice")
    with RunningBroker():
        options = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={stage.files}/mux"]
        before = len(phone.auth_sessions())
        for number in range(CHANNELS):
            login = alice.ssh("true", at="daemon", options=options)
            if number == 0:
                phone.accept()
            outcome = login.outcome()
            expect(outcome.status == 0, f"status {outcome.status}: {outcome.stderr.decode(errors='replace').strip()}")
        taps = len(phone.auth_sessions()) - before
        alice.ssh(at="daemon", options=[*options, "-O", "exit"]).outcome()
    expect(taps == 1, f"{taps} taps")
    return f"{CHANNELS} commands over one connection, {taps} tap"


STEPS: tuple[tuple[str, str, Callable[[Stage], str]], ...] = (
    ("ssh alice@host COMMAND", "accept", ssh),
    ("scp, both ways", "accept twice", scp),
    ("rsync --archive", "accept", rsync),
    ("sftp", "accept", sftp),
    ("ssh, not yours", "deny", denied),
    ("ssh, client gave up while waiting", "too late", too_late),
    ("ssh -W, no session at all", "not asked", forwarding),
)
WITH_THE_DAEMON = ("ssh with ControlMaster, daemon", "accept once", one_tap)


def show_everything(gate: Gate, page: Page) -> int:
    """Try every step; return the exit status for the demo."""
    files = gate.folder / "files"
    files.mkdir()
    stage = Stage(gate, gate.user("alice", secsign_id="alice"), files)
    failed = 0
    details = ""
    roots = os.geteuid() == 0
    steps = (*STEPS, WITH_THE_DAEMON) if roots else STEPS
    for what, phone, step in steps:
        began = time.monotonic()
        try:
            result, good = step(stage), True
        except (Surprise, AssertionError, BrokerError, OSError) as surprise:
            result, good = str(surprise).partition("\n")[0], False
            failed += 1
            details = details or f"{traceback.format_exc()}\n{gate.story()}"
        page.tried(good=good, what=what, phone=phone, result=result, seconds=time.monotonic() - began)
    page.line()
    allowed = sum(record.get("verdict") == "allow" for record in gate.records)
    refused = sum(record.get("verdict") == "refuse" for record in gate.records)
    page.line(f"  On record: {allowed} logins allowed, {refused} refused, each before it took effect.")
    if not roots:
        page.line("  Not shown: the daemon, with which one tap covers a whole SSH connection. It is started by root.")
    page.line(
        f"  {len(steps) - failed} of {len(steps)} went as they should. In a terminal, `make demo` lets you in by hand."
    )
    page.line()
    if failed:
        page.line(f"  The first that did not, in detail:\n{details}")
    return 1 if failed else 0


def expect(true: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise Surprise unless it is so."""
    if not true:
        raise Surprise(otherwise)
