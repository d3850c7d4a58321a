"""A running broker under strace: which files its processes have opened, made or mapped, and how."""

from __future__ import annotations

import os
import re
import select
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from running_broker import PATIENCE, RunningBroker

if TYPE_CHECKING:
    import pytest

# As ExecStart has it. trio is there for tests only (selenium's); anyio would load it, and it starts ldconfig.
PROGRAM = """#!/bin/sh
exec strace -D -f -y -s 4096 -o {trace} -e trace=file,mmap,bind,connect,sendto,socket,pidfd_getfd {more} \
    /opt/secsign-gate/bin/python3 -I -c '
import sys
sys.modules["trio"] = None
from secsign_gate.admin.cli import main
main()' "$@"
"""
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += +(-?\w+)(?:<([^>]*)>)?", re.MULTILINE)
_PATH = re.compile(r'(?:(AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"')
_PLACE = re.compile(r'sun_path="([^"]*)"')
_FAMILY = re.compile(r"^AF_(\w+)")


class Use(NamedTuple):
    """What a process did with a file: `mode` as in AppArmor, r, w, m, x."""

    pid: int
    path: str
    mode: str


class TracedBroker(RunningBroker):
    """A broker as root that strace looks at from its first instruction. What it did is known once it has ended."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
        """`more` are options of strace, e.g. to make a system call fail."""
        super().__init__()
        self._trace = folder / "trace"
        self._calls_seen: list[tuple[str, ...]] = []
        program = folder / "broker"
        program.write_text(PROGRAM.format(trace=self._trace, more=more))
        program.chmod(0o755)
        monkeypatch.setattr("running_broker.PROGRAM", str(program))

    def __enter__(self) -> Self:
        super().__enter__()
        status = Path(f"/proc/{self.pid}/status").read_text()
        tracer = re.search(r"^TracerPid:\t(\d+)$", status, re.MULTILINE)
        assert tracer
        self._tracer = os.pidfd_open(int(tracer[1]))
        return self

    def __exit__(self, *reason: object) -> None:
        super().__exit__(*reason)
        ended, _, _ = select.select([self._tracer], [], [], PATIENCE)  # it has written all that it saw
        os.close(self._tracer)
        assert ended

    @property
    def families(self) -> set[str]:
        """The families of the sockets that were made, as `inet`."""
        found = (_FAMILY.match(arguments) for _, call, arguments, _, _ in self._calls() if call == "socket")
        return {family[1].lower() for family in found if family}

    @property
    def pids(self) -> set[int]:
        """The processes and threads that it had."""
        return {int(call[0]) for call in self._calls()}

    @property
    def uses(self) -> set[Use]:
        """What was done with files, except for what failed, and for the program itself, which systemd starts."""
        found = [
            Use(int(pid), path, mode)
            for pid, call, arguments, result, opened in self._calls()
            if not result.startswith("-")
            for path, mode in _used(call, arguments, opened)
        ]
        first = next(use for use in found if use.mode == "x")
        return set(found) - {first}

    def _calls(self) -> list[tuple[str, ...]]:
        if not self._calls_seen:
            self._calls_seen = _CALL.findall(self._trace.read_text())
        return self._calls_seen


_CHANGES = ("unlink", "rename", "link", "symlink", "chmod", "chown", "fchmod", "fchown", "truncate", "utime")


def _used(call: str, arguments: str, opened: str) -> list[tuple[str, str]]:
    """Return which file a system call used, and how; `opened` is the file of the descriptor that it returned."""
    used: list[tuple[str, str]] = []
    if call in {"open", "openat", "creat"} and "O_PATH" not in arguments:
        folder = "/" if "O_DIRECTORY" in arguments and not opened.endswith("/") else ""
        used.append((opened + folder, "rw" if "O_RDWR" in arguments else "w" if "O_WRONLY" in arguments else "r"))
    elif call == "mmap" and "PROT_EXEC" in arguments:
        used += [(path, "m") for path in re.findall(r"\d+<(/[^>]*)>", arguments)]
    elif call in {"bind", "connect", "sendto"}:
        used += [(path, "w") for path in _PLACE.findall(arguments)]
    elif call in {"execve", "execveat"}:
        used.append((_path(arguments), "x"))
    elif call.startswith(("mkdir", "rmdir")):
        used.append((_path(arguments) + "/", "w"))
    elif call.startswith(_CHANGES):
        used.append((_path(arguments), "w"))
    return used  # nothing, for what looks at a file and opens it not


def _path(arguments: str) -> str:
    found = _PATH.search(arguments)
    assert found, arguments
    return str(Path(found[2] or "/", found[3]))
