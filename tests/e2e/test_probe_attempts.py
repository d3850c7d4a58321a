"""Every attempt finds its hole where it is open, and nothing where only the lines that are said to close it do."""

from __future__ import annotations

import resource
import shutil
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import drop_in
import pytest
from accounts import PASSWORD
from gate import let_in_as_root
from probing import certify, closing, line_of, no_passphrase, outcomes, wishes_of
from running_broker import SOCKET, RunningBroker
from sshd import Sshd

from secsign_gate.probe import this_host
from secsign_gate.probe.attempts.sockets import OwnSocket
from secsign_gate.probe.identity import read_identity
from secsign_gate.probe.outcome import Status
from secsign_gate.probe.registry import ATTEMPTS
from secsign_gate.probe.run import chosen, pushes_to_expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

THROUGH, HELD = Status.GOT_THROUGH, Status.HELD
GATE = line_of("ForceCommand exec")
# The gate and nothing around it: what a careless administrator writes, before all that opens something.
BARE = f"Match all\n    {GATE}\n    ExposeAuthInfo yes\n"
CARELESS = """
AcceptEnv *
PermitUserEnvironment yes
PermitTunnel yes
X11Forwarding yes
XAuthLocation /usr/bin/true
"""
NAIVE = 'Match all\n    ForceCommand exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
# A Python that is not in a virtual environment, and is not told to leave the home alone.
NOT_ISOLATED = "Match all\n    ForceCommand exec /usr/bin/python3 /opt/secsign-gate/bin/secsign-gate-force-command\n"
# Ctrl-C ends what waits, and the script goes on.
FAILS_OPEN = """#!/bin/sh
trap : INT
echo "secsign-gate: accept nothing" >&2
sleep 1000
eval "$SSH_ORIGINAL_COMMAND"
"""
# Says no to the first, and forgets that it has to ask.
ASKS_ONCE = """#!/bin/sh
mkdir /tmp/asked 2>/dev/null && { echo "secsign-gate: no" >&2; exit 77; }
eval "$SSH_ORIGINAL_COMMAND"
"""


class Hole(NamedTuple):
    """How a way is opened, what the probe is told of it, and what an attempt must then say."""

    settings: str = BARE
    wishes: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    found: Status = THROUGH
    closed: str = ""  # lines that a test needs besides those that the bypass names


NO_GATE = ""
FOR_ALICE = f"Match User alice\n    {GATE}\n    ExposeAuthInfo yes\n"
MATCH_ALL = f"    {GATE}\n    ExposeAuthInfo yes\n"

HOLES = {
    "local-forwarding": Hole(),
    "stdio-forwarding": Hole(),
    "dynamic-forwarding": Hole(),
    "remote-forwarding": Hole(),
    "local-socket-forwarding": Hole(),
    "remote-socket-forwarding": Hole(),
    "tunnel": Hole(),  # with root's key
    "x11-forwarding": Hole(),
    "agent-forwarding": Hole(),
    "disable-forwarding-alone": Hole(BARE + "    DisableForwarding yes\n"),
    "idle-connection": Hole(wishes={"idle": 3.0}),
    "subsystem": Hole(NO_GATE),
    "user-rc": Hole(NO_GATE, {"plant": True}),
    "system-rc": Hole(wishes={"plant": True}),
    "client-environment": Hole(),
    "forged-variables": Hole(NO_GATE, closed=MATCH_ALL),
    "user-environment": Hole(wishes={"plant": True}),
    "pam-environment": Hole(wishes={"plant": True}),
    "shell-startup-files": Hole(wishes={"plant": True}),
    "interpreter-files": Hole(NOT_ISOLATED, {"plant": True}),
    "gate-tampering": Hole("Match all\n    ForceCommand exec /run/fails-open\n"),
    "shadowed-match": Hole(f"Match User alice\n    ForceCommand none\n{BARE}", closed=MATCH_ALL),
    "match-exemption": Hole(
        f"Match Address 127.0.0.3\n    ForceCommand none\n{BARE}", {"sources": ("127.0.0.3",)}, closed=MATCH_ALL
    ),
    "chroot": Hole(
        f"Match User alice\n    ChrootDirectory /srv/jail\n    ForceCommand internal-sftp\n{BARE}", closed=MATCH_ALL
    ),
    "root-login": Hole(FOR_ALICE, closed=MATCH_ALL),
    "ungated-account": Hole(FOR_ALICE, {"also_users": ("bob",)}, closed=MATCH_ALL),
    "other-authentication-method": Hole(wishes={"password": PASSWORD}),
    "restricted-key": Hole(NAIVE, closed=MATCH_ALL),
    "restricted-certificate": Hole("TrustedUserCAKeys /etc/ssh/authority.pub\n" + NAIVE, closed=MATCH_ALL),
    # What is tried besides the bypasses; each lacks a gate, or has one that can be talked round.
    "shell": Hole(NO_GATE),
    "empty-command": Hole("Match all\n    ForceCommand exec ${SHELL}\n"),
    "odd-orders": Hole(NO_GATE),
    "several-channels": Hole(NO_GATE, {"at_once": True}),
    "second-connection": Hole(NO_GATE, {"at_once": True}),
    "after-a-refusal": Hole("Match all\n    ForceCommand exec /run/asks-once\n"),
}
FOUND_ELSEWHERE = {"global-requests", "two-terminals"}  # no sshd grants these: test_probe_bad_servers.py


