"""A key for one trial login: made in memory, kept nowhere, and gone with the process."""

from typing import NamedTuple

import paramiko  # type: ignore[import-untyped]  # it ships no types

from secsign_gate.probe.identity import Identity


class OneTimeKey(NamedTuple):
    """A private key that nobody has seen, and its line for an authorized_keys file, without an end."""

    identity: Identity
    line: str


def one_time_key() -> OneTimeKey:
    """Make a key of a kind that every sshd takes (ECDSA on P-256)."""
    key = paramiko.ECDSAKey.generate()
    return OneTimeKey(Identity("a one-time key", key), f"{key.get_name()} {key.get_base64()}")
