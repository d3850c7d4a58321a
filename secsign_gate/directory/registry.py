"""The registry as the broker and the administrator see it: whose keys these are, and whether each line is one.

The broker reads it anew for each login, as sshd's program does for each key that is offered, and looks only at the
lines of the keys in question; so a change counts from the next login on, and a line that is none is passed over by
both alike. `check_registry` finds those.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, parse_key_line
from secsign_gate.core.key_holder import HeldLine
from secsign_gate.core.key_search import FoundLine
from secsign_gate.core.offered_key import plain_key
from secsign_gate.core.public_key import canonical, fingerprint, is_certificate_type
from secsign_gate.core.registry_line import FORM, RegistryLine, lines_that_hold, parse_registry_line
from secsign_gate.core.scanned_line import UnusableLineError, scan_line
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.directory.registry_file import read_registry
from secsign_gate.errors import ConfigError, Problem


class Registry(NamedTuple):
    """All lines of a registry in which there is no mistake, each with the fingerprint of its key."""

    lines: tuple[tuple[RegistryLine, str], ...]

    @property
    def accounts(self) -> frozenset[str]:
        """Every account that some key may log in as."""
        return frozenset(account for line, _ in self.lines for account in line.accounts)

    def holders(self, account: str, fingerprints: tuple[str, ...]) -> frozenset[SecSignId]:
        """Return whose the keys with these fingerprints are that may log in as `account`, whenever and from wherever.

        The fingerprint of an authority stands for all its certificates.
        """
        return frozenset(
            line.secsign_id
            for line, key in self.lines
            if key in fingerprints and account in line.accounts and line.secsign_id is not None
        )

    def secsign_ids(self, account: str) -> frozenset[SecSignId]:
        """Return every SecSign ID that may be asked for `account`, whatever the key."""
        return frozenset(
            line.secsign_id for line, _ in self.lines if account in line.accounts and line.secsign_id is not None
        )


def held_lines(path: str, account: str, blobs: frozenset[bytes]) -> tuple[HeldLine, ...]:
    """Return the lines of the registry at `path` that are about `account` and one of the keys `blobs`, in order.

    `blobs` are canonical. Raises ConfigError if the registry as a whole cannot be used.
    """
    content = read_registry(path)
    found: dict[int, HeldLine] = {}
    for blob in blobs:
        for number, line in _lines_about(account, b64encode(blob), content):
            where = FoundLine(path.encode("utf-8", "surrogateescape"), number, line.key_line)
            found[number] = HeldLine(line.secsign_id, where)
    return tuple(found[number] for number in sorted(found))


def is_registered(path: str, account: str) -> bool:
    """Tell whether a line of the registry at `path` is about `account`. Raises ConfigError if it cannot be used."""
    return any(_lines_about(account, account.encode("utf-8", "surrogateescape"), read_registry(path)))


def check_registry(path: str) -> Registry:
    """Return the registry at `path`. Raises ConfigError with ALL problems, also those that spoil one line only."""
    lines: list[tuple[RegistryLine, str]] = []
    problems: list[Problem] = []
    first: dict[tuple[bytes, str], tuple[int, bool]] = {}
    for number, text in enumerate(read_registry(path).split(b"\n"), 1):
        try:
            line = parse_registry_line(text)
            if line is None:
                continue
            key_line = _key_line(line)
        except UnusableLineError as error:
            problems.append(Problem(path, number, "", str(error), f"write it as `{FORM}`"))
            continue
        except KeyLineError as error:
            problems.append(Problem(path, number, "", str(error), "compare it with sshd(8), AUTHORIZED_KEYS"))
            continue
        key = canonical(key_line.blob)
        lines.append((line, fingerprint(key)))
        # Of two lines for one key, one may end before the other begins to count; an authority has one for each person.
        alone = not key_line.options.expiries and key_line.options.principals is None
        for account in line.accounts:
            earlier, was_alone = first.setdefault((key, account), (number, alone))
            if earlier != number and alone and was_alone:
                what = (
                    f"is a second line for {account} and the key of line {earlier}, and only one can be answered with"
                )
                problems.append(Problem(path, number, "", what, "keep one of the two"))
    if problems:
        raise ConfigError(problems)
    return Registry(tuple(lines))


def _lines_about(account: str, text: bytes, content: bytes) -> Iterator[tuple[int, RegistryLine]]:
    """Yield the lines that `text` stands in and that are about `account`, each with its number."""
    for number, line in lines_that_hold(text, content):
        try:
            parsed = parse_registry_line(line)
        except UnusableLineError:
            continue  # sshd's program says so in the log, `secsign-gate check` to whoever asks
        if parsed is not None and account in parsed.accounts:
            yield number, parsed


def _key_line(line: RegistryLine) -> KeyLine:
    """Return the part of `line` that is as in authorized_keys. Raises UnusableLineError and KeyLineError.

    What sshd's program would not find is no line either.
    """
    parsed = parse_key_line(line.key_line)
    if parsed is None:
        raise KeyLineError("the line holds no key, but a comment")
    if is_certificate_type(parsed.key_type.encode()):
        raise KeyLineError("the line holds a certificate; write the key of its authority, with cert-authority")
    key = plain_key(canonical(parsed.blob))
    if scan_line(line.key_line, key.key_type, key.key_text) is None:
        raise KeyLineError("the key is not written as ssh-keygen writes it, so it would not be found")
    return parsed
