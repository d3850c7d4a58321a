"""Any users file and any mapping of the vendor's gives a value or problems with lines; what is written is read back."""

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate.core.account_name import check_account
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id
from secsign_gate.directory.users_file import Users, parse_users, users_line
from secsign_gate.directory.vendor_import import import_mapping
from secsign_gate.errors import ConfigError


def is_account(name: str) -> bool:
    try:
        check_account(name)
    except ValueError:
        return False
    return True


accounts = st.text(min_size=1, max_size=12).filter(is_account) | st.sampled_from(["alice", "EXAMPLE\\a", "build$"])
secsign_ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789@_-.", min_size=1, max_size=20).map(parse_secsign_id)
keys = st.binary(min_size=32, max_size=32).map(lambda digest: "SHA256:" + base64.b64encode(digest).decode().rstrip("="))
words = st.sampled_from(
    ["alice", "bob", "#", "\t", " ", "\n", "\r\n", ":", "=", "SHA256:", "é", "\u2028", "\x0b", "\0"]
)
texts = st.text(max_size=100) | st.lists(words | keys, max_size=30).map("".join)


@settings(deadline=None)
@given(texts)
def test_any_text_is_a_users_file_or_has_problems_with_lines(text: str) -> None:
    lines = text.split("\n")
    try:
        rules, problems = len(parse_users("users", text)), []
    except ConfigError as error:
        rules, problems = 0, error.problems
    numbers = [problem.line for problem in problems]
    assert numbers == sorted(set(numbers))
    assert all(lines[number - 1].strip(" \t\r") for number in numbers)
    assert all(str(problem).isprintable() for problem in problems)
    if not problems:
        assert rules == len([line for line in lines if line.strip(" \t\r") and not line.strip(" \t").startswith("#")])


@settings(deadline=None)
@given(st.dictionaries(st.tuples(accounts, st.none() | keys), secsign_ids, max_size=8), st.data())
def test_what_is_written_is_read_back(rules: dict[tuple[str, str | None], SecSignId], data: st.DataObject) -> None:
    lines = [users_line(account, secsign_id, key) for (account, key), secsign_id in rules.items()]
    noise = st.sampled_from(["", "# a comment", "   ", "\t# alice bob"])
    text = "".join(f"{data.draw(noise)}\n{line}\n" for line in lines)
    assert dict(parse_users("users", text).rules) == rules


@settings(deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from("ab"), st.none() | st.sampled_from("xyz")), st.sampled_from("123")))
def test_who_is_asked_follows_from_the_lines_alone(rules: dict[tuple[str, str | None], SecSignId]) -> None:
    users = Users(rules)
    for account in "abc":
        assert users.secsign_id(account, ()) == rules.get((account, None))
        for key in "xyz":
            assert users.secsign_id(account, (key,)) == rules.get((account, key), rules.get((account, None)))
            for other in "xyz":
                named = {rules[account, one] for one in (key, other) if (account, one) in rules}
                expected = rules.get((account, None)) if not named else named.pop() if len(named) == 1 else None
                assert users.secsign_id(account, (key, other)) == expected


@settings(deadline=None)
@given(st.binary(max_size=100) | texts.map(str.encode))
def test_any_mapping_is_converted_or_refused_with_lines(content: bytes) -> None:
    try:
        text = import_mapping("secsignid.config", content)
    except ConfigError as error:
        for problem in error.problems:
            assert 0 <= problem.line <= content.count(b"\n") + 1
            assert str(problem).isprintable()
    else:
        users = parse_users("users", text)
        assert 0 < len(users) == text.count("\n")


@settings(deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.@\\$-]{0,10}", fullmatch=True), secsign_ids, min_size=1),
    st.data(),
)
def test_a_mapping_in_any_of_the_forms_is_taken(mapping: dict[str, SecSignId], data: st.DataObject) -> None:
    separators = st.sampled_from([":", "=", " ", "\t", " = ", ": ", " :\t"])
    lines = [f"{account}{data.draw(separators)}{secsign_id.upper()}\n" for account, secsign_id in mapping.items()]
    text = import_mapping("secsignid.config", "".join(lines).encode())
    assert {account: found for (account, _), found in parse_users("users", text).rules.items()} == mapping
