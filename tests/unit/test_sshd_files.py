"""What the doctor says of sshd as a whole, by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.files import Files, examine_files
from secsign_gate.doctor.sshd.running import look_at_files
from secsign_gate.sshd import config_files
from secsign_gate.sshd.config_files import Configuration
from secsign_gate.sshd.config_lines import Line, parse_criteria, parse_line
from secsign_gate.sshd.program import Sshd
from secsign_gate.sshd.running import Listener
from secsign_gate.sshd.version import Version

if TYPE_CHECKING:
    from pathlib import Path

MAIN, GATE, OTHER = (
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/00-secsign-gate.conf",
    "/etc/ssh/sshd_config.d/0.conf",
)
DOOR = "ForceCommand exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"


def line(path: str, text: str, match: str = "") -> Line:
    parsed = parse_line(path, 7, parse_criteria(match), text)
    assert parsed is not None
    return parsed


def listener(executable: str = "/usr/sbin/sshd", *, pid: int = 12, replaced: bool = False) -> Listener:
    where = (("192.0.2.1", 2222),)
    return Listener(pid, executable, (), replaced, 1000.0, where, frozenset({0}))


LINES = (line(MAIN, "Include /etc/ssh/sshd_config.d/*.conf"), line(GATE, "Match all", "all"), line(GATE, DOOR, "all"))


ALL_WELL = Files(
    Sshd("/usr/sbin/sshd", Version(9, 2, ""), MAIN),
    Configuration((MAIN, GATE), LINES),
    drop_ins=(GATE,),
    changed=500.0,
    loaded=1000.0,
    running=listener(),
)


def with_lines(*lines: Line) -> Files:
    return ALL_WELL._replace(configuration=Configuration((MAIN, GATE), lines))


def said(files: Files) -> list[tuple[Status, str]]:
    return [(finding.status, finding.bypass) for finding in examine_files(files)]


def test_where_all_is_well_nothing_is_said() -> None:
    assert said(ALL_WELL) == []


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (ALL_WELL._replace(sshd=Sshd("/usr/sbin/sshd", Version(9, 1, ""), MAIN)), (Status.BROKEN, "")),
        (ALL_WELL._replace(configuration=Configuration((MAIN,), LINES)), (Status.BROKEN, "")),
        (ALL_WELL._replace(changed=1001.0), (Status.WEAK, "")),
        (ALL_WELL._replace(running=listener(replaced=True)), (Status.WEAK, "")),
        (ALL_WELL._replace(running=None, loaded=None), (Status.NOTE, "")),
        (ALL_WELL._replace(others=((listener("/usr/sbin/dropbear"), ""),)), (Status.OPEN, "")),
        (ALL_WELL._replace(others=((listener(pid=13), "there is no gate before alice"),)), (Status.OPEN, "")),
        (ALL_WELL._replace(others=((listener(pid=13), ""),)), (Status.NOTE, "")),
        (with_lines(line(MAIN, "Include x.conf", "User a"), *LINES), (Status.WEAK, "shadowed-match")),
        (with_lines(line(OTHER, "Match User a", "User a"), *LINES), (Status.NOTE, "shadowed-match")),
        (with_lines(*LINES, line(OTHER, "X11Forwarding yes", "Later x")), (Status.UNKNOWN, "match-exemption")),
    ],
)
def test_each_trouble_is_said(files: Files, wanted: tuple[Status, str]) -> None:
    assert said(files) == [wanted]


def test_what_is_after_the_gates_block_is_not_worth_a_word() -> None:
    assert said(with_lines(*LINES, line(OTHER, "Match User a", "User a"))) == []
    assert said(with_lines(*LINES, line(OTHER, "Banner none", "RDomain x"))) == []


def test_another_server_is_named_with_where_it_listens() -> None:
    (finding,) = examine_files(ALL_WELL._replace(others=((listener("/usr/sbin/dropbear", pid=99), ""),)))
    assert all(words in finding.what for words in ("/usr/sbin/dropbear", "99", "port 2222"))
    assert finding.line == ""


def test_a_file_taken_out_of_a_folder_that_is_included_by_its_relative_name_is_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_files, "INCLUDES_FROM", str(tmp_path))
    main, folder = tmp_path / "sshd_config", tmp_path / "more.d"
    main.write_text("Include more.d/*.conf\n")
    folder.mkdir()
    while folder.stat().st_ctime <= main.stat().st_ctime:  # the kernel's clock for files has ticks
        folder.chmod(0o755)
    sshd = Sshd("/nowhere/sshd", Version(9, 2, ""), str(main))
    assert look_at_files(sshd).changed == folder.stat().st_ctime
