"""The keys to log in with: from files, and from the agent."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import paramiko  # type: ignore[import-untyped]  # it ships no types
from cryptography.exceptions import UnsupportedAlgorithm

from secsign_gate.probe.fault import ProbeError

DEFAULT_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


# What paramiko and cryptography raise for a file that is none, a key that they cannot use, or a wrong passphrase.
_NO_KEY = (paramiko.SSHException, paramiko.pkey.UnknownKeyType, UnsupportedAlgorithm, ValueError, IndexError)


class Identity(NamedTuple):
    """A private key, or the agent's hand on one. `name` says to people which; `key` is a paramiko.PKey."""

    name: str
    key: Any

    @property
    def has_certificate(self) -> bool:
        """Whether the key comes with an OpenSSH certificate."""
        return self.key.public_blob is not None


def read_identity(name: str, ask: Callable[[str], str], certificate: str | None = None) -> Identity:
    """Read a private key from the file `name`, and its certificate from `certificate` or from `name`-cert.pub.

    `ask` is called with a prompt if the key has a passphrase, and returns it. Raises ProbeError.
    """
    path = Path(name).expanduser()
    try:
        key = _read(path, None) or _read(path, ask(f"Passphrase of {name}: ").encode())
        if key is None:
            raise ProbeError(f"{name} has a passphrase, and none was given")
        if certificate is not None:
            key.load_certificate(str(Path(certificate).expanduser()))
    except OSError as error:
        raise ProbeError(f"{error.filename or name} cannot be read: {error.strerror}; name a private key") from error
    except _NO_KEY as error:
        raise ProbeError(
            f"{name} is no private key that can be used here, or the passphrase is wrong; try "
            f"`ssh-keygen -y -f {name}`, or put it into the agent"
        ) from error
    return Identity(name, key)


def _read(path: Path, passphrase: bytes | None) -> Any:
    """Return the key in the file, None if it has a passphrase and none is given."""
    try:
        return paramiko.PKey.from_path(path, passphrase)
    except TypeError:  # cryptography's way to say so
        return None


def agent_identities() -> list[Identity]:
    """Return the keys of the agent that SSH_AUTH_SOCK names (ssh-agent(1)); none if it names none."""
    agent = paramiko.Agent().get_keys() if os.environ.get("SSH_AUTH_SOCK") else ()
    return [Identity(f"{key.get_name()} of the agent", key) for key in agent]


def usual_identities(ask: Callable[[str], str], files: Sequence[str] = DEFAULT_FILES) -> list[Identity]:
    """Return the agent's keys, then those in ssh's usual files that have a key; may be empty. Raises ProbeError."""
    return agent_identities() or [read_identity(name, ask) for name in files if Path(name).expanduser().exists()]
