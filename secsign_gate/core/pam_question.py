"""What PAM asks, read from what pam_exec(8) put into a door's environment, and whether it may be asked so.

A phone rings only for a cause that its owner gave (law 9): whoever asks has shown a key or a password, or is that user.
PAM does not say what the modules before this one have found, but sshd says which key it has verified, and the
administrator says on the line in /etc/pam.d whether a password stands before it.
"""

import re

from secsign_gate.core.login import AuthenticationMethod, PamService, PublicKey
from secsign_gate.errors import ClaimError

AUTH, ACCOUNT = "auth", "account"
LONGEST_WAIT = 600  # seconds, the longest LoginGraceTime that anybody should have
# Services that start what nobody waits for: a phone that rings each time a job is due has no cause of its owner's.
ASKED_BY_NOBODY = frozenset({"anacron", "at", "atd", "cron", "crond", "runuser", "runuser-l", "systemd-user"})
_SSHD = "sshd"
_LONGEST = 256  # of a name of a service, terminal or host; file names and host names have 255 characters at most
_NAME = re.compile(r"[!-~]*", re.ASCII)


def pam_service(  # noqa: PLR0913 - PAM's items, each of one value
    *, phase: bytes, service: bytes, terminal: bytes, remote_host: bytes, over_ssh: bool, seconds: int
) -> PamService:
    """Return what PAM is asked for. Raises ClaimError for what PAM would not say.

    `over_ssh`: sshd has named its connection. `seconds` are those that the door can wait.
    """
    asked = PamService(
        name=_text(service, "PAM_SERVICE"),
        phase=_text(phase, "PAM_TYPE"),
        terminal=_text(terminal, "PAM_TTY"),
        remote_host=_text(remote_host, "PAM_RHOST"),
        whole_connection=over_ssh,
    )
    if asked.phase not in {AUTH, ACCOUNT}:
        raise ClaimError("PAM asks in a phase that is neither auth nor account; write the line for one of these")
    if not asked.name:
        raise ClaimError("PAM_SERVICE is missing; pam_exec starts this program, see docs/pam.md")
    if asked.name == _SSHD and not over_ssh:
        raise ClaimError("sshd's PAM names no SSH connection; OpenSSH 7.5 or newer does, on a socket")
    if not 1 <= seconds <= LONGEST_WAIT:
        raise ClaimError(f"a door waits for 1 to {LONGEST_WAIT} seconds; see --seconds in docs/pam.md")
    return asked


def why_not_to_ask(
    asked: PamService,
    methods: tuple[AuthenticationMethod, ...],
    *,
    of_the_user_himself: bool,
    after_password: bool,
) -> str:
    """Return why no phone may ring for this, in a sentence; empty if one may.

    `methods` are what sshd says that it has verified. `of_the_user_himself`: who asks the service is logged in as the
    account already (PAM_RUSER), as with sudo; from another host that is anybody's word. In the account phase somebody
    has authenticated in any case, but in the services that nobody waits for.
    """
    if not asked.whole_connection and asked.name in ASKED_BY_NOBODY:
        return (
            f"{asked.name} starts what nobody waits for, so nobody's phone is asked; "
            f"take the gate's line out of what /etc/pam.d/{asked.name} includes, see docs/pam.md"
        )
    key_shown = any(isinstance(method, PublicKey) for method in methods)
    from_here = not asked.whole_connection and not asked.remote_host
    if asked.phase == ACCOUNT or key_shown or after_password or (of_the_user_himself and from_here):
        return ""
    return (
        f"in the auth phase of {asked.name} nobody has shown a key or a password when the phone would be asked; "
        "put the line behind a module that asks for one, and --after-password on it, see docs/pam.md"
    )


def _text(octets: bytes, name: str) -> str:
    text = octets.decode("ascii", "replace")
    if len(text) > _LONGEST or not _NAME.fullmatch(text):
        raise ClaimError(f"{name} is not what PAM says; see docs/pam.md")
    return text
