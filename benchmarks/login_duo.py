"""login_duo as a peer, if its program is given: what it asks, and a server that lets everybody in by a push at once.

The program is no part of this project: LOGIN_DUO=/path/to/login_duo, with libduo.so.3 beside it where it needs one.
The server below says what a push takes and no more: preauth, and auth, which is answered once the phone has accepted,
here at once; both as BSON (bsonspec.org).

    login_duo.py FOLDER HOST ADDRESS       serve at ADDRESS with a certificate for HOST; the port is printed first
"""

import os
import pwd
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from secsign_gate.simulator import certificates

GIVEN = Path(__file__).resolve().parent.parent / ".cache/login_duo"  # where `make benchmark` puts what LOGIN_DUO names
PROGRAM = Path("/usr/local/sbin/login_duo")
HOST = "duo.example.org"
ANSWERS: dict[str, dict[str, Any]] = {
    "preauth": {"result": "auth", "prompt": "1. Push\n", "factors": {"default": "push1", "1": "push1"}},
    "auth": {"result": "allow", "status": "Success. Logging you in..."},
}


def is_given() -> bool:
    """Tell whether there is a login_duo to compare with, and put it where accounts can run it."""
    if not (GIVEN / "login_duo").exists():
        return False
    shutil.copy(GIVEN / "login_duo", PROGRAM)
    PROGRAM.chmod(0o755)
    Path("/usr/local/lib").mkdir(exist_ok=True)
    for library in GIVEN.glob("libduo.so*"):
        shutil.copy(library, "/usr/local/lib")
    subprocess.run(["ldconfig"], check=True, stderr=subprocess.DEVNULL)  # it says that the library is no symbolic link
    return True


def forced_command(folder: Path, account: str, address: str, port: int) -> str:
    """Write the account's settings for login_duo and return its forced command; HOST is known as `address` then."""
    settings = folder / f"login_duo.{account}.conf"
    settings.write_text(
        f"[duo]\nikey = DIXXXXXXXXXXXXXXXXXX\nskey = {'x' * 40}\nhost = {HOST}:{port}\ncafile = {folder}/ca.pem\n"
        "failmode = secure\nautopush = yes\nprompts = 1\npushinfo = yes\n"
    )
    settings.chmod(0o600)
    uid = pwd.getpwnam(account).pw_uid
    os.chown(settings, uid, uid)
    hosts = Path("/etc/hosts")
    kept = [line for line in hosts.read_text().splitlines() if HOST not in line]
    hosts.write_text("\n".join([*kept, f"{address} {HOST}"]) + "\n")
    return f"exec {PROGRAM} -c {settings}"


@contextmanager
def duo_server(folder: Path, address: str) -> Iterator[int]:
    """Serve at `address` in the namespace of this thread; yield the port. The CA's certificate is FOLDER/ca.pem."""
    command = [sys.executable, __file__, str(folder), HOST, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise RuntimeError("the server has no standard output")
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


def bson(document: dict[str, Any]) -> bytes:
    """Return a document of strings and documents as BSON."""
    elements = b""
    for name, value in document.items():
        key = name.encode() + b"\0"
        if isinstance(value, dict):
            elements += b"\x03" + key + bson(value)
        else:
            text = str(value).encode() + b"\0"
            elements += b"\x02" + key + len(text).to_bytes(4, "little") + text
    return (len(elements) + 5).to_bytes(4, "little") + elements + b"\0"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called in the base class
        pass

    def _answer(self) -> None:
        what = self.path.partition("?")[0].rpartition("/")[2].removesuffix(".bson")
        body = bson({"stat": "OK", "response": ANSWERS[what]})
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))  # in one write


def main() -> None:
    """Serve until terminated."""
    folder, host, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    folder.mkdir(parents=True, exist_ok=True)
    tls = certificates.prepare(folder, "good", host)
    server = ThreadingHTTPServer((address, 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.server_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
