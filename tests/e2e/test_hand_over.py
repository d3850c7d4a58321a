"""Law 6: what is exec'd cannot tell that the gate was there. Everything is compared with a login without it."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncssh
import paramiko  # type: ignore[import-untyped]  # it ships no types
import pytest
import session_facts
from session_facts import COMMAND, STATUS, differences, facts_in, let_everybody_in
from ssh_client import LONGEST_WAIT
from sshd import CONNECTIONS_PROGRAM

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gate import Gate, Person

SERVERS = ("ungated", "gated")
PROMPT = r"[$%>] "
# A value of each kind that AcceptEnv lets in: not UTF-8, empty, with what a shell would expand.
SENT = ["-o", "SetEnv=LC_X=caf\udce9\udcff LC_EMPTY= LC_Y='$(id) `id` \"; exit'"]


class Kind(NamedTuple):
    """What a client asks for."""

    wants: str
    terminal: bool


COMMANDS = (Kind("command", False), Kind("command", True), Kind("subsystem", False))
LOGIN_SHELLS = (Kind("shell", False), Kind("shell", True))
FEW = (Kind("command", False), Kind("shell", True))
# account, UsePAM, kinds of sessions. sam has no shell in passwd and backup-robot has /bin/sh, which is what dora has.
CASES = [
    *((account, True, COMMANDS + LOGIN_SHELLS) for account in ("alice", "zoe", "felix", "tina", "dora", "kim")),
    *(("sam", True, FEW), ("backup-robot", True, FEW), ("bob", False, COMMANDS + LOGIN_SHELLS)),
]


@pytest.mark.parametrize(("account", "use_pam", "kinds"), CASES, ids=[account for account, _, _ in CASES])
def test_the_kernel_tells_no_difference(
    gate: Gate, tmp_path: Path, account: str, use_pam: bool, kinds: Sequence[Kind]
) -> None:
    session_facts.install()
    let_everybody_in(gate)
    gate.use_pam = use_pam
    gate.more_settings = f"Subsystem look {COMMAND}"
    person = gate.user(account)
    person.write(".zshrc", "")  # without one zsh asks questions …
    # … and fish reads the manual in the background, and complains in the environment where several make one folder.
    person.write(".local/share/fish/generated_completions/all.fish", "")
    person.write(".config/fish/config.fish", "")
    seen = {at: look_around(person, at, kinds, tmp_path) for at in SERVERS}
    for kind in kinds:
        facts = seen["ungated"][kind]
        assert facts["parent"][0] == f"{CONNECTIONS_PROGRAM.rpartition('/')[2]}: {account}@"
        assert (kind, differences(facts, seen["gated"][kind])) == (kind, [])


def test_nor_does_it_after_waiting_for_the_phone(gate: Gate) -> None:
    session_facts.install()
    gate.configure(messages={"before": False, "after": False})
    alice, bob = gate.user("alice", secsign_id="alice"), gate.user("bob", secsign_id="bob")
    without = [alice.ssh(COMMAND, at="ungated", options=["-T"]), bob.terminal(COMMAND, at="ungated")]
    waiting = [alice.ssh(COMMAND, options=["-T"]), bob.terminal(COMMAND)]
    gate.phone("alice").accept()
    gate.phone("bob").accept()
    for kind, one, other in zip(FEW, without, waiting, strict=True):
        facts, seen = outcome_facts(kind, one), outcome_facts(kind, other)
        assert len(facts["environment"]) > 1
        assert (kind, differences(facts, seen)) == (kind, [])


WORDS = {
    "not UTF-8": "printf %s 'caf\udce9 \u00e9 \udcff\udcfe\udc80 \U0001f600' | od -An -tx1",
    "lines": "echo a\necho 'b\nc'\n\n",
    "quotes": """echo "a'b" 'c"d' \\" $'e\\tf' `echo g` "$(echo h)" '$i' \\\\ !! ~ *""",
    "status": "exit 77",
    "not found": "no-such-program",
    "killed": "kill -KILL $$",
    "broken pipe": 'yes | head -n1; echo "${PIPESTATUS[@]}"',
    "file too large": "ulimit -f 1; { head -c 4096 /dev/zero > .large; } 2>&-; echo $?",
    "no input": "cat; echo end",
    "both outputs": "echo out; echo err >&2",
}


def test_commands_say_and_end_as_without(gate: Gate) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice")
    outcomes = {}
    for at in SERVERS:
        mux = ["-o", f"ControlPath={alice.client.folder}/mux-{at}"]
        assert alice.ssh("-MNf", at=at, options=mux).outcome().status == 0
        logins = {name: alice.ssh(words, at=at, options=mux) for name, words in WORDS.items()}
        outcomes[at] = {name: login.outcome() for name, login in logins.items()}
    assert outcomes["gated"] == outcomes["ungated"]
    assert outcomes["gated"]["broken pipe"].stdout == b"y\n141 0\n"
    assert outcomes["gated"]["file too large"].stdout == b"153\n"


def test_the_longest_command_runs_and_a_longer_one_does_not(gate: Gate) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice")
    longest = 131_072 - len("SSH_ORIGINAL_COMMAND=") - 1  # one string of the environment (execve(2))
    words = ["touch proof; echo $((1+1)) #".ljust(65_000, "x"), "x" * (longest - 65_001)]
    assert alice.ssh(*words).outcome() == (0, b"2\n", b"")
    (alice.home / "proof").unlink()
    too_long = alice.ssh(*words[:-1], words[-1] + "x").outcome()
    assert (too_long.status, too_long.stdout) == (1, b"")
    assert not alice.has("proof")


