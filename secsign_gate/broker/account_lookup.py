"""Who has a uid: what the system's databases say, which may be on another host, and slow, or hang."""

import asyncio
import grp
import os
import pwd

from secsign_gate.broker.threads import ThreadsByAccount
from secsign_gate.core.login import Account
from secsign_gate.errors import GateError

LOOK_UP_SECONDS = 10.0


class UnknownAccountError(GateError):
    """No account has the uid."""


class SlowLookUpError(GateError):
    """The databases did not answer in time."""


class AccountLookUps:
    """Looks accounts up behind the backs of the others. All who wait for one uid wait for the same look-up."""

    def __init__(self, threads: ThreadsByAccount) -> None:
        self._threads = threads
        self._under_way: dict[int, asyncio.Task[Account]] = {}

    async def account(self, uid: int) -> Account:
        """Return the account with `uid`. Raises UnknownAccountError, and after LOOK_UP_SECONDS SlowLookUpError."""
        look_up = self._under_way.get(uid)
        if look_up is None:
            look_up = asyncio.create_task(self._threads.result_of(lambda: account_of(uid), uid))
            self._under_way[uid] = look_up
            look_up.add_done_callback(lambda done: self._forget(uid, done))
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await asyncio.shield(look_up)
        except TimeoutError:
            raise SlowLookUpError(
                f"the databases of accounts did not say within {LOOK_UP_SECONDS:.0f} s who has the uid {uid}"
            ) from None

    def _forget(self, uid: int, done: "asyncio.Task[Account]") -> None:
        del self._under_way[uid]
        if not done.cancelled():
            done.exception()  # all who waited may have left


def account_of(uid: int) -> Account:
    """Return what the system's databases know of `uid`; never what the environment says. Raises UnknownAccountError."""
    try:
        entry = pwd.getpwuid(uid)
        numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except KeyError:
        raise UnknownAccountError(f"no account has the uid {uid}") from None
    return Account(entry.pw_name, uid, entry.pw_dir, entry.pw_shell, group_names(numbers))


def group_names(numbers: list[int]) -> tuple[str, ...]:
    """Return the names of the groups; none at all if one of them has no name.

    Which pattern a nameless group would match cannot be told, and one that it escapes could be `!ops`.
    """
    try:
        return tuple(grp.getgrgid(number).gr_name for number in numbers)
    except KeyError:
        return ()
