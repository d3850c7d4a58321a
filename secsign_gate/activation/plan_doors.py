"""What the files of the other doors are to say: keys from the registry (AuthorizedKeysCommand), and PAM.

Their lines stand in sshd_config.d/ and examples/pam.d/ and nowhere else; whom they are for is put in here. Pure.
"""

import re

from secsign_gate.activation.plan import (
    HEADER,
    SHIPPED_PREFIX,
    Doors,
    Gated,
    PlanError,
    match_line,
    replaced,
    require_paths,
)

KEYS_DROP_IN = "01-secsign-gate-keys.conf"
SHIPPED_KEYS = "01-secsign-gate-keys.conf.example"
SHIPPED_PAM = "sshd-account"
PAM_BROKER = "/run/secsign-gate/broker.sock"  # which the PAM door asks unless its line names another
_PROGRAM = "secsign-gate-pam"
_PLACE = re.compile(r"take the place of the line `(.+?)`")


def keys_text(shipped: str, gated: Gated, break_glass: tuple[str, ...], doors: Doors) -> str:
    """Return the drop-in that has sshd take keys from the registry. `shipped` is the content of SHIPPED_KEYS.

    Raises PlanError as `plan.drop_in_text`.
    """
    require_paths(doors)
    asks = f"--broker {doors.broker}" if doors.broker else f"--config {doors.configuration}"
    line = match_line(gated, break_glass)
    text = replaced(r"(?m)^Match .*$", lambda _: line, shipped)
    text = replaced(r"(?m)^( *AuthorizedKeysCommand .*) --broker \S+ ", lambda found: f"{found[1]} {asks} ", text)
    return HEADER.format(source=SHIPPED_KEYS) + text.replace(f" {SHIPPED_PREFIX}/", f" {doors.prefix}/")


def keys_user(text: str) -> str:
    """Return the account as which sshd would run its AuthorizedKeysCommand, from a drop-in's text."""
    found = re.search(r"(?m)^ *AuthorizedKeysCommandUser (\S+)$", text)
    if found is None:
        raise PlanError("the shipped drop-in for keys names no account to run as; install the program anew")
    return found[1]


def pam_example(shipped: str, doors: Doors) -> str:
    """Return an example for /etc/pam.d, whose content is `shipped`, with the program and the daemon of this host."""
    text = shipped.replace(f" {SHIPPED_PREFIX}/", f" {doors.prefix}/")
    if doors.broker == PAM_BROKER:
        return text
    return re.sub(rf"(?m)^.* pam_exec\.so .*/{_PROGRAM}\b.*$", lambda line: f"{line[0]} --broker {doors.broker}", text)


def pam_text(present: str, shipped: str, gated: Gated, break_glass: tuple[str, ...], doors: Doors) -> str:
    """Return sshd's PAM file `present` with the gate in its account phase. `shipped` is the content of SHIPPED_PAM.

    Whom the gate is not for is let past it by pam_succeed_if(8), which lets nobody past if it fails. Raises PlanError
    for names that it would read otherwise, and if `present` does not have the one line whose place ours take.
    """
    match_line(gated, break_glass)  # the same names are refused
    require_paths(doors._replace(configuration=""))  # the line does not name it
    place = _PLACE.search(shipped)
    ours = [line for line in pam_example(shipped, doors).splitlines() if line and not line.startswith("#")]
    gates = [number for number, line in enumerate(ours) if _PROGRAM in line]
    if place is None or len(gates) != 1 or ours.count(place[1]) != 1:
        raise PlanError(f"the shipped {SHIPPED_PAM} is not what this program knows; install it anew")
    if _PROGRAM in present:
        raise PlanError("sshd's PAM file starts the gate already, by hand; take that line out first")
    if [line.strip() for line in present.splitlines()].count(place[1]) != 1:
        raise PlanError(f"sshd's PAM file has no line `{place[1]}`, as Debian's has; follow docs/pam.md by hand")
    mark = f"# secsign-gate, by `secsign-gate enable` from {SHIPPED_PAM}; `secsign-gate disable` takes it out"
    # A line is skipped to what comes behind it, so there must be something.
    behind = ours[gates[0] + 1 :] or ["account  required  pam_permit.so"]
    lines = [mark, *ours[: gates[0]], *_let_past(gated, break_glass), ours[gates[0]], *behind]
    return re.sub(rf"(?m)^[ \t]*{re.escape(place[1])}[ \t]*$", lambda _: "\n".join(lines), present)


def _let_past(gated: Gated, break_glass: tuple[str, ...]) -> list[str]:
    """Return the lines that skip the gate's, which is the next but those."""
    conditions = [f"user in {':'.join(break_glass)}"] if break_glass else []
    if gated.kind == "user":
        conditions = [f"user notin {':'.join(gated.names)}"]
    if gated.kind == "group":
        conditions.append(f"user notingroup {':'.join(gated.names)}")
    for name in (*gated.names, *break_glass):
        if ":" in name or "[" in name or "]" in name:
            raise PlanError(
                f"{name!a} cannot stand in a line of PAM, which would read some of its characters otherwise"
            )
    count = len(conditions)
    return [
        f"account  [success={count - place} default=ignore]  pam_succeed_if.so quiet {condition}"
        for place, condition in enumerate(conditions)
    ]
