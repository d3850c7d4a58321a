"""Run a command on a private host: a Debian of its own, made of this machine's and of unpacked packages, in namespaces.

    enter.py [--with GROUP]… [--share-network] [--alice-will-do] -- COMMAND [ARGUMENT…]

    --with GROUP       Debian packages that the host must have (packages.py); may be repeated; default: host
    --share-network    keep the machine's network, so that a browser outside reaches 127.0.0.1 inside
    --alice-will-do    where root is lacking or may not mount, make a host with the one account alice, who runs COMMAND

Else COMMAND runs as root. It has a clean environment; accounts are listed in accounts.py. Nothing that it does
reaches the machine, except what it writes into the checkout. The exit status is COMMAND's; 69: there can be no such
host here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from fetch_packages import CACHE, FetchError, fetch
from packages import GROUPS

CHECKOUT = Path(__file__).resolve().parents[2]
ROOTS = {"HOME": "/root", "USER": "root"}
ALICES = {"HOME": "/home/alice", "USER": "alice"}
VIRTUAL_ENVIRONMENT = CHECKOUT / ".venv"
TAKEN = ("dev", "etc", "opt", "proc", "run", "usr")  # where a checkout would lie below what the private host has there
NOT_POSSIBLE_HERE = 69  # EX_UNAVAILABLE
KEPT_VARIABLES = ("CI", "COLORTERM", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "PYTEST_ADDOPTS", "TERM")
PATH = "/opt/secsign-gate/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
WITHOUT_ROOT = ["--user", "--map-root-user"]
NAMESPACES = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--propagation", "private", "--kill-child"]


def enter(groups: list[str], command: list[str], *, share_network: bool, alice_will_do: bool) -> NoReturn:
    """Replace this process by one that runs `command` on a private host."""
    if not (VIRTUAL_ENVIRONMENT / "bin/python3").exists():
        refuse(f"{VIRTUAL_ENVIRONMENT} is missing; `make venv` makes it.")
    namespaces = [*NAMESPACES, *([] if share_network else ["--net"])]
    problem = why_not(namespaces) if os.geteuid() == 0 else "several accounts need root; run it with sudo."
    only_alice = bool(problem) and alice_will_do
    if only_alice:
        namespaces += WITHOUT_ROOT
        problem = why_not(namespaces)
    if problem:
        refuse(problem)
    root = CACHE / "root"
    root.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    plan = {
        "cache": str(CACHE),
        "root": root.name,
        "trees": [str(fetch(GROUPS[group]).relative_to(CACHE)) for group in groups],
        "checkout": str(CHECKOUT),
        "virtual_environment": str(VIRTUAL_ENVIRONMENT),
        "share_network": share_network,
        "only_alice": only_alice,
        "folder": "/srv/checkout" if CHECKOUT.parts[1] in TAKEN else str(CHECKOUT),
        "environment": (ALICES if only_alice else ROOTS)
        | {"LANG": "C.UTF-8", "PATH": PATH, "SHELL": "/bin/bash"}
        | kept,
        "command": command,
    }
    inner = ["/usr/bin/python3", "-I", "-B", str(Path(__file__).with_name("inside.py")), json.dumps(plan)]
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", *namespaces, "--", *inner])  # noqa: S606 - no shell is wanted


def why_not(namespaces: list[str]) -> str:
    """Return why these namespaces cannot be had here, in a sentence; empty if they can."""
    trial = ["unshare", *namespaces, "--", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    try:
        run = subprocess.run(trial, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unshare(1) of util-linux is missing."
    if run.returncode == 0:
        return ""
    reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"namespaces and mounts are not permitted here ({reason}); a container must be run with --privileged."


def refuse(sentence: str) -> NoReturn:
    print(f"private host: {sentence}", file=sys.stderr)
    sys.exit(NOT_POSSIBLE_HERE)


def main() -> NoReturn:
    parser = argparse.ArgumentParser(
        usage="enter.py [--with GROUP]… [--share-network] [--alice-will-do] -- COMMAND [ARGUMENT…]", description=__doc__
    )
    parser.add_argument("--with", dest="groups", action="append", choices=sorted(GROUPS), metavar="GROUP")
    parser.add_argument("--share-network", action="store_true")
    parser.add_argument("--alice-will-do", action="store_true")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        enter(
            arguments.groups or ["host"],
            arguments.command,
            share_network=arguments.share_network,
            alice_will_do=arguments.alice_will_do,
        )
    except FetchError as failure:
        refuse(str(failure))
    except OSError as failure:
        refuse(f"{failure.filename}: {failure.strerror}; does it belong to you?")


if __name__ == "__main__":
    main()
