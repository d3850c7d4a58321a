"""The same host by another account, address, method or key: exceptions that somebody made, or forgot."""

import socket
from contextlib import suppress
from functools import partial

from secsign_gate.probe.attempts.forwarding import forwards, is_refused
from secsign_gate.probe.attempts.sessions import outcome_of
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.fault import LoginRefused, ProbeError
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.outcome import Outcome, agreed, held, through, unknown, worst_of
from secsign_gate.probe.session import Seen
from secsign_gate.probe.situation import Situation, run_command

_KEY = "publickey"
_BY_PASSWORD = ("password", "keyboard-interactive")


def root(situation: Situation) -> Outcome:
    """Log in as root by the same key."""
    if situation.wishes.place.account == "root":
        return outcome_of(situation.ask_for(run_command))
    return _as(situation, "root")


def other_accounts(situation: Situation) -> Outcome:
    """Log in as each account that was named."""

    def try_account(account: str) -> Outcome:
        outcome = _as(situation, account)
        return outcome._replace(what=f"{account}: {outcome.what}")

    return worst_of(
        [partial(try_account, account) for account in situation.wishes.also_users],
        unknown("name accounts that should be gated too by --also-user"),
    )


def _as(situation: Situation, account: str) -> Outcome:
    try:
        connection = situation.connect(account=account)
    except LoginRefused:
        return unknown(f"sshd does not take the key for {account}, so it does not show whether that account is gated")
    return _elsewhere(situation, connection)


def _elsewhere(situation: Situation, connection: Connection) -> Outcome:
    """Ask for a command in another connection; where none runs, for want of a shell, forwarding may be open there.

    If it is open here too, it is no exception, and other attempts say so.
    """
    with connection:
        command = outcome_of(situation.ask_for(run_command, connection=connection))
        if command.is_open or not connection.is_alive() or not is_refused(situation):
            return command
        reached = forwards(situation, connection)
        return reached if reached.is_open else command


def other_addresses(situation: Situation) -> Outcome:
    """Reach the host by each of its addresses, and from each that was named."""
    place = situation.wishes.place
    here = situation.connection.peer
    found = dict.fromkeys(situation.wishes.also_addresses)
    with suppress(OSError, UnicodeError):
        for _, _, _, _, name in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM):
            if name[0] != here[0]:
                found[str(name[0])] = None
    ways = [*((address, "") for address in found), *((here[0], source) for source in situation.wishes.sources)]
    return worst_of(
        [partial(_by, situation, address, source) for address, source in ways],
        unknown("the host has one address, as far as is known here; name others by --also-address and --from"),
    )


def _by(situation: Situation, address: str, source: str) -> Outcome:
    how = f"from {source}" if source else f"at {address}"
    try:
        connection = situation.connect(situation.wishes.place._replace(host=address), source=source)
    except LoginRefused:
        return held(f"{how}: sshd does not take the key")
    except ProbeError as error:
        return unknown(f"{how}: {error}")
    outcome = _elsewhere(situation, connection)
    return outcome._replace(what=f"{how}: {outcome.what}")


def other_methods(situation: Situation) -> Outcome:
    """Ask sshd what it takes in place of the key, and try the password if there is one."""
    account = situation.wishes.place.account
    with situation.connect(log_in=False) as connection:
        methods = connection.methods(account)
    if not methods:
        return through("sshd let us in without any authentication")
    others = [printable(method, 40) for method in methods if method != _KEY]
    if not others:
        return held("sshd takes nothing but a key")
    what = f"sshd offers {', '.join(others)} in place of the key"
    if not situation.wishes.password:
        return agreed(f"{what}; whether one is enough alone is seen with --ask-password")
    for method in others:
        if method in _BY_PASSWORD:
            with situation.connect(log_in=False) as connection:
                if connection.has_password(account, situation.wishes.password, method):
                    return through(f"{method} alone logs in, without a key")
    rest = [method for method in others if method not in _BY_PASSWORD]
    if rest:
        return agreed(f"sshd offers {', '.join(rest)} in place of the key, which cannot be tried from here")
    return held(f"{what}, but the password alone did not log in")


def restricted_keys(situation: Situation) -> Outcome:
    """Log in by each key that is restricted to a command, and ask for another."""
    return _restricted(situation, [one for one in situation.wishes.restricted if not one.has_certificate])


def restricted_certificates(situation: Situation) -> Outcome:
    """Log in by each certificate that is restricted to a command, and ask for another."""
    return _restricted(situation, [one for one in situation.wishes.restricted if one.has_certificate])


def _restricted(situation: Situation, identities: list[Identity]) -> Outcome:
    return worst_of(
        [partial(_by_restricted, situation, identity) for identity in identities],
        unknown("name such a key by --restricted-identity"),
    )


def _by_restricted(situation: Situation, identity: Identity) -> Outcome:
    try:
        connection = situation.connect(identities=[identity])
    except LoginRefused as refused:
        return unknown(str(refused))
    with connection:
        heard = situation.ask_for(run_command, connection=connection)
    if heard.seen is Seen.RAN:
        return through(f"{identity.name}: another command ran than the one that it is restricted to")
    return outcome_of(heard)
