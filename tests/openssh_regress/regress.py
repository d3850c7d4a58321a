"""OpenSSH's own regression suite, each test without the gate and with it: `make regress`.

Debian's package `openssh-tests` carries the suite. It is run as an ordinary account against the private host's sshd;
with the gate, every sshd that a test configures also gets our ForceCommand, by the suite's own variable for further
options. The phone is the simulator's and accepts at once. A test that passes without the gate must pass with it, unless
it tests what the gate itself is made of.
"""

import argparse
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from running_simulator import RunningSimulator

SUITE = Path("/usr/lib/openssh/regress")
PREFIX = "/opt/secsign-gate"
ACCOUNT = "alice"
FOLDER = Path("/home/alice/regress")
AS_ROOT = Path("/usr/local/bin/as-root")  # the suite's sudo: sshd is to run as root, as it does everywhere else
SSH = Path("/etc/ssh")
# Left out is what concerns no session on a server: ssh-keygen, ssh-agent alone, sftp without ssh, parsers.
SESSION = (
    "connect proxy-connect sshfp-connect connect-privsep connect-uri exit-status exit-status-signal envpass transfer"
    " banner rekey dhgex stderr-data stderr-after-eof broken-pipe yes-head login-timeout agent keyscan key-options scp"
    " scp3 scp-uri sftp-uri reconfigure dynamic-forward forwarding multiplex reexec brokenkeys cfgmatch cfgmatchlisten"
    " localcommand forcecommand portnum keytype kextype cert-hostkey cert-userkey host-expand keys-command"
    " forward-control integrity multipubkey limit-keytype hostkey-agent hostkey-rotate principals-command cert-file"
    " servcfginclude allow-deny-users authinfo knownhosts knownhosts-command agent-restrict hostbased channel-timeout"
    " connection-timeout try-ciphers proto-version proto-mismatch putty-transfer putty-ciphers putty-kex"
)


# With the gate these must fail.
OF_WHAT_THE_GATE_IS_MADE = {
    "forcecommand": "it adds a ForceCommand, but sshd takes the first, which is the gate's",
    "authinfo": "it begins without ExposeAuthInfo, which the gate needs",
}
# Two tests order commands by way of a certificate authority and a principals file; one has a program print that file.
ORDER_BY_PRINCIPALS = ("cert-userkey", "principals-command")
CERTIFICATES = (
    f'trusted_user_ca_keys = ["{FOLDER}/user_ca_key.pub"]\n'
    f'authorized_principals_files = ["{FOLDER}/authorized_principals_%u"]\n'
)


class Run(NamedTuple):
    """How one test ended: its exit status, its seconds, its last words."""

    status: int
    seconds: float
    words: str

    @property
    def word(self) -> str:
        """`pass`, `skip` (the suite's own) or `FAIL`."""
        if self.status:
            return "FAIL"
        return "skip" if "SKIPPED" in self.words else "pass"


def prepare_host() -> None:
    """Give the account what the suite asks for beside a shell: the power of root, and trust in this host's own key."""
    host = socket.gethostname()
    if host != "private-host":
        raise SystemExit("this is for the private host, which is gone afterwards: `make regress`")
    shutil.copy("/usr/bin/setpriv", AS_ROOT)
    AS_ROOT.chmod(0o4755)
    keys = [path.read_text() for path in SSH.glob("ssh_host_*_key.pub")]
    (SSH / "ssh_known_hosts").write_text("".join(f"{host} {key}" for key in keys))
    (SSH / "shosts.equiv").write_text(f"{host}\n")
    (SSH / "ssh_config.d/hostbased.conf").write_text("EnableSSHKeysign yes\n")
    (SSH / "ssh_config").write_text("Include /etc/ssh/ssh_config.d/*.conf\n" + (SSH / "ssh_config").read_text())


def prepare(simulator: RunningSimulator, name: str) -> str:
    """Configure the gate for the account and the test `name`. Return the lines for sshd_config."""
    shutil.rmtree("/etc/update-motd.d", ignore_errors=True)  # pam_motd would run it as the account, in vain
    etc = Path("/etc/secsign-gate")
    etc.mkdir(exist_ok=True)
    shutil.copy(simulator.ca_file, etc / "ca.pem")
    (etc / "users").write_text(f"{ACCOUNT} alice\n")
    (etc / "secsign-gate.toml").write_text(
        f'[id_server]\ndialect = "form"\nurl = "{simulator.url}"\nca_file = "ca.pem"\n'
        f'[sshd]\nauthorized_keys_files = ["{FOLDER}/authorized_keys_%u"]\n'
        'expose_auth_info = true\nauthorized_keys_elsewhere = "unrestricted"\n'
        f"{CERTIFICATES if name in ORDER_BY_PRINCIPALS else ''}"
        f'[audit]\nsyslog = false\nfile = "{FOLDER}/gate.jsonl"\n'
        "[messages]\nbefore = false\n"
    )
    door = f"{PREFIX}/bin/python3 -I -S {PREFIX}/bin/secsign-gate-force-command"
    return f"ExposeAuthInfo yes\nForceCommand exec {door}"


