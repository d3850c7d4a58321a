"""The TOML file: what it says becomes Settings, and every mistake in it is named at once, with line and remedy."""

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from secsign_gate.config import (
    AuditSettings,
    BrokerSettings,
    ExemptCommand,
    GrantSettings,
    IdServerSettings,
    LimitSettings,
    MessageSettings,
    PinAccount,
    PolicySettings,
    PushSettings,
    Settings,
    SshdSettings,
    load_settings,
)
from secsign_gate.config.reader import broker_account_named_in, parse_settings, users_file_named_in
from secsign_gate.core.patterns import PatternList
from secsign_gate.errors import ConfigError, Problem

MINIMAL = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "secsign-gate.toml"


def load(toml: Path, text: str) -> Settings:
    toml.write_text(text)
    toml.chmod(0o644)
    return load_settings(str(toml))


def problems(toml: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(toml, text)
    return caught.value.problems


def write_pin_account(toml: Path, content: bytes = b"gate:open sesame\n", mode: int = 0o600) -> Path:
    path = toml.parent / "pin-account"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_least_that_a_gate_needs_leaves_everything_else_at_its_default(toml: Path) -> None:
    assert load(toml, MINIMAL) == Settings(
        path=str(toml),
        id_server=IdServerSettings(
            dialect="form",
            url="https://id.example.org",
            fallback_url=None,
            ca_file=None,
            pin_account=None,
            proxy=None,
            connect_seconds=5.0,
            total_seconds=15.0,
            requests_per_second=20,
            api_method="SecSignGate",
        ),
        push=PushSettings("{account}@{host}", "{host}", "with-terminal", 60, 120),
        policy=PolicySettings(PatternList(), PatternList(), (), ()),
        sshd=SshdSettings(
            authorized_keys_files=(".ssh/authorized_keys", ".ssh/authorized_keys2"),
            authorized_keys_elsewhere="refuse",
            trusted_user_ca_keys=(),
            authorized_principals_files=(),
            permit_user_rc=True,
            expose_auth_info=False,
            subsystems=(b"/usr/lib/openssh/sftp-server", b"internal-sftp"),
            sftp_server="/usr/lib/openssh/sftp-server",
            executables=("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session"),
            motd_files=(
                "/run/motd.dynamic",
                "/etc/motd:/run/motd:/usr/lib/motd",
                "/etc/motd.d:/run/motd.d:/usr/lib/motd.d",
            ),
            mail_notice=True,
            last_login=True,
        ),
        messages=MessageSettings(before=True, after=True),
        audit=AuditSettings(syslog=True, file=None),
        grants=GrantSettings("connection", 0, PatternList(), ()),
        limits=LimitSettings(60, 20, 600, 10, 900),
        broker=BrokerSettings("/run/secsign-gate/broker.sock", "secsign-gate", 128, None),
        users_file=f"{toml.parent}/users",
    )


FULL = """
users_file = "/srv/users"
registry_file = "registry"
[id_server]
dialect = "rest"
url = "https://id.example.org:8443/id/"
fallback_url = "https://[2001:db8::1]"
ca_file = "ca.pem"
pin_account_file = "pin-account"
proxy = "http://proxy.example.org:3128"
connect_seconds = 1
total_seconds = 2.5
requests_per_second = 100
[push]
service_name = "{command} for {account}"
service_address = "web1 {client}"
access_pass = "never"
wait_seconds = 600
queue_seconds = 5
[policy]
exempt_accounts = "backup,svc-*,!svc-deploy"
exempt_groups = "robots"
exempt_networks = ["192.0.2.0/24", "2001:db8::/32", "203.0.113.9"]
[[policy.exempt_commands]]
accounts = "nagios"
command = "check 'ü'"
[[policy.exempt_commands]]
accounts = "*,!root"
command = "uptime"
[sshd]
authorized_keys_files = ["/etc/ssh/keys/%u", "%h/100%%"]
authorized_keys_elsewhere = "unrestricted"
trusted_user_ca_keys = ["/etc/ssh/ca.pub"]
authorized_principals_files = [".ssh/principals"]
permit_user_rc = false
expose_auth_info = true
subsystems = []
sftp_server = "/opt/sftp-server"
executables = ["/opt/sbin/sshd"]
motd_files = []
mail_notice = false
last_login = false
[messages]
before = false
after = false
[grants]
per = "channel"
seconds = 3600
per_channel_accounts = "root,svc-*"
per_channel_commands = ["sudo *", "rm -rf ?,*"]
[limits]
pushes_per_account = 5
pushes_per_secsign_id = 4
per_seconds = 300
pause_seconds = 0
longest_pause_seconds = 60
[broker]
socket = "/run/gate/sock"
account = "gate"
connections_per_account = 7
metrics = "127.0.0.1:9120"
[audit]
syslog = false
file = "/var/log/gate.jsonl"
"""


def test_every_setting_reaches_its_place(toml: Path) -> None:
    write_pin_account(toml)
    (toml.parent / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    settings = load(toml, FULL)
    assert settings == Settings(
        path=str(toml),
        id_server=IdServerSettings(
            dialect="rest",
            url="https://id.example.org:8443/id",
            fallback_url="https://[2001:db8::1]",
            ca_file=f"{toml.parent}/ca.pem",
            pin_account=PinAccount("gate", "open sesame"),
            proxy="http://proxy.example.org:3128",
            connect_seconds=1.0,
            total_seconds=2.5,
            requests_per_second=100,
            api_method="SecSignGate",
        ),
        push=PushSettings("{command} for {account}", "web1 {client}", "never", 600, 5),
        policy=PolicySettings(
            exempt_accounts=PatternList.parse("backup,svc-*,!svc-deploy"),
            exempt_groups=PatternList.parse("robots"),
            exempt_networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("203.0.113.9/32")),
            exempt_commands=(
                ExemptCommand(PatternList.parse("nagios"), "check 'ü'".encode()),
                ExemptCommand(PatternList.parse("*,!root"), b"uptime"),
            ),
        ),
        sshd=SshdSettings(
            authorized_keys_files=("/etc/ssh/keys/%u", "%h/100%%"),
            authorized_keys_elsewhere="unrestricted",
            trusted_user_ca_keys=("/etc/ssh/ca.pub",),
            authorized_principals_files=(".ssh/principals",),
            permit_user_rc=False,
            expose_auth_info=True,
            subsystems=(),
            sftp_server="/opt/sftp-server",
            executables=("/opt/sbin/sshd",),
            motd_files=(),
            mail_notice=False,
            last_login=False,
        ),
        messages=MessageSettings(before=False, after=False),
        audit=AuditSettings(syslog=False, file="/var/log/gate.jsonl"),
        grants=GrantSettings("channel", 3600, PatternList.parse("root,svc-*"), ("sudo *", "rm -rf ?,*")),
        limits=LimitSettings(5, 4, 300, 0, 60),
        broker=BrokerSettings("/run/gate/sock", "gate", 7, "127.0.0.1:9120"),
        users_file="/srv/users",
        registry_file=f"{toml.parent}/registry",
    )
    assert type(settings.id_server.connect_seconds) is float


def test_the_password_is_not_shown(toml: Path) -> None:
    write_pin_account(toml)
    (toml.parent / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    settings = load(toml, FULL)
    assert "sesame" not in repr(settings)
    assert "sesame" not in f"{settings.id_server.pin_account}"


class TestPinAccountFile:
    REST = MINIMAL.replace("form", "rest") + 'pin_account_file = "pin-account"\n'

    @pytest.mark.parametrize(
        ("content", "password"),
        [
            (b"gate:secret\n", "secret"),
            (b"gate:secret", "secret"),
            (b"gate:a:b c ", "a:b c "),
            ("gate:ü".encode(), "ü"),
        ],
    )
    def test_one_line_with_name_and_password(self, toml: Path, content: bytes, password: str) -> None:
        write_pin_account(toml, content)
        assert load(toml, self.REST).id_server.pin_account == PinAccount("gate", password)

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"secret\n", "does not hold a name, a colon and a password"),
            (b":secret\n", "does not hold a name"),
            (b"secret:\n", "does not hold a name"),
            (b"# comment\ngate:secret\n", "holds more than one line"),
            (b"gate:secret\n\n", "holds more than one line"),
            (b"gate:se\0cret\n", "control character"),
            (b"gate:secret\xff\n", "is not UTF-8"),
            (b"", "is empty"),
            (b"gate:" + b"secret" * 200, "is larger than 1024 bytes"),
        ],
    )
    def test_anything_else_is_a_problem_that_does_not_quote_it(self, toml: Path, content: bytes, says: str) -> None:
        path = write_pin_account(toml, content)
        [found] = problems(toml, self.REST)
        assert found.path == str(path)
        assert says in found.what
        assert "secret" not in str(found).replace("holds a secret", "")

    def test_everybody_may_not_read_it_but_a_group_may(self, toml: Path) -> None:
        path = write_pin_account(toml, mode=0o640)
        assert load(toml, self.REST).id_server.pin_account == PinAccount("gate", "open sesame")
        path.chmod(0o644)
        assert "can be read by everybody; chmod o-r" in str(problems(toml, self.REST)[0])


