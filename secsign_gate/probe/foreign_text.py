"""Words of a server, made fit to be shown."""

_LONGEST = 300


def printable(text: str | bytes, limit: int = _LONGEST) -> str:
    """Return `text` on one line, in printable ASCII, at most `limit` characters; what is not printable is a blank."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    clean = " ".join("".join(char if " " <= char <= "~" else " " for char in whole[: 4 * limit]).split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
