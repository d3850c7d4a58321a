"""Read SSH's binary encoding (RFC 4251 section 5), as strictly as OpenSSH's sshbuf does."""

from secsign_gate.errors import GateError

_LONGEST_MPINT = 16384 // 8  # bytes; sshd refuses longer numbers


class EncodingError(GateError):
    """Bytes that are no SSH encoding of what they should be."""


class SshReader:
    """Takes values off the front of `data`. Every method raises EncodingError if they are not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Tell whether everything has been taken."""
        return self._at == len(self._data)

    def boolean(self) -> bool:
        """Take a truth value; every byte but 0 is true."""
        return self._take(1) != b"\0"

    def uint32(self) -> int:
        """Take a 32-bit number."""
        return int.from_bytes(self._take(4))

    def uint64(self) -> int:
        """Take a 64-bit number."""
        return int.from_bytes(self._take(8))

    def string(self) -> bytes:
        """Take a string of any bytes."""
        return self._take(self.uint32())

    def text(self) -> bytes:
        """Take a string that C can hold: no NUL in it, but for one at the end, which does not count."""
        text = self.string().removesuffix(b"\0")
        if b"\0" in text:
            raise EncodingError("a text holds a NUL byte")
        return text

    def mpint(self) -> bytes:
        """Take a number that is not negative, and return its shortest encoding (without the length before it)."""
        number = self.string()
        if len(number) > _LONGEST_MPINT + 1 or number[:1] > b"\x7f":
            raise EncodingError("a number is negative or too long")
        shortest = number.lstrip(b"\0")
        if len(shortest) > _LONGEST_MPINT:
            raise EncodingError("a number is too long")
        return b"\0" + shortest if shortest[:1] > b"\x7f" else shortest

    def end(self) -> None:
        """Insist that everything has been taken."""
        if not self.at_end:
            raise EncodingError("there are bytes after the end")

    def _take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) != length:
            raise EncodingError("it ends in the middle of a value")
        self._at += length
        return taken


def ssh_string(data: bytes) -> bytes:
    """Return `data` encoded as a string."""
    return len(data).to_bytes(4) + data
