"""What one approval covers: channels of the same SSH connection, account and keys (law 4), and nothing else."""

import pytest
from audit_sample import LOGIN
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.grant import GrantSettings, coverage, granted, of_the_connection
from secsign_gate.core.login import Command, Login, LoginShell, OtherMethod, PamService, PublicKey
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.secsign_id import SecSignId

ALICE, BOB = SecSignId("alice"), SecSignId("bob")
SETTINGS = GrantSettings("connection", 0, PatternList(), ())


def test_channels_of_one_connection_share_whatever_they_run() -> None:
    assert coverage(LOGIN, ALICE, SETTINGS) == coverage(LOGIN._replace(wanted=LoginShell()), ALICE, SETTINGS)


@pytest.mark.parametrize(
    "other",
    [
        LOGIN._replace(sshd=SshdProcess(4711, 123457)),
        LOGIN._replace(sshd=SshdProcess(4712, 123456)),
        LOGIN._replace(account=LOGIN.account._replace(uid=1001)),
        LOGIN._replace(methods=(PublicKey("ssh-ed25519", b"another"), *LOGIN.methods[1:])),
        LOGIN._replace(methods=LOGIN.methods[:1]),
        LOGIN._replace(methods=()),
    ],
    ids=["another start time", "another pid", "another account", "another key", "fewer methods", "no method"],
)
def test_nothing_else_shares(other: Login) -> None:
    assert coverage(other, ALICE, SETTINGS) != coverage(LOGIN, ALICE, SETTINGS)


WHOLE = PamService("sshd", "account", "ssh", "", whole_connection=True)


def test_what_pam_was_allowed_covers_all_of_its_connection_whatever_the_key() -> None:
    of_pam = coverage(LOGIN._replace(wanted=WHOLE, methods=()), ALICE, SETTINGS)
    of_a_channel = coverage(LOGIN, ALICE, SETTINGS)
    assert of_pam is not None
    assert of_a_channel is not None
    assert of_pam != of_a_channel
    assert of_the_connection(of_a_channel) == of_pam


@pytest.mark.parametrize(
    ("channel", "secsign_id"),
    [
        (LOGIN._replace(sshd=SshdProcess(4711, 123457)), ALICE),
        (LOGIN._replace(account=LOGIN.account._replace(uid=1001)), ALICE),
        (LOGIN, BOB),
    ],
    ids=["another connection", "another account", "another phone"],
)
def test_what_pam_was_allowed_covers_nothing_else(channel: Login, secsign_id: SecSignId) -> None:
    of_another = coverage(channel, secsign_id, SETTINGS)
    assert of_another is not None
    assert of_the_connection(of_another) != coverage(LOGIN._replace(wanted=WHOLE, methods=()), ALICE, SETTINGS)


def test_a_channel_that_says_no_method_has_no_grant_for_the_whole_connection() -> None:
    assert coverage(LOGIN._replace(methods=()), ALICE, SETTINGS) != coverage(
        LOGIN._replace(wanted=WHOLE, methods=()), ALICE, SETTINGS
    )


def test_another_phone_shares_nothing() -> None:
    assert coverage(LOGIN, BOB, SETTINGS) != coverage(LOGIN, ALICE, SETTINGS)


def test_an_unproven_connection_shares_with_nobody() -> None:
    assert coverage(LOGIN._replace(sshd=None), ALICE, SETTINGS) is None


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS._replace(per="channel"),
        SETTINGS._replace(per_channel_accounts=PatternList.parse("root,al*")),
        SETTINGS._replace(per_channel_commands=("up*",)),
        SETTINGS._replace(per_channel_commands=("ls", "?ptime")),
    ],
)
def test_what_is_to_be_asked_for_in_any_case_shares_with_nobody(settings: GrantSettings) -> None:
    assert coverage(LOGIN, ALICE, settings) is None


def test_a_pattern_is_about_what_runs() -> None:
    settings = SETTINGS._replace(per_channel_commands=("sudo *",))
    assert coverage(LOGIN._replace(restriction=b"sudo -i"), ALICE, settings) is None
    assert coverage(LOGIN._replace(wanted=Command(b"sudo -i"), restriction=b"uptime"), ALICE, settings) is not None


def test_a_pattern_matches_bytes_that_are_no_text() -> None:
    settings = SETTINGS._replace(per_channel_commands=("sudo *",))
    assert coverage(LOGIN._replace(wanted=Command(b"sudo \xff\xfe")), ALICE, settings) is None


def test_a_grant_lasts_as_long_as_was_said() -> None:
    covered = coverage(LOGIN, ALICE, SETTINGS)
    assert covered is not None
    for_ever = granted(covered, LOGIN, "R", 100.0, SETTINGS)
    an_hour = granted(covered, LOGIN, "R", 100.0, SETTINGS._replace(seconds=3600))
    assert not for_ever.is_over(1e9)
    assert [an_hour.is_over(at) for at in (100.0, 3699.9, 3700.0)] == [False, False, True]


@given(
    first=st.builds(SshdProcess, st.integers(1, 9), st.integers(0, 9)),
    second=st.builds(SshdProcess, st.integers(1, 9), st.integers(0, 9)),
    uids=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    methods=st.tuples(*[st.sampled_from([(), (OtherMethod("password"),), LOGIN.methods])] * 2),
)
def test_a_grant_never_crosses_connections_accounts_or_keys(
    first: SshdProcess, second: SshdProcess, uids: tuple[int, int], methods: tuple[tuple[OtherMethod, ...], ...]
) -> None:
    one = LOGIN._replace(sshd=first, account=LOGIN.account._replace(uid=uids[0]), methods=methods[0])
    other = LOGIN._replace(sshd=second, account=LOGIN.account._replace(uid=uids[1]), methods=methods[1])
    shares = coverage(one, ALICE, SETTINGS) == coverage(other, ALICE, SETTINGS)
    assert shares == ((first, uids[0], methods[0]) == (second, uids[1], methods[1]))
