"""The whole examination of a host, station by station. Nothing is changed, and no phone hears of it."""

import asyncio
import os
from contextlib import suppress

from secsign_gate.config import Settings
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.at_sshd import SshdSeen
from secsign_gate.doctor.broker import examine_broker
from secsign_gate.doctor.clock import examine_clock
from secsign_gate.doctor.daemon_found import DaemonFound, daemon_found
from secsign_gate.doctor.exemptions import examine_credentials, examine_exemptions
from secsign_gate.doctor.finding import Finding, Status, what_and_mend
from secsign_gate.doctor.gate_program import examine_program
from secsign_gate.doctor.homes import examine_homes, examine_way_out
from secsign_gate.doctor.id_server import examine_id_servers
from secsign_gate.doctor.keys_door import examine_keys_doors
from secsign_gate.doctor.mapping import examine_mapping
from secsign_gate.doctor.orders import Orders, examine_orders, load_orders
from secsign_gate.doctor.own_files import examine_pam_files, examine_record, examine_sshd_files
from secsign_gate.doctor.pam.doors import examine_pam_doors
from secsign_gate.doctor.pam.our_orders import examine_behind_pam
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.doctor.station import Examined, Station
from secsign_gate.sshd.config_files import read_config
from secsign_gate.sshd.program import SshdError

_SOMEBODY = SecSignId("secsign-gate-doctor")  # to ask for nobody's auth session with; no SecSign ID need exist


def examine_host(
    configuration: str, seen: SshdSeen, groups: tuple[str, ...] = (), *, id_servers: bool = True
) -> tuple[Examined, ...]:
    """Look at everything, under the orders in `configuration`, and ask sshd about everybody, or about these groups.

    `id_servers`: also ask those, over the network.
    """
    orders = load_orders(configuration)
    found = daemon_found(orders.settings) if orders.settings is not None else None
    return (
        Examined(
            Station.SSHD,
            (
                *way_in_findings(seen, orders.settings, groups=groups),
                *examine_homes(seen.gated),
                *examine_way_out(seen.gated, seen.others),
            ),
        ),
        Examined(Station.GATE, gate_findings(orders, seen)),
        Examined(Station.BROKER, broker_findings(orders, found, seen)),
        *([Examined(Station.ID_SERVER, id_server_findings(orders))] if id_servers else []),
        Examined(Station.PHONE, phone_findings(orders, seen)),
    )


def way_in_findings(
    seen: SshdSeen, settings: Settings | None, accounts: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> tuple[Finding, ...]:
    """Judge what sshd would do with everybody, or with these, and who could change what it reads."""
    if seen.sshd is None or (seen.fault and os.geteuid() != 0):
        return (unusable_sshd(seen.fault), *examine_pam_files())
    ours = settings.sshd if settings is not None else None
    findings = [*sshd_findings(seen.sshd, accounts=accounts, groups=groups, settings=ours)]
    if seen.left_out and not groups:
        what = f"{seen.left_out} more accounts have a shell, and sshd was not asked about them"
        findings.append(Finding(Status.UNKNOWN, "", "", what, "", "ask for one by --user, or for a group by --group"))
    with suppress(SshdError):  # sshd_findings has told that they cannot be read
        findings += examine_sshd_files(read_config(seen.sshd.configuration))
    findings += examine_pam_files()
    findings += examine_pam_doors(seen.pam_service)
    return tuple(findings)


def unusable_sshd(sentence: str) -> Finding:
    """Return the finding for an sshd that is not there, or cannot be asked, with its sentence."""
    what, mend = what_and_mend(sentence)
    why = "what sshd would do is not known, so nothing of it is"
    if os.geteuid() != 0:
        return Finding(Status.UNKNOWN, "", "", what, why, "run this as root")
    return Finding(Status.BROKEN, "", "", what, why, mend)


def gate_findings(orders: Orders, seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge the program that sshd starts, its orders, and where it records."""
    findings = [finding for program in seen.programs for finding in examine_program(program)]
    if seen.fault:
        findings.append(
            Finding(Status.UNKNOWN, "", "", "which door of the gate would be started is not known", seen.fault)
        )
    elif not seen.programs:
        findings.append(Finding(Status.NOTE, "", "", "no door of the gate would be started for anybody"))
    findings += examine_orders(orders)
    findings += examine_keys_doors(orders, seen.accounts)
    if orders.settings is not None:
        findings += [
            _other_orders(program.config, orders.settings.path)
            for program in seen.programs
            if program.config not in ("", orders.settings.path)
        ]
        findings += examine_record(orders.settings)
        embedded = any(program.config for program in seen.programs)
        findings += examine_credentials(orders.settings, embedded=embedded)
    return tuple(dict.fromkeys(findings))


def _other_orders(theirs: str, ours: str) -> Finding:
    what = f"ForceCommand names {theirs}, and this looks at {ours}"
    return Finding(Status.WEAK, "", "", what, "what is in order here may not be there", "name it by --config", theirs)


def broker_findings(orders: Orders, found: DaemonFound | None, seen: SshdSeen) -> tuple[Finding, ...]:
    """Judge the daemon, and whom a broker lets in unasked."""
    if orders.settings is None or found is None:
        return (_no_orders("who the daemon is, and where it listens"),)
    sockets = frozenset(program.broker for program in seen.programs if program.broker)
    daemon = examine_broker(orders.settings, found, None if seen.fault else sockets)
    return (*daemon, *examine_exemptions(orders.settings))


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
    registered = frozenset() if orders.registry is None else orders.registry.accounts
    return (
        *examine_mapping(orders.settings, orders.users, seen.gated, registered),
        *examine_behind_pam(orders.settings, seen.gated, orders.depends_on_key),
    )


def _no_orders(what: str) -> Finding:
    return Finding(Status.UNKNOWN, "", "", f"{what} is not known, for the orders are not usable")
