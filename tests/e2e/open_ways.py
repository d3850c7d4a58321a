"""How each way around the gate is opened: what the shipped drop-in is changed to, and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

import drop_in

GATE = drop_in.FOR_ALL.name
KEYS_ONLY = re.sub("(?m)^( *)#(AuthenticationMethods publickey)$", r"\1\2", drop_in.for_the_daemon(drop_in.gated()))


class Opened(NamedTuple):
    """What is changed so that one way is open: directives of the drop-in, other drop-ins, who is looked at.

    `client` is who proves it, and `options` are what the probe must be told. `proof` are the directives for the proof,
    where they are others: `because` says why.
    """

    replaced: dict[str, str]
    others: dict[str, str] | None = None
    match: str = "Match all"
    account: str = "alice"
    sshrc: bool = False
    settings: str = ""
    client: str = "alice"
    options: tuple[str, ...] = ()
    proof: dict[str, str] | None = None
    because: str = ""

    def drop_ins(self, replaced: dict[str, str] | None = None) -> dict[str, str]:
        """Return the drop-ins by their names; with other directives than its own, if they are given."""
        text = drop_in.gated(**(self.replaced if replaced is None else replaced))
        return {GATE: text.replace("\nMatch all\n", f"\n{self.match}\n"), **(self.others or {})}


TCP = {"DisableForwarding": "no", "AllowTcpForwarding": "yes", "PermitOpen": "any", "PermitListen": "any"}
SOCKETS = {"DisableForwarding": "no", "AllowTcpForwarding": "yes", "AllowStreamLocalForwarding": "yes"}
SOCKETS |= {"PermitOpen": "any"}
CARELESS = {"AcceptEnv": "*", "SetEnv": "FOO=1"}
NO_GATE = {"ForceCommand": "none"}
FORGED_KEY = {"ExposeAuthInfo": "no", "AcceptEnv": "SSH_*"}
# A gate that looks nothing up, and one that a signal takes out of the way.
BLIND = {"ForceCommand": 'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'}
WEAK = {
    "ForceCommand": 'echo "secsign-gate: accept it" >&2; trap "$SSH_ORIGINAL_COMMAND; exit" USR1 INT; '
    "while :; do sleep 0.1; done"
}
NOT_EXEC = "/opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
NOT_ISOLATED = "exec /usr/bin/python3 /opt/secsign-gate/bin/secsign-gate-force-command"
LOOKED_UP = "this gate refuses what it cannot look up, so it is tried on a ForceCommand that looks nothing up"
FROM = "127.0.0.2"  # an address of this host that a client can come from

OPENED = {
    "local-forwarding": Opened(TCP),
    "stdio-forwarding": Opened(TCP),
    "dynamic-forwarding": Opened(TCP),
    "remote-forwarding": Opened(TCP),
    "local-socket-forwarding": Opened(SOCKETS),
    "remote-socket-forwarding": Opened(SOCKETS),
    "tunnel": Opened({"PermitTunnel": "yes"}, client="root"),
    "x11-forwarding": Opened({"DisableForwarding": "no", "X11Forwarding": "yes"}),
    "agent-forwarding": Opened({"DisableForwarding": "no", "AllowAgentForwarding": "yes"}),
    "disable-forwarding-alone": Opened({"PermitTunnel": "point-to-point"}, client="root"),
    "idle-connection": Opened({"UnusedConnectionTimeout": "none"}, options=("--idle", "2")),
    "subsystem": Opened(NO_GATE),
    "user-rc": Opened(NO_GATE, options=("--plant",)),
    "system-rc": Opened({"SetEnv": "FOO=1"}, sshrc=True, options=("--plant",)),
    "client-environment": Opened(CARELESS),
    "forged-variables": Opened(CARELESS | NO_GATE),
    "user-environment": Opened({"PermitUserEnvironment": "yes", "SetEnv": "FOO=1"}, options=("--plant",)),
    "pam-environment": Opened({"SetEnv": "HOME=/nonexistent"}, options=("--plant",)),
    "shell-startup-files": Opened({"SetEnv": "LD_PRELOAD="}, options=("--plant",)),
    "interpreter-files": Opened({"ForceCommand": NOT_ISOLATED, "SetEnv": "FOO=1"}, options=("--plant",)),
    "gate-tampering": Opened(
        {"ForceCommand": NOT_EXEC},
        proof=WEAK,
        because="signals get nothing out of this gate, so it is tried on one that runs the command after Ctrl-C",
    ),
    "shadowed-match": Opened({}, {"00-a.conf": "Match User alice\n    ForceCommand none\n"}),
    "match-exemption": Opened({}, match=f"Match Address *,!{FROM}", options=("--from", FROM)),
    "chroot": Opened({}, {"00-a.conf": "Match User bob\n ForceCommand internal-sftp\n ChrootDirectory /srv\n"},
                     match="Match User *,!bob", account="bob", client="bob"),
    "root-login": Opened({}, match="Match Group operators", account="root"),
    "ungated-account": Opened({}, match="Match User alice", account="bob", options=("--also-user", "bob")),
    "other-authentication-method": Opened(
        {}, settings="PermitEmptyPasswords yes\nAuthenticationMethods any", options=("--ask-password",)
    ),
    "restricted-key": Opened(FORGED_KEY, proof=BLIND, because=LOOKED_UP),
    "restricted-certificate": Opened(FORGED_KEY, proof=BLIND, because=LOOKED_UP),
}  # fmt: skip
