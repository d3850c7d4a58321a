"""Law 6: what is exec'd cannot tell that the gate was there. Everything is compared with a login without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import session_facts
from session_facts import COMMAND, STATUS, differences, facts_in

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


@pytest.fixture
def looking(gate: Gate) -> Gate:
    """A gate that lets everybody in without a phone and without a word, for it is the hand-over that is looked at."""
    session_facts.install()
    gate.more_settings = f"Subsystem look {COMMAND}"
    gate.configure(
        messages={"before": False, "after": False},
        policy={"exempt_accounts": ",".join(account for account, _, _ in CASES)},
        sshd={"subsystems": [COMMAND]},
    )
    return gate


@pytest.mark.parametrize(("account", "use_pam", "kinds"), CASES, ids=[account for account, _, _ in CASES])
def test_the_kernel_tells_no_difference(
    looking: Gate, tmp_path: Path, account: str, use_pam: bool, kinds: Sequence[Kind]
) -> None:
    looking.use_pam = use_pam
    person = looking.user(account)
    person.write(".zshrc", "")  # without one zsh asks questions
    seen = {at: look_around(person, at, kinds, tmp_path) for at in SERVERS}
    for kind in kinds:
        facts = seen["ungated"][kind]
        assert len(facts["environment"]) > len(SENT)
        assert facts["parent"][0] == f"sshd: {account}@"
        assert (kind, differences(facts, seen["gated"][kind])) == (kind, [])


def look_around(person: Person, at: str, kinds: Sequence[Kind], folder: Path) -> dict[Kind, dict[str, Any]]:
    """Return what each kind of session sees of itself, all of them over one connection."""
    mux = ["-o", f"ControlPath={person.client.folder}/mux-{at}", *SENT]
    assert person.ssh("-MNf", at=at, options=mux).outcome().status == 0
    typed = folder / "typed"
    typed.write_text(COMMAND + "\n")
    running: dict[Kind, Any] = {}
    for kind in kinds:
        if kind.wants == "shell" and kind.terminal:
            running[kind] = person.terminal(at=at, options=mux, term="vt100")
            continue
        options = [*mux, "-tt" if kind.terminal else "-T", *(["-s"] if kind.wants == "subsystem" else [])]
        words = {"command": [COMMAND], "subsystem": ["look"], "shell": []}[kind.wants]
        with typed.open("rb") as keys:
            running[kind] = person.ssh(*words, at=at, options=options, stdin=keys)
    return {kind: outcome_facts(kind, one) for kind, one in running.items()}


def outcome_facts(kind: Kind, running: Any) -> dict[str, Any]:
    if kind.wants == "shell" and kind.terminal:
        running.expect(PROMPT)
        running.type(COMMAND + "\r")
        assert running.wait() == STATUS, running.output
        return facts_in(running.output)
    outcome = running.outcome()
    assert outcome.status == STATUS, outcome
    return facts_in(outcome.stdout) | {"stderr": outcome.stderr.decode("latin-1")}
