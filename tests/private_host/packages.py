"""Which Debian packages a private host is made of, by the name that `enter.py --with NAME` uses.

Only what the host lacks is downloaded, and nothing is ever installed: see fetch_packages.py. PACKAGE/bookworm-backports
comes from there on Debian 12, and from the system's own release on every other.
"""

GROUPS: dict[str, tuple[str, ...]] = {
    # What `make demo` needs: a server, and the programs whose traffic must pass through the gate unharmed.
    "demo": ("openssh-client", "openssh-server", "openssh-sftp-server", "rsync"),
    # What the tests need besides: every login shell that starts a ForceCommand in its own way, and clients.
    # systemd judges and runs the units; a container has none. libfaketime sets the clock of one process.
    "host": (
        "dash",
        "fish",
        "git",
        "ksh93u+m",
        "libfaketime",
        "openssh-client",
        "openssh-server",
        "openssh-sftp-server",
        "procps",
        "rsync",
        "sudo",
        "systemd",
        "tcsh",
        "zsh",
    ),
    # From 9.8 on, OpenSSH has a program of its own for each connection (sshd-session). Named before `host`, it wins.
    "newer-openssh": tuple(
        f"{package}/bookworm-backports" for package in ("openssh-client", "openssh-server", "openssh-sftp-server")
    ),
    # A real browser for the simulator's phone page.
    "browser": ("chromium", "chromium-driver", "fonts-dejavu-core"),
    # Other people's clients and OpenSSH's own regression suite: for the long way round, not for `make test`.
    "clients": ("ansible-core", "dropbear-bin", "lftp", "nodejs", "openssh-tests", "putty-tools", "sshfs"),
    # What judges the SELinux module and the AppArmor profile without their kernels, and what shows a broker's opens.
    "confinement": ("apparmor", "checkpolicy", "selinux-policy-default", "semodule-utils", "strace"),
    # pip itself, where Debian's python3-venv is not installed.
    "pip": ("python3-pip-whl",),
}
