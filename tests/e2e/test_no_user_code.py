"""Law 1 for a person at a terminal, whose login shell reads more files than the shell of a command does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate import Gate, Person
    from terminal import Terminal

SHELLS = ("alice", "zoe", "felix", "tina", "kim")
PLANTED = (
    *(".bashrc", ".bash_profile", ".profile", ".zshenv", ".zprofile", ".zshrc", ".zlogin"),
    *(".tcshrc", ".login", ".kshrc", ".shrc", ".ssh/rc"),
    *(".config/fish/config.fish", ".config/fish/conf.d/one.fish", ".local/share/fish/vendor_conf.d/two.fish"),
)
PROMPT = r"[$%>] "


def test_nothing_runs_before_a_yes_nor_after_a_no_and_the_same_as_ever_after_a_yes(gate: Gate) -> None:
    people = [gate.user(account, secsign_id=account) for account in SHELLS]
    for person in people:
        person.write(".local/share/fish/generated_completions/all.fish", "")  # fish would read the manual first
        for name in PLANTED:
            person.write(name, f"echo {name} >> {person.home}/ran\n")

    terminals = [person.terminal() for person in people]
    for person, terminal in zip(people, terminals, strict=True):
        gate.phone(person.account).wait()
        terminal.type("echo typed >> ran\r")
    assert [ran(person) for person in people] == [[]] * len(people)
    for person, terminal in zip(people, terminals, strict=True):
        gate.phone(person.account).deny()
        assert terminal.wait() == 77
    assert [ran(person) for person in people] == [[]] * len(people)

    leave_at_the_prompt([person.terminal(at="ungated") for person in people])
    without = {person.account: ran(person) for person in people}
    assert all(without.values()), without

    terminals = [person.terminal() for person in people]
    for person in people:
        (person.home / "ran").unlink()
        gate.phone(person.account).accept()
    leave_at_the_prompt(terminals)
    assert {person.account: ran(person) for person in people} == without


def leave_at_the_prompt(terminals: list[Terminal]) -> None:
    for terminal in terminals:
        terminal.expect(PROMPT)
        terminal.type("exit\r")
    for terminal in terminals:
        assert terminal.wait() == 0


def ran(person: Person) -> list[str]:
    note = person.home / "ran"
    return note.read_text().splitlines() if note.exists() else []
