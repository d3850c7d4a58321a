"""The drop-in that `enable` writes: the shipped one with a few words of this host, as sshd will read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from secsign_gate.activation.plan import Doors, Gated, PlanError, diff, drop_in_text, match_line, shipped_name

SHIPPED = Path(__file__).resolve().parents[2] / "sshd_config.d"
EMBEDDED = Doors("/etc/secsign-gate/secsign-gate.toml", "", "/opt/secsign-gate")
DAEMON = Doors("/etc/secsign-gate/secsign-gate.toml", "/run/secsign-gate/broker.sock", "/opt/secsign-gate")
EVERYBODY = Gated("all")


def text(gated: Gated = EVERYBODY, break_glass: tuple[str, ...] = (), doors: Doors = EMBEDDED) -> str:
    return drop_in_text((SHIPPED / shipped_name(gated)).read_text(), gated, break_glass, doors)


def directives(drop_in: str) -> list[str]:
    return [line.strip() for line in drop_in.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.mark.parametrize(
    ("gated", "break_glass", "line"),
    [
        (EVERYBODY, (), "Match all"),
        (EVERYBODY, ("rescue", "root"), "Match User *,!rescue,!root"),
        (Gated("group", ("ops", "dba")), (), "Match Group ops,dba"),
        (Gated("group", ("ops",)), ("rescue",), "Match Group ops User *,!rescue"),
        (Gated("user", ("alice", "bob")), ("rescue",), "Match User alice,bob"),
        (
            Gated("user", ("EXAMPLE\\alice", "bob@example.org", "build$")),
            (),
            "Match User EXAMPLE\\alice,bob@example.org,build$",
        ),
        (Gated("user", ("EXAMPLE\\1st",)), (), "Match User EXAMPLE\\1st"),
        (EVERYBODY, ("EXAMPLE\\g<0>",), "Match User *,!EXAMPLE\\g<0>"),
    ],
)
def test_whom_it_is_for(gated: Gated, break_glass: tuple[str, ...], line: str) -> None:
    assert match_line(gated, break_glass) == line
    assert line in directives(text(gated, break_glass))


@pytest.mark.parametrize("gated", [EVERYBODY, Gated("group", ("ops",)), Gated("user", ("alice",))])
def test_all_else_is_as_shipped(gated: Gated) -> None:
    def rest(drop_in: str) -> list[str]:
        return [line for line in directives(drop_in) if not line.startswith("Match ")]

    assert rest(text(gated)) == rest((SHIPPED / shipped_name(gated)).read_text())


def test_the_daemons_door_takes_the_place_of_the_embedded_one() -> None:
    lines = directives(text(doors=DAEMON))
    (command,) = [line for line in lines if line.startswith("ForceCommand ")]
    assert command.endswith("/secsign-gate-force-command --broker /run/secsign-gate/broker.sock")
    assert [line for line in lines if line != command] == [
        line for line in directives(text()) if not line.startswith("ForceCommand ")
    ]


def test_paths_are_this_hosts() -> None:
    lines = directives(text(doors=Doors("/srv/gate/orders.toml", "", "/usr/local/gate")))
    assert (
        "ForceCommand exec /usr/local/gate/bin/python3 -I -S /usr/local/gate/bin/secsign-gate-force-command "
        "--config /srv/gate/orders.toml" in lines
    )


@pytest.mark.parametrize(
    "name",
    ["", "two words", "a,b", "*", "al?ce", "!alice", '"alice"', "it's", "#alice", "a=b", "-alice", "alice\\", "a\nb",
     "50%", "a\x00b", "tab\tname", "x" * 300, "a\\\\b", "\u2028"],
)  # fmt: skip
def test_a_name_that_sshd_would_read_otherwise_is_refused(name: str) -> None:
    for gated, break_glass in ((Gated("user", (name,)), ()), (Gated("group", (name,)), ()), (EVERYBODY, (name,))):
        with pytest.raises(PlanError, match=r"Match line|no name"):
            text(gated, break_glass)


def test_who_is_gated_cannot_be_the_way_in_for_a_bad_day() -> None:
    with pytest.raises(PlanError, match="alice cannot be gated and be the way in"):
        text(Gated("user", ("alice",)), ("alice",))


def test_nobody_and_too_many() -> None:
    with pytest.raises(PlanError, match="no user is named"):
        text(Gated("user"))
    with pytest.raises(PlanError, match="gate a group instead"):
        text(Gated("user", tuple(f"u{number}" for number in range(201))))


@pytest.mark.parametrize(
    "doors",
    [
        Doors("/etc/secsign gate/x.toml", "", "/opt/secsign-gate"),
        Doors("/etc/x.toml", "/run/a;reboot", "/opt/secsign-gate"),
        Doors("/etc/x.toml", "", "/opt/$HOME"),
        Doors("relative.toml", "", "/opt/secsign-gate"),
    ],
)
def test_a_path_that_a_shell_would_read_otherwise_is_refused(doors: Doors) -> None:
    with pytest.raises(PlanError, match="a shell would read otherwise"):
        text(doors=doors)


def test_a_shipped_file_that_is_another_is_refused() -> None:
    shipped = (SHIPPED / shipped_name(EVERYBODY)).read_text()
    for broken in ("", shipped.replace("Match all", ""), shipped + shipped, re.sub(".*ForceCommand.*", "", shipped)):
        with pytest.raises(PlanError, match="install"):
            drop_in_text(broken, EVERYBODY, (), EMBEDDED)


def test_the_diff() -> None:
    assert diff("/etc/x", b"same\n", b"same\n") == ""
    assert diff("/etc/x", None, b"new\n").splitlines() == ["--- /dev/null", "+++ /etc/x", "@@ -0,0 +1 @@", "+new"]
    assert "\\ No newline at end of file" in diff("/etc/x", b"\xff cut", b"new\n")
