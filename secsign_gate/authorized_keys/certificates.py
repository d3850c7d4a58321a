"""What an AuthorizedKeysCommand has to know of a certificate. Loaded only when one is offered: it takes its time."""

from secsign_gate.core.address_list import Answer
from secsign_gate.core.certificate import Certificate, parse_certificate
from secsign_gate.core.key_options import KeyOption, KeyOptions
from secsign_gate.core.line_judgement import Circumstances, names_account
from secsign_gate.core.offered_key import OfferedKey, plain_key
from secsign_gate.core.scanned_line import ScannedLine, UnusableLineError


class OfferedCertificate:
    """A certificate: `authority` is the key that a line with cert-authority must hold."""

    __slots__ = ("_certificate", "authority")

    def __init__(self, key: OfferedKey) -> None:
        """Take an offered key that is a certificate. Raises CertificateError."""
        self._certificate: Certificate = parse_certificate(key.blob)
        self.authority = plain_key(self._certificate.ca_key)

    @property
    def allows_rc(self) -> bool:
        """Whether ~/.ssh/rc may run."""
        return self._certificate.user_rc

    def may_use(self, scanned: ScannedLine, account: str) -> bool:
        """Tell whether the line that was `scanned` may let the certificate log in as `account`.

        Raises UnusableLineError if it would, and the gate could not be the command: sshd takes a command from the line
        only if it is the certificate's own, too.
        """
        principals = [KeyOption(name.decode(), value) for name, value in scanned.options if name == b"principals"]
        here = Circumstances(account, None, 0)
        if names_account(KeyOptions(tuple(principals)), self._certificate, here) is Answer.NO:
            return False
        if self._certificate.force_command is not None:
            raise UnusableLineError(
                "the certificate has a force-command, which leaves no place for the gate; trust its authority by "
                "TrustedUserCAKeys, and have the gate as ForceCommand"
            )
        return True
