"""Which records an administrator asks for. Records in, yes or no out."""

from typing import NamedTuple

from secsign_gate.admin.logged_record import LoggedRecord
from secsign_gate.core.patterns import PatternList


class RecordChoice(NamedTuple):
    """What a record must be to be shown; what is None or empty asks for nothing.

    `since` and `until` are times as records have them, both included. `accounts` is an OpenSSH pattern list. `grounds`
    and `reasons` together are a list of which the record has to have one. `reference` is compared in capitals.
    """

    accounts: PatternList | None = None
    since: str = ""
    until: str = ""
    verdict: str = ""
    grounds: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    reference: str = ""

    def takes(self, record: LoggedRecord) -> bool:
        """Tell whether `record` is all that is asked for."""
        return (
            self.since <= record.time
            and (not self.until or record.time <= self.until)
            and (not self.verdict or record.says("verdict") == self.verdict)
            and (not self.reference or record.says("reference") == self.reference.upper())
            and self._takes_why(record)
            and (self.accounts is None or self.accounts.matches(record.says("account")))
        )

    def _takes_why(self, record: LoggedRecord) -> bool:
        if not self.grounds and not self.reasons:
            return True
        return record.says("ground") in self.grounds or record.says("reason") in self.reasons
