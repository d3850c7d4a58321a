"""Every sentence that a person logging in gets to read; nothing else of the program speaks to that person.

One sentence for each Reason and Ground of core/verdict.py, keyed by their text so that the waiting door loads no enum;
a test holds the two together. Everything that is not ours is shown as printable ASCII and cut. How the words are laid
out on a screen is not decided here.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.wire import Progress

PREFIX = "secsign-gate: "
_NAME_LIMIT = 80
_DETAIL_LIMIT = 300
_COMMAND_LIMIT = 300

_TELL = "tell your administrator"
_SUSPICION = "somebody else may be trying to log in with this SecSign ID"

# Reason → (what happened, what to do next)
_REFUSED = {
    "denied_on_phone": (
        "denied on the phone, or the wrong picture was picked",
        "if that was you by mistake, log in again; if it was not you, " + _TELL,
    ),
    "no_answer": ("no answer from your phone in time", "unlock it, open the SecSign ID app, and log in again"),
    "expired": ("the request on your phone expired unanswered", "log in again and answer it sooner"),
    "suspended": (
        "the ID server withdrew the request because another one came in; " + _SUSPICION,
        "if both were yours, log in again, else accept nothing and " + _TELL,
    ),
    "frozen": (
        "your SecSign ID is frozen after too many requests; " + _SUSPICION,
        "tap the ID in the app to release it and log in again; if the requests were not yours, " + _TELL,
    ),
    "canceled_at_id_server": ("the ID server withdrew the request before it was answered", "log in again"),
    "invalid": ("the ID server declared the request invalid", "log in again; if it happens twice, " + _TELL),
    "paused_after_denial": (
        "a request for you was just denied on the phone, so it is left in peace for a while",
        "log in again after that; if you did not deny anything, " + _TELL,
    ),
    "too_many_pushes": (
        "your phone was asked too often in a short time",
        "log in again later, or let one connection carry it all (ControlMaster in ssh_config)",
    ),
    "queue_too_slow": (
        "other requests for your SecSign ID were waiting on the phone all the time",
        "answer or deny them and log in again; if they are not yours, " + _TELL,
    ),
    "no_secsign_id": ("no SecSign ID is set for this account and key", "ask your administrator to add one"),
    "no_such_secsign_id": (
        "the ID server does not know the SecSign ID set for this account",
        "ask your administrator to correct it",
    ),
    "unknown_account": ("this account is not in the password database", _TELL),
    "auth_info_unusable": (
        "sshd did not say in a usable way how you authenticated",
        "ask your administrator to set ExposeAuthInfo yes",
    ),
    "key_not_found": (
        "your key is in none of the authorized_keys files searched, so what it is restricted to is unknown",
        "ask your administrator to check authorized_keys_files",
    ),
    "key_options_unreadable": (
        "the options before your key in authorized_keys cannot be read",
        "correct that line or " + _TELL,
    ),
    "claim_unusable": ("this was not started by sshd as it must be", "log in with ssh, or " + _TELL),
    "key_not_told": (
        "whose phone is to be asked depends on your key, which sshd does not tell PAM in its account phase",
        "ask your administrator to have it asked in the auth phase (docs/pam.md)",
    ),
    "refused_before": (
        "this SSH connection has been refused once, and that stands for as long as it lasts",
        "log in again on a new one",
    ),
    "client_left": ("the client left before the phone answered", "nothing was started; log in again"),
    "interrupted": ("interrupted before the phone answered", "nothing was started; log in again"),
    "id_server_unreachable": ("the ID server cannot be reached", "try again in a minute; if it lasts, " + _TELL),
    "id_server_refused": ("the ID server declined to ask your phone", "try again later; if it lasts, " + _TELL),
    "id_server_nonsense": ("the ID server gave an answer that makes no sense", _TELL),
    "broker_unavailable": ("the approval service of this host does not answer", "try again; if it lasts, " + _TELL),
    "broker_stopping": ("the approval service of this host is being stopped or restarted", "log in again in a minute"),
    "too_many_connections": (
        "too many logins to this account are waiting at once",
        "let some of them end and log in again; if they are not yours, " + _TELL,
    ),
    "audit_unavailable": ("this login could not be put on record, so nothing was started", _TELL),
    "configuration_error": ("the configuration of secsign-gate on this host is not usable", _TELL),
    "internal_error": ("something failed inside secsign-gate, so nothing was started", _TELL),
    "no_shell": ("the login shell of this account is missing or cannot be executed", _TELL),
}

# Ground → what happened
_ALLOWED = {
    "approved": "accepted on your phone",
    "granted": "this connection has been approved",
    "exempt_account": "this account needs no approval",
    "exempt_group": "a group of this account needs no approval",
    "exempt_network": "logins from this network need no approval",
    "exempt_command": "this command needs no approval",
}


def printable(text: str, limit: int) -> str:
    r"""Return `text` on one line, printable ASCII only, at most `limit` characters, ending in "..." if it was cut.

    Any other byte of its UTF-8 is shown as an escape like `\xc3`: what cannot be read cannot mislead either.
    """
    # No character becomes less than one, so what is beyond the limit cannot matter.
    octets = text[: limit + 1].encode("utf-8", "surrogatepass").decode("latin-1")
    clean = "".join([octet if " " <= octet <= "~" else f"\\x{ord(octet):02x}" for octet in octets])
    return cut(clean, limit)


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters; "..." at the end says that something is missing."""
    if len(text) <= limit:
        return text
    return text[: limit - 3] + "..." if limit > 3 else text[: max(0, limit)]  # noqa: PLR2004 - three dots


