"""Running a command of the system's that ends by itself."""

import subprocess

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SECONDS = 30.0  # for a host that is busy


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """Run the command; return its exit status, and what it said. One that cannot be run, or does not end, has failed.

    What it starts must not keep its standard output.
    """
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            env=ENVIRONMENT,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 1, f"{command[0]} cannot be run, or does not end")
