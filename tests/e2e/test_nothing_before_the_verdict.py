"""Law 1: nothing of the user's runs before a verdict that allows: not his shell's files, not his variables' code.

Every case is tried twice: with the drop-in as we ship it, and with its SetEnv line taken out, where it must succeed.
Otherwise the case would prove nothing.
"""

from __future__ import annotations

from pathlib import Path

import drop_in
import pytest
from gate import Gate, Person

from secsign_gate.core.verdict import Reason

# What sshd's `$SHELL -c` reads in each shell (measured; a Debian bash reads .bashrc when sshd is its parent).
START_UP_FILES = {
    "alice": {".bashrc"},
    "zoe": {".zshenv"},
    "felix": {
        ".config/fish/config.fish",
        ".config/fish/conf.d/planted.fish",
        ".local/share/fish/vendor_conf.d/vendor.fish",
    },
    "tina": {".tcshrc"},
    "dora": set(),
    "kim": set(),
    "sam": set(),
}
PLANTED = (
    *(".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_logout"),
    *(".zshenv", ".zprofile", ".zshrc", ".zlogin"),
    *(".tcshrc", ".cshrc", ".login"),
    *(".kshrc", ".shrc"),
    *(".config/fish/config.fish", ".config/fish/conf.d/planted.fish"),
    ".local/share/fish/vendor_conf.d/vendor.fish",
)

# Lines of ~/.pam_environment, which Debian 12's PAM reads for sshd; HOME_ stands for the home directory.
VARIABLES = {
    "BASH_ENV of a bash that takes itself for a subshell": (
        "alice",
        "SHLVL DEFAULT=5\nBASH_ENV DEFAULT=HOME_/planted.sh",
    ),
    "a bash function named exec": ("alice", 'BASH_FUNC_exec%% DEFAULT="() { . HOME_/planted.sh; builtin exec $*; }"'),
    "a bash trace whose prompt runs a command": (
        "alice",
        r"SHELLOPTS DEFAULT=xtrace" + "\n" + r'PS4 DEFAULT="\$(. HOME_/planted.sh)"',
    ),
    "another home for bash": ("alice", "HOME DEFAULT=HOME_/elsewhere"),
    "another home for zsh": ("zoe", "ZDOTDIR DEFAULT=HOME_/elsewhere"),
    "another home for tcsh": ("tina", "HOME DEFAULT=HOME_/elsewhere"),
    "another configuration for fish": ("felix", "XDG_CONFIG_HOME DEFAULT=HOME_/elsewhere"),
    "other data for fish": ("felix", "XDG_DATA_HOME DEFAULT=HOME_/elsewhere"),
    "data of a vendor for fish": ("felix", "XDG_DATA_DIRS DEFAULT=HOME_/elsewhere"),
    "functions for fish": ("felix", "fish_function_path DEFAULT=HOME_/elsewhere"),
}


@pytest.mark.parametrize("account", START_UP_FILES)
def test_no_start_up_file_runs_before_and_the_same_ones_after(gate: Gate, account: str) -> None:
    person = gate.user(account, secsign_id=account)
    for name in PLANTED:
        plant(person, name)
    person.ssh("true", at="ungated").outcome()
    without_gate = ran(person)
    assert set(without_gate) == START_UP_FILES[account]

    forget(person)
    login = person.ssh("true")
    gate.phone(account).wait()
    assert ran(person) == []
    gate.phone(account).accept()
    assert login.outcome().status == 0
    assert ran(person) == without_gate


@pytest.mark.parametrize("account", [account for account, files in START_UP_FILES.items() if files])
def test_without_its_setenv_line_the_files_would_run(gate: Gate, account: str) -> None:
    gate.drop_in = drop_in.gated(SetEnv="UNRELATED=1")
    person = gate.user(account)  # no SecSign ID: refused without asking anybody
    for name in PLANTED:
        plant(person, name)
    person.ssh("true").outcome()
    assert set(ran(person)) == START_UP_FILES[account]


@pytest.mark.parametrize("case", VARIABLES)
def test_no_variable_of_pams_runs_code_before(gate: Gate, case: str) -> None:
    person = person_with_variables(gate, case)
    login = person.ssh("true")
    assert login.refused(Reason.NO_SECSIGN_ID)
    assert ran(person) == []


