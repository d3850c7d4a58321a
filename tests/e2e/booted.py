"""systemd itself on the private host: process 1 of namespaces of its own, with the shipped units and its journal.

/etc/secsign-gate, /home, /opt and the network are those of the private host; /run, /var/log and the units are its own.
"""

from __future__ import annotations

import secrets
import subprocess
import time
from pathlib import Path
from typing import Self

SYSTEMD = "/lib/systemd/systemd"
UNITS = Path(__file__).resolve().parents[2] / "systemd"
CGROUPS = Path("/mnt/cgroup")

# $1 becomes the control group that systemd sees as the root of all; $2 is the folder of our units, $3 names those that
# run early at this boot. What would mount file systems, clean /tmp or look after a machine is masked. The kernel's
# settings may not be written: those of the network are the private host's, too, and systemd lets logs take more.
START = """
set -e
echo $$ > "$1/cgroup.procs"
exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child --propagation private -- sh -ec '
    mount -t proc proc /proc
    mount --bind /proc/sys /proc/sys
    mount -o remount,bind,ro /proc/sys
    mount -t sysfs -o ro sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    for folder in /run /var/log /etc/systemd/system; do mount -t tmpfs -o mode=0755 tmpfs $folder; done
    cp "$1"/*.service "$1"/*.socket /etc/systemd/system
    mkdir /etc/systemd/system/sysinit.target.wants
    for unit in $2; do ln -s "../$unit" /etc/systemd/system/sysinit.target.wants; done
    for unit in $(cd /lib/systemd/system; echo sysinit.target.wants/* local-fs.target.wants/* timers.target.wants/*); do
        case ${unit##*/} in
            systemd-journald.service) ;;
            *) ln -s /dev/null "/etc/systemd/system/${unit##*/}" ;;
        esac
    done
    exec env -i container=private-host PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
        --system --unit=basic.target --log-target=null --show-status=no
' sh "$2" "$3"
"""


class CannotBootError(Exception):
    """systemd cannot be run here; str() says why."""


class Booted:
    """A context manager; systemd has started when it is entered. `enter` before a command runs it there.

    `early` are units of ours that sysinit.target wants at this boot.
    """

    def __init__(self, *early: str) -> None:
        self._early = early
        # Control groups are the machine's, whatever the namespace: a name that no other run has, even one cut short.
        self._group = CGROUPS / f"secsign-gate-test-{secrets.token_hex(8)}"
        self._process: subprocess.Popen[str] | None = None
        self.enter: tuple[str, ...] = ()

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command there; return what it printed, errors included."""
        done = subprocess.run(
            [*self.enter, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def __enter__(self) -> Self:
        """Raises CannotBootError."""
        try:
            self._start()
        except (OSError, subprocess.CalledProcessError, CannotBootError):
            self.__exit__()
            raise CannotBootError("systemd needs a control group of its own, and may not make one here") from None
        return self

    def _start(self) -> None:
        CGROUPS.mkdir(exist_ok=True)
        if not (CGROUPS / "cgroup.procs").exists():
            subprocess.run(["mount", "-t", "cgroup2", "cgroup2", CGROUPS], check=True)
        self._group.mkdir()
        Path("/sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
        Path("/etc/systemd/system").mkdir(parents=True, exist_ok=True)
        command = ["sh", "-c", START, "sh", str(self._group), str(UNITS), " ".join(self._early)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while True:  # unshare's one child, once that has become systemd
            if self._process.poll() is not None:
                raise CannotBootError
            (child,) = children.read_text().split() or [""]
            if child and Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                break
            time.sleep(0.01)
        self.enter = ("nsenter", f"--target={child}", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--")
        self.run("sh", "-c", "until systemctl is-system-running --wait; do sleep 0.05; done", check=False)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()  # and with it, by --kill-child, all of its namespace
            self._process.wait()
        if self._group.exists():
            while "populated 1" in (self._group / "cgroup.events").read_text():
                time.sleep(0.01)
            for folder in sorted(self._group.rglob("*/"), reverse=True):
                folder.rmdir()
            self._group.rmdir()
