"""Every fault of this program, in one tree. An outcome (denied, expired) is no fault: see core/verdict.py.

GateError
├─ ConfigError              configuration, users file or secrets file; all problems at once
├─ ClaimError               what sshd's environment says of this login is missing or absurd
├─ NothingToExec            a login was allowed, and there is no shell or program for it
├─ WireError                malformed, oversized, truncated or unexpected message
├─ BrokerUnavailable        nobody answers the door
├─ AuditError               a verdict could not be recorded
└─ IdServerError
   ├─ IdServerUnreachable   transport: refused, timed out, TLS, cut body
   ├─ IdServerRefused       a well-formed answer that says no
   └─ IdServerNonsense      an answer that is not of the protocol

Imports nothing: the waiting door loads this file.
"""


class GateError(Exception):
    """What this program raises. `str()` is one sentence for a person: what happened, to what, what to do."""


class Problem:
    """One thing wrong with a file: where it is, what is wrong, what to do.

    `line` counts from 1; 0 means the file as a whole. `key` is the dotted name of a setting, or empty.
    """

    __slots__ = ("key", "line", "path", "remedy", "what")

    def __init__(self, path: str, line: int, key: str, what: str, remedy: str) -> None:
        self.path = path
        self.line = line
        self.key = key
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.path} line {self.line}" if self.line else self.path
        subject = f"{self.key}: " if self.key else ""
        return f"{place}: {subject}{self.what}; {self.remedy}"


class ConfigError(GateError):
    """A file that the program takes orders from cannot be used. Carries every problem found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


class ClaimError(GateError):
    """What the environment says of this login is missing or absurd."""


class NothingToExec(GateError):
    """There was nothing to become. `exit_status` is what a shell would give."""

    def __init__(self, sentence: str, exit_status: int) -> None:
        self.exit_status = exit_status
        super().__init__(sentence)


class WireError(GateError):
    """A message between door and broker that is malformed, oversized, truncated or out of turn."""


class BrokerUnavailable(GateError):
    """The broker does not answer, or went away while it was needed."""


class AuditError(GateError):
    """A verdict could not be put on record, so it must not take effect."""


class IdServerError(GateError):
    """The ID server did not give the answer that was asked for."""


class IdServerUnreachable(IdServerError):
    """No complete answer came: connection refused, time limit, TLS failure, truncated or oversized body.

    `request_may_have_arrived` is False only if it is certain that the server never saw the request,
    which is the only case in which a create may go to the fallback server.
    """

    def __init__(self, sentence: str, *, request_may_have_arrived: bool) -> None:
        self.request_may_have_arrived = request_may_have_arrived
        super().__init__(sentence)


class IdServerRefused(IdServerError):
    """The ID server answered with an error.

    `http_status` is the HTTP status; `error` and `errorcode` are the protocol's numbers as text, empty when absent.
    """

    def __init__(self, sentence: str, *, http_status: int, error: str = "", errorcode: str = "") -> None:
        self.http_status = http_status
        self.error = error
        self.errorcode = errorcode
        super().__init__(sentence)


class IdServerNonsense(IdServerError):
    """An answer that is no answer of the protocol: unparsable, incomplete, duplicated fields, foreign ids."""
