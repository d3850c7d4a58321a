"""The processes of a connection as OpenSSH 9.8 and newer have them: sshd_session_like_9_8.py LISTENER ACCOUNT COMMAND.

This one plays the listener, which stays root's: it takes one connection and starts a monitor, and that a child with the
account's uid, both of which keep the connection (sshd-session.c, monitor.c). The child starts COMMAND twice, as two
channels; the client gets the monitor's pid, `|` and what they print.
"""

import os
import pwd
import socket
import sys


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    account = pwd.getpwnam(sys.argv[2])
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        os.write(connection.fileno(), b"%d|" % os.getpid())
        if os.fork() == 0:
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            for _ in range(2):
                if os.fork() == 0:
                    os.dup2(connection.fileno(), 1)
                    os.execv("/bin/sh", ["sh", "-c", sys.argv[3]])  # noqa: S606 - as sshd does
                os.wait()
        else:
            os.wait()
            sys.stdin.read()  # the connection stays until the test is done with it
        os._exit(0)
    connection.close()
    os.wait()


main()
