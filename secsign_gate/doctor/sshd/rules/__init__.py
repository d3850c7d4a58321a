"""The rules by which sshd's settings are judged: one file for each subject, values in, holes out."""

from secsign_gate.doctor.sshd.rules import (
    authentication,
    environment,
    forwarding,
    gate,
    keeping,
    own_settings,
    pam_door,
    start_up,
)
from secsign_gate.doctor.sshd.session import Rule

RULES: tuple[Rule, ...] = (
    *gate.RULES,
    *forwarding.RULES,
    *environment.RULES,
    *start_up.RULES,
    *authentication.RULES,
    *own_settings.RULES,
    *keeping.RULES,
    *pam_door.RULES,
)
