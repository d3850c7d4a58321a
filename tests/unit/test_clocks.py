"""A clock on the wall that is set back or forward moves no deadline, no limit and no grant.

It is read only where a time goes on record or is shown, or where the expiry of a key or certificate is compared, which
says a date. Whoever reads it somewhere else has to come here and say why.
"""

import ast
from pathlib import Path

import secsign_gate

PACKAGE = Path(secsign_gate.__file__).parent

# Of the modules that tell the time, what depends on the clock on the wall, or on its time zone.
OF_THE_WALL = {
    "time": {"ctime", "gmtime", "localtime", "time", "time_ns", "clock_gettime", "clock_gettime_ns"},
    "datetime": {"now", "today", "utcnow"},
}
WHY = {
    ("authorized_keys/__init__.py", "time"): "the expiry of keys",
    ("authorized_keys/__init__.py", "gmtime"): "the same, where it is written in UTC",
    ("authorized_keys/__init__.py", "localtime"): "the same, where it is not",
    ("broker/world.py", "time"): "goes on record; the expiry of keys, where sshd did not note when it verified them",
    ("broker/embedded.py", "time"): "goes on record",
    ("broker/daemon.py", "time"): "is shown by `status`",
    ("broker/recognise.py", "time"): "the expiry of keys, where sshd did not note when it verified them",
    ("broker/daemon.py", "clock_gettime_ns"): "CLOCK_MONOTONIC, for the service manager",
    ("doors/claim.py", "time"): "bounds when sshd noted the key, which a date in the future would falsify",
    ("doors/greeting.py", "ctime"): "shows the last login",
    ("admin/status_text.py", "localtime"): "shows when",
    ("doctor/daemon_found.py", "localtime"): "shows when",
    ("doctor/certificate.py", "gmtime"): "shows until when",
    ("doctor/one_login.py", "gmtime"): "shows until when",
    ("doctor/walk.py", "time"): "the expiry of keys and accounts",
    ("doctor/id_server.py", "time"): "is compared with what a certificate, and a server, say",
    ("sshd/running.py", "time"): "when a server started, to be compared with when its files were changed",
    ("sshd/running.py", "clock_gettime"): "CLOCK_BOOTTIME, from which the kernel counts when a process started",
    ("admin/log.py", "now"): "what `--since 2h` means",
    ("activation/journal.py", "time"): "shows until when a change is to be confirmed",
    ("activation/journal.py", "clock_gettime"): "CLOCK_BOOTTIME, which tells when it is undone",
    ("admin/activation_report.py", "localtime"): "shows until when a change is to be confirmed",
    ("activation/on_record.py", "localtime"): "puts the same on record",
}


def readings() -> set[tuple[str, str]]:
    """Return every file with the name by which it reads the clock on the wall. The simulator is not the gate."""
    found = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = str(path.relative_to(PACKAGE))
        if place.startswith("simulator/"):
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in OF_THE_WALL:
                found |= {(place, alias.name) for alias in node.names if alias.name in OF_THE_WALL[node.module]}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = {"time": "time", "datetime": "datetime", "date": "datetime"}.get(node.value.id)
                if names is not None and node.attr in OF_THE_WALL[names]:
                    found.add((place, node.attr))
    return found


def test_the_clock_on_the_wall_is_read_where_there_is_a_reason_and_nowhere_else() -> None:
    assert readings() == WHY.keys()


def test_the_one_monotonic_clock_says_so() -> None:
    """`clock_gettime_ns` is no clock on the wall if it is asked for CLOCK_MONOTONIC."""
    tree = ast.parse((PACKAGE / "broker/daemon.py").read_text())
    asked = [
        ast.unparse(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clock_gettime_ns"
    ]
    assert asked == ["time.CLOCK_MONOTONIC"]
