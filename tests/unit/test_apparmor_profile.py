"""The AppArmor profile: the parser takes it, and it is as closed as it says. What a running broker opens: tests/e2e."""

from __future__ import annotations

import configparser
import re
import shutil
from pathlib import Path

import pytest
from apparmor_profile import Profile, ProfileError, glob

from secsign_gate.broker.listening import control_path
from secsign_gate.config.reader import DEFAULT_PATH, DEFAULT_SOCKET

CHECKOUT = Path(__file__).parents[2]
PROFILE = CHECKOUT / "apparmor/secsign-gate"
DROP_IN = CHECKOUT / "apparmor/secsign-gate.service.d/apparmor.conf"
SERVICE = CHECKOUT / "systemd/secsign-gate.service"

needs_apparmor_parser = pytest.mark.skipif(
    shutil.which("apparmor_parser") is None or not Path("/etc/apparmor.d/abi").exists(),
    reason="apparmor is not here; `make test` brings it",
)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Profile(PROFILE)


@needs_apparmor_parser
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("capability setuid,", "capability setuids,"),
        ("/etc/subuid r,", "/etc/subuid r"),
        ("/etc/subuid r,", "/etc/subuid z,"),
        ("abstractions/base", "abstractions/basis"),
        ("ptrace (read),", "ptrace (reads),"),
        ("@{secsign_gate}/ r,", "@{secsing_gate}/ r,"),
    ],
)
def test_a_mistake_in_it_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = PROFILE.read_text()
    assert right in text
    mistaken = tmp_path / "secsign-gate"
    mistaken.write_text(text.replace(right, wrong, 1))
    with pytest.raises(ProfileError):
        Profile(mistaken)


@needs_apparmor_parser
def test_it_leaves_the_capabilities_of_the_unit_and_no_other(profile: Profile) -> None:
    (line,) = re.findall(r"^CapabilityBoundingSet=(.*)$", SERVICE.read_text(), re.MULTILINE)
    assert {f"CAP_{name.upper()}" for name in profile.capabilities} == set(line.split())


@needs_apparmor_parser
def test_it_may_use_the_places_of_the_product(profile: Profile) -> None:
    assert profile.allows(DEFAULT_PATH, "r")
    assert profile.allows(DEFAULT_SOCKET, "rw")
    assert profile.allows(control_path(DEFAULT_SOCKET), "rw")
    for folder, mode in {"/etc/secsign-gate/": "r", "/run/secsign-gate/": "rw", "/var/log/secsign-gate/": "r"}.items():
        assert profile.allows(folder, mode)
    tmpfiles = (CHECKOUT / "systemd/tmpfiles.d/secsign-gate.conf").read_text()
    for folder in re.findall(r"^d (\S+)", tmpfiles, re.MULTILINE):
        assert profile.allows(f"{folder}/any.sock", "rw")
    (record,) = re.findall(r'^#file = "(.*)"$', (CHECKOUT / "examples/secsign-gate.toml").read_text(), re.MULTILINE)
    assert profile.allows(record, "rw")


@needs_apparmor_parser
def test_it_makes_only_the_sockets_that_the_unit_lets_it(profile: Profile) -> None:
    (line,) = re.findall(r"^RestrictAddressFamilies=(.*)$", SERVICE.read_text(), re.MULTILINE)
    restricted = {word.removeprefix("AF_").lower() for word in line.split()} - {"unix"}
    assert {"inet", "inet6"} == restricted <= profile.families
    assert not profile.families & {"packet", "bluetooth", "alg", "vsock"}


@needs_apparmor_parser
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/etc/shadow", "r"),
        ("/etc/sudoers", "r"),
        ("/etc/ssh/ssh_host_ed25519_key", "r"),
        ("/home/alice/.ssh/authorized_keys", "r"),
        ("/home/alice/.bashrc", "w"),
        ("/root/.ssh/id_ed25519", "r"),
        ("/proc/1/mem", "r"),
        ("/proc/1/environ", "r"),
        ("/proc/1/fd/3", "r"),
        ("/proc/sys/kernel/core_pattern", "w"),
        ("/dev/mem", "r"),
        ("/dev/sda", "r"),
        ("/bin/sh", "x"),
        ("/usr/bin/dash", "x"),
        ("/usr/bin/python3.11", "x"),
        ("/usr/bin/python3.11", "w"),
        ("/etc/secsign-gate/secsign-gate.toml", "w"),
        ("/etc/secsign-gate/users", "w"),
        ("/etc/ssh/sshd_config.d/00-secsign-gate.conf", "w"),
        ("/etc/passwd", "w"),
        ("/opt/secsign-gate/bin/secsign-gate-force-command", "w"),
        ("/opt/secsign-gate/lib/python3.11/site-packages/secsign_gate/doors/__init__.py", "w"),
        ("/var/log/auth.log", "w"),
        ("/run/systemd/private", "w"),
        ("/run/docker.sock", "w"),
    ],
)
def test_it_may_not(profile: Profile, path: str, mode: str) -> None:
    assert not profile.allows(path, mode)


def test_it_looks_at_processes_and_traces_none() -> None:
    text = PROFILE.read_text()
    assert re.findall(r"^ *(.*ptrace.*),$", text, re.MULTILINE) == ["capability sys_ptrace", "ptrace (read)",
                                                                    "deny ptrace (trace)"]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/", False),
        ("/a/*", "/a/b/c", False),
        ("/a/**", "/a/b/c", True),
        ("/a/**", "/a/", False),
        ("/a/{,**}", "/a/", True),
        ("/a/{,*}", "/a/b/c", False),
        ("/a/{b,c}d", "/a/cd", True),
        ("/a/{b,c}d", "/a/bcd", False),
        ("/{,var/}run/a", "/var/run/a", True),
        ("/proc//[0-9]*/stat", "/proc/17/stat", True),
        ("/proc//[0-9]*/stat", "/proc/self/stat", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/a/c", False),
        ("/a.b", "/aXb", False),
        ("/a/[^b]", "/a/c", True),
        ("/a/[^b]", "/a/b", False),
        ("/a,b", "/a,b", True),
    ],
)
def test_patterns_mean_what_apparmor_says(pattern: str, path: str, matches: bool) -> None:
    assert bool(glob(pattern).fullmatch(path)) == matches


def test_the_drop_in_names_the_profile() -> None:
    assert DROP_IN.parent.name == f"{SERVICE.name}.d"
    reader = configparser.ConfigParser(interpolation=None)
    reader.read(DROP_IN)
    assert dict(reader["Service"]) == {"apparmorprofile": PROFILE.name}
    assert re.search(rf"^profile {PROFILE.name} ", PROFILE.read_text(), re.MULTILINE)
    assert dict(reader["Unit"]) == {"after": "apparmor.service"}
