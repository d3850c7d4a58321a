"""What a login shell is greeted with: byte for byte what PAM and sshd say where there is no gate."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from gate import Gate, Person
from session_facts import let_everybody_in

SERVERS = ("ungated", "gated")
MAIL = Path("/var/mail/dora")
WTMP, LASTLOG = Path("/var/log/wtmp"), Path("/var/log/lastlog")
ETC, RUN = Path("/etc"), Path("/run")
# pam_motd's own defaults (pam_motd(8)); the first is what Debian's pam.d/sshd names.
MOTD_FILES = ["/run/motd.dynamic", "/etc/motd:/run/motd:/usr/lib/motd", "/etc/motd.d:/run/motd.d:/usr/lib/motd.d"]
PROMPT = r"\$ $"


@pytest.fixture
def dora(gate: Gate) -> Iterator[Person]:
    """Somebody whose login shell says nothing of its own; the host's greetings are as before afterwards."""
    motd = Path("/etc/motd").read_bytes()
    logs = {path: path.read_bytes() for path in (WTMP, LASTLOG)}
    for path in logs:
        path.write_bytes(b"")
    let_everybody_in(gate)
    gate.configure(sshd={"motd_files": MOTD_FILES})
    yield gate.user("dora", secsign_id="dora")
    for path in (ETC / "motd.d", RUN / "motd", RUN / "motd.d", MAIL, WTMP.with_suffix(".1")):
        remove(path)
    Path("/etc/motd").write_bytes(motd)
    for path, content in logs.items():
        path.write_bytes(content)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put(path: Path, content: bytes) -> None:
    remove(path)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def maildir(*mails: str) -> None:
    """Make the mail box one folder for each mail; `new/1` is a mail that was not read yet."""
    remove(MAIL)
    for mail in mails:
        (MAIL / mail).mkdir(parents=True)
    for path in (MAIL, *MAIL.rglob("*")):
        os.chown(path, 2006, 2006)


def mbox(read_at: int, written_at: int) -> None:
    put(MAIL, b"From somebody\n")
    os.utime(MAIL, (read_at, written_at))


# What is changed on the host, step by step: after each step, one looks with the gate and without.
STEPS: dict[str, list[Callable[[], None]]] = {
    "no mail box": [],
    "an empty mail box, a motd without an end": [partial(put, MAIL, b""), partial(put, ETC / "motd", b"no newline")],
    "unread mail, an empty motd": [partial(mbox, 1000, 2000), partial(put, ETC / "motd", b"")],
    "read mail, a motd in bytes": [
        partial(mbox, 2000, 2000),
        partial(put, ETC / "motd", b"caf\xe9 \x1b[1mbold\n\n\n"),
    ],
    "an empty maildir, a motd of the system's": [
        partial(maildir, "new", "cur"),
        partial(remove, ETC / "motd"),
        partial(put, RUN / "motd", b"run\n"),
    ],
    "new mail in a maildir, several motds": [
        partial(maildir, "new/1", "cur/2"),
        *(partial(put, ETC / "motd.d" / name, name.encode()) for name in ("20-b", "10-a", ".hidden")),
        *(partial(put, RUN / "motd.d" / name, b"from run\n") for name in ("10-a", "15")),
    ],
    "old mail in a maildir, a motd that is too long": [
        partial(maildir, "cur/2"),
        partial(put, ETC / "motd", b"x" * 0x10001),
    ],
    "a motd with a NUL, and one for nobody": [
        partial(put, ETC / "motd", b"up to here\0no more\n"),
        partial(put, ETC / "motd.d/20-b", b"private\n"),
        partial((ETC / "motd.d/20-b").chmod, 0o600),
    ],
}


def test_pams_words_are_shown_as_pam_shows_them(dora: Person) -> None:
    shown = {}
    for name, changes in STEPS.items():
        for change in changes:
            change()
        without, with_gate = (dora.ssh(at=at, options=["-T"]).outcome() for at in SERVERS)
        assert (name, with_gate) == (name, without)
        shown[name] = without.stdout
    assert len(set(shown.values())) == len(STEPS)


