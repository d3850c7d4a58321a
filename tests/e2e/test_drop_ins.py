"""What sshd makes of each drop-in that we ship, asked of the real one: `sshd -T -C …`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import drop_in
import pytest
from running_broker import SOCKET
from sshd import SSHD, Sshd

from secsign_gate.config.reader import DEFAULT_SOCKET

PROGRAM = "exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
DOOR = f"{PROGRAM} --config /etc/secsign-gate/secsign-gate.toml"
ASKING = f"{PROGRAM} --broker /run/secsign-gate/broker.sock"
EVERY = (drop_in.FOR_ALL, drop_in.FOR_A_GROUP, drop_in.FOR_A_USER)
GATED = {
    "forcecommand": [DOOR],
    "exposeauthinfo": ["yes"],
    "disableforwarding": ["yes"],
    "allowtcpforwarding": ["no"],
    "allowstreamlocalforwarding": ["no"],
    "permittunnel": ["no"],
    "x11forwarding": ["no"],
    "allowagentforwarding": ["no"],
    "gatewayports": ["no"],
    "permitlisten": ["none"],
    "permitopen": ["none"],
    "acceptenv": ["LANG", "LC_*", "COLORTERM", "NO_COLOR"],
    "setenv": [
        "HOME=/nonexistent",
        "ZDOTDIR=/nonexistent",
        "XDG_CONFIG_HOME=/etc",
        "XDG_DATA_HOME=/usr/share",
        "XDG_DATA_DIRS=/usr/share",
        "fish_function_path=/usr/share/fish/functions",
        "SHLVL=1",
        "BASH_ENV=",
        "ENV=",
        "SHELLOPTS=",
        "BASH_FUNC_exec%%=",
        "LD_PRELOAD=",
        "LD_LIBRARY_PATH=",
        "LD_AUDIT=",
        "GCONV_PATH=",
        "LOCPATH=",
    ],
    "clientaliveinterval": ["20"],
    "clientalivecountmax": ["3"],
    "unusedconnectiontimeout": ["600"],
}
FOR_EVERYBODY = {"permituserenvironment": ["no"], "subsystem": ["sftp /usr/lib/openssh/sftp-server"]}
AS_DEBIAN_SHIPS = {"forcecommand": ["none"], "exposeauthinfo": ["no"], "x11forwarding": ["yes"], "setenv": None}

# An administrator's file with everything that would open a way past the gate, read after ours.
CARELESS = """
AcceptEnv *
SetEnv FOO=1
PermitUserEnvironment yes
PermitTunnel yes
X11Forwarding yes
AllowTcpForwarding yes
GatewayPorts yes
ExposeAuthInfo no
ForceCommand none
Match User alice
    ForceCommand none
    SetEnv LD_PRELOAD=/tmp/x.so
    DisableForwarding no
    AllowTcpForwarding yes
Match Address 192.0.2.0/24
    ForceCommand none
    PermitTunnel yes
