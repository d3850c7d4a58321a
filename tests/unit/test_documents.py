"""What README and docs/ quote is what the program says, and where they lead there is something."""

import re
from pathlib import Path

import pytest

from secsign_gate.admin.cli import _COMMANDS
from secsign_gate.core.verdict import Ground, Reason
from secsign_gate.terminal import words
from secsign_gate.wire import Progress

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "SECURITY.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
QUOTED = re.compile(r"^secsign-gate: .*$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
COMMAND = re.compile(r"(?:^|^[#$] |^ +|[/`])secsign-gate ([a-z][a-z-]+)", re.MULTILINE)


def asked(line: str) -> list[str]:
    """Return what those are told whom `line` seems to ask for an approval."""
    who = re.search(r"accept (\w+)@([\w-]+) on the phone of SecSign ID (\w+)(?: within (\d+) s)?", line)
    if who is None:
        return []
    place = re.search(r"(\d+) other requests are", line)
    told = [
        Progress(
            stage=stage,
            place=int(place[1]) if place else 1,
            account=who[1],
            host=who[2],
            secsign_id=who[3],
            seconds_left=int(who[4] or 0),
            wants="",
            phone_text="",
            access_pass=b"",
            speak=True,
        )
        for stage in ("queued", "pushed")
    ]
    return [words.asking(progress) for progress in told]


def refused(line: str) -> list[str]:
    """Return what those are told who are refused, with the reference and the detail that `line` seems to have."""
    reference = re.search(r" \(ref (\w+)\)$", line)
    detail = re.search(r" \((?!ref )(.*?)\); ", line)
    return [
        words.refused(reason, given, reference[1] if reference else "")
        for reason in Reason
        for given in ("", detail[1] if detail else "")
    ]


def allowed(line: str) -> list[str]:
    """Return what those are told who are let in."""
    seconds = re.search(r"after (\d+) s", line)
    return [words.allowed(ground, int(seconds[1]) if seconds else 0) for ground in Ground]


def to_the_person(line: str) -> bool:
    """Tell whether somebody who logs in can be told this very line."""
    return line in (*asked(line), *refused(line), *allowed(line))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_sentences_for_people_are_the_programs_own(document: Path) -> None:
    strange = [line for line in QUOTED.findall(document.read_text()) if not to_the_person(line)]
    assert strange == []


def test_the_readme_shows_some() -> None:
    assert len(QUOTED.findall(DOCUMENTS[0].read_text())) >= 6


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    missing = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    assert set(COMMAND.findall(document.read_text())) <= _COMMANDS.keys()


def test_the_readme_lists_every_command() -> None:
    table = re.findall(r"^\| `secsign-gate ([^|]+) \|", DOCUMENTS[0].read_text(), re.MULTILINE)
    assert {name for cell in table for name in re.findall(r"(?:^|`)([a-z-]+)", cell)} == _COMMANDS.keys()
