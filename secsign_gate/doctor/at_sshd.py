"""What sshd would do with each account that comes from outside: whether it is let in, and whether to the gate."""

from typing import NamedTuple

from secsign_gate.core.login import Account
from secsign_gate.doctor.accounts import accounts_with_shells
from secsign_gate.doctor.force_command import GateProgram, parse_door
from secsign_gate.doctor.pam.files import pam_service
from secsign_gate.doctor.sshd.judge import may_log_in
from secsign_gate.doctor.sshd.points import OUTSIDE, account_classes, speakable
from secsign_gate.doctor.sshd.session import Connection, Host, Session
from secsign_gate.sshd.config_files import read_config
from secsign_gate.sshd.config_lines import split_arguments
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.program import Sshd, SshdError, find_sshd

_MOST_CLASSES = 200  # of accounts that Match lines tell apart; each is a question to sshd of some ten milliseconds
_HERE, _PORT = "192.0.2.1", 22


class AtSshd(NamedTuple):
    """An account, and what sshd would do with a login of it from outside. `session` is what sshd was asked about."""

    session: Session

    @property
    def account(self) -> Account:
        """Whose login it is."""
        return self.session.account

    @property
    def effective(self) -> Effective:
        """What sshd would set for it."""
        return self.session.effective

    @property
    def program(self) -> GateProgram | None:
        """The gate that sshd would start for each of its sessions, None if that is not the door."""
        return self.session.gate

    @property
    def programs(self) -> tuple[GateProgram, ...]:
        """Every door of the gate on its way: before its keys, in PAM, and before each session."""
        pam, keys = self.session.pam_gate, self.effective.value("authorizedkeyscommand")
        found = (parse_door(split_arguments(keys)), parse_door(pam.command) if pam is not None else None, self.program)
        return tuple(program for program in found if program is not None)

    @property
    def is_gated(self) -> bool:
        """Whether some door of the gate stands before it."""
        return self.session.is_gated

    @property
    def is_let_in(self) -> bool:
        """Whether sshd would take a login of it at all."""
        return may_log_in(self.session)


class SshdSeen(NamedTuple):
    """sshd, and what it would do with each account that has a shell and that it lets in.

    `fault` says why there is no `sshd`, or why it cannot be asked; `left_out` are accounts that it was not asked about.
    """

    sshd: Sshd | None
    fault: str
    accounts: tuple[AtSshd, ...] = ()
    left_out: int = 0

    @property
    def gated(self) -> tuple[AtSshd, ...]:
        """The accounts that the gate stands before."""
        return tuple(one for one in self.accounts if one.is_gated)

    @property
    def others(self) -> tuple[AtSshd, ...]:
        """The accounts that it does not stand before."""
        return tuple(one for one in self.accounts if not one.is_gated)

    @property
    def pam_service(self) -> str:
        """The name of the PAM service that sshd asks (PamServiceName, from 9.8 on)."""
        named = (one.effective.value("pamservicename") for one in self.accounts)
        return next((name for name in named if name), "sshd")

    @property
    def programs(self) -> tuple[GateProgram, ...]:
        """The doors that would be started for these accounts, each once."""
        return tuple(dict.fromkeys(program for one in self.accounts for program in one.programs))


def see_sshd(
    executable: str | None = None, configuration: str | None = None, account: Account | None = None
) -> SshdSeen:
    """Find sshd and ask it about `account`, or about everybody who has a shell. What fails is in `fault`."""
    try:
        sshd = find_sshd(executable, configuration)
    except SshdError as error:
        return SshdSeen(None, str(error))
    try:
        asked = [account] if account is not None else accounts_with_shells()
        classes = account_classes(asked, read_config(sshd.configuration).lines)
        general = sshd.settings()
        port = next((int(port) for port in general.values("port") if port.isdecimal()), _PORT)
        pam = tuple(pam_service(general.value("pamservicename") or "sshd")) if general.is_on("usepam") else ()
        connection, host = Connection(OUTSIDE, OUTSIDE, _HERE, port), Host(sshd.version, pam=pam)
        found = [
            AtSshd(Session(one, connection, effective, host))
            for alike in classes[:_MOST_CLASSES]
            for effective in [sshd.effective(speakable(alike), OUTSIDE, OUTSIDE, _HERE, port)]
            for one in alike
        ]
    except SshdError as error:
        return SshdSeen(sshd, str(error))
    left_out = sum(map(len, classes[_MOST_CLASSES:]))
    return SshdSeen(sshd, "", tuple(one for one in found if account is not None or one.is_let_in), left_out)
