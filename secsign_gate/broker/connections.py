"""SSH connections that doors have proven to be of, each until its sshd ends.

Whose a connection is and what its keys allow is found out once for each, as sshd itself finds it out once, when the key
logs in: a line that is edited later, or a group that is left, changes the next connection and not this one.
"""

from collections.abc import Callable
from hashlib import sha256

from secsign_gate.broker.account_lookup import AccountLookUps
from secsign_gate.broker.audit_record import Certificate
from secsign_gate.broker.threads import ThreadsByAccount
from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.key_restriction import KeyOrders
from secsign_gate.core.login import Account

Watch = Callable[[SshdProcess, Callable[[], None]], Callable[[], None]]


class Connection:
    """What is known of one SSH connection and uid: the account, once somebody has looked it up, what its keys allow.

    `refused` is the reference of the login by which PAM was refused the connection, empty if it was not.
    """

    __slots__ = ("_auth_info", "account", "key_orders", "refused")

    def __init__(self) -> None:
        self.account: Account | None = None
        self.refused = ""
        self.key_orders: tuple[KeyOrders, Certificate | None] | None = None
        self._auth_info = b""

    def logged_in_by(self, auth_info: bytes) -> bool:
        """Tell whether `auth_info` is what the first door of the connection was given of sshd's (ExposeAuthInfo).

        sshd writes it once, before the first session, into a file that belongs to the user: whatever it says later is
        not sshd's.
        """
        digest = sha256(auth_info).digest()  # what a door says may be long, and this is kept as long as the connection
        self._auth_info = self._auth_info or digest
        return self._auth_info == digest


class Connections:
    """The SSH connections that are known. `watch` calls back when a process has ended; `ended` is told of each end.

    `accounts` finds out whose they are, `threads` are for what else it takes long to find out.
    """

    def __init__(self, watch: Watch, ended: Callable[[SshdProcess], None]) -> None:
        self._watch = watch
        self._ended = ended
        self.threads = ThreadsByAccount()
        self.accounts = AccountLookUps(self.threads)
        self._known: dict[SshdProcess, dict[int, Connection]] = {}
        self._stop_watching: dict[SshdProcess, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, sshd: SshdProcess, uid: int) -> Connection:
        """Return what is known of `uid` on the connection that `sshd` holds; from now on its end is watched for."""
        known = self._known.get(sshd)
        if known is not None:
            return known.setdefault(uid, Connection())
        made = Connection()
        self._known[sshd] = {uid: made}
        stop = self._watch(sshd, lambda: self._forget(sshd))
        if sshd in self._known:
            self._stop_watching[sshd] = stop
        else:
            stop()  # it had ended already
        return made

    def close(self) -> None:
        """Watch nothing any more."""
        for stop in self._stop_watching.values():
            stop()
        self._stop_watching.clear()
        self._known.clear()

    def _forget(self, sshd: SshdProcess) -> None:
        self._known.pop(sshd, None)
        self._stop_watching.pop(sshd, None)
        self._ended(sshd)
