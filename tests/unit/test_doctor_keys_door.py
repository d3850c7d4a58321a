"""What the doctor says of the line by which sshd asks the door for keys, however that line is written."""

import pytest

from secsign_gate.core.login import Account
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.keys_door import examine_keys_doors
from secsign_gate.doctor.orders import Orders
from secsign_gate.doctor.sshd.session import Connection, Host, Session
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.version import Version

PYTHON, DOOR = "/opt/secsign-gate/bin/python3", "/opt/secsign-gate/bin/secsign-gate-authorized-keys"
OPTIONS = "--registry none --authorized-keys /etc/ssh/keys/%u %u %t %k %f"


def at_sshd(command: str) -> AtSshd:
    printed: dict[str, tuple[str, ...]] = {
        "authorizedkeyscommand": (command,),
        "authorizedkeyscommanduser": ("secsign-gate-keys",),
        "authorizedkeysfile": ("none",),
        "authenticationmethods": ("publickey",),
        "pubkeyauthentication": ("yes",),
    }
    alice = Account("alice", 2001, "/home/alice", "/bin/bash", ())
    outside = Connection("192.0.2.7", "192.0.2.7", "192.0.2.1", 22)
    return AtSshd(Session(alice, outside, Effective(printed), Host(Version(9, 2, ""))))


@pytest.mark.parametrize(
    "command",
    [
        f"{PYTHON} -I -S {DOOR} {OPTIONS}",
        f'{PYTHON} -I -S "{DOOR}" {OPTIONS}',
        f"{PYTHON} -I -S '{DOOR}' {OPTIONS}",
    ],
)
def test_quotes_of_sshds_are_none_of_the_doors(command: str) -> None:
    one = at_sshd(command)
    assert one.is_gated
    assert [program.script for program in one.programs] == [DOOR]
    assert examine_keys_doors(Orders([], None, None), [one]) == ()


def test_an_option_that_the_door_does_not_take_is_told() -> None:
    one = at_sshd(f'{PYTHON} -I -S "{DOOR}" --nonsense %u %t %k %f')
    (finding,) = examine_keys_doors(Orders([], None, None), [one])
    assert finding.status is Status.BROKEN


def test_a_token_that_no_sshd_fills_in_is_told() -> None:
    (finding,) = examine_keys_doors(Orders([], None, None), [at_sshd(f"{DOOR} --registry none %u %t %k %q")])
    assert (finding.status, "%q" in finding.what) == (Status.BROKEN, True)