def test_a_terminal_shows_the_same_and_the_last_login(gate: Gate, dora: Person) -> None:
    first = shown_in_terminal(dora, "ungated")
    assert b"Last login" not in first
    logs = WTMP.read_bytes(), LASTLOG.read_bytes()
    without = shown_in_terminal(dora, "ungated")
    assert b"Last login: " in without
    restore(logs)
    assert shown_in_terminal(dora, "gated") == without

    # lastlog knows nothing of the windows that screen and tmux record in wtmp; nor is it rotated.
    restore(logs)
    WTMP.rename(WTMP.with_suffix(".1"))
    WTMP.write_bytes(window(b":pts/7:S.0") + window(b"tmux(99).%0"))
    assert shown_in_terminal(dora, "gated") == without

    restore(logs)
    gate.configure(policy={"exempt_accounts": None})
    assert shown_in_terminal(dora, "gated", approve=gate).endswith(without)


def test_nothing_is_shown_with_hushlogin(dora: Person) -> None:
    dora.write(".hushlogin", "")
    shown_in_terminal(dora, "ungated")
    assert shown_in_terminal(dora, "gated") == shown_in_terminal(dora, "ungated") == b"$ exit\r\n"


def test_without_pam_there_is_the_last_login_only(gate: Gate, dora: Person) -> None:
    gate.use_pam = False
    shown_in_terminal(dora, "ungated")
    logs = WTMP.read_bytes(), LASTLOG.read_bytes()
    without = shown_in_terminal(dora, "ungated")
    restore(logs)
    assert shown_in_terminal(dora, "gated") == without
    assert without.startswith(b"Last login: ")


def test_what_is_switched_off_is_not_shown(gate: Gate, dora: Person) -> None:
    gate.configure(sshd={"motd_files": [], "mail_notice": False, "last_login": False})
    mbox(1000, 2000)
    shown_in_terminal(dora, "ungated")
    assert shown_in_terminal(dora, "gated") == b"$ exit\r\n"


def test_a_shared_connection_is_greeted_once(dora: Person) -> None:
    greeted = {}
    for at in SERVERS:
        mux = ["-T", "-o", f"ControlPath={dora.client.folder}/mux-{at}"]
        dora.ssh("-MNf", at=at, options=mux).outcome()
        greeted[at] = [dora.ssh(*words, at=at, options=mux).outcome().stdout for words in ([], [], ["true"], [])]
    assert greeted["gated"] == greeted["ungated"]
    assert [bool(one) for one in greeted["gated"]] == [True, False, False, False]


def test_a_command_is_not_greeted(dora: Person) -> None:
    assert dora.ssh("true", options=["-tt"]).outcome() == dora.ssh("true", at="ungated", options=["-tt"]).outcome()


def shown_in_terminal(person: Person, at: str, approve: Gate | None = None) -> bytes:
    """Return all that a terminal shows of a login that ends at its first prompt."""
    terminal = person.terminal(at=at)
    if approve:
        approve.phone(person.account).accept()
    terminal.expect(PROMPT)
    terminal.type("exit\r")
    assert terminal.wait() == 0
    return terminal.output


def restore(logs: tuple[bytes, bytes]) -> None:
    """Let the logins since then not have been."""
    WTMP.write_bytes(logs[0])
    LASTLOG.write_bytes(logs[1])


def window(host: bytes) -> bytes:
    """Return a record as utempter writes it into wtmp for dora (utmp(5))."""
    head = struct.pack("<hxxi32s4s32s256shh", 7, 1, b"pts/7", b"ts/7", b"dora", host, 0, 0)
    return (head + struct.pack("<iii", 0, int(time.time()), 0)).ljust(384, b"\0")
