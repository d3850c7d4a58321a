"""The probe as tests use it: a person's key against one of a test's sshds, and holes to be found, proven and closed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drop_in
from ssh_client import make_key

from secsign_gate.probe.host_keys import read_host_keys
from secsign_gate.probe.identity import Identity, read_identity
from secsign_gate.probe.place import Place
from secsign_gate.probe.registry import ATTEMPTS
from secsign_gate.probe.run import chosen, run
from secsign_gate.probe.situation import Wishes

if TYPE_CHECKING:
    from gate import Person
    from sshd import Sshd

    from secsign_gate.probe.outcome import Outcome


def no_passphrase(prompt: str) -> str:
    raise AssertionError(prompt)


def identity_of(person: Person) -> Identity:
    return read_identity(str(person.client.key), no_passphrase)


def known_to(person: Person, server: Sshd) -> str:
    """Make the person know `server`, and return the known_hosts file that says so."""
    person.client.knows("probed", server.address, server.port)
    return str(person.client.folder / "known_hosts")


def wishes_of(person: Person, server: Sshd, **wishes: Any) -> Wishes:
    """Return what probes `server` as `person`, who knows it."""
    return Wishes(
        Place(wishes.pop("account", person.account), server.address, server.port),
        wishes.pop("identities", None) or [identity_of(person)],
        read_host_keys([known_to(person, server)], []),
        session_seconds=wishes.pop("session_seconds", 20.0),
        **wishes,
    )


def outcomes(wishes: Wishes, *names: str) -> dict[str, Outcome]:
    """Run these attempts, or all, and return what came of each."""
    return {
        result.attempt.bypass.name: result.outcome for result in run(wishes, chosen(names), lambda _situation: None)
    }


def line_of(directive: str) -> str:
    """Return the line of the drop-in for everybody that begins so; a commented one comes into force."""
    if directive == "Match all":
        return directive
    lines = [line.strip() for line in drop_in.FOR_ALL.read_text().splitlines()]
    found = [line for line in lines if line.startswith(directive)]
    return found[0].removeprefix("#")


def closing(name: str, more: str = "") -> str:
    """Return what a bypass is closed by as a drop-in, with `more` lines below Match."""
    lines = [line_of(directive) for directive in ATTEMPTS[name].bypass.closed_by]
    everywhere = [line for line in lines if line.startswith("PermitUserEnvironment")]
    matched = [line for line in lines if line not in everywhere and line != "Match all"]
    text = "\n".join([*everywhere, "Match all", *matched, more])
    return text.replace("UnusedConnectionTimeout 10m", "UnusedConnectionTimeout 2")  # nobody waits for ten minutes


def certify(folder: Path, person: Person, command: str) -> Path:
    """Certify the person's key for alice and one command, by a new authority; return the authority's public key."""
    authority = folder / "authority"
    make_key(authority)
    public = person.client.key.with_suffix(".pub")
    options = ["-I", "probe", "-n", "alice", "-O", f"force-command={command}"]
    subprocess.run(["ssh-keygen", "-q", "-s", authority, *options, public], check=True)
    return authority.with_suffix(".pub")
