"""The vendor's `secsignid.config`, read for a last time and written as our users file.

The vendor publishes no grammar of it, only that it lists user names with their SecSign IDs. The forms that such a list
plausibly has are taken; a line of any other form is refused, for a guess here would ask the wrong phone.
"""

import re

from secsign_gate.core.account_name import check_account
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id
from secsign_gate.directory.users_file import users_line
from secsign_gate.errors import ConfigError, Problem

# Punctuation that an account could have, if oddly, is more likely a form of file that nobody has thought of.
_LINE = re.compile(r"""(?P<account>[^\s:=,;"'<>|\[\]{}()]+)(?:[ \t]*[:=][ \t]*|[ \t]+)(?P<secsign_id>[^\s:=]+)""")


def import_mapping(path: str, content: bytes) -> str:
    """Return as a users file the mapping in `content`, which is that of the vendor's file at `path`.

    Lines are `user:id`, `user=id` or `user id`; empty ones and those that begin with # are skipped. Raises ConfigError
    with ALL problems: lines not understood, users named twice, names that no account or SecSign ID can have.
    """
    found: dict[str, SecSignId] = {}
    lines: dict[str, int] = {}
    problems = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            rule = _rule(raw)
        except ValueError as error:
            problems.append(Problem(path, number, "", str(error), "correct the line or remove it"))
            continue
        if rule is None:
            continue
        account, secsign_id = rule
        if account in found:
            what = f"names {account} again, as line {lines[account]} does"
            problems.append(Problem(path, number, "", what, "keep one of the two"))
            continue
        found[account] = secsign_id
        lines[account] = number
    if not problems and not found:
        problems.append(Problem(path, 0, "", "names no user", "check that it is the right file"))
    if problems:
        raise ConfigError(problems)
    return "".join(f"{users_line(account, secsign_id)}\n" for account, secsign_id in found.items())


def _rule(raw: bytes) -> tuple[str, SecSignId] | None:
    """Return account and SecSign ID of a line, None if it says nothing. Raises ValueError with a sentence."""
    try:
        line = raw.decode().removesuffix("\r").strip(" \t")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not line or line.startswith("#"):
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("is none of `user:id`, `user=id` and `user id`")
    return check_account(match["account"]), parse_secsign_id(match["secsign_id"])