"""
CLIENTS = ("192.0.2.7", "127.0.0.1", "2001:db8::7", "::1")


def settings(folder: Path, text: str, account: str, client: str = "192.0.2.7", **others: str) -> dict[str, list[str]]:
    return Sshd(folder, {"00-secsign-gate.conf": text, **others}).settings_for(account, client)


def effective(
    shown: dict[str, list[str]], expected: dict[str, list[str]] | dict[str, list[str] | None]
) -> dict[str, list[str] | None]:
    return {name: shown.get(name) for name in expected}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("account", ["alice", "bob", "root", "nobody-of-this-name"])
def test_for_everybody_gates_every_account_from_everywhere(tmp_path: Path, account: str, client: str) -> None:
    shown = settings(tmp_path, drop_in.FOR_ALL.read_text(), account, client)
    expected = GATED | FOR_EVERYBODY
    assert effective(shown, expected) == expected


@pytest.mark.parametrize(
    ("file", "gated", "others"),
    [(drop_in.FOR_A_GROUP, ["alice", "zoe"], ["bob", "root"]), (drop_in.FOR_A_USER, ["alice"], ["zoe", "bob", "root"])],
    ids=["group", "user"],
)
def test_for_some_gates_them_and_leaves_the_others_alone(
    tmp_path: Path, file: Path, gated: list[str], others: list[str]
) -> None:
    for account in gated:
        shown = settings(tmp_path, file.read_text(), account)
        assert effective(shown, GATED | FOR_EVERYBODY) == GATED | FOR_EVERYBODY, account
    for account in others:
        shown = settings(tmp_path, file.read_text(), account)
        assert effective(shown, AS_DEBIAN_SHIPS) == AS_DEBIAN_SHIPS, account
        assert effective(shown, FOR_EVERYBODY) == FOR_EVERYBODY, account


def test_all_but_a_group_are_gated_as_the_example_says(tmp_path: Path) -> None:
    text = drop_in.FOR_A_GROUP.read_text()
    assert "`Match Group *,!that-group`" in text
    text = re.sub("(?m)^Match Group .*$", "Match Group *,!operators", text)
    commands = {
        account: settings(tmp_path, text, account)["forcecommand"] for account in ("alice", "zoe", "bob", "root")
    }
    assert commands == {"alice": ["none"], "zoe": ["none"], "bob": [DOOR], "root": [DOOR]}


@pytest.mark.parametrize("client", CLIENTS)
def test_no_careless_setting_elsewhere_overrules_it(tmp_path: Path, client: str) -> None:
    shown = settings(tmp_path, drop_in.FOR_ALL.read_text(), "alice", client, **{"10-careless.conf": CARELESS})
    expected = GATED | {"permituserenvironment": ["no"]}
    assert effective(shown, expected) == expected


def test_a_file_that_sorts_before_it_can_exempt_on_purpose(tmp_path: Path) -> None:
    exemption = {"00-a-backup.conf": "Match User backup-robot\n    ForceCommand none\n"}
    text = drop_in.FOR_ALL.read_text()
    assert settings(tmp_path, text, "backup-robot", **exemption)["forcecommand"] == ["none"]
    assert settings(tmp_path, text, "alice", **exemption)["forcecommand"] == [DOOR]


def test_one_account_is_left_as_it_was_as_the_comment_says(tmp_path: Path) -> None:
    text = drop_in.FOR_ALL.read_text()
    assert "`Match User *,!rescue` in place of `Match all`" in text
    text = text.replace("\nMatch all\n", "\nMatch User *,!rescue\n")
    assert effective(settings(tmp_path, text, "rescue"), AS_DEBIAN_SHIPS) == AS_DEBIAN_SHIPS
    assert effective(settings(tmp_path, text, "alice"), GATED) == GATED


def test_variables_of_the_administrators_own_belong_on_its_line(tmp_path: Path) -> None:
    line = re.search(r"(?m)^ *SetEnv (.*)$", drop_in.FOR_ALL.read_text())
    assert line is not None
    shown = settings(tmp_path, drop_in.gated(SetEnv=f"{line[1]} FOO=1"), "alice")
    assert shown["setenv"] == [*GATED["setenv"], "FOO=1"]


def test_the_three_say_the_same() -> None:
    bodies = {path.name: directives(path) for path in EVERY}
    wanted = bodies[drop_in.FOR_ALL.name]
    assert bodies == dict.fromkeys(bodies, wanted)
    assert len(wanted) == len({line.split()[0] for line in wanted})


def test_sshd_says_nothing_about_them(tmp_path: Path) -> None:
    """Not a word about deprecated or unsupported settings: an administrator would stop there."""
    for path in EVERY:
        for name, text in (("embedded", path.read_text()), ("daemon", drop_in.for_the_daemon(path.read_text()))):
            sshd = Sshd(tmp_path / name / path.name, {"00-secsign-gate.conf": text})
            sshd.settings_for("alice")
            test = subprocess.run([SSHD, "-t", "-f", sshd.configuration], capture_output=True, text=True, check=False)
            assert (test.returncode, test.stdout, test.stderr) == (0, "", "")


def test_the_daemons_line_gates_as_the_embedded_one_does(tmp_path: Path) -> None:
    expected = GATED | FOR_EVERYBODY | {"forcecommand": [ASKING]}
    for path in EVERY:
        text = drop_in.for_the_daemon(path.read_text())
        assert effective(settings(tmp_path / path.name, text, "alice"), expected) == expected
    assert str(SOCKET) == DEFAULT_SOCKET == ASKING.rpartition(" ")[2]


def test_the_programs_it_names_are_there() -> None:
    words = DOOR.split()
    assert all(Path(word).is_file() for word in (words[1], words[4]))


def directives(path: Path) -> list[str]:
    """Return the lines below Match, without comments."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("Match "))
    return [line for line in lines[start + 1 :] if line and not line.startswith("#")]
