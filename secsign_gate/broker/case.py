"""What is known of one login so far: for the record, for the person who waits, and for the answer."""

from math import inf
from os import fsencode
from typing import TYPE_CHECKING

from secsign_gate.broker.audit_record import Certificate, Event, Record
from secsign_gate.broker.peer import Peer
from secsign_gate.core.grant import Coverage
from secsign_gate.core.login import Login, PamService, SshConnection
from secsign_gate.core.orders import SshdSettings, orders
from secsign_gate.core.proof import Proof
from secsign_gate.core.push_text import phone_text, wanted_text
from secsign_gate.core.verdict import Refuse, Verdict
from secsign_gate.wire import PAM_DOOR, Answer, Ask, AskForPam, Progress

if TYPE_CHECKING:
    from asyncio import Future

    from secsign_gate.broker.push import Push

_NO_SHELL = "/bin/sh"  # what an account has whose entry names none (passwd(5))


class Case:
    """One login on its way. `claim` is what the door said, `peer` what the kernel said; the rest fills up.

    `started` is on the broker's monotonic clock, in seconds. `user_rc_permitted` is what the key says of ~/.ssh/rc.
    `covered` is what shares an approval with this login, None if nothing does. `push` is the one that was waited for.
    `proof` is on its way to what the kernel says of the SSH connection, None where nobody asks it, and `unproven` says
    why it could not be proven. `deadline` is when the door must have its answer, on the same clock.

    `pam` is what a PAM door said, None for other doors; `service` is what PAM is asked for, once that has been read.
    `nobody` says why nobody may be asked for this login, None if somebody may.
    """

    __slots__ = (
        "_pass_shown", "_waits", "_wants", "account", "certificate", "claim", "connection", "covered", "deadline",
        "login", "nobody", "pam", "peer", "proof", "push", "reference", "service", "started", "unproven",
        "user_rc_permitted",
    )  # fmt: skip

    def __init__(
        self,
        claim: Ask | AskForPam,
        peer: Peer,
        reference: str,
        started: float,
        proof: "Future[Proof] | None" = None,
    ) -> None:
        self.pam = claim if isinstance(claim, AskForPam) else None
        self.claim = _in_common(claim) if isinstance(claim, AskForPam) else claim
        self.deadline = started + claim.seconds if isinstance(claim, AskForPam) else inf
        self.service: PamService | None = None
        self.nobody: Refuse | None = None
        self.peer = peer
        self.reference = reference
        self.started = started
        self.proof = proof
        self.account = ""
        self.connection: SshConnection | None = None
        self.login: Login | None = None
        self.user_rc_permitted = False
        self.unproven = ""
        self.certificate: Certificate | None = None
        self.covered: Coverage | None = None
        self.push: Push | None = None
        self._pass_shown = False
        self._waits = False
        self._wants: str | None = None

    @property
    def wants(self) -> str | None:
        """What would run, fit for a display; None until the login is recognised."""
        if self._wants is None and self.login is not None:
            self._wants = wanted_text(self.login)
        return self._wants

    def wait_for(self, push: "Push") -> None:
        """Wait for `push` from now on."""
        self.push = push
        self._waits = True
        push.join()

    def leave_push(self) -> None:
        """Wait for no push any more; what it was stays known, for the record."""
        if self.push is not None and self._waits:
            self._waits = False
            self.push.leave()

    def progress(self, push: "Push", seconds_left: float, host: str, *, speak: bool) -> Progress:
        """Return where the push stands, for the person. The access pass goes out once, when there is one."""
        if self.login is None:
            raise RuntimeError("progress is for a login that has been recognised")
        access_pass = b""
        if push.auth_session is not None and not self._pass_shown:
            access_pass = push.auth_session.access_pass or b""
            self._pass_shown = True
        return Progress(
            stage=push.stage,
            place=push.place,
            account=self.login.account.name,
            host=host,
            secsign_id=push.request.secsign_id,
            seconds_left=max(0, round(seconds_left)),
            wants=self.wants or "",
            phone_text=phone_text(push.request),
            access_pass=access_pass,
            speak=speak,
        )

    def record(self, verdict: Verdict, time: float, waited: float, event: Event = Event.VERDICT) -> Record:
        """Return what goes on record. `time` is in seconds since the epoch, `waited` in seconds."""
        return Record(
            time=time,
            event=event,
            reference=self.reference,
            verdict=verdict,
            door=self.claim.door,
            account=self.account,
            uid=self.peer.uid if self.login is None else self.login.account.uid,
            login=self.login,
            connection=self.connection,
            certificate=self.certificate,
            secsign_id=self.push.request.secsign_id if self.push else None,
            auth_session_id=self.push.auth_session.id if self.push and self.push.auth_session else None,
            waited=waited,
            unproven=self.unproven,
            service=self.service,
        )

    def refusal(self, verdict: Refuse, now: float, *, speak: bool) -> Answer:
        """Return what the door is told after a refusal."""
        return Answer(
            allowed=False,
            why=verdict.reason,
            detail=verdict.detail,
            reference=self.reference,
            waited=round(now - self.started),
            speak=speak,
        )

    def answer(self, verdict: Verdict, now: float, sshd: SshdSettings, *, speak: bool) -> Answer:
        """Return what the door is told: the verdict, and with an allow the orders for the hand-over."""
        if isinstance(verdict, Refuse):
            return self.refusal(verdict, now, speak=speak)
        if self.login is None:
            raise RuntimeError("an unrecognised login cannot have been allowed")
        account = self.login.account
        rc_has_run = self.claim.started_by_key and not self.claim.user_rc_left
        todo = orders(self.login, sshd, user_rc_permitted=self.user_rc_permitted, rc_has_run=rc_has_run)
        return Answer(
            allowed=True,
            why=verdict.ground,
            reference=self.reference,
            waited=round(now - self.started),
            speak=speak,
            account=fsencode(account.name),
            home=fsencode(account.home),
            login_shell=fsencode(account.shell or _NO_SHELL),
            program=list(todo.program),
            command=todo.command,
            original_command=todo.original_command,
            keep_auth_info=sshd.expose_auth_info,
            user_rc=todo.user_rc,
            motd_files=[path.encode() for path in sshd.motd_files] if todo.greet else [],
            mail_notice=todo.greet and sshd.mail_notice,
            last_login=todo.greet and sshd.last_login,
        )


def _in_common(claim: AskForPam) -> Ask:
    """Return what a PAM door says, as far as all doors say it."""
    return Ask(
        door=PAM_DOOR,
        logname=claim.account,
        ssh_connection=claim.ssh_connection,
        auth_info=claim.auth_info,
        auth_info_time=0,
        auth_info_problem="",
        command=None,
        terminal=False,
        started_by_key=False,
        restricted_to=None,
    )
