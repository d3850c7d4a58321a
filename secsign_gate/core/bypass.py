"""The ways around a ForceCommand that sshd leaves open, each with the lines of the shipped drop-in that close it.

Everything that speaks of a way names it by its `name` here: what `secsign-gate doctor` finds, what `secsign-gate probe`
tries, and docs/bypasses.md. Each fact is of sshd_config(5) or sshd(8) and was tried on OpenSSH 9.2p1.
"""

from typing import NamedTuple


class Bypass(NamedTuple):
    """One way around the gate, or out of it.

    `name` is for machines, `title` for people. `way` is a sentence: what somebody does, and what it gives. `closed_by`
    are the directives of sshd_config.d/00-secsign-gate.conf that close it, each as it stands there, or as it begins.
    """

    name: str
    title: str
    way: str
    closed_by: tuple[str, ...]


_GATE = "ForceCommand exec"
_HOME = "SetEnv HOME=/nonexistent"

BYPASSES = (
    Bypass(
        "local-forwarding",
        "forwarding of a local port (ssh -L)",
        "ssh -N -L opens no session, so no ForceCommand runs, and whatever the host can reach is reached through it.",
        ("DisableForwarding yes", "AllowTcpForwarding no", "PermitOpen none"),
    ),
    Bypass(
        "stdio-forwarding",
        "forwarding of standard input and output (ssh -W, ProxyJump)",
        "ssh -W and ProxyJump make the host a step towards others, without a session on it.",
        ("DisableForwarding yes", "AllowTcpForwarding no", "PermitOpen none"),
    ),
    Bypass(
        "dynamic-forwarding",
        "a SOCKS proxy (ssh -D)",
        "ssh -N -D makes the host a proxy to every address that it can reach.",
        ("DisableForwarding yes", "AllowTcpForwarding no", "PermitOpen none"),
    ),
    Bypass(
        "remote-forwarding",
        "forwarding of a port of the host (ssh -R)",
        "ssh -N -R makes the host listen, and whoever connects there reaches the client's network.",
        ("DisableForwarding yes", "AllowTcpForwarding no", "PermitListen none", "GatewayPorts no"),
    ),
    Bypass(
        "local-socket-forwarding",
        "forwarding to a unix socket of the host (ssh -L path:path)",
        "ssh -N -L to a unix socket reaches a database, a container engine or an agent with the account's rights.",
        ("DisableForwarding yes", "AllowStreamLocalForwarding no"),
    ),
    Bypass(
        "remote-socket-forwarding",
        "a unix socket on the host (ssh -R path:…)",
        "ssh -N -R with a path makes a socket on the host that leads to the client.",
        ("DisableForwarding yes", "AllowStreamLocalForwarding no"),
    ),
    Bypass(
        "tunnel",
        "a network interface (ssh -w)",
        "ssh -w joins the client to the host's network; DisableForwarding forgets it before OpenSSH 10.4.",
        ("PermitTunnel no",),
    ),
    Bypass(
        "x11-forwarding",
        "X11 forwarding (ssh -X)",
        "The listener for X11 is made before the gate runs, and gives the host a way to the client's display.",
        ("X11Forwarding no", "DisableForwarding yes"),
    ),
    Bypass(
        "agent-forwarding",
        "forwarding of the agent (ssh -A)",
        "The agent's socket is made before the gate runs, and lets the host use the client's keys.",
        ("AllowAgentForwarding no", "DisableForwarding yes"),
    ),
    Bypass(
        "disable-forwarding-alone",
        "DisableForwarding as the only guard",
        "DisableForwarding forgets X11 and agents before OpenSSH 10.0 (CVE-2025-32728), and tunnels before 10.4.",
        ("PermitTunnel no", "X11Forwarding no", "AllowAgentForwarding no"),
    ),
    Bypass(
        "idle-connection",
        "a connection without a session (ssh -N)",
        "A connection that opens no session is never approved and never ends; it waits for a hole to open.",
        ("UnusedConnectionTimeout",),
    ),
    Bypass(
        "subsystem",
        "a subsystem (sftp and others)",
        "Without a ForceCommand a subsystem runs as soon as the key is accepted: files go in and out.",
        (_GATE,),
    ),
    Bypass(
        "user-rc",
        "~/.ssh/rc",
        'sshd runs ~/.ssh/rc before a command="…" of a key; only a ForceCommand of sshd\'s own keeps it from that.',
        (_GATE,),
    ),
    Bypass(
        "system-rc",
        "/etc/ssh/sshrc",
        "sshd runs /etc/ssh/sshrc as the user before the gate; what it runs or reads from the home runs unapproved.",
        (_HOME,),
    ),
    Bypass(
        "client-environment",
        "variables that the client sets (AcceptEnv)",
        "With `AcceptEnv *`, LD_PRELOAD, BASH_ENV, SHELLOPTS with PS4 or PYTHONPATH run code before the gate does.",
        ("AcceptEnv LANG LC_*", _HOME),
    ),
    Bypass(
        "forged-variables",
        "variables that look like sshd's own",
        "With a generous AcceptEnv the client sets SSH_ORIGINAL_COMMAND, SSH_USER_AUTH or SSH_TTY where sshd does not.",
        ("AcceptEnv LANG LC_*", "ExposeAuthInfo yes"),
    ),
    Bypass(
        "user-environment",
        '~/.ssh/environment and environment="…"',
        "With PermitUserEnvironment the user's own file, or a key's option, sets LD_PRELOAD, PATH or BASH_ENV.",
        ("PermitUserEnvironment no",),
    ),
    Bypass(
        "pam-environment",
        "~/.pam_environment",
        "pam_env with user_readenv=1 reads it, and LD_PRELOAD in it runs code in the shell that starts the gate.",
        (_HOME,),
    ),
    Bypass(
        "shell-startup-files",
        "start-up files of the login shell",
        "sshd starts the gate as `$SHELL -c`; ~/.bashrc, ~/.zshenv, ~/.tcshrc or config.fish run first, and may exec.",
        (_HOME,),
    ),
    Bypass(
        "interpreter-files",
        "files of the user's that are code for Python",
        "Without -I, Python runs what lies in ~/.local/lib/python3.*/site-packages before the gate's first line.",
        (f"{_GATE} /opt/secsign-gate/bin/python3 -I -S", _HOME),
    ),
    Bypass(
        "gate-tampering",
        "signals and traces against the waiting gate",
        "The gate waits with the account's uid: another process of the account, or a signal of the client, reaches it.",
        (_GATE,),
    ),
    Bypass(
        "shadowed-match",
        "an earlier Match block",
        "Among Match blocks the first that sets a keyword wins: an earlier `ForceCommand none` switches the gate off.",
        ("Match all",),
    ),
    Bypass(
        "match-exemption",
        "a Match block for an address, host, port or group",
        "A ForceCommand that stands in a Match block of another address or group leaves all other logins without it.",
        ("Match all",),
    ),
    Bypass(
        "chroot",
        "ChrootDirectory",
        "Inside a chroot there is no gate: the login fails, and who opens it again by ForceCommand none opens it wide.",
        ("Match all",),
    ),
    Bypass(
        "root-login",
        "root without the gate",
        "Whoever has root's key, and no gate before it, needs no other account.",
        ("Match all",),
    ),
    Bypass(
        "ungated-account",
        "an account without the gate",
        "An account that no Match block of the gate covers is a way in; without a shell still one through (ssh -N -L).",
        ("Match all",),
    ),
    Bypass(
        "other-authentication-method",
        "passwords and other methods in place of the key",
        "Each method that sshd takes alone leads to the gate without a key: then the phone is the only thing between.",
        ("#AuthenticationMethods publickey",),
    ),
    Bypass(
        "restricted-key",
        "a key that is restricted to a command",
        'sshd\'s ForceCommand replaces command="…" of a key; a gate that does not look it up gives that key a shell.',
        ("ExposeAuthInfo yes",),
    ),
    Bypass(
        "restricted-certificate",
        "a certificate that is restricted to a command",
        "sshd's ForceCommand replaces force-command of a certificate; a gate that does not look it up forgets it.",
        ("ExposeAuthInfo yes",),
    ),
)
