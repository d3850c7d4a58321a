"""Which OpenSSH it is, as its banner says (ssh(1), -V)."""

import re
from typing import NamedTuple

_BANNER = re.compile(r"\bOpenSSH_(\d{1,4})\.(\d{1,4})")


class Version(NamedTuple):
    """A version of OpenSSH. `text` is the banner as it was said; distributions add patches that numbers do not tell."""

    major: int
    minor: int
    text: str

    def before(self, major: int, minor: int) -> bool:
        """Tell whether this is older than `major.minor`."""
        return (self.major, self.minor) < (major, minor)


def parse_version(text: str) -> Version:
    """Return the version in `OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL …`, wherever in `text` that line stands.

    Raises ValueError, with a sentence, if `text` names no OpenSSH.
    """
    for line in text.split("\n"):
        found = _BANNER.search(line)
        if found:
            return Version(int(found[1]), int(found[2]), line.strip())
    raise ValueError("this is not OpenSSH, or its version cannot be read")