@pytest.mark.parametrize("case", VARIABLES)
def test_without_its_setenv_line_the_variables_would_run_code(gate: Gate, case: str) -> None:
    gate.drop_in = drop_in.gated(SetEnv="UNRELATED=1")
    person = person_with_variables(gate, case)
    person.ssh("true").outcome()
    assert ran(person) != []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT"])
def test_nothing_is_loaded_into_the_gate(gate: Gate, name: str) -> None:
    """The loader complains on stderr about a file that is not there; where it says nothing it did not look."""
    person = gate.user("alice")
    person.write(".pam_environment", f"{name} DEFAULT=/not/there.so\n")
    assert b"/not/there.so" not in person.ssh("true").outcome().stderr
    assert b"/not/there.so" in person.ssh("true", at="ungated").outcome().stderr


def test_no_python_of_the_users_runs_in_the_gate(gate: Gate) -> None:
    person = gate.user("alice")
    site = f".local/lib/python{'.'.join(python_version())}/site-packages"
    note = f"open({str(person.home / 'ran')!r}, 'a').write(__name__ + '\\n')"
    person.write(f"{site}/planted.pth", f"import os; {note}\n")
    for module in ("usercustomize", "sitecustomize", "posix", "json", "secsign_gate"):
        person.write(f"{site}/{module}.py", note + "\n")
        person.write(f"planted/{module}.py", note + "\n")
        person.write(f"{module}.py", note + "\n")
    person.write(
        ".pam_environment",
        f"PYTHONPATH DEFAULT={person.home}/planted\nPYTHONHOME DEFAULT=/nowhere\nPYTHONINSPECT DEFAULT=1\n"
        f"PYTHONUSERBASE DEFAULT={person.home}/.local\nPYTHONSTARTUP DEFAULT={person.home}/planted/json.py\n",
    )
    assert person.ssh("true").refused(Reason.NO_SECSIGN_ID)
    assert ran(person) == []
    outcome = person.ssh("unset PYTHONHOME; python3 -c 'import json'", at="ungated").outcome()
    assert ran(person) != [], outcome


def test_the_client_sets_no_variable_that_the_drop_in_does_not_name(gate: Gate) -> None:
    gate.more_settings = "AcceptEnv *"
    alice = gate.user("alice", secsign_id="alice")
    sent = {"LC_PAPER": "de_DE", "PLANTED": "yes", "BASH_ENV": "/tmp/x", "LD_PRELOAD": "/not/there.so"}
    set_by_client = "SetEnv=" + " ".join(f"{name}={value}" for name, value in sent.items())
    login = alice.ssh("env", options=["-o", set_by_client])
    gate.phone("alice").accept()
    outcome = login.outcome()
    received = dict(line.partition("=")[::2] for line in outcome.stdout.decode().splitlines())
    assert {name: received.get(name) for name in sent} == dict.fromkeys(sent) | {"LC_PAPER": "de_DE"}
    assert b"/not/there.so" not in outcome.stderr


def person_with_variables(gate: Gate, case: str) -> Person:
    """Return somebody whose variables are set by PAM and whose files note that they ran."""
    account, lines = VARIABLES[case]
    person = gate.user(account)
    person.write(".pam_environment", lines.replace("HOME_", str(person.home)) + "\n")
    for name in (
        *("planted.sh", "elsewhere/.bashrc", "elsewhere/.zshenv", "elsewhere/.tcshrc"),
        *("elsewhere/fish/config.fish", "elsewhere/fish/vendor_conf.d/planted.fish"),
    ):
        plant(person, name)
    function = "function contains\n    builtin contains $argv\nend"
    person.write("elsewhere/contains.fish", f"{note_of(person, 'contains.fish')}\n{function}\n")
    return person


def plant(person: Person, name: str) -> None:
    """Put a start-up file into the home that notes that it ran; the line means the same in every shell."""
    person.write(name, note_of(person, name) + "\n")


def note_of(person: Person, name: str) -> str:
    return f'/bin/sh -c "echo {name} >> {person.home}/ran"'


def ran(person: Person) -> list[str]:
    note = person.home / "ran"
    return note.read_text().splitlines() if note.exists() else []


def forget(person: Person) -> None:
    (person.home / "ran").unlink(missing_ok=True)


def python_version() -> list[str]:
    return Path("/usr/bin/python3").resolve().name.removeprefix("python").split(".")
