"""Run ~/.ssh/rc, which sshd leaves out under an administrator's ForceCommand (sshd(8), SSHRC)."""

import posix


def run_user_rc(script: bytes, shell: bytes, environ: dict[bytes, bytes]) -> None:
    """Run `script` as sshd does: `/bin/sh rc` by the login shell, input at its end, output the session's.

    How it ends is of no matter.

    There is no X11 authority to read on standard input: X11 forwarding is closed where this gate stands.
    """
    reading, writing = posix.pipe()
    posix.close(writing)
    command = shell + b" -c '/bin/sh " + script + b"'"
    child = posix.posix_spawn(
        b"/bin/sh", [b"sh", b"-c", command], environ, file_actions=[(posix.POSIX_SPAWN_DUP2, reading, 0)]
    )
    posix.close(reading)
    posix.waitpid(child, 0)
