"""The sshd part of the doctor: what sshd would do for everybody, judged. It changes nothing.

sshd_findings(find_sshd())                                   the sshd of this host, everybody with a shell
sshd_findings(sshd, accounts=("alice",))                     some accounts
sshd_findings(sshd._replace(configuration=new), running=False)   a configuration that is not in force yet
"""

from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.finding import Finding, Status, what_and_mend, worst_first
from secsign_gate.doctor.sshd.files import examine_files
from secsign_gate.doctor.sshd.gather import ask, chosen_accounts, unlisted
from secsign_gate.doctor.sshd.judge import judge
from secsign_gate.doctor.sshd.planted_files import planted_findings
from secsign_gate.doctor.sshd.running import look_at_files
from secsign_gate.sshd.program import Sshd, SshdError


def sshd_findings(
    sshd: Sshd,
    *,
    accounts: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    settings: SshdSettings | None = None,
    running: bool = True,
) -> tuple[Finding, ...]:
    """Return what stands open and what is closed with this sshd and its configuration, worst first.

    `accounts` and members of `groups` are looked at, or everybody with a login shell if there are neither. Every name
    of core/bypass.py is in the result at least once, unless sshd cannot be asked. `settings` is the [sshd] section of
    our own configuration, which is compared with sshd's. `running`: also say what listening servers have not read yet.
    Raises nothing: what fails is a finding.
    """
    try:
        files = look_at_files(sshd)
    except SshdError as error:
        return (_unusable(str(error)),)
    whole = examine_files(files if running else files._replace(running=None, others=()))
    if not running:
        whole = [finding for finding in whole if finding.status is not Status.NOTE]
    try:
        sshd.validate()
        chosen, missing = chosen_accounts(accounts, groups, files.configuration.lines)
        if not accounts and not groups:
            missing += unlisted(sshd)
        answers = ask(sshd, files.configuration, chosen, settings)
    except SshdError as error:
        return worst_first([_unusable(str(error)), *whole])
    judged = judge(answers.sessions) if answers.sessions else []
    return worst_first([*missing, *answers.findings, *whole, *judged, *planted_findings(answers.sessions)])


def _unusable(sentence: str) -> Finding:
    what, mend = what_and_mend(sentence)
    why = "sshd does not start with it, and what it would do is not known"
    return Finding(Status.BROKEN, "", "", what, why, mend)