def open_doors(gate: Gate, person: Person) -> None:
    """Let the person's key open bob's and root's accounts too."""
    gate.user("bob").write(".ssh/authorized_keys", f"{person.client.public_key}\n")
    let_in_as_root(person.client.public_key)


@pytest.fixture
def alice(gate: Gate) -> Person:
    """Alice, whom the gate refuses without asking anybody, for she has no SecSign ID; her key opens other doors too."""
    alice = gate.user("alice")
    open_doors(gate, alice)
    return alice


@pytest.fixture(autouse=True)
def on_the_host() -> Iterator[None]:
    """What some holes need on the host, taken away again."""
    Path("/srv/jail").mkdir(exist_ok=True)
    texts = {
        Path("/run/fails-open"): FAILS_OPEN,
        Path("/run/asks-once"): ASKS_ONCE,
        Path("/etc/ssh/sshrc"): '[ -r "$HOME/.sshrc" ] && . "$HOME/.sshrc"\n',
    }
    for path, text in texts.items():
        path.write_text(text)
        path.chmod(0o755)
    yield
    for path in texts:
        path.unlink()
    shutil.rmtree("/tmp/asked", ignore_errors=True)


@pytest.mark.parametrize("name", HOLES)
def test_it_is_found_open_and_then_closed(gate: Gate, alice: Person, tmp_path: Path, name: str) -> None:
    hole = HOLES[name]
    wishes = hole.wishes | restricted(gate, name, tmp_path)
    if name in ("tunnel", "disable-forwarding-alone"):
        wishes |= {"account": "root"}  # others may not open the device
    careless = {"50-careless.conf": CARELESS + hole.settings}
    with Sshd(tmp_path / "open", careless) as server:
        outcome = outcomes(wishes_of(alice, server, **wishes), name)[name]
        assert outcome.status is hole.found, outcome.what
    with Sshd(tmp_path / "closed", {"10-closed.conf": closing(name, hole.closed), **careless}) as server:
        if name == "idle-connection":
            wishes |= {"idle": 60.0}
        outcome = outcomes(wishes_of(alice, server, **wishes), name)[name]
        assert outcome.status is HELD, outcome.what


def test_a_listener_on_one_of_two_loopback_addresses_is_found(gate: Gate, alice: Person, tmp_path: Path) -> None:
    del gate
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        with Sshd(tmp_path / "open", {"50-careless.conf": CARELESS + BARE}) as server, ExitStack() as taken:
            for port in range(first | 1, last, 2):  # Linux keeps the even ones for who connects
                one = taken.enter_context(socket.socket())
                with suppress(OSError):
                    one.bind(("127.0.0.1", port))
            outcome = outcomes(wishes_of(alice, server), "remote-forwarding")["remote-forwarding"]
            assert "Address already in use" in server.log
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert outcome.status is THROUGH, outcome.what


def test_an_account_without_a_shell_is_a_way_through_all_the_same(gate: Gate, alice: Person, tmp_path: Path) -> None:
    gate.user("carol").write(".ssh/authorized_keys", f"{alice.client.public_key}\n")  # her shell is nologin
    with Sshd(tmp_path / "open", {"50-careless.conf": FOR_ALICE + "    DisableForwarding yes\n"}) as server:
        outcome = outcomes(wishes_of(alice, server, also_users=("carol",)), "ungated-account")["ungated-account"]
    assert outcome.status is THROUGH
    assert outcome.what.startswith("carol: 4")
    assert "SSH-2.0-OpenSSH" in outcome.what