ENDS = ("exit 0", "exit 255", "kill -TERM $$", "kill -SEGV $$", "kill -PIPE $$", "cat; echo after the end of input")


def test_deaths_and_half_closed_input_are_as_without(gate: Gate) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice")
    ends = {at: asyncio.run(ends_of(ENDS, alice, gate.server(at).port)) for at in SERVERS}
    assert ends["gated"] == ends["ungated"]
    assert ends["gated"][2] == (-1, ("TERM", False, "", ""), b"", b"")
    assert ends["gated"][-1] == (0, None, b"half-closed\nafter the end of input\n", b"")


async def ends_of(commands: Sequence[str], person: Person, port: int) -> list[tuple[Any, ...]]:
    """Return how each command ends; the last one gets a line of input, and then the end of it."""
    options = asyncssh.SSHClientConnectionOptions(
        username=person.account, client_keys=[str(person.client.key)], known_hosts=None, config=None
    )
    async with asyncio.timeout(LONGEST_WAIT), asyncssh.connect("127.0.0.1", port, options=options) as connection:
        processes = [await connection.create_process(command, encoding=None) for command in commands]
        processes[-1].stdin.write(b"half-closed\n")
        processes[-1].stdin.write_eof()
        done = [await process.wait() for process in processes]
    return [(one.exit_status, one.exit_signal, one.stdout, one.stderr) for one in done]


def test_an_empty_command_is_a_command(gate: Gate) -> None:
    """`ssh host ""` asks for a shell; other clients send the empty command, and its shell ends at once."""
    let_everybody_in(gate)
    alice = gate.user("alice")
    for at in SERVERS:
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.WarningPolicy)
            port = gate.server(at).port
            with warnings.catch_warnings(action="ignore"):  # about the host key, which is not what this is about
                client.connect("127.0.0.1", port, "alice", key_filename=str(alice.client.key), allow_agent=False)
            _, stdout, stderr = client.exec_command("", timeout=LONGEST_WAIT)
            assert (stdout.read(), stderr.read(), stdout.channel.recv_exit_status()) == (b"", b"", 0)


def test_a_restricted_key_gets_the_clients_wish_as_a_variable(gate: Gate) -> None:
    session_facts.install()
    let_everybody_in(gate)
    alice = gate.user("alice", key_options=f'command="{COMMAND}"')
    for words in (["caf\udce9 $HOME"], []):
        without, with_gate = (facts_in(alice.ssh(*words, at=at).outcome().stdout) for at in SERVERS)
        assert differences(without, with_gate) == []
        assert any(one.startswith("SSH_ORIGINAL_COMMAND=") for one in without["environment"]) is bool(words)


def test_shells_that_are_none_stay_closed(gate: Gate) -> None:
    gil, carol = gate.user("gil", secsign_id="gil"), gate.user("carol", secsign_id="carol")
    assert gil.ssh("git-receive-pack 'x.git'").outcome().status == 128
    assert carol.ssh("true").outcome().status == 1
    assert gate.phone("gil").auth_sessions() == gate.phone("carol").auth_sessions() == []


def test_an_sftp_server_that_is_missing_is_on_record(gate: Gate) -> None:
    """There is nobody to tell: sshd throws away what a subsystem writes to standard error."""
    let_everybody_in(gate)
    gate.configure(sshd={"sftp_server": "/no/such/sftp-server"})
    gate.more_settings = "Subsystem inner internal-sftp"
    outcome = gate.user("alice").ssh("inner", options=["-s"]).outcome()
    assert (outcome.status, outcome.stdout) == (127, b"")
    assert [record.get("reason") for record in gate.records] == [None, Reason.NO_SHELL]


def look_around(person: Person, at: str, kinds: Sequence[Kind], folder: Path) -> dict[Kind, dict[str, Any]]:
    """Return what each kind of session sees of itself, all of them over one connection."""
    mux = ["-o", f"ControlPath={person.client.folder}/mux-{at}", *SENT]
    assert person.ssh("-MNf", at=at, options=mux).outcome().status == 0
    typed = folder / "typed"
    typed.write_text(COMMAND + "\n")
    running: dict[Kind, Any] = {}
    for kind in kinds:
        if kind.wants == "shell" and kind.terminal:
            running[kind] = person.terminal(at=at, options=mux)
            continue
        options = [*mux, "-tt" if kind.terminal else "-T", *(["-s"] if kind.wants == "subsystem" else [])]
        words = {"command": [COMMAND], "subsystem": ["look"], "shell": []}[kind.wants]
        with typed.open("rb") as keys:
            running[kind] = person.ssh(*words, at=at, options=options, stdin=keys)
    for kind, one in running.items():
        if kind.wants == "shell" and kind.terminal:
            one.expect(PROMPT)
            one.type(COMMAND + "\r")
    return {kind: outcome_facts(kind, one) for kind, one in running.items()}


def outcome_facts(kind: Kind, running: Any) -> dict[str, Any]:
    if kind.wants == "shell" and kind.terminal:
        assert running.wait() == STATUS, running.output
        return facts_in(running.output)
    outcome = running.outcome()
    assert outcome.status == STATUS, outcome
    return facts_in(outcome.stdout) | {"stderr": outcome.stderr.decode("latin-1")}
