"""Tell all that a process which sshd started can learn about itself, as one line of JSON: run by session_facts.py.

That process leads the session of this one, so that a shell can be looked at from below. Numbers that are drawn anew for
every login (process ids, ports, terminals) are replaced by what they stand for.
"""

# A program that is started a hundred times imports little.
# ruff: noqa: PTH109, PTH115, PTH116, PTH123, PTH208

import json
import os
import re
import struct
import sys
import termios
from fcntl import ioctl

OF_STATUS = (
    "Umask", "Uid", "Gid", "Groups", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff",
    "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed", "CoreDumping", "TracerPid",
)  # fmt: skip
FILES = ("cgroup", "comm", "coredump_filter", "limits", "loginuid", "oom_score_adj", "personality", "timens_offsets")
# Fields of /proc/PID/stat, counted behind the name (proc(5)).
PARENT, GROUP, SESSION, TERMINAL, FOREGROUND = 1, 2, 3, 4, 5
SCHEDULING = {"priority": 15, "nice": 16, "signal at its end": 35, "real-time priority": 37, "policy": 38}


def read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return f"({error.strerror})".encode()


def text(raw: bytes) -> str:
    return raw.decode("latin-1")


def stat(pid: int | str) -> list[str]:
    return text(read(f"/proc/{pid}/stat")).rpartition(") ")[2].split()


def without_numbers(value: bytes) -> str:
    value = re.sub(rb"\bpts/\d+", b"pts/N", value)
    value = re.sub(rb"^(sshd\S*: [^@]+@)\S*", rb"\1", value)  # lists the terminals of a connection
    value = re.sub(rb"^(SSH_CONNECTION=\S+) \d+ (\S+) \d+$", rb"\1 PORT \2 PORT", value)
    value = re.sub(rb"^(SSH_CLIENT=\S+) \d+ \d+$", rb"\1 PORT PORT", value)
    return text(re.sub(rb"^_=\*\d+\*", rb"_=*PID*", value))  # ksh's


def environment(pid: int | str) -> list[str]:
    return sorted(without_numbers(entry) for entry in read(f"/proc/{pid}/environ").split(b"\0")[:-1])


def descriptors(pid: int | str) -> dict[str, list[str]]:
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue  # it was the one that lists the folder
        flags = re.findall(rb"flags:\s+(\d+)", read(f"/proc/{pid}/fdinfo/{name}"))
        found[name] = [re.sub(r"\[\d+\]|/\d+", "", target), *map(text, flags)]
    return found


def terminal() -> object:
    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        return error.strerror
    *flags, characters = termios.tcgetattr(descriptor)
    device = os.stat(os.ttyname(descriptor) if os.isatty(0) else "/dev/tty")
    return {
        "flags": flags,
        "characters": [text(one) if isinstance(one, bytes) else one for one in characters],
        "size": struct.unpack("HHHH", ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))),
        "device": [oct(device.st_mode), device.st_uid, device.st_gid],
    }


def whose(number: str, leader: int) -> str:
    return {leader: "the leader's", os.getpgrp(): "our group's", -1: "nobody's"}.get(int(number), "another's")


def main() -> None:
    leader = os.getsid(0)
    fields = stat(leader)
    status = dict(re.findall(r"(?m)^(\w+):\s*(.*)$", text(read(f"/proc/{leader}/status"))))
    children = text(read(f"/proc/{leader}/task/{leader}/children")).split()
    parent = fields[PARENT]
    facts = {
        "arguments": text(read(f"/proc/{leader}/cmdline")).split("\0")[:-1],
        "environment": environment(leader),
        "status": {name: status.get(name) for name in OF_STATUS},
        "files": {name: text(read(f"/proc/{leader}/{name}")) for name in FILES},
        "program": os.readlink(f"/proc/{leader}/exe"),
        "folder": os.readlink(f"/proc/{leader}/cwd"),
        "descriptors": descriptors(leader),
        "scheduling": {name: fields[number] for name, number in SCHEDULING.items()},
        "process group": whose(fields[GROUP], leader),
        "session": whose(fields[SESSION], leader),
        "foreground": whose(fields[FOREGROUND], leader),
        "has a terminal": fields[TERMINAL] != "0",
        "terminal": terminal(),
        "children besides this": [
            [text(read(f"/proc/{child}/comm")), "dead" if stat(child)[:1] == ["Z"] else "alive"]
            for child in children
            if int(child) != os.getpid()
        ],
        "parent": [without_numbers(read(f"/proc/{parent}/cmdline")).rstrip("\0"), os.stat(f"/proc/{parent}").st_uid],
        "what its child gets": {
            "environment": environment("self"),
            "folder": os.getcwd(),
            "umask": re.findall(rb"Umask:\s+(\d+)", read("/proc/self/status"))[0].decode(),
            "descriptors": {name: one for name, one in descriptors("self").items() if name in "012"},
        },
    }
    sys.stdout.write(f"<<<{json.dumps(facts)}>>>\n")


main()