class TestCaFile:
    TEXT = MINIMAL + 'ca_file = "ca.pem"\n'

    def test_a_missing_one(self, toml: Path) -> None:
        [found] = problems(toml, self.TEXT)
        assert (found.path, found.what) == (f"{toml.parent}/ca.pem", "does not exist")

    def test_one_without_a_certificate(self, toml: Path) -> None:
        (toml.parent / "ca.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
        [found] = problems(toml, self.TEXT)
        assert found.what == "holds no certificate in PEM form"


class TestTheFileItself:
    """test_trusted_file.py has every case; here only that the loader judges at all, and says which file."""

    def test_a_world_writable_file(self, toml: Path) -> None:
        toml.write_text(MINIMAL)
        toml.chmod(0o666)
        with pytest.raises(ConfigError, match="can be written by everybody"):
            load_settings(str(toml))

    def test_a_missing_file(self, toml: Path) -> None:
        with pytest.raises(ConfigError, match=f"{toml}: does not exist"):
            load_settings(str(toml))

    @pytest.mark.parametrize("cut", range(len(MINIMAL)))
    def test_a_file_that_was_cut_off_is_never_obeyed(self, toml: Path, cut: int) -> None:
        assert problems(toml, MINIMAL[:cut])

    def test_an_oversized_file(self, toml: Path) -> None:
        assert "is larger than 1048576 bytes" in problems(toml, "#" * 1024 * 1024 + "\n")[0].what

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_a_foreign_file(self, toml: Path) -> None:
        toml.write_text(MINIMAL)
        os.chown(toml, 61234, -1)
        with pytest.raises(ConfigError, match="belongs to uid 61234, not to root"):
            load_settings(str(toml))


def test_relative_names_are_beside_the_file_wherever_one_stands(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text(MINIMAL)
    monkeypatch.chdir(toml.parent.parent)
    settings = load_settings(f"{toml.parent.name}/{toml.name}")
    assert (settings.path, settings.users_file) == (str(toml), f"{toml.parent}/users")


def test_a_file_in_the_root_directory_has_its_neighbours_there() -> None:
    assert parse_settings("/gate.toml", MINIMAL).users_file == "/users"


def test_the_users_file_is_found_although_other_orders_are_wrong(toml: Path) -> None:
    toml.write_text('users_file = "people"\n[push]\nwait_seconds = 1\n')
    assert users_file_named_in(str(toml)) == f"{toml.parent}/people"
    toml.write_text("users_file = 3\n")
    assert users_file_named_in(str(toml)) is None
    toml.write_text("users_file = \n")
    assert users_file_named_in(str(toml)) is None


def test_the_account_of_the_broker_is_found_and_no_other_file_is_opened(toml: Path) -> None:
    secrets = 'dialect = "rest"\nurl = "https://id.example.org/"\npin_account_file = "not-there"\n'
    toml.write_text(f'[id_server]\n{secrets}[broker]\naccount = "gate"\nmetrics = 3\n')
    assert broker_account_named_in(str(toml)) == "gate"
    for unusable in ('[broker]\naccount = "root"\n', "broker = 3\n", "[broker]\n", "[broker\n"):
        toml.write_text(unusable)
        assert broker_account_named_in(str(toml)) == "secsign-gate"
