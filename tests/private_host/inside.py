"""The inner half of enter.py: runs as process 1 of fresh namespaces, builds the host's root and becomes its init.

What is built, all of it in memory and gone with the last process:

    /usr            Debian's packages from .cache over the machine's own /usr; /usr/local hidden
    /etc            a copy of the machine's and of the packages'; accounts, PAM, name service, sshd's settings are ours
    /opt/secsign-gate   the project's virtual environment with the checkout's present code, read-only
    the checkout    writable: tests keep their caches there
    everything else empty
"""

from __future__ import annotations

import compileall
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

sys.path.insert(0, str(Path(__file__).parent))  # run with -I, which leaves the script's folder out
import etc_files
from accounts import ALICE, write_account_files

OPT = Path("/opt/secsign-gate")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun")
MEMORY = {"run": 0o755, "tmp": 0o1777, "home": 0o755, "root": 0o700, "opt": 0o755, "dev/shm": 0o1777}
AS_ALICE = ["unshare", "--user", f"--map-user={ALICE.uid}", f"--map-group={ALICE.uid}", "--"]
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


class Plan(NamedTuple):
    """What enter.py decided: where things are on the machine, and what to run."""

    cache: str  # the folder that `root` and `trees` are relative to
    root: str  # an empty folder to build on
    trees: list[str]  # unpacked packages; the first wins
    checkout: str
    virtual_environment: str
    share_network: bool
    only_alice: bool  # without root there is one account, and it is alice
    folder: str  # where the checkout is seen inside, and the working directory
    environment: dict[str, str]
    command: list[str]


def build(plan: Plan) -> None:
    """Make the private host's root and move into it."""
    os.chdir(plan.cache)  # overlay's options are separated by commas and colons; names below this folder have none
    root = Path(plan.root)
    mount("-t", "tmpfs", "-o", "mode=0755,size=80%", "tmpfs", root)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        (root / name).symlink_to(f"usr/{name}")
    overlay(root, "usr", [*(f"{tree}/usr" for tree in plan.trees), "/usr"])
    for etc in ("/etc", *(f"{tree}/etc" for tree in reversed(plan.trees))):
        with suppress(shutil.Error):  # without root some files are not readable; none of them is needed
            shutil.copytree(etc, root / "etc", symlinks=True, dirs_exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", root / "usr/local")
    for folder in ("usr/local/bin", "usr/local/sbin", "proc", "sys", "mnt", "srv", "media"):
        (root / folder).mkdir()
    build_dev(root, terminal_group="" if plan.only_alice else ",gid=5")
    for folder, mode in MEMORY.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).chmod(mode)
    build_var(root)
    mount("-t", "proc", "proc", root / "proc")
    mount("--bind", root / "proc/sys", root / "proc/sys")
    mount("-o", "remount,bind,ro", root / "proc/sys")  # the kernel's settings are the machine's
    (root / plan.folder.lstrip("/")).mkdir(parents=True)
    mount("--bind", plan.checkout, root / plan.folder.lstrip("/"))
    build_opt(root, plan)
    (root / "old").mkdir()
    subprocess.run(["pivot_root", root, root / "old"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/old"], check=True)
    Path("/old").rmdir()
    etc_files.write(Path("/etc"), Path("/usr"))
    write_account_files(Path("/etc"), Path("/home"), only_alice=plan.only_alice)


def overlay(root: Path, name: str, lower: list[str]) -> None:
    for part in (name, f".memory/{name}/upper", f".memory/{name}/work"):
        (root / part).mkdir(parents=True)
    (root / ".memory").chmod(0o700)
    layers = ":".join(folder for folder in lower if Path(folder).is_dir())
    memory = root / ".memory" / name
    options = f"lowerdir={layers},upperdir={memory}/upper,workdir={memory}/work"
    mount("-t", "overlay", "-o", options, "overlay", root / name)


def build_dev(root: Path, terminal_group: str) -> None:
    dev = root / "dev"
    for folder in ("net", "pts", "shm"):
        (dev / folder).mkdir(parents=True)
    for device in DEVICES:
        if (Path("/dev") / device).exists():
            (dev / device).touch()
            mount("--bind", Path("/dev") / device, dev / device)
    mount("-t", "devpts", "-o", f"newinstance,ptmxmode=0666,mode=0620{terminal_group}", "devpts", dev / "pts")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "log").symlink_to("/run/log")  # as with systemd; nobody listens until a test does


def build_var(root: Path) -> None:
    for folder in ("cache", "lib", "log", "mail", "spool", "tmp"):
        (root / "var" / folder).mkdir(parents=True)
    (root / "var/tmp").chmod(0o1777)
    (root / "var/mail").chmod(0o1777)
    (root / "var/run").symlink_to("/run")
    (root / "var/spool/mail").symlink_to("../mail")
    for name in ("var/log/wtmp", "var/log/btmp", "var/log/lastlog", "run/utmp"):
        (root / name).touch()
    (root / "run/sshd").mkdir(mode=0o755)


def build_opt(root: Path, plan: Plan) -> None:
    """The virtual environment under the path that sshd's settings name, with the checkout's code in its place."""
    opt = root / OPT.relative_to("/")
    overlay(root, str(OPT.relative_to("/")), [os.path.relpath(plan.virtual_environment)])
    site_packages = next((opt / "lib").glob("python3*/site-packages"))
    source, installed = Path(plan.checkout) / "secsign_gate", site_packages / "secsign_gate"
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", installed)
    shutil.copytree(source, installed, dirs_exist_ok=True)
    compileall.compile_dir(installed, quiet=2, stripdir=str(root), prependdir="/")
    for folder in ("sshd_config.d", "systemd", "examples/pam.d"):
        shared = opt / "share/secsign-gate" / folder.removeprefix("examples/")
        shutil.copytree(Path(plan.checkout) / folder, shared, dirs_exist_ok=True)
    for script in (source / "doors/bin").glob("*"):
        shutil.copy2(script, opt / "bin" / script.name)
    for script in (opt / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            fitted = text.replace(os.fsencode(plan.virtual_environment) + b"/bin/", os.fsencode(OPT) + b"/bin/")
            if fitted != text:
                script.write_bytes(fitted)
    for path in (installed, *installed.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    mount("-o", "remount,ro", installed)
    mount("-o", "remount,ro", opt)


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING))


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, stderr=subprocess.PIPE, text=True)


def run_as_init(plan: Plan) -> NoReturn:
    """Run the command, bury orphans until it ends, and end with its status; the kernel then ends all that remains."""
    command = [*(AS_ALICE if plan.only_alice else []), *plan.command]
    child = os.fork()
    if child == 0:
        os.chdir(plan.folder)
        try:
            os.execvpe(command[0], command, plan.environment)  # noqa: S606 - no shell is wanted
        except OSError as failure:
            print(f"private host: {command[0]}: {failure.strerror}", file=sys.stderr)
            os._exit(127)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def main() -> NoReturn:
    plan = Plan(**json.loads(sys.argv[1]))
    try:
        os.umask(0o022)
        os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"  # for mount and pivot_root; without root it may be shorter
        if not plan.share_network:
            loopback_up()
        socket.sethostname("private-host")
        build(plan)
    except (subprocess.CalledProcessError, OSError) as failure:
        reason = getattr(failure, "stderr", None) or str(failure)
        print(f"private host: it could not be built: {reason.strip()}", file=sys.stderr)
        sys.exit(69)
    run_as_init(plan)


if __name__ == "__main__":
    main()
