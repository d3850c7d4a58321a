"""What the phone is asked to show for a login, so that a push somebody else caused is not accepted by reflex."""

from typing import Literal, NamedTuple

from secsign_gate.core.auth_session import PushRequest, Transaction
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Login, LoginShell, PamService
from secsign_gate.core.secsign_id import SecSignId

_FILE_TRANSFER = (b"internal-sftp", b"/usr/lib/openssh/sftp-server")  # what scp and sftp ask for; nobody types it
_COMMAND_LIMIT = 120  # what a phone shows without scrolling, and nobody reads more


class PushSettings(NamedTuple):
    """How a push presents itself, for how many seconds it counts, and how long it may wait for its turn before.

    `service_name` and `service_address` may hold the placeholders {account} {host} {client} {command}.
    """

    service_name: str
    service_address: str
    access_pass: Literal["with-terminal", "never"]
    wait_seconds: int
    queue_seconds: int


def wanted_text(login: Login) -> str:
    """Return what would run, fit for a display: "a shell", "a file transfer (sftp)", the command, or PAM's service."""
    runs = login.executes
    if isinstance(runs, PamService):
        return _service_text(runs)
    if isinstance(runs, LoginShell):
        return "a shell"
    if runs.line in _FILE_TRANSFER:
        return "a file transfer (sftp)"
    return display_text(runs.line, _COMMAND_LIMIT) or "an empty command"


def _service_text(service: PamService) -> str:
    if service.whole_connection:
        return "an SSH connection"
    terminal = display_text(service.terminal.removeprefix("/dev/"), _COMMAND_LIMIT)
    return display_text(f"{service.name} on {terminal}" if terminal else service.name, _COMMAND_LIMIT)


def client_text(login: Login) -> str:
    """Return the client's address, "this host" where PAM knows of no other, "unknown" where sshd has no TCP peer."""
    wanted = login.wanted
    if login.connection.client_address is None and isinstance(wanted, PamService) and not wanted.whole_connection:
        return display_text(wanted.remote_host) or "this host"
    return str(login.connection.client_address or "unknown")


def push_request(
    login: Login, secsign_id: SecSignId, host: str, settings: PushSettings, *, transactions: bool
) -> PushRequest:
    """Return the push for `login` on `host`. `transactions` says whether the dialect can carry one.

    With a terminal the access pass is shown there and must be picked on the phone. Without one no picture can be
    shown, so the phone says instead who wants what from where: as a transaction, or in the service name.
    """
    client, wanted = client_text(login), wanted_text(login)
    values = {"account": login.account.name, "host": host, "client": client, "command": wanted}
    name = display_text(settings.service_name.format_map(values)) or display_text(host)
    address = display_text(settings.service_address.format_map(values)) or display_text(host)
    if login.terminal and settings.access_pass == "with-terminal":  # noqa: S105 - a picture, not a password
        return PushRequest(secsign_id, name, address, access_pass=True, transaction=None)
    wish = display_text(f"{wanted} from {client}")
    if transactions:
        return PushRequest(secsign_id, name, address, access_pass=False, transaction=Transaction(name, wish))
    return PushRequest(secsign_id, display_text(f"{name} {wish}"), address, access_pass=False, transaction=None)


def phone_text(request: PushRequest) -> str:
    """Return in one line what the phone shows for `request`, so that the person can compare."""
    if request.transaction is not None:
        return f"{request.transaction.title}: {request.transaction.description}"
    return f"{request.service_name} at {request.service_address}"
