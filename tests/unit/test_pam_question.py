"""What PAM may ask, and who has to have shown what before a phone rings for it (law 9)."""

from typing import TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.login import OtherMethod, PamService, PublicKey
from secsign_gate.core.pam_question import ASKED_BY_NOBODY, LONGEST_WAIT, pam_service, why_not_to_ask
from secsign_gate.errors import ClaimError


class Said(TypedDict, total=False):
    """What PAM says of itself, or a part of it."""

    phase: bytes
    service: bytes
    terminal: bytes
    remote_host: bytes
    over_ssh: bool
    seconds: int


SUDO: Said = {
    "phase": b"auth",
    "service": b"sudo",
    "terminal": b"/dev/pts/3",
    "remote_host": b"",
    "over_ssh": False,
    "seconds": 90,
}
SSHD: Said = {
    "phase": b"account",
    "service": b"sshd",
    "terminal": b"ssh",
    "remote_host": b"192.0.2.7",
    "over_ssh": True,
    "seconds": 90,
}
KEY = PublicKey("ssh-ed25519", b"blob")


def asked(phase: str, *, over_ssh: bool) -> PamService:
    return PamService("sshd" if over_ssh else "su", phase, "", "", over_ssh)


def test_what_pam_says_is_taken_as_it_is() -> None:
    assert pam_service(**SUDO) == PamService("sudo", "auth", "/dev/pts/3", "", whole_connection=False)
    assert pam_service(**SSHD) == PamService("sshd", "account", "ssh", "192.0.2.7", whole_connection=True)


def test_sshd_may_have_another_service_name() -> None:
    assert pam_service(**SSHD | {"service": b"sshd-internal"}).whole_connection


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"phase": b"session"}, "neither auth nor account"),
        ({"phase": b""}, "neither auth nor account"),
        ({"service": b""}, "PAM_SERVICE is missing"),
        ({"service": b"sshd"}, "no SSH connection"),
        ({"service": b"su do"}, "PAM_SERVICE is not"),
        ({"service": b"s\nu"}, "PAM_SERVICE is not"),
        ({"service": "sü".encode()}, "PAM_SERVICE is not"),
        ({"terminal": b"x" * 257}, "PAM_TTY is not"),
        ({"remote_host": b"a\x1b[2J"}, "PAM_RHOST is not"),
        ({"seconds": 0}, "1 to 600 seconds"),
        ({"seconds": LONGEST_WAIT + 1}, "1 to 600 seconds"),
    ],
)
def test_what_pam_would_not_say_is_an_error(wrong: Said, words: str) -> None:
    with pytest.raises(ClaimError, match=words):
        pam_service(**SUDO | wrong)


@given(
    phase=st.sampled_from([b"auth", b"account"]) | st.binary(max_size=9),
    service=st.binary(max_size=9),
    terminal=st.binary(max_size=9),
    remote_host=st.binary(max_size=9),
    over_ssh=st.booleans(),
    seconds=st.integers(-1, 700),
)
def test_nothing_unprintable_comes_through(**said: Unpack[Said]) -> None:
    try:
        service = pam_service(**said)
    except ClaimError:
        return
    assert all(text.isascii() and text.isprintable() and " " not in text for text in service[:4])
    assert service.phase in {"auth", "account"}
    assert service.name


@pytest.mark.parametrize(
    ("service", "methods", "himself", "after_password"),
    [
        (asked("account", over_ssh=True), (), False, False),
        (asked("account", over_ssh=False), (), False, False),
        (asked("auth", over_ssh=True), (KEY,), False, False),
        (asked("auth", over_ssh=True), (), False, True),
        (asked("auth", over_ssh=False), (), True, False),
        (asked("auth", over_ssh=False), (), False, True),
    ],
    ids=["sshd, account", "su, account", "key, then phone", "password, then phone", "sudo", "su after a password"],
)
def test_a_phone_may_ring_for(
    service: PamService, methods: tuple[PublicKey, ...], himself: bool, after_password: bool
) -> None:
    assert not why_not_to_ask(service, methods, of_the_user_himself=himself, after_password=after_password)


@pytest.mark.parametrize(
    ("service", "methods", "himself"),
    [
        (asked("auth", over_ssh=True), (), False),
        (asked("auth", over_ssh=True), (OtherMethod("none"),), False),
        (asked("auth", over_ssh=True), (), True),  # a user of the same name on another computer is nobody here
        (asked("auth", over_ssh=False), (), False),
        (asked("auth", over_ssh=False)._replace(remote_host="192.0.2.7"), (), True),
    ],
    ids=["nothing shown", "no key shown", "remote user", "su by another", "ftp"],
)
def test_no_phone_rings_for(service: PamService, methods: tuple[OtherMethod, ...], himself: bool) -> None:
    why = why_not_to_ask(service, methods, of_the_user_himself=himself, after_password=False)
    assert "--after-password" in why


@pytest.mark.parametrize("name", sorted(ASKED_BY_NOBODY))
def test_no_phone_rings_for_what_nobody_waits_for(name: str) -> None:
    """A line in common-account is asked by cron as well, for every job."""
    for phase in ("auth", "account"):
        service = asked(phase, over_ssh=False)._replace(name=name)
        why = why_not_to_ask(service, (), of_the_user_himself=True, after_password=True)
        assert f"/etc/pam.d/{name}" in why
