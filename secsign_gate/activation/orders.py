"""Whether the gate could let anybody in: its files, who is mapped, the broker, the ID server."""

import asyncio
import grp
import os
import pwd
from pathlib import Path
from typing import NamedTuple

from secsign_gate.activation.plan import Gated
from secsign_gate.activation.server import PreconditionError
from secsign_gate.broker.account_lookup import group_names
from secsign_gate.config import Settings
from secsign_gate.doctor.daemon_found import daemon_found
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.id_server import examine_id_servers
from secsign_gate.doctor.orders import Orders, load_orders
from secsign_gate.doctor.sshd.session import NO_SHELLS
from secsign_gate.errors import ConfigError, GateError

_SHELLS = Path("/etc/shells")


class UnavailableError(GateError):
    """Somebody who is asked at each login does not answer. `str()` is one sentence; nothing was changed."""


class Reach(NamedTuple):
    """Whom the gate would stand in front of: it can let in who is `served`; who is `locked_out` is not mapped."""

    served: tuple[str, ...]
    locked_out: tuple[str, ...]


class Usable(NamedTuple):
    """Orders in which there is no mistake."""

    settings: Settings
    orders: Orders


def usable_orders(path: str) -> Usable:
    """Return the configuration at `path` and the files that it names. Raises ConfigError with all problems."""
    orders = load_orders(path)
    if orders.problems or orders.settings is None:
        raise ConfigError(orders.problems)
    return Usable(orders.settings, orders)


def reach(gated: Gated, break_glass: tuple[str, ...], usable: Usable, doors: frozenset[str]) -> Reach:
    """Return who would be gated, of those who can log in. Raises PreconditionError if it could let nobody in.

    With keys from the registry, who has none there cannot log in at all. The PAM door is not told the key, so it can
    serve only those whom the users file maps whatever their key.
    """
    for name in break_glass:
        require_account(name)
    names = [name for name in _gated_accounts(gated) if name not in break_glass]
    served = tuple(name for name in names if _is_served(name, usable, doors))
    locked_out = tuple(name for name in names if name not in served)
    if not served:
        raise PreconditionError(_nobody(gated, usable, doors))
    return Reach(served, locked_out)


def _nobody(gated: Gated, usable: Usable, doors: frozenset[str]) -> str:
    """Say why nobody could be let in, and what to do."""
    settings, registry = usable.settings, usable.orders.registry
    whom = f"of whom the gate would stand in front of ({gated}), so all of them would be locked out"
    if "authorized-keys" not in doors:
        return f"{settings.users_file} maps nobody {whom}; add a line for at least one"
    if registry is None:
        return f"{settings.path} names no registry, and the door for keys knows no others; set registry_file"
    return f"{settings.registry_file} has a key with a SecSign ID of nobody {whom}; add a line for at least one"


def _is_served(name: str, usable: Usable, doors: frozenset[str]) -> bool:
    settings, orders = usable
    if "authorized-keys" in doors and (orders.registry is None or name not in orders.registry.accounts):
        return False
    if _is_exempt(name, settings):
        return True
    if "pam" in doors:
        return orders.users is not None and (name, None) in orders.users.rules
    return bool(orders.secsign_ids(name))


def require_answers(usable: Usable, served: tuple[str, ...], *, broker: bool) -> None:
    """Return if the broker, where doors are to ask one, and an ID server answer.

    Any SecSign ID of those who are `served` will do for the question; if nobody has one, no ID server is asked. Raises
    UnavailableError, and PreconditionError for a daemon that goes by other orders than these.
    """
    settings = usable.settings
    if broker:
        daemon = daemon_found(settings)
        if daemon.problems:
            raise ConfigError(daemon.problems)
        if daemon.state != "serving":
            raise UnavailableError(f"the daemon {daemon.sentence}, so doors would let nobody in; start it first")
        if daemon.notes:  # then what was looked at here is not what it goes by
            raise PreconditionError(daemon.notes[0])
    anybody = next((one for name in served for one in sorted(usable.orders.secsign_ids(name))), None)
    if anybody is None:
        return
    seen = asyncio.run(examine_id_servers(settings.id_server, anybody))
    if not any(one.answers for one in seen):
        worst = next(finding.what for one in seen for finding in one.findings if finding.status is not Status.CLOSED)
        raise UnavailableError(f"no ID server could be asked: {worst}; nothing was changed")


def asks_daemon(settings: Settings) -> bool:
    """Tell whether a daemon is set up on this host, so that doors should ask it."""
    return daemon_found(settings).state != "none"


def _gated_accounts(gated: Gated) -> list[str]:
    """Return the accounts that log in and would be gated. Raises PreconditionError for a name that nobody has."""
    if gated.kind == "user":
        for name in gated.names:
            require_account(name)
        return list(gated.names)
    shells = _shells()
    people = [entry for entry in pwd.getpwall() if _is_shell(entry.pw_shell or "/bin/sh", shells)]
    if gated.kind == "all":
        return sorted({entry.pw_name for entry in people})
    found = set()
    for name in gated.names:
        try:
            group = grp.getgrnam(name)
        except KeyError:
            raise PreconditionError(f"there is no group {name!a} on this host; see `getent group`") from None
        found |= {member for member in group.gr_mem if _exists(member)}
        found |= {entry.pw_name for entry in people if entry.pw_gid == group.gr_gid}
    return sorted(found)


def _shells() -> list[str] | None:
    """Return the lines of the file that lists shells, None if there is none."""
    try:
        return _SHELLS.read_text("utf-8", "replace").split("\n")
    except OSError:
        return None


def _is_shell(shell: str, shells: list[str] | None) -> bool:
    return shell.rpartition("/")[2] not in NO_SHELLS and (shells is None or shell in shells)


def _is_exempt(name: str, settings: Settings) -> bool:
    if settings.policy.exempt_accounts.matches(name):
        return True
    entry = pwd.getpwnam(name)
    return settings.policy.exempt_groups.matches_any(group_names(os.getgrouplist(name, entry.pw_gid)))


def require_account(name: str) -> None:
    """Raise PreconditionError unless this host has an account of this name."""
    if not _exists(name):
        raise PreconditionError(f"there is no account {name!a} on this host; see `getent passwd`")


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        return False
    return True
