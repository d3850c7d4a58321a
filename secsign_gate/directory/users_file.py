"""The users file: which SecSign ID is asked when somebody logs in as an account.

    # account   SecSign ID      key
    alice       alice
    deploy      alice           SHA256:hWFMkxq7vFYvu1hbXTeVbm2cSg8B9NMXOOKpmNXo8pM
    deploy      bob             SHA256:1oPRtRpVbmQ4vsfqUg0y4pjAKXNzfkYhnjkRNZfZKJs

Blanks or tabs separate the words; what follows a word that begins with # is a comment. The format is for people, so
everything in it that could be a slip of the pen is an error, and all of them are reported at once.
"""

from types import MappingProxyType
from typing import NamedTuple

from secsign_gate.core.account_name import check_account
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id
from secsign_gate.errors import ConfigError, Problem
from secsign_gate.trusted_file import read_trusted_lines

MAX_BYTES = 16 * 1024 * 1024  # a hundred thousand accounts with a key each
_FINGERPRINT = "SHA256:"
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LAST_OF_BASE64 = frozenset("AEIMQUYcgkosw048")  # 43 letters carry 258 bits; the last two must be zero
_BASE64_LENGTH = 43
_LINE = "account SecSign-ID [SHA256:fingerprint]"


class Users:
    """Who is asked for whom. `len()` is the number of rules.

    `rules` maps an account and a fingerprint, or None for every other key of the account, to the SecSign ID.
    """

    def __init__(self, rules: dict[tuple[str, str | None], SecSignId]) -> None:
        self.rules = MappingProxyType(rules)

    def __len__(self) -> int:
        return len(self.rules)

    def secsign_id(
        self, account: str, fingerprints: tuple[str, ...], holders: frozenset[SecSignId] = frozenset()
    ) -> SecSignId | None:
        """Return the SecSign ID to ask when `account` logs in with the keys that have these fingerprints.

        `holders` are whose the keys are by the registry. Who holds a key, by that or by a line with its fingerprint,
        wins over the account's line without. None if no line applies, and if the keys belong to different SecSign IDs,
        for nobody can say who of them logs in.
        """
        holders |= {self.rules[account, key] for key in fingerprints if (account, key) in self.rules}
        if not holders:
            return self.rules.get((account, None))
        return next(iter(holders)) if len(holders) == 1 else None

    def depends_on_key(self, account: str) -> bool:
        """Tell whether it takes the key to say whose phone is to be asked when somebody logs in as `account`."""
        whose = {self.rules.get((name, key)) for name, key in self.rules if name == account}
        return bool(whose) and whose != {self.rules.get((account, None))}

    def secsign_ids(self, account: str) -> set[SecSignId]:
        """Return every SecSign ID that may be asked for `account`, whatever the key."""
        return {secsign_id for (name, _), secsign_id in self.rules.items() if name == account}


def load_users(path: str) -> Users:
    """Return the users file at `path`, judged as trusted_file.py says. Raises ConfigError with ALL problems."""
    return parse_users(path, read_trusted_lines(path, limit=MAX_BYTES))


def parse_users(path: str, text: str) -> Users:
    """Return the users in `text`, which is the content of the file at `path`. Raises ConfigError with ALL problems."""
    rules: dict[tuple[str, str | None], SecSignId] = {}
    lines: dict[tuple[str, str | None], int] = {}
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        words = _words(line)
        if not words:
            continue
        try:
            rule = _rule(words)
        except _Mistake as mistake:
            problems.append(Problem(path, number, "", mistake.what, mistake.remedy))
            continue
        key = rule.account, rule.fingerprint
        if key in lines:
            what = f"says again what line {lines[key]} says of {rule.account}"
            problems.append(Problem(path, number, "", what, "keep one of the two"))
            continue
        rules[key] = rule.secsign_id
        lines[key] = number
    if problems:
        raise ConfigError(problems)
    return Users(rules)


def users_line(account: str, secsign_id: SecSignId, fingerprint: str | None = None) -> str:
    """Return the line, without its end, that `parse_users` reads as this rule."""
    return f"{account} {secsign_id} {fingerprint}" if fingerprint else f"{account} {secsign_id}"


def check_fingerprint(text: str) -> str:
    """Return `text` if it is a fingerprint as `ssh-keygen -l` prints it. Raises ValueError with a sentence."""
    code = text.removeprefix(_FINGERPRINT)
    whole = text.startswith(_FINGERPRINT) and len(code) == _BASE64_LENGTH
    if not whole or not _BASE64.issuperset(code) or code[-1] not in _LAST_OF_BASE64:
        raise ValueError(f"a fingerprint is SHA256: and {_BASE64_LENGTH} letters of base64, without =")
    return text


class _Rule(NamedTuple):
    account: str
    secsign_id: SecSignId
    fingerprint: str | None


class _Mistake(Exception):
    """What is wrong with one line; it never leaves this file."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)


def _words(line: str) -> list[str]:
    """Split at blanks and tabs only, so that other white space is seen as the mistake that it is."""
    words = [word for word in line.removesuffix("\r").replace("\t", " ").split(" ") if word]
    for number, word in enumerate(words):
        if word.startswith("#"):
            return words[:number]
    return words


def _rule(words: list[str]) -> _Rule:
    account, *rest = words
    if not rest:
        if ":" in account or "=" in account:
            raise _Mistake("is no line of a users file", "convert another format with `secsign-gate import-mapping`")
        raise _Mistake("names an account without a SecSign ID", f"write `{_LINE}`")
    if len(rest) > 2:  # noqa: PLR2004 - SecSign ID and fingerprint
        raise _Mistake("has more than three words", f"write `{_LINE}`, comments begin with #")
    try:
        check_account(account)
    except ValueError as error:
        raise _Mistake(str(error), "write the name as `getent passwd` prints it") from None
    try:
        secsign_id = parse_secsign_id(rest[0])
    except ValueError as error:
        raise _Mistake(str(error), "write the ID as it stands in the app") from None
    try:
        fingerprint = check_fingerprint(rest[1]) if rest[1:] else None
    except ValueError as error:
        raise _Mistake(str(error), "`ssh-keygen -lf FILE.pub` prints it") from None
    return _Rule(account, secsign_id, fingerprint)
