"""`secsign-gate authorized-keys`, as an administrator calls it who has linked the program into root's PATH."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROGRAM = Path("/opt/secsign-gate/bin/secsign-gate")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIb/LEW7gT4lzWPqNYzOOD6l47CL/p0117jizW9zF6vW"


def test_it_finds_the_gate_by_whatever_name_it_was_called() -> None:
    link, registry = Path("/usr/local/sbin/secsign-gate"), Path("/etc/registry-of-a-trial")
    registry.write_text(f"deploy alice {KEY}\n")
    registry.chmod(0o644)
    link.symlink_to(PROGRAM)
    try:
        words = ("authorized-keys", "--registry", str(registry), "deploy", *KEY.split(), "-")
        done = subprocess.run([link, *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{PROGRAM}-force-command" in done.stdout
    finally:
        link.unlink()
        registry.unlink()
