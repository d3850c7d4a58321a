"""The whole examination of a host, station by station. Nothing is changed, and no phone hears of it."""

import asyncio
import os
from typing import NamedTuple

from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.accounts import AtSshd, accounts_with_shells, at_sshd
from secsign_gate.doctor.broker import examine_broker
from secsign_gate.doctor.clock import examine_clock
from secsign_gate.doctor.daemon_found import DaemonFound, daemon_found
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.force_command import GateProgram
from secsign_gate.doctor.gate_program import examine_program
from secsign_gate.doctor.homes import examine_homes, examine_way_out
from secsign_gate.doctor.id_server import examine_id_servers
from secsign_gate.doctor.mapping import examine_mapping
from secsign_gate.doctor.orders import Orders, examine_orders, load_orders
from secsign_gate.doctor.own_files import examine_pam_files, examine_record, examine_sshd_files
from secsign_gate.doctor.station import Examined, Station
from secsign_gate.sshd.config_files import read_config
from secsign_gate.sshd.program import Sshd, SshdError, find_sshd

_MOST_ACCOUNTS = 200  # sshd is asked for each, which takes some hundredths of a second
_SOMEBODY = SecSignId("secsign-gate-doctor")  # to ask for nobody's auth session with; no SecSign ID need exist


class SshdSeen(NamedTuple):
    """sshd, and what it would do with each account that has a shell. `sshd` is None if `fault` says why."""

    sshd: Sshd | None
    fault: str
    accounts: tuple[AtSshd, ...]
    left_out: int

    @property
    def gated(self) -> tuple[AtSshd, ...]:
        """The accounts that a ForceCommand of the gate's is for."""
        return tuple(one for one in self.accounts if one.program is not None)

    @property
    def others(self) -> tuple[AtSshd, ...]:
        """The accounts that it is not for."""
        return tuple(one for one in self.accounts if one.program is None)

    @property
    def programs(self) -> tuple[GateProgram, ...]:
        """The gates that sshd would start, each once."""
        return tuple(dict.fromkeys(one.program for one in self.accounts if one.program is not None))


def see_sshd(executable: str | None = None, configuration: str | None = None) -> SshdSeen:
    """Find sshd and ask it about every account that has a shell. What fails is in `fault`."""
    try:
        sshd = find_sshd(executable, configuration)
        sshd.validate()
        accounts = accounts_with_shells()
        asked = tuple(at_sshd(sshd, account) for account in accounts[:_MOST_ACCOUNTS])
    except SshdError as error:
        return SshdSeen(None, str(error), (), 0)
    return SshdSeen(sshd, "", asked, len(accounts[_MOST_ACCOUNTS:]))


def examine_host(configuration: str, seen: SshdSeen, *, id_servers: bool = True) -> tuple[Examined, ...]:
    """Look at everything, under the orders in `configuration`. `id_servers`: also ask those, over the network."""
    orders = load_orders(configuration)
    found = daemon_found(orders.settings) if orders.settings is not None else None
    return (
        Examined(Station.SSHD, sshd_findings(seen)),
        Examined(Station.GATE, gate_findings(orders, seen)),
        Examined(Station.BROKER, broker_findings(orders, found, seen)),
        *([Examined(Station.ID_SERVER, id_server_findings(orders))] if id_servers else []),
        Examined(Station.PHONE, phone_findings(orders, seen)),
    )


def sshd_findings(seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge sshd's settings, its files, PAM's, and the homes of those whom the gate is for."""
    if seen.sshd is None:
        return (unusable_sshd(seen.fault), *examine_pam_files())
    findings: list[Finding] = []
    if seen.left_out:
        what = f"{seen.left_out} more accounts have a shell, and sshd was not asked about them"
        findings.append(Finding(Status.NOTE, "", "", what, "", "ask for one by --user"))
    try:
        findings += examine_sshd_files(read_config(seen.sshd.configuration))
    except SshdError as error:
        findings.append(unusable_sshd(str(error)))
    findings += examine_pam_files()
    findings += examine_homes(seen.gated)
    findings += examine_way_out(seen.gated, seen.others)
    return tuple(findings)


def unusable_sshd(sentence: str) -> Finding:
    """Return the finding for an sshd that is not there, or cannot be asked, with its sentence."""
    what, _, mend = sentence.rpartition("; ")
    as_root = os.geteuid() == 0
    status = Status.BROKEN if as_root else Status.UNKNOWN
    why = "what sshd would do is not known, so nothing of it is"
    return Finding(status, "", "", what or mend, why, mend if what else "" if as_root else "run this as root")


def gate_findings(orders: Orders, seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge the program that sshd starts, its orders, and where it records."""
    findings = [finding for program in seen.programs for finding in examine_program(program)]
    findings += examine_orders(orders)
    if orders.settings is not None:
        findings += [
            _other_orders(program.config, orders.settings.path)
            for program in seen.programs
            if program.config not in ("", orders.settings.path)
        ]
        findings += examine_record(orders.settings)
    return tuple(dict.fromkeys(findings))


def _other_orders(theirs: str, ours: str) -> Finding:
    what = f"ForceCommand names {theirs}, and this looks at {ours}"
    return Finding(Status.WEAK, "", "", what, "what is in order here may not be there", "name it by --config", theirs)


def broker_findings(orders: Orders, found: DaemonFound | None, seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge the daemon."""
    if orders.settings is None or found is None:
        return (_no_orders("who the daemon is, and where it listens"),)
    sockets = frozenset(program.broker for program in seen.programs if program.broker)
    return examine_broker(orders.settings, found, sockets)


def id_server_findings(orders: Orders, secsign_id: SecSignId = _SOMEBODY) -> tuple[Finding, ...]:
    """Ask the ID servers, and look at this host's clock."""
    clock = examine_clock()
    if orders.settings is None:
        return (_no_orders("which ID server is to be asked"), clock)
    servers = asyncio.run(examine_id_servers(orders.settings.id_server, secsign_id))
    return (*(finding for server in servers for finding in server.findings), clock)


def phone_findings(orders: Orders, seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge the mapping of those whom the gate is for."""
    if orders.settings is None or orders.users is None:
        return (_no_orders("who is asked for whom"),)
    return examine_mapping(orders.settings, orders.users, [one.account for one in seen.gated])


def _no_orders(what: str) -> Finding:
    return Finding(Status.UNKNOWN, "", "", f"{what} is not known, for the orders are not usable")
