"""What `enable` makes of the shipped files of the other doors: keys from the registry, and PAM."""

from __future__ import annotations

from pathlib import Path

import pytest

from secsign_gate.activation.plan import Doors, Gated, PlanError
from secsign_gate.activation.plan_doors import SHIPPED_KEYS, SHIPPED_PAM, keys_text, keys_user, pam_text

CHECKOUT = Path(__file__).resolve().parents[2]
KEYS = (CHECKOUT / "sshd_config.d" / SHIPPED_KEYS).read_text()
PAM = (CHECKOUT / "examples/pam.d" / SHIPPED_PAM).read_text()
DAEMON = Doors("/etc/secsign-gate/secsign-gate.toml", "/run/secsign-gate/broker.sock", "/opt/secsign-gate")
DEBIAN = "# a comment about @include common-account\nauth x\n@include common-account\n@include common-session\n"
(GATE,) = (line for line in PAM.splitlines() if "secsign-gate-pam" in line and not line.startswith("#"))


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def in_pam(gated: Gated, *break_glass: str, doors: Doors = DAEMON) -> list[str]:
    return lines(pam_text(DEBIAN, PAM, gated, break_glass, doors))


def test_keys_from_the_registry() -> None:
    told = lines(keys_text(KEYS, Gated("group", ("ops",)), ("rescue",), DAEMON))
    assert told[0] == "Match Group ops User *,!rescue"
    assert told[1:] == lines(KEYS)[1:]
    assert keys_user(KEYS) == "secsign-gate-keys"


def test_keys_of_whose_name_a_digit_stands_behind_the_backslash() -> None:
    assert lines(keys_text(KEYS, Gated("user", ("EXAMPLE\\1st",)), (), DAEMON))[0] == "Match User EXAMPLE\\1st"


def test_keys_without_a_daemon() -> None:
    text = keys_text(KEYS, Gated("user", ("deploy",)), (), Doors("/srv/x.toml", "", "/usr/local/gate"))
    (command,) = [line for line in lines(text) if line.startswith("AuthorizedKeysCommand ")]
    assert command == (
        "AuthorizedKeysCommand /usr/local/gate/bin/python3 -I -S /usr/local/gate/bin/secsign-gate-authorized-keys "
        "--config /srv/x.toml %u %t %k %f"
    )


@pytest.mark.parametrize(
    "doors",
    [
        Doors("/etc/x.toml", "/run/a b.sock", "/opt/secsign-gate"),
        Doors("/etc/x.toml", "/run/a.sock", "/opt/secsign gate"),
    ],
)
def test_a_path_that_sshd_or_pam_would_read_otherwise_is_refused(doors: Doors) -> None:
    for make in (lambda: keys_text(KEYS, Gated("all"), (), doors), lambda: in_pam(Gated("all"), doors=doors)):
        with pytest.raises(PlanError, match="put it elsewhere"):
            make()


@pytest.mark.parametrize("path", ["/etc/secsign gate/x.toml", "/etc/%u.toml"])
def test_a_configuration_that_sshd_would_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(PlanError, match="put it elsewhere"):
        keys_text(KEYS, Gated("all"), (), Doors(path, "", "/opt/secsign-gate"))


@pytest.mark.parametrize(
    ("gated", "break_glass", "past"),
    [
        (Gated("all"), (), []),
        (Gated("all"), ("rescue", "root"), ["[success=1 default=ignore]  pam_succeed_if.so quiet user in rescue:root"]),
        (
            Gated("user", ("alice", "bob")),
            ("rescue",),
            ["[success=1 default=ignore]  pam_succeed_if.so quiet user notin alice:bob"],
        ),
        (
            Gated("group", ("ops",)),
            ("rescue",),
            [
                "[success=2 default=ignore]  pam_succeed_if.so quiet user in rescue",
                "[success=1 default=ignore]  pam_succeed_if.so quiet user notingroup ops",
            ],
        ),
    ],
)
def test_pam(gated: Gated, break_glass: tuple[str, ...], past: list[str]) -> None:
    assert in_pam(gated, *break_glass) == [
        "auth x",
        *(f"account  {line}" for line in past),
        GATE,
        "@include common-account",
        "@include common-session",
    ]


def test_a_gate_that_is_last_is_skipped_to_a_line_that_agrees() -> None:
    """As far as PAM is asked: a jump beyond the last line is a failure (pam.conf(5))."""
    shipped = f"# take the place of the line `@include common-account`\n@include common-account\n{GATE}\n"
    text = pam_text(DEBIAN, shipped, Gated("all"), ("rescue",), DAEMON)
    assert lines(text)[1:5] == [
        "@include common-account",
        "account  [success=1 default=ignore]  pam_succeed_if.so quiet user in rescue",
        GATE,
        "account  required  pam_permit.so",
    ]


def test_pam_asks_the_socket_that_is_set_and_runs_what_is_installed() -> None:
    doors = Doors("/etc/x.toml", "/run/other.sock", "/usr/local/gate")
    (line,) = [line for line in in_pam(Gated("all"), doors=doors) if "pam_exec" in line]
    assert line == GATE.replace("/opt/secsign-gate", "/usr/local/gate") + " --broker /run/other.sock"


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        ("account include password-auth\n", "has no line `@include common-account`"),
        (DEBIAN + "@include common-account\n", "has no line"),
        (DEBIAN + GATE + "\n", "starts the gate already, by hand"),
    ],
)
def test_a_pam_file_of_another_kind_is_left_alone(present: str, sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        pam_text(present, PAM, Gated("all"), (), DAEMON)


@pytest.mark.parametrize("name", ["a:b", "a[b", "two words", "a,b"])
def test_a_name_that_pam_would_read_otherwise(name: str) -> None:
    with pytest.raises(PlanError, match="cannot stand in"):
        in_pam(Gated("user", (name,)))
    with pytest.raises(PlanError, match="cannot stand in"):
        in_pam(Gated("all"), name)
