"""What the door itself costs a login, and what a whole embedded login costs: `make benchmark`.

Every variant is a ForceCommand of one private sshd, asked over a ControlMaster connection that stands already, in turn,
round after round, so that a machine whose speed drifts treats all alike. What is compared is time *added* to the same
`ssh -S … host true` without a forced command, as medians over the rounds.

    none       no forced command
    sh         ForceCommand exec /bin/sh -c 'exec true'
    bare       ForceCommand exec python3 -I -S FILE, and FILE does nothing but exec
    door       our door; what answers behind a socket says yes at once (the broker is not what is measured)
    embedded   our door and the broker it starts, which answers from its rules (an exempt account), without a push
    pushed     the same with a push that the simulator's phone accepts at once
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent / "tests"),
    str(Path(__file__).resolve().parent.parent / "tests/e2e"),
]

from running_simulator import RunningSimulator
from sshd import Sshd

from secsign_gate import wire

PREFIX = "/opt/secsign-gate"
DOOR = f"exec {PREFIX}/bin/python3 -I -S {PREFIX}/bin/secsign-gate-force-command"
BARE = """import posix, pwd
shell = pwd.getpwuid(posix.getuid()).pw_shell
posix.execve(shell, [shell, "-c", posix.environ[b"SSH_ORIGINAL_COMMAND"]], posix.environ)
"""
# One account a variant: same shell, empty home, so that nothing but the forced command differs.
ACCOUNTS = {"none": "alice", "sh": "bob", "bare": "deploy", "door": "ben0", "embedded": "ben1", "pushed": "ben2"}
WARM_UP = 2  # rounds not counted


@contextmanager
def answering(path: str) -> Iterator[None]:
    """Listen at `path` and say yes to every question at once: a shell command, as asked for."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    Path(path).chmod(0o666)
    server.listen(64)

    def answer() -> None:
        while True:
            try:
                stream, _ = server.accept()
            except OSError:
                return
            with stream:
                asked = wire.decode(_frame(stream))
                if isinstance(asked, wire.Ask):
                    stream.sendall(wire.Answer(allowed=True, why="approved", command=asked.command).encode())
                    stream.recv(1)

    threading.Thread(target=answer, daemon=True).start()
    try:
        yield
    finally:
        server.close()


def _frame(stream: socket.socket) -> bytes:
    received = b""
    while len(received) < wire.HEADER or len(received) < wire.HEADER + wire.frame_length(received[: wire.HEADER]):
        received += stream.recv(65536)
    return received[wire.HEADER :]


def add_account(name: str, uid: int) -> None:
    """Add an account with bash and an empty home to the private host."""
    for file, line in (
        ("passwd", f"{name}:x:{uid}:{uid}::/home/{name}:/bin/bash"),
        ("group", f"{name}:x:{uid}:"),
        ("shadow", f"{name}:*:19000:0:99999:7:::"),
    ):
        with Path("/etc", file).open("a") as database:
            database.write(line + "\n")
    home = Path("/home", name)
    home.mkdir(mode=0o700)
    os.chown(home, uid, uid)


def prepare(stack: ExitStack, folder: Path) -> tuple[Sshd, Path]:
    """Start sshd, the answering socket and the simulator. Return sshd and the client's key."""
    folder.chmod(0o755)
    for number in range(3):
        add_account(f"ben{number}", 2200 + number)
    bare = folder / "bare.py"
    bare.write_text(BARE)
    sockets = Path("/run/benchmark")
    sockets.mkdir()
    stack.enter_context(answering(f"{sockets}/yes.sock"))
    simulator = stack.enter_context(RunningSimulator(folder / "simulator", "--auto-accept", "0"))
    (folder / "users").write_text("ben2 alice\n")
    settings = folder / "gate.toml"
    settings.write_text(
        f'[id_server]\ndialect = "form"\nurl = "{simulator.url}"\nca_file = "ca.pem"\n'
        '[policy]\nexempt_accounts = "ben1"\n'
    )
    (folder / "ca.pem").write_bytes(Path(simulator.ca_file).read_bytes())
    forced = {
        "sh": "exec /bin/sh -c 'exec true'",
        "bare": f"exec {PREFIX}/bin/python3 -I -S {bare}",
        "door": f"{DOOR} --broker {sockets}/yes.sock",
        "embedded": f"{DOOR} --config {settings}",
        "pushed": f"{DOOR} --config {settings}",
    }
    blocks = "".join(f"Match User {ACCOUNTS[name]}\n  ForceCommand {line}\n" for name, line in forced.items())
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for account in ACCOUNTS.values():
        ssh = Path("/home", account, ".ssh")
        ssh.mkdir(exist_ok=True)
        (ssh / "authorized_keys").write_bytes(key.with_suffix(".pub").read_bytes())
        os.chown(ssh, *[Path("/home", account).stat().st_uid] * 2)
    sshd = stack.enter_context(Sshd(folder / "sshd", {"00.conf": "ExposeAuthInfo yes\nMaxSessions 100\n" + blocks}))
    return sshd, key


def client(sshd: Sshd, key: Path, variant: str, folder: Path) -> list[str]:
    """Return the ssh command that uses the variant's master connection."""
    options = ["-F", "none", "-i", str(key), "-p", str(sshd.port), "-S", f"{folder}/{variant}.ctl"]
    options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    return ["ssh", *options, f"{ACCOUNTS[variant]}@127.0.0.1"]


@contextmanager
def connected() -> Iterator[dict[str, list[str]]]:
    """Yield the ssh command of each variant, over a master connection that stands."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/run")))
        stack.enter_context(system_log())
        sshd, key = prepare(stack, folder)
        commands = {variant: client(sshd, key, variant, folder) for variant in ACCOUNTS}
        for command in commands.values():
            subprocess.run([*command[:1], "-M", "-N", "-f", *command[1:]], check=True)
            stack.callback(subprocess.run, [*command[:1], "-O", "exit", *command[1:]], capture_output=True, check=False)
        yield commands


@contextmanager
def system_log() -> Iterator[None]:
    """Take what is sent to /dev/log; the private host has no daemon for it."""
    Path("/dev/log").unlink(missing_ok=True)
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    Path("/dev/log").chmod(0o666)
    threading.Thread(target=lambda: [log.recv(65536) for _ in iter(int, 1)], daemon=True).start()
    yield


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of `ssh -S … host true`, variant by variant, round by round."""
    times: dict[str, list[float]] = {variant: [] for variant in ACCOUNTS}
    with connected() as commands:
        for turn in range(rounds + WARM_UP):
            for variant, command in commands.items():
                begun = time.perf_counter()
                subprocess.run([*command, "true"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if turn >= WARM_UP:
                    times[variant].append((time.perf_counter() - begun) * 1000)
    return times


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    times = measure(rounds)
    added = {
        variant: [mine - none for mine, none in zip(times[variant], times["none"], strict=True)] for variant in ACCOUNTS
    }
    bare = statistics.median(added["bare"])
    print(f"{rounds} rounds, medians, milliseconds\n")
    print("| variant | ssh -S … true | added | added / added by bare |")
    print("|---|---:|---:|---:|")
    for variant in ACCOUNTS:
        extra = statistics.median(added[variant])
        print(f"| {variant} | {statistics.median(times[variant]):.1f} | {extra:.1f} | {extra / bare:.2f} |")


if __name__ == "__main__":
    main()
