"""What sshd prints and says of itself, read."""

import pytest

from secsign_gate.sshd.effective import AppliedLine, parse_effective
from secsign_gate.sshd.version import parse_version

PRINTED = """\
port 22
acceptenv LANG
acceptenv LC_*
setenv FOO=a b
forcecommand exec /gate --a "b c"
exposeauthinfo yes
banner none
"""
TOLD = """\
debug2: load_server_config: filename /etc/ssh/sshd_config\r
debug3: /etc/ssh/sshd_config.d/00-a.conf:7 setting ForceCommand none\r
debug3: /etc/ssh/sshd_config:90 setting X11Forwarding yes\r
debug2: parse_server_config_depth: config reprocess config len 3224\r
debug3: checking match for 'all' user alice host x addr 192.0.2.7 laddr 127.0.0.1 lport 22\r
debug3: /etc/ssh/sshd_config.d/00-a.conf:7 setting ForceCommand none\r
debug3: /etc/ssh/sshd_config.d/90 late.conf:2 setting ForceCommand exec /gate  # no comment\r
debug3: reprocess config:120 setting Banner /match\r
"""


@pytest.mark.parametrize(
    ("banner", "major", "minor"),
    [
        ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.17 1 Jul 2025", 9, 2),
        ("unknown option -- V\nOpenSSH_9.2p1, OpenSSL 3.0\nusage: sshd [-46DdeiqTt]", 9, 2),
        ("OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1", 10, 0),
        ("OpenSSH_9.9, LibreSSL 4.0.0", 9, 9),
    ],
)
def test_a_version_is_read_wherever_it_stands(banner: str, major: int, minor: int) -> None:
    version = parse_version(banner)
    assert (version.major, version.minor) == (major, minor)
    assert version.text.startswith("OpenSSH_")


@pytest.mark.parametrize("banner", ["", "Dropbear v2022.83", "OpenSSH_x.y", "OpenSSH_99999999.1"])
def test_what_is_no_openssh_is_said(banner: str) -> None:
    with pytest.raises(ValueError, match="OpenSSH"):
        parse_version(banner)


def test_versions_are_compared_as_numbers() -> None:
    assert parse_version("OpenSSH_9.2").before(10, 0)
    assert parse_version("OpenSSH_9.2").before(9, 10)
    assert not parse_version("OpenSSH_10.4").before(10, 4)


def test_settings_are_found_by_name_in_any_case() -> None:
    effective = parse_effective(PRINTED)
    assert effective.values("AcceptEnv") == ("LANG", "LC_*")
    assert effective.value("setenv") == "FOO=a b"
    assert effective.value("ForceCommand") == 'exec /gate --a "b c"'
    assert effective.is_on("exposeauthinfo")
    assert not effective.is_on("banner")
    assert (effective.value("nosuch"), effective.values("nosuch"), effective.is_on("nosuch")) == ("", (), False)


def test_the_line_that_counts_comes_first() -> None:
    effective = parse_effective(PRINTED, TOLD, ("ForceCommand=/by/option",))
    assert effective.applied("ForceCommand") == (
        AppliedLine("/etc/ssh/sshd_config.d/00-a.conf", 7, "forcecommand", "none", matched=True),
        AppliedLine("/etc/ssh/sshd_config.d/90 late.conf", 2, "forcecommand", "exec /gate  # no comment", matched=True),
        AppliedLine("command-line", 0, "forcecommand", "/by/option", matched=False),
    )
    set_at = effective.set_at("X11Forwarding")
    assert set_at is not None
    assert set_at.place == "/etc/ssh/sshd_config line 90"
    in_match = effective.set_at("Banner")
    assert in_match is not None
    assert in_match.place == "/etc/ssh/sshd_config line 120"
    assert effective.set_at("MaxSessions") is None
    assert effective.applied("ForceCommand")[2].place == "sshd's command line"
