"""The environment of a gated session, where it is not the plainest one; test_hand_over.py compares that."""

from __future__ import annotations

import re

import drop_in
import pytest
import session_facts
from gate import Gate, Person
from session_facts import COMMAND, facts_in, let_everybody_in

from secsign_gate.doors.hand_over import HARDENING


@pytest.fixture
def open_gate(gate: Gate) -> Gate:
    session_facts.install()
    let_everybody_in(gate)
    return gate


def setenv_line() -> str:
    found = re.search(r"(?m)^ *SetEnv (.*)$", drop_in.gated())
    assert found
    return found[1]


def environments(person: Person, *options: str) -> tuple[set[str], set[str]]:
    """Return what a shell gets without the gate and with it."""
    logins = [person.ssh(COMMAND, at=at, options=options) for at in ("ungated", "gated")]
    without, with_gate = (set(facts_in(login.outcome().stdout)["environment"]) for login in logins)
    return without, with_gate


def test_variables_of_pams_are_kept(open_gate: Gate) -> None:
    alice = open_gate.user("alice")
    alice.write(
        ".pam_environment", "EDITOR DEFAULT=ed\nTZ DEFAULT=Asia/Tokyo\nweird-name DEFAULT=1\nPATH DEFAULT=/bin\n"
    )
    without, with_gate = environments(alice, "-o", "SetEnv=LC_a.b=1 LC_ALL= LC_Y='() { :; }'")
    assert {"EDITOR=ed", "TZ=Asia/Tokyo", "weird-name=1", "PATH=/bin", "LC_a.b=1", "LC_ALL="} <= without
    assert with_gate == without


def test_what_pam_sets_under_a_name_that_the_drop_in_takes_is_lost(open_gate: Gate) -> None:
    """A limit that the README names: SetEnv overwrites the value before anybody could have kept it."""
    alice = open_gate.user("alice")
    alice.write(".pam_environment", "XDG_DATA_DIRS DEFAULT=/opt/share\nEDITOR DEFAULT=ed\n")
    without, with_gate = environments(alice)
    assert without - with_gate == {"XDG_DATA_DIRS=/opt/share"}


def test_values_of_the_administrators_own_on_the_setenv_line_are_kept(open_gate: Gate) -> None:
    shipped = setenv_line()
    own = "ORGANISATION=acme XDG_DATA_DIRS=/opt/share:/usr/share"
    open_gate.more_settings = f"SetEnv {own}"
    line = re.sub(r" XDG_DATA_DIRS=\S+", "", shipped)
    open_gate.drop_in = drop_in.gated(SetEnv=f"{line} {own}")
    without, with_gate = environments(open_gate.user("alice"))
    assert set(own.split()) <= without
    assert with_gate == without


def test_auth_info_is_kept_where_it_was_before_the_gate(open_gate: Gate) -> None:
    open_gate.more_settings = "ExposeAuthInfo yes"
    alice = open_gate.user("alice")
    read = 'cat "$SSH_USER_AUTH"'
    kind, blob, *_ = alice.client.public_key.split()
    assert alice.ssh(read, at="ungated").outcome().stdout == f"publickey {kind} {blob}\n".encode()
    assert alice.ssh("echo ${SSH_USER_AUTH-none}").outcome().stdout == b"none\n"
    open_gate.configure(sshd={"expose_auth_info": True})
    assert alice.ssh(read).outcome().stdout == f"publickey {kind} {blob}\n".encode()


def test_the_drop_in_and_the_table_of_what_is_undone_agree() -> None:
    line = dict(word.encode().split(b"=", 1) for word in setenv_line().split())
    assert line.keys() - HARDENING.keys() == {b"SHLVL", b"SHELLOPTS"}  # shells fill these; they go whatever they hold
    assert {name: line[name] for name in HARDENING} == HARDENING


def test_bash_warns_of_a_bad_locale_once_more(open_gate: Gate) -> None:
    """A limit that the README names: the shell that starts the gate warns as well as the one that the gate starts."""
    alice = open_gate.user("alice")
    bad = ["-o", "SetEnv=LC_ALL=xx_YY.UTF-8"]
    without, with_gate = (alice.ssh("true", at=at, options=bad).outcome() for at in ("ungated", "gated"))
    assert b"cannot change locale (xx_YY.UTF-8)" in without.stderr
    assert with_gate.stderr == 2 * without.stderr


def test_dash_loses_what_is_no_name_of_a_variable(open_gate: Gate) -> None:
    """A limit that the README names: the shell that starts the gate hands on what a script could use, no more."""
    without, with_gate = environments(open_gate.user("dora"), "-o", "SetEnv=LC_a.b=1 LC_X=1")
    assert (without - with_gate, with_gate - without) == ({"LC_a.b=1"}, set())