def refused(reason: str, detail: str, reference: str) -> str:
    """Return the one sentence for a refusal: what happened, what to do next, where an administrator finds more.

    `reason` is the text of a Reason; one that is not known gets a sentence too. `detail` and `reference` may be empty.
    """
    happened, remedy = _REFUSED.get(
        reason, (f"refused for a reason unknown here ({printable(reason, _NAME_LIMIT)})", _TELL)
    )
    if detail:
        happened += f" ({printable(detail, _DETAIL_LIMIT)})"
    sentence = f"{PREFIX}{happened}; {remedy}"
    return f"{sentence} (ref {printable(reference, _NAME_LIMIT)})" if reference else sentence


def allowed(ground: str, seconds: float) -> str:
    """Return the one sentence for a login that was let in. `ground` is the text of a Ground; `seconds` were waited."""
    happened = _ALLOWED.get(ground, f"let in ({printable(ground, _NAME_LIMIT)})")
    if ground == "approved":
        happened += f" after {max(0, round(seconds))} s"
    return PREFIX + happened


def asking(progress: "Progress") -> str:
    """Return the one line for a login without a screen to draw on, before the phone has answered."""
    who, secsign_id = login_name(progress), printable(progress.secsign_id, _NAME_LIMIT)
    if progress.stage == "queued":
        return f"{PREFIX}{_before_us(progress.place)}; then accept {who} on the phone of SecSign ID {secsign_id}"
    sentence = f"{PREFIX}accept {who} on the phone of SecSign ID {secsign_id} within {progress.seconds_left} s"
    if progress.access_pass:
        sentence += "; the picture to pick cannot be shown on this terminal"
    return sentence


def _before_us(place: int) -> str:
    requests = "another request is" if place <= 1 else f"{place} other requests are"
    return f"{requests} to be answered first"


def login_name(progress: "Progress") -> str:
    """Return account@host."""
    return f"{printable(progress.account, _NAME_LIMIT)}@{printable(progress.host, _NAME_LIMIT)}"


def facts(progress: "Progress") -> list[tuple[str, str]]:
    """Return what is asked for, as pairs of a label and its text, the most important first."""
    pairs = [
        ("login", login_name(progress)),
        ("wants", printable(progress.wants, _COMMAND_LIMIT)),
        ("phone", "SecSign ID " + printable(progress.secsign_id, _NAME_LIMIT)),
    ]
    if progress.phone_text:
        pairs.append(("shows", printable(progress.phone_text, _COMMAND_LIMIT)))
    return [pair for pair in pairs if pair[1]]


# What became of the access pass on this screen.
NO_PICTURE, SHOWN, SHAPE_ONLY, TOO_SMALL, UNREADABLE = range(5)

_HINTS = {
    SHAPE_ONLY: ("Its colours cannot be shown here.", "No colours here."),
    TOO_SMALL: ("Enlarge this window to see the picture to pick.", "Enlarge this window.", "Enlarge."),
    UNREADABLE: ("The picture to pick is unreadable: log in again.", "Unreadable picture.", "No picture."),
}


def instruction(stage: str, place: int, picture: int) -> tuple[str, ...]:
    """Return what the person is to do now, from the longest wording to the shortest.

    `stage` and `place` are as in wire.Progress; `picture` is one of NO_PICTURE, SHOWN and so on.
    """
    if stage in ("queued", "asking"):
        return _not_yet_asked(stage, place)
    fetched = stage == "fetched"
    if picture in (SHOWN, SHAPE_ONLY):
        if fetched:
            return ("The app is open: pick this picture.", "Pick this picture now.", "Pick it now.", "Pick it.")
        return ("Pick this picture on your phone.", "Pick this on your phone.", "Pick on phone.", "Pick it.")
    if picture == NO_PICTURE:
        if fetched:
            return ("The app is open: accept or deny there.", "The app is open: accept.", "Accept now.", "Accept.")
        return ("Open the app on your phone and accept.", "Accept on your phone.", "Use your phone.", "Accept.")
    return ("The app is open.",) if fetched else ("Open the app on your phone.", "Open the app.")


def _not_yet_asked(stage: str, place: int) -> tuple[str, ...]:
    if stage == "queued":
        return f"Please wait: {_before_us(place)}.", f"Wait: {place} before you.", "Wait your turn.", "Wait."
    return ("Sending a request to your phone ...", "Asking your phone ...", "Asking ...")


def picture_hint(picture: int) -> tuple[str, ...]:
    """Return what is to be said of a picture that is not shown as it is, longest wording first; may be empty."""
    return _HINTS.get(picture, ())


def way_out() -> tuple[str, ...]:
    """Return how to give up, longest wording first."""
    return ("Ctrl-C gives up.",)


def tiny(seconds_left: int) -> tuple[str, ...]:
    """Return the one line for a window that has room for nothing else, longest wording first."""
    return f"phone {seconds_left}s", f"{seconds_left}s"
