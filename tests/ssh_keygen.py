"""Real keys and certificates, made and read by ssh-keygen."""

import subprocess
from pathlib import Path


class SshKeygen:
    """Makes keys in `folder`, each once. Words are as in a file: the type and the base64 of the blob."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def public(self, name: str, *options: str) -> tuple[bytes, bytes]:
        """Return the words of the public key `name`, made with `options` (Ed25519 if there are none)."""
        path = self._folder / name
        if not path.exists():
            self._run(*(options or ("-t", "ed25519")), "-q", "-N", "", "-C", name, "-f", path)
        return self._words(path.with_name(f"{name}.pub"))

    def certificate(self, ca: str, name: str, *options: str, principals: str = "alice") -> tuple[bytes, bytes]:
        """Return the words of a certificate of the key `name` by the key `ca`."""
        self.public(ca)
        if not (self._folder / f"{name}.pub").exists():
            self.public(name)
        named = ("-n", principals) if principals else ()
        self._run("-q", "-s", self._folder / ca, "-I", f"id of {name}", *named, *options, self._folder / f"{name}.pub")
        return self._words(self._folder / f"{name}-cert.pub")

    def put_public(self, name: str, word: bytes, text: bytes) -> None:
        """Have a public key without a private one, to be certified."""
        (self._folder / f"{name}.pub").write_bytes(word + b" " + text + b" " + name.encode() + b"\n")

    def fingerprints(self, content: bytes) -> list[str]:
        """Return what `ssh-keygen -lf` finds in an authorized_keys file: the SHA256 fingerprint of each key."""
        path = self._folder / "listed"
        path.write_bytes(content)
        run = subprocess.run(["ssh-keygen", "-lf", path], check=False, capture_output=True)
        return [line.split()[1].decode() for line in run.stdout.splitlines()]

    def description(self, word: bytes, text: bytes) -> str:
        """Return what `ssh-keygen -L` says of a certificate."""
        path = self._folder / "shown"
        path.write_bytes(word + b" " + text + b"\n")
        return self._run("-L", "-f", path)

    @staticmethod
    def _words(path: Path) -> tuple[bytes, bytes]:
        word, text = path.read_bytes().split()[:2]
        return word, text

    @staticmethod
    def _run(*words: "str | Path") -> str:
        return subprocess.run(["ssh-keygen", *words], check=True, capture_output=True, text=True).stdout
