"""One account's login from sshd to the phone, each station in turn."""

import time
from typing import Any, NamedTuple

from secsign_gate.config import Settings
from secsign_gate.core.login import Account
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor import one_login
from secsign_gate.doctor.at_sshd import AtSshd, SshdSeen, see_sshd
from secsign_gate.doctor.daemon_found import daemon_found
from secsign_gate.doctor.finding import Finding, Status, worst
from secsign_gate.doctor.host import broker_findings, gate_findings, id_server_findings, way_in_findings
from secsign_gate.doctor.keys import examine_key_files, keys_of
from secsign_gate.doctor.known_id import examine_secsign_ids
from secsign_gate.doctor.orders import Orders, load_orders
from secsign_gate.doctor.pam.our_orders import examine_behind_pam
from secsign_gate.doctor.station import Examined, Station

_MOST_IDS = 10  # of an account that many people share; each is a question to the ID server


class Walk(NamedTuple):
    """What was found on the way of one account's login.

    `settings` are None if they are not usable. `secsign_ids` may be asked for the account: for each its own phone.
    `status` is what the daemon says of itself, None if it is not asked.
    """

    account: Account
    examined: tuple[Examined, ...]
    settings: Settings | None
    secsign_ids: tuple[SecSignId, ...]
    status: dict[str, Any] | None


class Asked(NamedTuple):
    """Whose login, under which orders, past which sshd; `fingerprints` are keys it is with, none: all that it has."""

    account: str
    configuration: str
    sshd: str | None = None
    sshd_configuration: str | None = None
    fingerprints: tuple[str, ...] = ()


def examine_login(asked: Asked, *, id_servers: bool = True) -> Walk:
    """Walk the way of a login. Raises one_login.NoSuchAccountError, rehearsal.NoSuchLoginError."""
    account = one_login.account_by_name(asked.account)
    orders = load_orders(asked.configuration)
    seen = see_sshd(asked.sshd, asked.sshd_configuration, account)
    one = next(iter(seen.accounts), None)
    prints = asked.fingerprints or (keys_of(account, one.effective).fingerprints if one is not None else ())
    found = daemon_found(orders.settings) if orders.settings is not None else None
    ids = _secsign_ids(orders, account, asked.fingerprints)
    status = found.status if found is not None else None
    examined = [
        Examined(Station.SSHD, (*one_login.examine_account(account), *_sshd(seen, one, orders))),
        Examined(Station.GATE, (*gate_findings(orders, seen), *(one_login.examine_orders_as(one) if one else ()))),
        Examined(
            Station.BROKER,
            (*broker_findings(orders, found, seen), *one_login.examine_limits(account, set(ids), status)),
        ),
    ]
    known: tuple[Finding, ...] = ()
    if id_servers:
        answers = id_server_findings(orders, *ids[:1])
        examined.append(Examined(Station.ID_SERVER, answers))
        if orders.settings is not None and worst(answers) not in (Status.BROKEN, Status.UNKNOWN):
            known = examine_secsign_ids(orders.settings.id_server, ids[:_MOST_IDS])
    examined.append(Examined(Station.PHONE, (*_phone(orders, account, ids, prints), *_behind_pam(orders, one), *known)))
    return Walk(account, tuple(examined), orders.settings, ids, status)


def _sshd(seen: SshdSeen, one: AtSshd | None, orders: Orders) -> tuple[Finding, ...]:
    if one is None:
        return way_in_findings(seen, orders.settings)
    found, now = keys_of(one.account, one.effective), time.time()
    # What is closed is the whole host's business; here it would hide the steps.
    judged = [
        finding
        for finding in way_in_findings(seen, orders.settings, (one.account.name,))
        if finding.status is not Status.CLOSED
    ]
    before = one_login.examine_gate_before(one)
    if before.status is Status.OPEN and any(finding.status is Status.OPEN for finding in judged):
        before = before._replace(status=Status.NOTE, why="", mend="", line="")  # they say why, and how to mend it
    return (
        before,
        *one_login.examine_shadow(one, now),
        *one_login.examine_keys(one, found, now),
        *examine_key_files(one.account, one.effective),
        *judged,
    )


def _secsign_ids(orders: Orders, account: Account, fingerprints: tuple[str, ...]) -> tuple[SecSignId, ...]:
    if orders.users is None:
        return ()
    if fingerprints:
        holders = orders.holders(account.name, fingerprints)
        secsign_id = orders.users.secsign_id(account.name, fingerprints, holders)
        return (secsign_id,) if secsign_id is not None else ()
    return tuple(sorted(orders.secsign_ids(account.name)))


def _phone(orders: Orders, account: Account, ids: tuple[SecSignId, ...], prints: tuple[str, ...]) -> list[Finding]:
    if orders.settings is None or orders.users is None:
        return []
    findings = one_login.examine_policy(account, orders.settings, orders.users, prints, orders.holders)
    for secsign_id in ids[:1]:
        findings += one_login.examine_phone(account, secsign_id, orders.settings)
    return findings


def _behind_pam(orders: Orders, one: AtSshd | None) -> tuple[Finding, ...]:
    if orders.settings is None or one is None:
        return ()
    return examine_behind_pam(orders.settings, (one,), orders.depends_on_key)
