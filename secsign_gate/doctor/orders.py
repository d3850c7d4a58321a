"""The files that the gate takes orders from: loaded as the gate loads them, with every mistake, or as values."""

import pwd
from collections.abc import Iterable
from typing import NamedTuple

from secsign_gate.config import Settings, load_settings
from secsign_gate.config.reader import users_file_named_in
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.directory.registry import Registry, check_registry
from secsign_gate.directory.users_file import Users, load_users
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.errors import ConfigError, Problem

_WHY = "the gate obeys no orders that it cannot read or trust, and refuses everybody"


class Orders(NamedTuple):
    """What the files say: `settings` and `users` are None where a file is not usable; `problems` tell why.

    `registry` is None as well if there is to be none.
    """

    problems: list[Problem]
    settings: Settings | None
    users: Users | None
    registry: Registry | None = None

    def holders(self, account: str, fingerprints: tuple[str, ...]) -> frozenset[SecSignId]:
        """Return whose these keys of `account` are by the registry."""
        return frozenset() if self.registry is None else self.registry.holders(account, fingerprints)

    def secsign_ids(self, account: str) -> frozenset[SecSignId]:
        """Return every SecSign ID that may be asked for `account`, by the users file or by the registry."""
        found = frozenset() if self.users is None else frozenset(self.users.secsign_ids(account))
        return found if self.registry is None else found | self.registry.secsign_ids(account)

    def depends_on_key(self, account: str) -> bool:
        """Tell whether several people may share `account`, so that the key must be known (broker/world.py)."""
        registered = self.registry is not None and account in self.registry.accounts
        return registered or (self.users is not None and self.users.depends_on_key(account))


def load_orders(path: str) -> Orders:
    """Load the configuration at `path`, the users file, although the former may be wrong, and the registry."""
    problems: list[Problem] = []
    settings, users, registry = None, None, None
    try:
        settings = load_settings(path)
        users_file: str | None = settings.users_file
    except ConfigError as error:
        problems += error.problems
        users_file = users_file_named_in(path)
    if users_file is not None:
        try:
            users = load_users(users_file)
        except ConfigError as error:
            problems += error.problems
    if settings is not None and settings.registry_file is not None:
        try:
            registry = check_registry(settings.registry_file)
        except ConfigError as error:
            problems += error.problems
    return Orders(problems, settings, users, registry)


def mapped_accounts(users: Users) -> list[str]:
    """Return the accounts that the users file names, each once."""
    return sorted({account for account, _ in users.rules})


def strangers(accounts: Iterable[str]) -> list[str]:
    """Return those of `accounts` that this host does not know, in their order."""
    here = {entry.pw_name for entry in pwd.getpwall()}
    return [account for account in accounts if account not in here and not _exists(account)]


def _exists(account: str) -> bool:
    """Ask for one account: a directory service need not list them all."""
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def examine_orders(orders: Orders) -> tuple[Finding, ...]:
    """Say of each mistake what it is, or that the files are in order."""
    if orders.problems:
        return tuple(broken_by(problem) for problem in orders.problems)
    files = [orders.settings.path, orders.settings.users_file] if orders.settings is not None else []
    if orders.settings is not None and orders.settings.registry_file is not None:
        files.append(orders.settings.registry_file)
    return (Finding(Status.CLOSED, "", "", f"{' and '.join(files)} are in order, and nobody else's"),)


def broken_by(problem: Problem, why: str = _WHY) -> Finding:
    """Return the finding for a problem with a file."""
    place = f"{problem.path} line {problem.line}" if problem.line else problem.path
    subject = f"{problem.key}: " if problem.key else ""
    is_command = problem.remedy.startswith(("chmod ", "chown "))
    mend, line = ("", problem.remedy) if is_command else (problem.remedy, "")
    return Finding(Status.BROKEN, "", "", f"{place}: {subject}{problem.what}", why, mend, line)
