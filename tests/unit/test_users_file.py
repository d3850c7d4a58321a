"""The users file: whose phone is asked, and how every slip of the pen is found."""

from pathlib import Path

import pytest

from secsign_gate.core.account_name import check_account
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.directory.users_file import check_fingerprint, load_users, parse_users, users_line
from secsign_gate.errors import ConfigError

ALICE_KEY = "SHA256:PEwSdoGta4FL6IHBXTO+GPSvpm0NCzM+EuSLnhFc/VU"
BOB_KEY = "SHA256:udMfmk7K5OmDywz/mWYvqohj12omw2D1dX587ZIC0sU"
OTHER_KEY = "SHA256:fDCbZtqTBRvzPHu8XQG/xRWirTPwl1HZuL7PyG6DrnA"

SHARED = f"""
deploy  alice   {ALICE_KEY}
deploy  bob     {BOB_KEY}  # laptop
ops   ops\t# keys of all kinds
ops   bob     {BOB_KEY}
"""


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_users("users", text)
    assert {found.path for found in caught.value.problems} == {"users"}
    return [(found.line, f"{found.what}; {found.remedy}") for found in caught.value.problems]


@pytest.mark.parametrize(
    ("account", "keys", "secsign_id"),
    [
        ("deploy", (ALICE_KEY,), "alice"),
        ("deploy", (BOB_KEY,), "bob"),
        ("deploy", (OTHER_KEY,), None),
        ("deploy", (), None),
        ("deploy", (OTHER_KEY, BOB_KEY), "bob"),
        ("deploy", (ALICE_KEY, BOB_KEY), None),  # nobody can say who of them logs in
        ("deploy", (ALICE_KEY, ALICE_KEY), "alice"),
        ("ops", (), "ops"),
        ("ops", (OTHER_KEY,), "ops"),
        ("ops", (BOB_KEY,), "bob"),
        ("ops", (BOB_KEY, OTHER_KEY), "bob"),
        ("Ops", (), None),
        ("alice", (ALICE_KEY,), None),
        ("", (), None),
    ],
)
def test_the_line_with_the_key_wins_over_the_line_without(
    account: str, keys: tuple[str, ...], secsign_id: str | None
) -> None:
    assert parse_users("users", SHARED).secsign_id(account, keys) == secsign_id


def test_a_file_of_comments_maps_nobody() -> None:
    users = parse_users("users", "# nobody yet\n\n \t\n")
    assert len(users) == 0
    assert users.secsign_id("alice", ()) is None


@pytest.mark.parametrize(
    ("text", "depends"),
    [
        ("alice alice", False),
        ("bob bob", False),
        (f"alice alice {ALICE_KEY}", True),
        (f"alice alice {ALICE_KEY}\nalice bob {BOB_KEY}", True),
        (f"alice alice\nalice bob {BOB_KEY}", True),
        (f"alice alice\nalice alice {BOB_KEY}", False),
    ],
)
def test_whether_it_takes_the_key_to_say_whose_phone_is_asked(text: str, depends: bool) -> None:
    assert parse_users("users", text + "\n").depends_on_key("alice") is depends


def test_secsign_ids_are_folded_and_accounts_are_not() -> None:
    users = parse_users("users", "Alice ALICE@Example.org\r\n")
    assert users.secsign_id("Alice", ()) == "alice@example.org"
    assert users.secsign_id("alice", ()) is None