def test_from_outside_some_things_cannot_be_seen(
    gate: Gate, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host key that is not in /etc/ssh is another host's, or a container's: what is here need not be there."""
    del gate
    monkeypatch.setattr(this_host, "_HOST_KEYS", tmp_path)
    names = ("local-socket-forwarding", "remote-socket-forwarding", "agent-forwarding", "user-rc")
    with Sshd(tmp_path / "open", {"50-careless.conf": CARELESS}) as server, OwnSocket() as own:
        found = outcomes(wishes_of(alice, server, plant=True, sockets=(own.path,)), *names)
    assert [found[name].status for name in names] == [THROUGH, THROUGH, Status.AGREED, Status.UNKNOWN]
    closed = closing("local-socket-forwarding")
    with Sshd(tmp_path / "closed", {"10-closed.conf": closed}) as server, OwnSocket() as own:
        named = outcomes(wishes_of(alice, server, sockets=(own.path,)), names[0])[names[0]]
        guessed = outcomes(wishes_of(alice, server), names[0])[names[0]]
    assert named.status is HELD
    assert guessed.status is Status.UNKNOWN
    assert "--socket" in guessed.what


def test_every_attempt_has_a_hole() -> None:
    assert set(HOLES) | FOUND_ELSEWHERE == set(ATTEMPTS)


SHELLS = ("bob", "zoe", "felix", "tina", "dora", "kim", "sam")  # bash, zsh, fish, tcsh, dash, ksh, none
START_UP_FILES = ("bob", "zoe", "felix", "tina")  # the other shells read none


@pytest.mark.parametrize("account", SHELLS)
def test_whatever_the_login_shell(gate: Gate, tmp_path: Path, account: str) -> None:
    person = gate.user(account)
    names = ("shadowed-match", "shell", "odd-orders", "client-environment", "user-environment", "shell-startup-files")
    with Sshd(tmp_path / "open", {"50-careless.conf": CARELESS}) as server:
        found = outcomes(wishes_of(person, server, plant=True), *names)
    reads_none = account not in START_UP_FILES
    assert {name: outcome for name, outcome in found.items() if outcome.status is not THROUGH}.keys() == (
        {"shell-startup-files"} if reads_none else set()
    )
    closed = "\n".join([closing("user-environment"), closing("shell-startup-files", MATCH_ALL + "    AcceptEnv LANG")])
    with Sshd(tmp_path / "closed", {"10-closed.conf": closed, "50-careless.conf": CARELESS}) as server:
        found = outcomes(wishes_of(person, server, plant=True), *names)
    assert {name: outcome for name, outcome in found.items() if outcome.status is not HELD} == {}


def test_an_exemption_for_another_address_of_the_host(gate: Gate, alice: Person, tmp_path: Path) -> None:
    """The same host key is enough to know it by; another one is not."""
    del gate
    exempt = f"Match LocalAddress ::1\n    ForceCommand none\n{BARE}"
    with Sshd(tmp_path / "open", {"50.conf": exempt}, settings="ListenAddress ::1") as server:
        server.wait_for_log(r"listening on 127\.0\.0\.1")
        server.wait_for_log("listening on ::1")
        wishes = wishes_of(alice, server, also_addresses=("::1",))
        outcome = outcomes(wishes, "match-exemption")["match-exemption"]
    assert outcome.status is THROUGH, outcome.what
    assert outcome.what.startswith("at ::1: ")


def test_behind_the_drop_in_and_its_daemon_everything_is_held(gate: Gate, tmp_path: Path) -> None:
    """Each attempt is made, none is left out; and the phone is asked once for each connection that opens sessions."""
    gate.drop_in = drop_in.asking(str(SOCKET), UnusedConnectionTimeout="2").replace("#Authentic", "Authentic")
    gate.more_settings = "TrustedUserCAKeys /etc/ssh/authority.pub"
    gate.configure(sshd={"trusted_user_ca_keys": ["/etc/ssh/authority.pub"]})
    alice = gate.user("alice", secsign_id="alice")
    open_doors(gate, alice)
    keys = [restricted(gate, name, tmp_path)["restricted"][0] for name in ("restricted-key", "restricted-certificate")]
    wishes = wishes_of(
        alice,
        gate.sshd,
        restricted=tuple(keys),
        also_users=("bob",),
        sources=("127.0.0.3",),
        password=PASSWORD,
        idle=60.0,
        plant=True,
        at_once=True,
    )
    with RunningBroker():
        found = outcomes(wishes)
        pushed = len(gate.phone("alice").auth_sessions())
    assert {name: outcome for name, outcome in found.items() if outcome.status is not HELD} == {}
    assert set(found) == set(ATTEMPTS)
    assert pushed <= pushes_to_expect(chosen(), wishes)


def restricted(gate: Gate, name: str, folder: Path) -> dict[str, Any]:
    """Return the key, or the certificate, that is restricted to a command and not to be talked out of it."""
    if name == "restricted-key":
        person = gate.user("alice", key_options='command="echo its own"')
    elif name == "restricted-certificate":
        person = gate.user("zoe")
        Path("/etc/ssh/authority.pub").write_bytes(certify(folder, person, "echo its own").read_bytes())
    else:
        return {}
    return {"restricted": (read_identity(str(person.client.key), no_passphrase),)}
