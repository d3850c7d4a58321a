"""The files below /etc that decide how a login goes: as on a freshly installed Debian, whatever the machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# As pam-auth-update(8) writes them when only pam_unix is there.
PAM_COMMON = {
    "account": "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n",
    "auth": "auth [success=1 default=ignore] pam_unix.so nullok\n",
    "password": "password [success=1 default=ignore] pam_unix.so obscure yescrypt\n",
    "session": "session [default=1] pam_permit.so\n",
}
PAM_TAIL = "{0} requisite pam_deny.so\n{0} required pam_permit.so\n"

FILES = {
    "hostname": "private-host\n",
    "hosts": "127.0.0.1 localhost\n127.0.1.1 private-host\n::1 localhost ip6-localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n",
    "resolv.conf": "",
    "default/locale": "LANG=C.UTF-8\n",
    "environment": "",
    "motd": "Welcome to the private host: nothing here outlives it.\n",
    "shells": "/bin/sh\n/bin/bash\n/bin/dash\n/usr/bin/zsh\n/usr/bin/fish\n/usr/bin/tcsh\n/usr/bin/ksh93\n",
    "ssh/ssh_config": "Host *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n",
}


def write(etc: Path, usr: Path) -> None:
    """Write them below `etc`; sshd_config and pam.d/sshd are the packages' own, host keys are made now.

    All but one word of pam.d/sshd: by it users have an environment of their own, which Debian left off with 13.
    """
    moduli = etc / "ssh/moduli"
    kept = moduli.read_bytes() if moduli.exists() else b""
    shutil.rmtree(etc / "ssh", ignore_errors=True)  # the machine's host keys are not for tests
    shutil.rmtree(etc / "update-motd.d", ignore_errors=True)
    for folder in ("secsign-gate", "ssh/sshd_config.d", "ssh/ssh_config.d", "default", "pam.d", "update-motd.d"):
        (etc / folder).mkdir(parents=True, exist_ok=True)
    moduli.write_bytes(kept)
    shutil.copy(usr / "share/openssh/sshd_config", etc / "ssh/sshd_config")  # where postinst takes it from
    for kind in ("ed25519", "ecdsa"):
        key = etc / f"ssh/ssh_host_{kind}_key"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "private-host", "-f", key], check=True)
    for kind, first in PAM_COMMON.items():
        unix = "session required pam_unix.so\n" if kind == "session" else ""
        (etc / f"pam.d/common-{kind}").write_text(first + PAM_TAIL.format(kind) + unix)
    sshd = etc / "pam.d/sshd"
    sshd.write_text(re.sub(r"(pam_env\.so) (envfile=)", r"\1 user_readenv=1 \2", sshd.read_text()))
    for name, text in FILES.items():
        (etc / name).unlink(missing_ok=True)  # it may be a link to a place that is not here
        (etc / name).write_text(text)
    greeting = etc / "update-motd.d/10-uname"
    greeting.write_text("#!/bin/sh\nuname -snrvm\n")
    greeting.chmod(0o755)
