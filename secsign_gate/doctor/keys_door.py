"""The AuthorizedKeysCommand door: whether sshd's line starts it as it must be, and the broker knows the same keys."""

import os
import pwd
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from secsign_gate.authorized_keys import CommandLine
from secsign_gate.config import Settings
from secsign_gate.directory.registry_file import read_registry
from secsign_gate.doctor.as_account import acting_as
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status, what_and_mend
from secsign_gate.doctor.force_command import KEYS_DOOR
from secsign_gate.doctor.orders import Orders
from secsign_gate.doctor.sshd.session import NO_PROGRAM
from secsign_gate.errors import GateError
from secsign_gate.sshd.config_lines import split_arguments

_EXAMPLE = ["ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIIb/LEW7gT4lzWPqNYzOOD6l47CL/p0117jizW9zF6vW"]
_LOOKED_UP = "the gate looks each key up there, to know whose phone to ask and what the key may do"
_NO_KEYS = "sshd takes no key from it, and whoever has no other is locked out"
_LINE = (
    "AuthorizedKeysCommand /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-authorized-keys"
    " --broker /run/secsign-gate/broker.sock %u %t %k %f"
)
_OTHER_KEYS = ("authorizedkeysfile", "trustedusercakeys")
_ROOT = 0


class _Door(NamedTuple):
    """What sshd is told about the door."""

    command: str
    run_as: str


def examine_keys_doors(orders: Orders, accounts: Iterable[AtSshd]) -> tuple[Finding, ...]:
    """Judge each line by which sshd asks the door for the keys of `accounts`, against our own orders."""
    asked = [one for one in accounts if one.session.takes_keys_from_gate]
    asked.sort(key=_door)
    found: list[Finding] = []
    for door, alike in groupby(asked, _door):
        found += _of_door(door, list(alike), orders)
    return tuple(found)


def _door(one: AtSshd) -> _Door:
    return _Door(one.effective.value("authorizedkeyscommand"), one.effective.value("authorizedkeyscommanduser"))


def _of_door(door: _Door, accounts: list[AtSshd], orders: Orders) -> Iterator[Finding]:
    try:
        line = _as_started(door.command, accounts[0])
    except (GateError, ValueError) as error:
        what = f"AuthorizedKeysCommand {door.command} cannot answer: {error}"
        yield Finding(Status.BROKEN, "", _names(accounts), what, _NO_KEYS, "correct the line", _LINE)
        return
    if orders.settings is not None:
        yield from _registry(line.registry, accounts, orders.settings)
    if line.registry != "none":
        yield from _readable(line.registry, door.run_as, accounts)
        yield from _without_keys(line, accounts, orders)


def _as_started(command: str, one: AtSshd) -> CommandLine:
    """Return what the door would be told of a key. Raises ConfigError as it does, ValueError for another token."""
    account = one.account
    tokens = {"%": "%", "u": account.name, "U": str(account.uid), "h": account.home, "f": "SHA256:none"}
    tokens |= {"t": _EXAMPLE[0], "k": _EXAMPLE[1]}
    words = split_arguments(command)
    script = next(at for at, word in enumerate(words) if word.endswith(f"/{KEYS_DOOR}"))
    return CommandLine([_expanded(word, tokens) for word in words[script + 1 :]])


def _expanded(word: str, tokens: dict[str, str]) -> str:
    text = ""
    rest = iter(word)
    for char in rest:
        token = next(rest, "") if char == "%" else ""
        if char == "%" and token not in tokens:
            raise ValueError(f"%{token} is for other sshds, or none; leave it out")
        text += tokens[token] if char == "%" else char
    return text


def _registry(registry: str, accounts: list[AtSshd], settings: Settings) -> Iterator[Finding]:
    """Judge whether the broker looks where the door does."""
    ours = settings.registry_file
    line = f'registry_file = "{registry}"'
    if registry == "none":
        if ours is not None:
            what = f"registry_file is {ours}, and AuthorizedKeysCommand has --registry none"
            yield Finding(Status.NOTE, "", _names(accounts), what, "", "take the option out if that is not meant")
    elif ours is None:
        is_open = settings.sshd.authorized_keys_elsewhere == "unrestricted" and any(one.program for one in accounts)
        status = Status.OPEN if is_open else Status.BROKEN
        what = f"sshd takes keys from the registry {registry}, and {settings.path} names none"
        why = f"{_LOOKED_UP}; as it is, " + ("a restricted one runs anything" if is_open else "they are refused")
        mend = f"write it above all sections of {settings.path}"
        yield Finding(status, "restricted-key", _names(accounts), what, why, mend, line)
    elif os.path.realpath(registry) != os.path.realpath(ours):
        what = f"sshd takes keys from the registry {registry}, and {settings.path} names {ours}"
        mend = "name one and the same, here or behind --registry"
        yield Finding(Status.OPEN, "restricted-key", _names(accounts), what, _LOOKED_UP, mend, line)


def _readable(registry: str, run_as: str, accounts: list[AtSshd]) -> Iterator[Finding]:
    """Try whether the account as which sshd starts the door may read the registry."""
    if "%" in run_as:
        return
    try:
        entry = pwd.getpwnam(run_as)
    except KeyError:
        what = f"this host knows no account {run_as}, which AuthorizedKeysCommandUser names"
        mend = "make it, see docs/authorized-keys.md"
        yield Finding(Status.BROKEN, "", _names(accounts), what, _NO_KEYS, mend, "systemd-sysusers")
        return
    if entry.pw_uid == _ROOT:
        what = "AuthorizedKeysCommandUser is root, and whoever knows a public key can have the door run"
        mend = "let an account of its own run it, which can read the registry and nothing else"
        yield Finding(Status.WEAK, "", "", what, "", mend, "AuthorizedKeysCommandUser secsign-gate-keys")
    if os.geteuid() != _ROOT:
        return
    try:
        with acting_as(run_as, entry.pw_uid, entry.pw_gid):
            read_registry(registry)
    except (GateError, OSError) as error:
        what, mend = what_and_mend(str(error))
        yield Finding(Status.BROKEN, "", _names(accounts), what, _NO_KEYS, mend)
    else:
        yield Finding(Status.CLOSED, "", "", f"{run_as} may read {registry}, and only root may change it")


def _without_keys(line: CommandLine, accounts: list[AtSshd], orders: Orders) -> Iterator[Finding]:
    """Find accounts that sshd takes keys for from the registry only, and that no line of it names."""
    if orders.registry is None or line.key_files:
        return
    none = [
        one
        for one in accounts
        if one.account.name not in orders.registry.accounts
        and {one.effective.value(name) for name in _OTHER_KEYS} <= {"", NO_PROGRAM}
    ]
    if none:
        what = f"sshd takes keys from {line.registry} only, and no line of it is about such an account"
        mend = "add lines there, or let Match leave the account out"
        yield Finding(Status.BROKEN, "", _names(none), what, "nobody can log in by a key", mend)


def _names(accounts: list[AtSshd]) -> str:
    return ", ".join(dict.fromkeys(one.account.name for one in accounts))
