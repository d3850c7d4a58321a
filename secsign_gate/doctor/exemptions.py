"""Who comes in without an approval because the orders say so: each rule is told, the wide ones loudly."""

from ipaddress import ip_network

from secsign_gate.config import Settings
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import IpNetwork
from secsign_gate.doctor.finding import Finding, Status

_ANYBODY = "somebody-whom-no-list-names"
_WIDEST = {4: 8, 6: 32}  # bits of a prefix: what is wider is no network of anybody's
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1")))


def examine_exemptions(settings: Settings) -> tuple[Finding, ...]:
    """Tell every rule of [policy] by which a login needs no approval."""
    policy = settings.policy
    findings = []
    for name, patterns in (("accounts", policy.exempt_accounts), ("groups", policy.exempt_groups)):
        if not patterns.text:
            continue
        if patterns.matches(_ANYBODY):
            why = "the gate asks nobody's phone for them"
            some = any(pattern.negated for pattern in patterns.patterns)
            what = f"exempt_{name} names all {name}{' but some' if some else ''}: {patterns.text}"
            status = Status.WEAK if some else Status.OPEN
            findings.append(Finding(status, "", "", what, why, "name those who are meant, in [policy]"))
        else:
            findings.append(Finding(Status.NOTE, "", "", f"no approval is needed by the {name} {patterns.text}"))
    for network in policy.exempt_networks:
        what = f"no approval is needed from the network {network}"
        if network.prefixlen < _WIDEST[network.version] and not _is_private(network):
            why = "nearly everybody comes from there"
            findings.append(Finding(Status.OPEN, "", "", what, why, "name your own networks, in [policy]"))
        else:
            findings.append(Finding(Status.NOTE, "", "", what))
    for rule in policy.exempt_commands:
        what = f"no approval is needed for `{display_text(rule.command, 80)}` of the accounts {rule.accounts.text}"
        findings.append(Finding(Status.NOTE, "", "", what))
    if not findings:
        findings.append(Finding(Status.CLOSED, "", "", "every login needs an approval"))
    return tuple(findings)


def _is_private(network: IpNetwork) -> bool:
    return any(
        network.version == private.version
        and network.network_address in private
        and network.broadcast_address in private
        for private in _PRIVATE
    )


def examine_credentials(settings: Settings, *, embedded: bool) -> tuple[Finding, ...]:
    """Tell whether users may read the ID server's credentials. `embedded`: some have a broker of their own."""
    if settings.id_server.pin_account is None or not embedded:
        return ()
    what = (
        f"who is behind a gate with a broker of its own may read the PIN account {settings.id_server.pin_account.name}"
    )
    why = "with it anybody can ask the ID server for approvals, and see those of others"
    return (Finding(Status.WEAK, "", "", what, why, "use the daemon (README), whose account alone reads it"),)
