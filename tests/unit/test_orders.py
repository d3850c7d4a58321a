"""What is to be done for an allowed login, by value: the table of what sshd would have done."""

from ipaddress import ip_address

import pytest

from secsign_gate.core.login import Account, Command, Login, LoginShell, PublicKey, SshConnection, Wanted
from secsign_gate.core.orders import Orders, SshdSettings, orders

SFTP = b"/usr/lib/openssh/sftp-server -l INFO"
INTERNAL = b"internal-sftp -l  INFO\t-d /srv"
SSHD = SshdSettings(
    authorized_keys_files=(".ssh/authorized_keys",),
    authorized_keys_elsewhere="refuse",
    trusted_user_ca_keys=(),
    authorized_principals_files=(),
    permit_user_rc=True,
    expose_auth_info=False,
    subsystems=(SFTP, INTERNAL),
    sftp_server="/usr/lib/openssh/sftp-server",
    executables=("/usr/sbin/sshd",),
    motd_files=("/etc/motd",),
    mail_notice=True,
    last_login=True,
)
SFTP_ONLY = (b"/bin/sh", b"-c", b"echo 'This service allows sftp connections only.'; exit 1")
SERVER = (b"/usr/lib/openssh/sftp-server", b"-l", b"INFO", b"-d", b"/srv")


def login(wanted: Wanted, restriction: bytes | None = None) -> Login:
    return Login(
        door="force_command",
        account=Account("alice", 2001, "/home/alice", "/bin/bash", ("alice",)),
        connection=SshConnection(ip_address("192.0.2.7"), 50000, ip_address("192.0.2.1"), 22),
        methods=(PublicKey("ssh-ed25519", b""),),
        fingerprints=("SHA256:x",),
        wanted=wanted,
        restriction=restriction,
        terminal=False,
        sshd=None,
        address_counts=True,
    )


@pytest.mark.parametrize(
    ("wanted", "restriction", "expected"),
    [
        (LoginShell(), None, Orders((), None, None, user_rc=True, greet=True)),
        (Command(b"id\xff"), None, Orders((), b"id\xff", None, user_rc=True, greet=False)),
        (Command(b""), None, Orders((), b"", None, user_rc=True, greet=False)),
        (Command(SFTP), None, Orders((), SFTP, None, user_rc=False, greet=False)),
        (Command(INTERNAL), None, Orders(SERVER, INTERNAL, None, user_rc=False, greet=False)),
        # a client's own words are for the shell, whatever they look like
        (Command(b"internal-sftp -x"), None, Orders((), b"internal-sftp -x", None, user_rc=True, greet=False)),
        # a restriction runs instead, and gets to know what was wanted
        (LoginShell(), b"backup", Orders((), b"backup", None, user_rc=True, greet=False)),
        (LoginShell(), b"", Orders((), b"", None, user_rc=True, greet=False)),
        (Command(b"id"), b"backup", Orders((), b"backup", b"id", user_rc=True, greet=False)),
        (Command(b""), b"backup", Orders((), b"backup", b"", user_rc=True, greet=False)),
        (Command(SFTP), b"backup", Orders((), b"backup", SFTP, user_rc=False, greet=False)),
        # restricted to sshd's own sftp server: sftp and nothing else, which sshd counts among the subsystems
        (Command(INTERNAL), b"internal-sftp", Orders(SERVER[:1], b"internal-sftp", INTERNAL, False, False)),
        (Command(SFTP), b"internal-sftp -R", Orders((SERVER[0], b"-R"), b"internal-sftp -R", SFTP, False, False)),
        (Command(b"id"), b"internal-sftp", Orders(SFTP_ONLY, b"internal-sftp", b"id", user_rc=False, greet=False)),
        (LoginShell(), b"internal-sftp -R", Orders(SFTP_ONLY, b"internal-sftp -R", None, False, False)),
        # which sshd takes for its own only if it begins so
        (Command(b"id"), b" internal-sftp", Orders((), b" internal-sftp", b"id", user_rc=True, greet=False)),
        (Command(b"id"), b"internal-sftpd", Orders((), b"internal-sftpd", b"id", user_rc=True, greet=False)),
    ],
)
def test_what_runs(wanted: Wanted, restriction: bytes | None, expected: Orders) -> None:
    assert orders(login(wanted, restriction), SSHD, user_rc_permitted=True, rc_has_run=False) == expected


@pytest.mark.parametrize("permitted", [True, False])
@pytest.mark.parametrize("has_run", [True, False])
@pytest.mark.parametrize("permit", [True, False])
@pytest.mark.parametrize("wanted", [LoginShell(), Command(b"id"), Command(SFTP)])
def test_user_rc_runs_where_sshd_would_have_run_it_and_has_not(
    wanted: Wanted, permit: bool, has_run: bool, permitted: bool
) -> None:
    sshd = SSHD._replace(permit_user_rc=permit)
    todo = orders(login(wanted), sshd, user_rc_permitted=permitted, rc_has_run=has_run)
    assert todo.user_rc is (permit and permitted and not has_run and wanted != Command(SFTP))