def run(name: str, options: str, seconds: int) -> Run:
    """Run one test of the suite as the account, with `options` in every sshd_config."""
    account = pwd.getpwnam(ACCOUNT)
    log = FOLDER.with_name("regress.gate.jsonl")
    if FOLDER.exists():
        if (FOLDER / "gate.jsonl").exists():
            shutil.copy(FOLDER / "gate.jsonl", log)
        shutil.rmtree(FOLDER)
    shutil.copytree(SUITE, FOLDER, symlinks=True)
    for path in [FOLDER, *FOLDER.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": account.pw_dir,
        "LOGNAME": ACCOUNT,
        "USER": ACCOUNT,
        "SHELL": account.pw_shell,
        "TEST_SHELL": "sh",
        "TEST_SSH_SSH": "/usr/bin/ssh",
        "TEST_SSH_SSHD": "/usr/sbin/sshd",
        "TEST_SSH_SFTPSERVER": "/usr/lib/openssh/sftp-server",
        "TEST_SSH_PLINK": "plink",
        "TEST_SSH_PUTTYGEN": "puttygen",
        "TEST_SSH_IPV6": "yes",
        "TEST_SSH_HOSTBASED_AUTH": "yes",
        "SUDO": f"{AS_ROOT} --reuid=0 --regid=0 --clear-groups --",
        "TEST_SSH_ECC": "yes",
        "TEST_SSH_UNSAFE_PERMISSIONS": "1",
        "TEST_SSH_SSHD_CONFOPTS": options,
        ".OBJDIR": str(FOLDER),
    }
    begun = time.monotonic()
    said = FOLDER.with_name("regress.said")
    with said.open("wb") as output:  # a file: daemons that a test leaves behind would keep a pipe open
        test = subprocess.Popen(
            ["sh", FOLDER / "test-exec.sh", FOLDER, FOLDER / f"{name}.sh"],
            cwd=FOLDER,
            env=environment,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = test.wait(seconds)
        except subprocess.TimeoutExpired:
            status = 124
            output.write(f"\nno end within {seconds} s\n".encode())
        subprocess.run(["pkill", "-KILL", "-u", ACCOUNT], check=False)
        subprocess.run(["pkill", "-KILL", "-x", "sshd"], check=False)
        test.wait()
    return Run(status, time.monotonic() - begun, said.read_text(errors="replace"))


def main() -> int:
    """Run the tests named, or all that concern a session; print a table. Return 1 if the gate broke one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", default=SESSION.split())
    parser.add_argument("--seconds", type=int, default=900, help="time limit for one run of one test")
    parser.add_argument("--only-gated", action="store_true", help="leave out the runs without the gate")
    arguments = parser.parse_args()
    prepare_host()
    broken, skipped = [], []
    with RunningSimulator(Path("/run/regress-simulator"), "--auto-accept", "0") as simulator:
        for name in arguments.tests:
            options = prepare(simulator, name)
            plain = None if arguments.only_gated else run(name, "", arguments.seconds)
            if plain is not None and plain.word != "pass":
                print(f"{name:20} without: {plain.word:4} {plain.seconds:5.0f} s   with: not run", flush=True)
                skipped.append(name)
                continue
            gated = run(name, options, arguments.seconds)
            before = f"{plain.word:4} {plain.seconds:5.0f} s" if plain else "not run     "
            why = OF_WHAT_THE_GATE_IS_MADE.get(name, "")
            note = f"   ({why})" if why else ""
            print(f"{name:20} without: {before}   with: {gated.word:4} {gated.seconds:5.0f} s{note}", flush=True)
            if gated.word == ("FAIL" if why else "pass"):
                continue
            broken.append(name)
            known = set(plain.words.splitlines()) if plain else set()
            new = [line for line in gated.words.splitlines() if line.strip() and line not in known]
            print("    " + "\n    ".join(new[-12:]), flush=True)
    if broken:
        print(f"broken by the gate: {' '.join(broken)}")
    print(f"{len(arguments.tests) - len(broken) - len(skipped)} passed, {len(broken)} failed, {len(skipped)} skipped")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
