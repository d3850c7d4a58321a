"""The administrator's command line, as a process: what it prints where, and how it ends."""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import IO, TypedDict, Unpack

import pytest

import secsign_gate
from secsign_gate.admin import cli
from secsign_gate.errors import BrokerUnavailable

MINIMAL = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'
ALICE_KEY = "SHA256:PEwSdoGta4FL6IHBXTO+GPSvpm0NCzM+EuSLnhFc/VU"
NO_DAEMON = "daemon: not set up; each login starts a broker of its own (--config)"
ME = "root"  # an account that every host has
PROGRAM = (sys.executable, "-m", "secsign_gate")


class More(TypedDict, total=False):
    """What else a process may be started with."""

    stdout: int | IO[str]
    input: str
    umask: int


def run(
    *arguments: str,
    program: tuple[str, ...] = PROGRAM,
    env: dict[str, str] | None = None,
    **more: Unpack[More],
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", **(env or {})}
    options: More = {"stdout": subprocess.PIPE, **more}
    done = subprocess.run(
        [*program, *arguments], check=False, text=True, stderr=subprocess.PIPE, env=environment, timeout=60, **options
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    write(tmp_path / "gate.toml", MINIMAL)
    write(tmp_path / "users", f"{ME} alice\n{ME} bob {ALICE_KEY}\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


class TestHelp:
    def test_the_help_shows_every_command_examples_and_the_exit_statuses(self) -> None:
        done = run("--help")
        assert done.returncode == 0
        assert done.stderr == ""
        for shown in (
            "broker",
            "check",
            "import-mapping",
            "log",
            "phone",
            "simulator",
            "status",
            "unblock",
            "secsign-gate check --account alice",
            "  78   ",
        ):
            assert shown in done.stdout

    def test_the_help_loads_no_http_client_and_no_web_server(self) -> None:
        code = (
            "import sys; sys.argv = ['secsign-gate', '--help']; from secsign_gate.admin import cli\n"
            "try: cli.main()\n"
            "finally: print(*sys.modules, file=sys.stderr)"
        )
        loaded = set(run("-c", code, program=(sys.executable,)).stderr.split())
        assert "click" in loaded
        assert not loaded & {"httpx", "starlette", "uvicorn", "cryptography", "paramiko", "asyncio", "ssl"}

    @pytest.mark.parametrize(
        "command", ["broker", "check", "import-mapping", "log", "pam", "phone", "simulator", "status", "unblock"]
    )
    def test_every_command_has_help_with_examples(self, command: str) -> None:
        done = run(command, "-h")
        assert done.returncode == 0
        assert "Examples:" in done.stdout
        assert f"secsign-gate {command}" in done.stdout
        assert "Exit status:" in done.stdout

    def test_the_short_helps_are_those_of_the_commands(self) -> None:
        overview = " ".join(run("--help").stdout.split())
        for command in ("check", "import-mapping"):
            assert f"{command} " in overview
        assert "Convert the vendor's secsignid.config." in overview

    def test_the_version(self) -> None:
        assert run("--version").stdout == f"secsign-gate, version {secsign_gate.__version__}\n"

    @pytest.mark.parametrize("arguments", [["chekc"], ["--chek"], ["check", "surplus"], ["import-mapping"]])
    def test_a_wrong_command_line(self, arguments: list[str]) -> None:
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Usage: secsign-gate" in done.stderr

    def test_the_simulator_without_its_packages_says_how_to_get_them(self, tmp_path: Path) -> None:
        code = (
            "import sys; sys.modules['starlette'] = None\n"
            f"sys.argv = ['secsign-gate', 'simulator', '--folder', {str(tmp_path / 'simulator')!r}]\n"
            "from secsign_gate.admin.cli import main; main()"
        )
        done = run("-c", code, program=(sys.executable,))
        assert (done.returncode, done.stdout) == (1, "")
        assert "pip install 'secsign-gate[simulator]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1


class TestCheck:
    def test_files_that_are_in_order_are_summed_up(self, folder: Path) -> None:
        done = run("check", "--config", f"{folder}/gate.toml")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"{folder}/gate.toml: in order",
            f"{folder}/users: in order, 2 lines for 1 accounts",
            "ID server: https://id.example.org (form)",
            "needs no approval: nobody",
            "recorded in: syslog authpriv",
            NO_DAEMON,
        ]

    @pytest.mark.parametrize("section", ["[broker]\n", "[broker]\n#account = 'secsign-gate'\n"])
    def test_an_empty_section_does_not_ask_for_a_daemon(self, folder: Path, section: str) -> None:
        write(folder / "gate.toml", MINIMAL + section)
        done = run("check", "--config", f"{folder}/gate.toml")
        assert (done.returncode, done.stdout.splitlines()[5]) == (
            0,
            NO_DAEMON,
        )

    def test_the_summary_names_every_exemption_and_no_password(self, folder: Path) -> None:
        write(
            folder / "gate.toml",
            '[id_server]\ndialect = "rest"\nurl = "https://id.example.org"\npin_account_file = "pin-account"\n'
            '[policy]\nexempt_accounts = "backup"\nexempt_groups = "robots"\nexempt_networks = ["192.0.2.0/24"]\n'
            '[[policy.exempt_commands]]\naccounts = "nagios"\ncommand = "a\\tü"\n'
            '[audit]\nfile = "/var/log/gate.jsonl"\n',
        )
        (folder / "pin-account").write_text("gate:open sesame\n")
        (folder / "pin-account").chmod(0o600)
        done = run("check", "--config", f"{folder}/gate.toml")
        assert done.stdout.splitlines()[2:5] == [
            "ID server: https://id.example.org (rest, PIN account gate)",
            "needs no approval: accounts backup; groups robots; network 192.0.2.0/24; command 'a\\t\\xfc' of nagios",
            "recorded in: syslog authpriv, /var/log/gate.jsonl",
        ]
        assert "sesame" not in done.stdout + done.stderr

    def test_all_problems_of_both_files_are_told_at_once(self, folder: Path) -> None:
        write(folder / "gate.toml", MINIMAL + "[push]\nwait_seconds = 1\nwait_second = 2\n")
        write(folder / "users", "alice\nbob bob\nbob bob\n")
        done = run("check", "--config", f"{folder}/gate.toml")
        assert (done.returncode, done.stdout) == (78, "")
        beginnings = [
            f"secsign-gate: {folder}/gate.toml line 5: push.wait_seconds: is out of range; ",
            f"secsign-gate: {folder}/gate.toml line 6: push.wait_second: there is no such setting; ",
            f"secsign-gate: {folder}/users line 1: names an account without a SecSign ID; ",
            f"secsign-gate: {folder}/users line 3: says again what line 2 says of bob; ",
        ]
        lines = done.stderr.splitlines()
        assert len(lines) == len(beginnings)
        for line, beginning in zip(lines, beginnings, strict=True):
            assert line.startswith(beginning)

    def test_a_users_file_alone_can_be_wrong(self, folder: Path) -> None:
        (folder / "users").unlink()
        done = run("check", "--config", f"{folder}/gate.toml")
        assert done.returncode == 78
        assert done.stderr == f"secsign-gate: {folder}/users: does not exist; create it or correct the name\n"

    def test_problems_as_json(self, folder: Path) -> None:
        write(folder / "gate.toml", MINIMAL + "[push]\nwait_seconds = 1\n")
        done = run("check", "--config", f"{folder}/gate.toml", "--json")
        assert (done.returncode, done.stderr) == (78, "")
        assert json.loads(done.stdout) == {
            "ok": False,
            "configuration": f"{folder}/gate.toml",
            "problems": [
                {
                    "path": f"{folder}/gate.toml",
                    "line": 5,
                    "key": "push.wait_seconds",
                    "what": "is out of range",
                    "remedy": "write a whole number from 5 to 600",
                }
            ],
        }

    def test_order_as_json(self, folder: Path) -> None:
        done = run("check", "--config", f"{folder}/gate.toml", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["ok"], found["accounts"], found["notes"]) == (0, True, [ME], [])
        assert "login" not in found
        assert found["daemon"] == {"socket": "/run/secsign-gate/broker.sock", "state": "none"}

    def test_a_daemon_that_could_not_serve(self, folder: Path) -> None:
        (folder / "run").mkdir()
        (folder / "run").chmod(0o777)
        broker = f'[broker]\nsocket = "{folder}/run/broker.sock"\naccount = "nobody-of-this-name"\n'
        write(folder / "gate.toml", MINIMAL + broker)
        done = run("check", "--config", f"{folder}/gate.toml")
        assert (done.returncode, done.stdout) == (78, "")
        told = done.stderr.splitlines()
        assert len(told) == 2
        assert told[0] == (
            f"secsign-gate: {folder}/run/broker.sock: broker.socket: {folder}/run is not a folder of root's alone; "
            "choose another, like /run/secsign-gate"
        )
        assert told[1].startswith(f"secsign-gate: {folder}/gate.toml: broker.account: there is no account nobody-of-th")

    def test_an_account_that_is_not_here_is_noted(self, folder: Path) -> None:
        write(folder / "users", "nobody-of-this-name alice\n")
        done = run("check", "--config", f"{folder}/gate.toml")
        assert done.returncode == 0
        assert done.stdout.endswith("note: the users file names nobody-of-this-name, whom this host does not know\n")

    def test_a_mapping_of_nobody_is_noted(self, folder: Path) -> None:
        write(folder / "users", "# later\n")
        assert "note: the users file maps nobody" in run("check", "--config", f"{folder}/gate.toml").stdout

    @pytest.mark.parametrize(
        ("arguments", "outcome", "why"),
        [
            ([], "ask", "alice"),
            (["--fingerprint", ALICE_KEY], "ask", "bob"),
            (["--command", "uptime"], "allow", "exempt_command"),
            (["--command", "uptime "], "ask", "alice"),
            (["--client", "192.0.2.7"], "allow", "exempt_network"),
            (["--client", "::ffff:192.0.2.7"], "allow", "exempt_network"),
            (["--client", "192.0.3.7"], "ask", "alice"),
            (["--account", "daemon"], "refuse", "no_secsign_id"),
        ],
    )
    def test_what_a_login_would_meet(self, folder: Path, arguments: list[str], outcome: str, why: str) -> None:
        policy = (
            f'[policy]\nexempt_networks = ["192.0.2.0/24"]\nexempt_commands = [{{accounts="{ME}", command="uptime"}}]\n'
        )
        write(folder / "gate.toml", MINIMAL + policy)
        done = run("check", "--config", f"{folder}/gate.toml", "--json", "--account", ME, *arguments)
        found = json.loads(done.stdout)["login"]
        assert (found["outcome"], found["why"]) == (outcome, why)

    def test_what_a_login_would_meet_in_words(self, folder: Path) -> None:
        words = run("check", "--config", f"{folder}/gate.toml", "--account", ME).stdout
        assert words.endswith(f"\nask: {ME} needs an approval on the phone of SecSign ID alice\n")

    @pytest.mark.parametrize(
        ("arguments", "status", "says"),
        [
            (["--account", "nobody-of-this-name"], 1, "there is no account 'nobody-of-this-name' on this host"),
            (["--account", ME, "--client", "office"], 1, "'office' is no IP address; write one like 192.0.2.7"),
            (["--account", ME, "--fingerprint", "MD5:00"], 1, "`ssh-keygen -lf FILE.pub` prints it"),
            (["--command", "uptime"], 2, "add --account"),
        ],
    )
    def test_a_login_that_cannot_be(self, folder: Path, arguments: list[str], status: int, says: str) -> None:
        done = run("check", "--config", f"{folder}/gate.toml", *arguments)
        assert done.returncode == status
        assert says in done.stderr


class TestImportMapping:
    def test_to_standard_output(self, tmp_path: Path) -> None:
        (tmp_path / "secsignid.config").write_text("alice:Alice\nbob=bob\n")
        done = run("import-mapping", str(tmp_path / "secsignid.config"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "alice alice\nbob bob\n", "")
        assert run("import-mapping", "-", input="alice alice\n").stdout == "alice alice\n"

    def test_to_a_file_that_the_gate_can_read_at_once(self, folder: Path) -> None:
        (folder / "users").unlink()
        done = run("import-mapping", "-", "--output", f"{folder}/users", input=f"{ME}:alice\n", umask=0o022)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"wrote 1 lines to {folder}/users; now run: secsign-gate check\n"
        assert run("check", "--config", f"{folder}/gate.toml").returncode == 0

    def test_a_file_that_exists_is_kept(self, folder: Path) -> None:
        before = (folder / "users").read_text()
        done = run("import-mapping", "-", "--output", f"{folder}/users", input="alice:alice\n")
        assert done.returncode == 1
        assert "exists already; move it away or name another --output" in done.stderr
        assert (folder / "users").read_text() == before

    def test_lines_not_understood_are_all_named_and_nothing_is_written(self, tmp_path: Path) -> None:
        done = run("import-mapping", "-", "--output", f"{tmp_path}/users", input="alice\nbob:bob\n[x]\n")
        assert done.returncode == 78
        assert [line.split(";")[0] for line in done.stderr.splitlines()] == [
            "secsign-gate: <stdin> line 1: is none of `user:id`, `user=id` and `user id`",
            "secsign-gate: <stdin> line 3: is none of `user:id`, `user=id` and `user id`",
        ]
        assert not (tmp_path / "users").exists()

    def test_a_missing_file_and_a_missing_folder(self, tmp_path: Path) -> None:
        done = run("import-mapping", str(tmp_path / "none"))
        assert done.returncode == 2
        assert "No such file or directory" in done.stderr
        done = run("import-mapping", "-", "--output", f"{tmp_path}/none/users", input="alice:alice\n")
        assert done.returncode == 1
        assert done.stderr == f"secsign-gate: {tmp_path}/none/users: No such file or directory\n"


class TestEnds:
    def test_who_did_not_answer_is_told_in_one_sentence_with_status_75(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # no command can meet it yet without an ID server; main() is the one place that says it
        assert cli._told(BrokerUnavailable("the broker does not answer; start it")) == 75
        assert capsys.readouterr() == ("", "secsign-gate: the broker does not answer; start it\n")


class TestOutput:
    def on_a_terminal(self, *arguments: str, **environment: str) -> str:
        """Return what a person would get on a terminal of 200 columns."""
        controlling, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        with os.fdopen(controlling, "rb", buffering=0) as screen:
            try:
                run(*arguments, stdout=terminal, env={"TERM": "xterm", **environment})
            finally:
                os.close(terminal)
            shown = b""
            try:
                while piece := screen.read(4096):
                    shown += piece
            except OSError:  # EIO: nobody has the terminal open any more
                pass
        return shown.decode()

    def test_colours_are_for_terminals_whose_users_want_them(self, folder: Path) -> None:
        check = ("check", "--config", f"{folder}/gate.toml", "--account", ME)
        assert "\x1b[32min order\x1b[0m" in self.on_a_terminal(*check)
        assert "\x1b" not in self.on_a_terminal(*check, NO_COLOR="1")
        assert "\x1b" not in run(*check).stdout

    def test_a_reader_that_has_had_enough_is_no_drama(self, folder: Path) -> None:
        reader, writer = socket.socketpair()
        with writer:
            reader.close()
            done = run("check", "--config", f"{folder}/gate.toml", stdout=writer.fileno())
        assert (done.returncode, done.stderr) == (1, "")

    def test_a_full_disk(self, folder: Path) -> None:
        with Path("/dev/full").open("w") as full:
            done = run("check", "--config", f"{folder}/gate.toml", stdout=full)
        assert (done.returncode, done.stderr) == (1, "secsign-gate: input or output: No space left on device\n")

    def test_an_interrupt_is_told_in_a_word(self, tmp_path: Path) -> None:
        fifo = tmp_path / "secsignid.config"
        os.mkfifo(fifo)
        with subprocess.Popen([*PROGRAM, "import-mapping", str(fifo)], stderr=subprocess.PIPE, text=True) as process:
            try:
                with fifo.open("w"):  # opens once the other side reads
                    process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)  # the end of the pipe wakes a read that missed the signal
            finally:
                process.kill()
        assert process.returncode == 130
        assert said.strip() == "secsign-gate: interrupted"


@pytest.mark.parametrize("command", [("status",), ("unblock", "alice")])
@pytest.mark.parametrize("left_behind", [False, True])
def test_where_no_daemon_runs_it_says_where_to_look(
    folder: Path, command: tuple[str, ...], *, left_behind: bool
) -> None:
    write(folder / "gate.toml", f'{MINIMAL}\n[broker]\nsocket = "{folder}/s"\n')
    if left_behind:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(f"{folder}/s-control.sock")
    done = run(*command, "--config", str(folder / "gate.toml"))
    assert done.returncode == 75
    assert f"no daemon answers at {folder}/s" in done.stderr
    assert "`secsign-gate check`" in done.stderr
