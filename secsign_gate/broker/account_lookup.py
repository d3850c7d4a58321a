"""Who has a uid: what the system's databases say, which may be on another host, and slow, or hang."""

import asyncio
import grp
import os
import pwd
from collections.abc import Callable

from secsign_gate.broker.threads import ThreadsByAccount
from secsign_gate.core.login import Account
from secsign_gate.errors import GateError

LOOK_UP_SECONDS = 10.0
_LONGEST_SHOWN = 64


class UnknownAccountError(GateError):
    """No account has the uid, or the name."""


class SlowLookUpError(GateError):
    """The databases did not answer in time."""


class AccountLookUps:
    """Looks accounts up behind the backs of the others. All who wait for one account wait for the same look-up."""

    def __init__(self, threads: ThreadsByAccount) -> None:
        self._threads = threads
        self._under_way: dict[int | str, asyncio.Task[Account]] = {}

    async def account(self, uid: int) -> Account:
        """Return the account with `uid`. Raises UnknownAccountError, and after LOOK_UP_SECONDS SlowLookUpError."""
        return await self._found(uid, lambda: account_of(uid), f"the uid {uid}")

    async def account_called(self, name: str) -> Account:
        """Return the account with this name, or with what the databases take for it. Raises the same."""
        return await self._found(name, lambda: account_called(name), f"the name {name!a}")

    async def _found(self, whose: int | str, find: Callable[[], Account], named: str) -> Account:
        look_up = self._under_way.get(whose)
        if look_up is None:
            look_up = asyncio.create_task(self._threads.result_of(find, whose))
            self._under_way[whose] = look_up
            look_up.add_done_callback(lambda done: self._forget(whose, done))
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await asyncio.shield(look_up)
        except TimeoutError:
            raise SlowLookUpError(
                f"the databases of accounts did not say within {LOOK_UP_SECONDS:.0f} s who has {named}"
            ) from None

    def _forget(self, whose: int | str, done: "asyncio.Task[Account]") -> None:
        del self._under_way[whose]
        if not done.cancelled():
            done.exception()  # all who waited may have left


def account_of(uid: int) -> Account:
    """Return what the system's databases know of `uid`; never what the environment says. Raises UnknownAccountError."""
    try:
        return _account_in(pwd.getpwuid(uid))
    except KeyError:
        raise UnknownAccountError(f"no account has the uid {uid}") from None


def account_called(name: str) -> Account:
    """Return what the system's databases know of `name`. Raises UnknownAccountError."""
    try:
        return _account_in(pwd.getpwnam(name))
    except (KeyError, ValueError):  # a name that cannot be one
        raise UnknownAccountError(f"no account has the name {name[:_LONGEST_SHOWN]!a}") from None


def _account_in(entry: pwd.struct_passwd) -> Account:
    numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_shell, group_names(numbers))


def group_names(numbers: list[int]) -> tuple[str, ...]:
    """Return the names of the groups; none at all if one of them has no name.

    Which pattern a nameless group would match cannot be told, and one that it escapes could be `!ops`.
    """
    try:
        return tuple(grp.getgrgid(number).gr_name for number in numbers)
    except KeyError:
        return ()
