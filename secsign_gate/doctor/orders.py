"""The files that the gate takes orders from: loaded as the gate loads them, with every mistake, or as values."""

import pwd
from typing import NamedTuple

from secsign_gate.config import Settings, load_settings
from secsign_gate.config.reader import users_file_named_in
from secsign_gate.directory.users_file import Users, load_users
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.errors import ConfigError, Problem

_WHY = "the gate obeys no orders that it cannot read or trust, and refuses everybody"


class Orders(NamedTuple):
    """What the files say: `settings` and `users` are None where a file is not usable; `problems` tell why."""

    problems: list[Problem]
    settings: Settings | None
    users: Users | None


def load_orders(path: str) -> Orders:
    """Load the configuration at `path` and the users file, the second although the first may be wrong."""
    problems: list[Problem] = []
    settings, users = None, None
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
    return Orders(problems, settings, users)


def mapped_accounts(users: Users) -> list[str]:
    """Return the accounts that the users file names, each once."""
    return sorted({account for account, _ in users.rules})


def strangers(users: Users) -> list[str]:
    """Return the accounts of the users file that this host does not know."""
    here = {entry.pw_name for entry in pwd.getpwall()}
    return [account for account in mapped_accounts(users) if account not in here and not _exists(account)]


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
    return (Finding(Status.CLOSED, "", "", f"{' and '.join(files)} are in order, and nobody else's"),)


def broken_by(problem: Problem, why: str = _WHY) -> Finding:
    """Return the finding for a problem with a file."""
    place = f"{problem.path} line {problem.line}" if problem.line else problem.path
    subject = f"{problem.key}: " if problem.key else ""
    is_command = problem.remedy.startswith(("chmod ", "chown "))
    mend, line = ("", problem.remedy) if is_command else (problem.remedy, "")
    return Finding(Status.BROKEN, "", "", f"{place}: {subject}{problem.what}", why, mend, line)
