"""Logins that are tried: does the gate ask, does the way in for a bad day stand open? Nobody waits for the answer.

Before sshd reads the new configuration, an sshd for one connection runs under it, with a one-time key (trial_sshd.py).
After that, whoever has named a private key is logged in by it at the sshd that listens. Each login leaves at the first
sign of the gate, which withdraws its push.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import NamedTuple

from secsign_gate.activation.change import Server
from secsign_gate.activation.server import listeners_of
from secsign_gate.activation.trial import TrialError
from secsign_gate.activation.trial_sshd import host_key_lines, loopback_of, trial_sshd
from secsign_gate.activation.undo import sshd_of_server
from secsign_gate.core.policy import PolicySettings
from secsign_gate.probe.fault import LoginRefused, ProbeError
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.login import does_the_gate_ask
from secsign_gate.probe.one_time_key import one_time_key
from secsign_gate.probe.place import Place
from secsign_gate.probe.session import Heard, Seen
from secsign_gate.sshd.program import Sshd
from secsign_gate.sshd.running import listeners

_MOST_TRIALS = 3  # accounts that are tried until one says something
_REFUSED = 77
_NOT_SEEN = "whether the gate asks was not tried; the login that confirms will show it"
_ANYWAY = "--no-trial goes on without a trial"


class Logins(NamedTuple):
    """The trial of logins. `policy` says who needs no approval. `first` is the account to be tried first, if gated.

    `by_session`: the gate shows itself in a session, so who is gated can be tried. PAM asks before there is one, and a
    one-time key would make a real phone ring there.

    `identities` log in who is gated, `break_glass_identities` the way in for a bad day; none: only one-time keys do.
    """

    policy: PolicySettings
    by_session: bool = True
    first: str = ""
    identities: tuple[Identity, ...] = ()
    break_glass_identities: tuple[Identity, ...] = ()

    def before_reload(self, sshd: Sshd, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Log in under the new configuration by one-time keys; return what was found. Raises TrialError."""
        keys = host_key_lines(sshd.settings().values("hostkey"))

        def heard(account: str) -> Heard:
            key = one_time_key()
            try:
                with trial_sshd(sshd, key.line) as trial:
                    place = Place(account, "127.0.0.1", trial.port)
                    try:
                        return does_the_gate_ask(place, [key.identity], _known(place, keys))
                    except LoginRefused:
                        said = trial.said() or "it gave no reason"
                        raise LoginRefused(f"sshd lets nobody log in as {account} here ({said})") from None
            except OSError as error:
                raise TrialError(f"no sshd could be started for a trial ({error.strerror}); {_ANYWAY}") from None

        where = "in a trial before sshd was told"
        found = self._gated(self._in_order(gated), heard, where) if self.by_session else _NOT_SEEN
        return [found, *(_open(account, _tried(heard, account), where) for account in break_glass)]

    def after_reload(self, server: Server, gated: tuple[str, ...], break_glass: tuple[str, ...]) -> list[str]:
        """Log in at the sshd that listens, by the keys that were named; return what was found. Raises TrialError."""
        if not self.identities and not self.break_glass_identities:
            return []
        reached = _reached(server)
        if reached is None:
            return ["no sshd listens, so nobody was logged in there"]
        (host, port), keys = reached
        where = f"at {host} port {port}"

        def by(identities: tuple[Identity, ...]) -> Callable[[str], Heard]:
            def heard(account: str) -> Heard:
                place = Place(account, host, port)
                return does_the_gate_ask(place, list(identities), _known(place, keys))

            return heard

        found = []
        if self.identities and self.by_session:
            found.append(self._gated(self._in_order(gated)[:1], by(self.identities), where))
        if self.break_glass_identities:
            log_in = by(self.break_glass_identities)
            found += [_open(account, _tried(log_in, account), where) for account in break_glass]
        return found

    def _in_order(self, gated: tuple[str, ...]) -> tuple[str, ...]:
        """Return the accounts to try, the preferred one first, and those last whom the policy exempts."""
        return tuple(sorted(gated, key=lambda one: (self.policy.exempt_accounts.matches(one), one != self.first)))

    def _gated(self, accounts: Iterable[str], heard: Callable[[str], Heard], where: str) -> str:
        """Try accounts until one shows that the gate stands there; return what was found. Raises TrialError."""
        silent = "nobody was to be tried"
        for account in list(accounts)[:_MOST_TRIALS]:
            try:
                found = heard(account)
            except LoginRefused as error:
                silent = f"whether the gate asks could not be tried: {error}"
                continue
            except ProbeError as error:
                raise TrialError(f"{error}; {_ANYWAY}") from None
            match found.seen:
                case Seen.ASKED:
                    return f"the gate asks: {account} was asked {where}, and the request withdrawn"
                case Seen.REFUSED if found.status == _REFUSED:
                    said = found.words.partition(";")[0].partition(" (")[0]
                    return f"the gate stands there: it refused {account} {where} ({said})"
                case Seen.SILENT:
                    return f"the gate stands there: nothing ran for {account} {where}, and nothing was said"
                case Seen.RAN if self._is_exempt(account):
                    silent = f"{account} needs no approval by [policy], and was not asked {where}"
                case _:
                    raise TrialError(f"{account} was tried {where}, and {found.sentence}; {_ANYWAY}")
        return silent

    def _is_exempt(self, account: str) -> bool:
        """Tell whether the policy may let the account in from here without the phone."""
        here = (ip_address("127.0.0.1"), ip_address("::1"))
        networks = self.policy.exempt_networks
        by_network = any(one.version == network.version and one in network for network in networks for one in here)
        by_rule = bool(self.policy.exempt_groups.text or self.policy.exempt_commands)
        return by_network or by_rule or self.policy.exempt_accounts.matches(account)


def _tried(heard: Callable[[str], Heard], account: str) -> Heard:
    try:
        return heard(account)
    except ProbeError as error:
        raise TrialError(f"the way in for a bad day is closed: {error}; {_ANYWAY}") from None


def _open(account: str, heard: Heard, where: str) -> str:
    """Return that the account got in without the gate. Raises TrialError if it did not."""
    if heard.seen is not Seen.RAN:
        raise TrialError(f"the way in for a bad day is closed: {account} was tried {where}, and {heard.sentence}")
    return f"the way in for a bad day is open: {account} got in without the gate, {where}"


def _reached(server: Server) -> tuple[tuple[str, int], list[tuple[str, str]]] | None:
    """Return where the server listens, and its host keys; None if it does not listen."""
    pids = {listener.pid for listener in listeners_of(server.configuration)}
    place = next((loopback_of(one.listens_on) for one in listeners() if one.pid in pids), None)
    if place is None:
        return None
    return place, host_key_lines(sshd_of_server(server).settings().values("hostkey"))


def _known(place: Place, keys: list[tuple[str, str]]) -> HostKeys:
    return HostKeys(("".join(f"{place.known_as} {kind} {key}\n" for kind, key in keys),))
