"""Is the server the one that is meant? By known_hosts, or by a fingerprint; never by asking nobody."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from secsign_gate.core.public_key import fingerprint, parse_public_key
from secsign_gate.core.ssh_encoding import EncodingError, SshReader
from secsign_gate.probe.fault import HostKeyRefused, ProbeError
from secsign_gate.probe.known_hosts import KnownKey, known_keys
from secsign_gate.probe.place import Place

DEFAULT_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class HostKeys(NamedTuple):
    """The keys that servers may have: those whose fingerprints were named, else those that known_hosts files name."""

    texts: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def kinds(self, place: Place) -> list[str]:
        """Return the types of key that are known of the server, so that it shows one of them."""
        known = [key for key in self._known(place) if not key.revoked]
        if self.fingerprints:
            known = [key for key in known if fingerprint(key.blob) in self.fingerprints]
        return list(dict.fromkeys(key.kind for key in known))

    def with_only(self, place: Place, blob: bytes) -> "HostKeys":
        """Return what lets the server at `place` have the key `blob`, if it is not revoked, and no other."""
        kind = SshReader(blob).string().decode(errors="replace")
        line = f"{place.known_as} {kind} {base64.b64encode(blob).decode()}\n"
        return HostKeys((*self.texts, line), (fingerprint(blob),))

    def check(self, place: Place, blob: bytes) -> None:
        """Return if the server at `place` may have the key `blob`. Raises HostKeyRefused."""
        shown = fingerprint(blob)
        known = self._known(place)
        if any(key.revoked and _same(key.blob, blob) for key in known):
            raise HostKeyRefused(f"the host key {shown} of {place.known_as} is revoked; nothing was sent to it")
        if shown in self.fingerprints:
            return
        if self.fingerprints:
            wanted = " or ".join(self.fingerprints)
            raise HostKeyRefused(
                f"{place.known_as} shows the host key {shown} ({_kind(blob)}) and not {wanted}; nothing was sent to it"
            )
        if any(not key.revoked and _same(key.blob, blob) for key in known):
            return
        if known:
            raise HostKeyRefused(
                f"{place.known_as} shows the host key {shown}, which is another one than known_hosts has; nothing was "
                "sent to it: find out why before you correct known_hosts"
            )
        raise HostKeyRefused(
            f"known_hosts has no key of {place.known_as}, which shows {shown}; compare it with `ssh-keygen -l -f "
            f"/etc/ssh/ssh_host_{_KINDS.get(_kind(blob), 'ecdsa')}_key.pub` on that host, then say --host-key {shown}"
        )

    def _known(self, place: Place) -> list[KnownKey]:
        return [key for text in self.texts for key in known_keys(text, place.known_as)]


def read_host_keys(files: Sequence[str], fingerprints: Sequence[str]) -> HostKeys:
    """Read these known_hosts files, or ssh's usual ones if none is named. Raises ProbeError."""
    for one in fingerprints:
        if not one.startswith("SHA256:"):
            raise ProbeError(f"{one[:80]!a} is no fingerprint; write it as ssh-keygen -l prints it: SHA256:…")
    texts = []
    for name in files or DEFAULT_FILES:
        try:
            texts.append(Path(name).expanduser().read_text(errors="replace"))
        except (OSError, RuntimeError) as error:
            if files:
                reason = error.strerror if isinstance(error, OSError) else error
                raise ProbeError(f"{name} cannot be read: {reason}; name a known_hosts file that can") from error
    return HostKeys(tuple(texts), tuple(one.rstrip("=") for one in fingerprints))


_KINDS = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}


def _kind(blob: bytes) -> str:
    try:
        kind = parse_public_key(blob).key_type
    except EncodingError:
        return "of a type that is not known here"
    return "ssh-rsa" if kind.startswith("rsa-") else kind


def _same(one: bytes, other: bytes) -> bool:
    try:
        return parse_public_key(one).blob == parse_public_key(other).blob
    except EncodingError:
        return one == other
