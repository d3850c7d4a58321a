"""Who passes without a push: exemptions by fact, grants that cover, and nobody else."""

from ipaddress import ip_network

import pytest
from audit_sample import LOGIN

from secsign_gate.core.grant import GrantSettings, coverage, granted
from secsign_gate.core.login import Command
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.policy import ExemptCommand, NeedsApproval, PolicySettings, judge
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, refuse

ALICE = SecSignId("alice")
NOTHING = PolicySettings(PatternList(), PatternList(), (), ())
GRANTS = GrantSettings("connection", 0, PatternList(), ())


def test_who_is_not_exempt_needs_an_approval_and_without_a_secsign_id_is_refused() -> None:
    assert judge(LOGIN, NOTHING, ALICE, None) == NeedsApproval(ALICE)
    assert judge(LOGIN, NOTHING, None, None) == refuse(Reason.NO_SECSIGN_ID)


@pytest.mark.parametrize(
    ("policy", "ground"),
    [
        (NOTHING._replace(exempt_accounts=PatternList.parse("al*")), Ground.EXEMPT_ACCOUNT),
        (NOTHING._replace(exempt_groups=PatternList.parse("alice")), Ground.EXEMPT_GROUP),
        (NOTHING._replace(exempt_networks=(ip_network("192.0.2.0/24"),)), Ground.EXEMPT_NETWORK),
        (
            NOTHING._replace(exempt_commands=(ExemptCommand(PatternList.parse("alice"), b"uptime"),)),
            Ground.EXEMPT_COMMAND,
        ),
    ],
)
def test_an_exemption_is_the_ground_on_record(policy: PolicySettings, ground: Ground) -> None:
    judgement = judge(LOGIN, policy, None, None)
    assert isinstance(judgement, Allow)
    assert judgement.ground is ground
    assert judgement.rule


def test_an_address_that_does_not_count_is_in_no_exempt_network() -> None:
    policy = NOTHING._replace(exempt_networks=(ip_network("192.0.2.0/24"),))
    assert judge(LOGIN._replace(address_counts=False), policy, ALICE, None) == NeedsApproval(ALICE)


def test_an_exempt_command_is_what_runs_not_what_was_asked_for() -> None:
    policy = NOTHING._replace(exempt_commands=(ExemptCommand(PatternList.parse("alice"), b"uptime"),))
    assert judge(LOGIN._replace(restriction=b"rm -rf /"), policy, ALICE, None) == NeedsApproval(ALICE)
    asked_for_another = LOGIN._replace(wanted=Command(b"rm -rf /"), restriction=b"uptime")
    assert isinstance(judge(asked_for_another, policy, ALICE, None), Allow)


def test_a_grant_that_covers_is_a_ground_and_names_the_approval() -> None:
    covered = coverage(LOGIN, ALICE, GRANTS)
    assert covered is not None
    judgement = judge(LOGIN, NOTHING, ALICE, granted(covered, LOGIN, "7F3KQ2", 0.0, GRANTS))
    assert judgement == Allow(Ground.GRANTED, "approval 7F3KQ2")


def test_where_nobody_may_be_asked_only_an_exemption_or_a_grant_lets_in() -> None:
    nobody = refuse(Reason.KEY_NOT_TOLD)
    covered = coverage(LOGIN, ALICE, GRANTS)
    assert covered is not None
    assert judge(LOGIN, NOTHING, ALICE, None, nobody) == nobody
    assert isinstance(judge(LOGIN, NOTHING, ALICE, granted(covered, LOGIN, "7F3KQ2", 0.0, GRANTS), nobody), Allow)
    exempt = NOTHING._replace(exempt_accounts=PatternList.parse("alice"))
    assert isinstance(judge(LOGIN, exempt, ALICE, None, nobody), Allow)
