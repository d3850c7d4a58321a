"""What is known of one login so far: for the record, for the person who waits, and for the answer."""

from secsign_gate.broker.audit_record import Certificate, Event, Record
from secsign_gate.core.approval import Approval
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, PushRequest
from secsign_gate.core.login import Login, SshConnection
from secsign_gate.core.orders import SshdSettings, orders
from secsign_gate.core.push_text import phone_text, wanted_text
from secsign_gate.core.verdict import Refuse, Verdict
from secsign_gate.wire import Answer, Ask, Progress


class Case:
    """One login on its way. `claim` is what the door said, `uid` what the kernel said; the rest fills up.

    `started` is on the broker's monotonic clock, in seconds. `user_rc_permitted` is what the key says of ~/.ssh/rc.
    """

    def __init__(self, claim: Ask, uid: int, reference: str, started: float) -> None:
        self.claim = claim
        self.uid = uid
        self.reference = reference
        self.started = started
        self.account = ""
        self.connection: SshConnection | None = None
        self.login: Login | None = None
        self.user_rc_permitted = False
        self.request: PushRequest | None = None
        self.certificate: Certificate | None = None
        self.auth_session: AuthSession | None = None

    def progress(self, stage: str, seconds_left: float, host: str, *, speak: bool) -> Progress:
        """Return where the approval stands, for the person. The access pass goes out with the news of the push."""
        if self.login is None or self.request is None:
            raise RuntimeError("progress is for a push that has been planned")
        news = self.auth_session if stage == "pushed" else None
        return Progress(
            stage=stage,
            account=self.login.account.name,
            host=host,
            secsign_id=self.request.secsign_id,
            seconds_left=max(0, round(seconds_left)),
            wants=wanted_text(self.login),
            phone_text=phone_text(self.request),
            access_pass=(news.access_pass or b"") if news else b"",
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
            uid=self.uid,
            login=self.login,
            connection=self.connection,
            certificate=self.certificate,
            secsign_id=self.request.secsign_id if self.request else None,
            auth_session_id=self.auth_session.id if self.auth_session else None,
            waited=waited,
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
        todo = orders(self.login, sshd, user_rc_permitted=self.user_rc_permitted, rc_has_run=self.claim.started_by_key)
        return Answer(
            allowed=True,
            why=verdict.ground,
            reference=self.reference,
            waited=round(now - self.started),
            speak=speak,
            program=list(todo.program),
            command=todo.command,
            original_command=todo.original_command,
            keep_auth_info=sshd.expose_auth_info,
            user_rc=todo.user_rc,
            motd_files=[path.encode() for path in sshd.motd_files] if todo.greet else [],
            mail_notice=todo.greet and sshd.mail_notice,
            last_login=todo.greet and sshd.last_login,
        )


def stage_of(approval: Approval) -> str:
    """Return the word for the person who waits: `pushed`, or `fetched` once the phone shows the push."""
    return "fetched" if approval.state is AuthSessionState.FETCHED else "pushed"