@pytest.mark.parametrize(
    "account", ["alice", "_apt", "build$", "DOMAIN\\alice", "alice@example.org", "jürgen", "a.b+c", "1and1", "x" * 256]
)
def test_odd_but_legal_account_names(account: str) -> None:
    assert check_account(account) == account
    assert parse_users("users", f"{account} alice\n").secsign_id(account, ()) == "alice"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("alice", "names an account without a SecSign ID; write `account SecSign-ID [SHA256:fingerprint]`"),
        ("alice # alice", "names an account without a SecSign ID"),
        ("alice:alice", "is no line of a users file; convert another format with `secsign-gate import-mapping`"),
        ("alice=alice", "is no line of a users file"),
        ("alice = alice", "a SecSign ID consists of"),
        (f"alice alice {ALICE_KEY} laptop", "has more than three words"),
        ("alice al/ice", "a SecSign ID consists of ASCII letters, digits and @ _ - .; write the ID as it stands in"),
        ("alice älice", "a SecSign ID consists of"),
        ("alice " + "a" * 256, "a SecSign ID has at most 255 characters"),
        ("alice\u00a0 alice", "an account name holds no blank and no control character; write the name as `getent"),
        ("al\x07ice alice", "an account name holds no blank and no control character"),
        ("al\u202eice alice", "an account name holds no blank and no control character"),
        ("alice\x0b alice", "an account name holds no blank and no control character"),
        ("-alice alice", "begins with neither - nor #"),
        ("home/alice alice", "holds no colon and no slash"),
        ("al:ice alice", "holds no colon and no slash"),
        ("a" * 257 + " alice", "an account name has 1 to 256 characters"),
        (f"alice alice {ALICE_KEY[:-1]}", "a fingerprint is SHA256: and 43 letters of base64, without =; `ssh-keygen"),
        (f"alice alice {ALICE_KEY}=", "a fingerprint is"),
        (f"alice alice {ALICE_KEY[:-1]}V", "a fingerprint is"),  # its last bits cannot be set
        (f"alice alice {ALICE_KEY.lower()}", "a fingerprint is"),
        (f"alice alice {ALICE_KEY.replace('/', '_')}", "a fingerprint is"),
        ("alice alice MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "a fingerprint is"),
        ("alice alice bob", "a fingerprint is"),
        ("alice ali\rce", "a SecSign ID consists of"),
        ("alice\0 alice", "an account name holds no blank and no control character"),
    ],
)
def test_a_malformed_line_is_named(line: str, says: str) -> None:
    [(number, said)] = problems(f"# comment\n\n{line}\nbob bob\n")
    assert number == 3
    assert says in said


def test_a_line_that_says_the_same_account_and_key_again() -> None:
    text = f"alice alice\nalice bob {BOB_KEY}\nalice alice\nalice alice {BOB_KEY}\nAlice alice\n"
    assert problems(text) == [
        (3, "says again what line 1 says of alice; keep one of the two"),
        (4, "says again what line 2 says of alice; keep one of the two"),
    ]


def test_all_problems_are_told_at_once() -> None:
    assert [number for number, _ in problems("alice\nbob bob\nbob bob\n\nx y z\n")] == [1, 3, 5]


def test_a_line_is_written_as_it_is_read() -> None:
    text = users_line("alice", SecSignId("alice")) + "\n" + users_line("alice", SecSignId("bob"), BOB_KEY) + "\n"
    assert dict(parse_users("users", text).rules) == {("alice", None): "alice", ("alice", BOB_KEY): "bob"}


def test_a_fingerprint_of_ssh_keygen_is_one() -> None:
    assert check_fingerprint(BOB_KEY) == BOB_KEY


class TestTheFileItself:
    """test_trusted_file.py has every case; here only that the loader judges at all."""

    def test_a_good_file(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text("alice alice\n")
        path.chmod(0o644)
        assert load_users(str(path)).secsign_id("alice", ()) == "alice"

    def test_a_file_cut_off_in_the_middle_of_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text("alice alice\nbob bo")  # was bob bo.smith, and bo is somebody else
        with pytest.raises(ConfigError, match="users line 2: the last line has no end, so it may be cut off"):
            load_users(str(path))

    def test_a_file_that_everybody_can_write(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text("alice alice\n")
        path.chmod(0o666)
        with pytest.raises(ConfigError, match="can be written by everybody"):
            load_users(str(path))

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="users: does not exist"):
            load_users(str(tmp_path / "users"))
