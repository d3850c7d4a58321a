"""The keys to log in with: from files, and from the agent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import paramiko  # type: ignore[import-untyped]  # it ships no types

from secsign_gate.probe.fault import ProbeError

DEFAULT_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


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
        try:
            key = paramiko.PKey.from_path(path)
        except paramiko.PasswordRequiredException:
            key = paramiko.PKey.from_path(path, ask(f"Passphrase of {name}: ").encode())
        if certificate is not None:
            key.load_certificate(str(Path(certificate).expanduser()))
    except OSError as error:
        raise ProbeError(f"{error.filename or name} cannot be read: {error.strerror}; name a private key") from error
    except (paramiko.SSHException, ValueError, TypeError, UnicodeError, IndexError) as error:
        # what paramiko and cryptography raise for a file that is none, or a passphrase that is wrong
        raise ProbeError(
            f"{name} is no private key that can be used, or the passphrase is wrong; try `ssh-keygen -y -f {name}`"
        ) from error
    return Identity(name, key)


def usual_identities(ask: Callable[[str], str], files: Sequence[str] = DEFAULT_FILES) -> list[Identity]:
    """Return the agent's keys, then those in ssh's usual files that have a key; may be empty. Raises ProbeError."""
    found = [Identity(f"{key.get_name()} of the agent", key) for key in paramiko.Agent().get_keys()]
    return found or [read_identity(name, ask) for name in files if Path(name).expanduser().exists()]
