"""Text that the phone shows."""

_FORBIDDEN = b"&=;%"  # an answer that echoes them raw could be split into forged fields (protocol reference 2.2)
_CLEANED = bytes(byte if b" "[0] < byte <= b"~"[0] and byte not in _FORBIDDEN else b" "[0] for byte in range(256))


def display_text(text: str | bytes, limit: int = 255) -> str:
    """Return `text` as printable ASCII of at most `limit` characters, fit for a display field of either dialect.

    Anything that is not printable ASCII, and each of `& = ; %`, becomes one blank; runs of blanks become one.
    A text that is cut ends in "...". The vendor's own clients cut at 255 characters (protocol reference 2.1).
    """
    # A command may be long, and nothing of it may hide behind blanks: all of it is looked at, but not by one character
    # after the other, and only as many words are taken as can be shown.
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    clean = b" ".join(raw.translate(_CLEANED).split(maxsplit=limit)).decode("ascii")
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
