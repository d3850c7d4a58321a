"""Sessions of every kind: in each of them the gate must ask before anything runs."""

from secsign_gate.core.ssh_encoding import EncodingError, SshReader, ssh_string
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome, agreed, held, through, unknown, worst
from secsign_gate.probe.session import Heard, Seen, listen
from secsign_gate.probe.situation import Situation, run_command

# Of the SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02): messages, and the account's file.
_INIT, _VERSION, _STAT, _STATUS = 1, 2, 17, 101
_NO_SUCH_FILE = 2
_ON_EVERY_HOST = b"/etc/passwd"
_USUAL_SUBSYSTEMS = ("internal-sftp", "scp", "rsync", "shell", "exec", "netconf", "git", "publickey")
_SUBSYSTEM_SECONDS = 4.0  # sshd passes on no words of a subsystem's, so what waits for the phone is silent
_AT_ONCE = 3
_NOT_AT_ONCE = "not tried without --daemon; where the gate has none, two requests at a time would freeze the SecSign ID"


def outcome_of(heard: Heard) -> Outcome:
    """Return the outcome of a session in which nothing may run unasked."""
    if heard.seen is Seen.CUT:
        return unknown(heard.sentence)
    return through(heard.sentence) if heard.seen is Seen.RAN else held(heard.sentence)


def command(situation: Situation) -> Outcome:
    """`ssh HOST COMMAND`: see whether there is a gate at all for this account."""
    return outcome_of(situation.ask_for(run_command))


def shell(situation: Situation) -> Outcome:
    """`ssh -T HOST`: a shell that reads a command."""

    def begin(channel: Channel, marker: Marker) -> None:
        channel.request("shell")
        channel.send(marker.command.encode() + b"\n")
        channel.send_eof()  # fish reads to the end before it begins

    return outcome_of(situation.ask_for(begin))


def empty_command(situation: Situation) -> Outcome:
    """Ask for a command of no words, and then type one: it must become neither a command nor a shell."""

    def begin(channel: Channel, marker: Marker) -> None:
        channel.request("exec", ssh_string(b""))
        channel.send(marker.command.encode() + b"\n")
        channel.send_eof()

    heard = situation.ask_for(begin)
    if heard.seen is Seen.ENDED and heard.status == 0:
        return through("an empty command ran to its end, and nobody was asked")
    return outcome_of(heard)


def several_channels(situation: Situation) -> Outcome:
    """Ask for commands in several channels at once."""
    if not situation.wishes.at_once:
        return unknown(_NOT_AT_ONCE)
    asked: list[tuple[Channel, Marker]] = []
    for _ in range(_AT_ONCE):
        marker = new_marker()
        channel = situation.session()
        run_command(channel, marker)
        asked.append((channel, marker))
    heard = [listen(channel, marker, situation.wishes.session_seconds) for channel, marker in asked]
    for (channel, _), one in zip(asked, heard, strict=True):
        situation.over(channel, one)
    return worst([outcome_of(one) for one in heard], held("no channel ran anything"))


def second_connection(situation: Situation) -> Outcome:
    """Ask for a command in a second connection while the first one waits."""
    if not situation.wishes.at_once:
        return unknown(_NOT_AT_ONCE)
    situation.make_pending()
    with situation.connect() as connection:
        return outcome_of(situation.ask_for(run_command, connection=connection))


def after_a_refusal(situation: Situation) -> Outcome:
    """Ask for a command in a connection whose sessions were all refused, or given up."""
    situation.be_turned_away()
    return outcome_of(situation.ask_for(run_command))


def subsystems(situation: Situation) -> Outcome:
    """`ssh -s`: sftp, and every other name that may be set up."""
    outcomes = [_sftp(situation)[0]]
    for name in dict.fromkeys((*_USUAL_SUBSYSTEMS, *situation.wishes.subsystems)):
        channel = situation.session()
        if channel.granted("subsystem", ssh_string(name.encode()), situation.wishes.seconds):
            channel.wait(lambda: bool(channel.data), _SUBSYSTEM_SECONDS)  # noqa: B023 - waited for before the next one
            heard = listen(channel, new_marker(), 0)
            outcomes.append(_answered(channel, printable(name), heard))
            situation.over(channel, heard)
        channel.close()
    return worst(outcomes, held("sshd has no subsystem"))


def _answered(channel: Channel, name: str, heard: Heard) -> Outcome:
    if channel.data and heard.seen not in (Seen.ASKED, Seen.REFUSED):
        return through(f"the subsystem {name} answered, and nobody was asked: {printable(channel.data, 60)}")
    return outcome_of(heard)._replace(what=f"the subsystem {name}: {heard.sentence}")


def chroot(situation: Situation) -> Outcome:
    """Look whether files are served, unasked, from inside of a chroot: there no gate can be."""
    return _sftp(situation)[1]


def _sftp(situation: Situation) -> tuple[Outcome, Outcome]:
    """Ask for the subsystem sftp, once; return whether files are served unasked, and whether from a chroot."""
    if situation.sftp is None:
        channel = situation.session()
        if not channel.granted("subsystem", ssh_string(b"sftp"), situation.wishes.seconds):
            situation.sftp = held("sshd has no subsystem sftp"), held("sshd serves no files")
        elif ask_sftp(channel, bytes([_INIT]) + uint32(3))[:1] == bytes([_VERSION]):
            situation.sftp = through("the subsystem sftp answered, and nobody was asked"), _root_of(channel)
        else:
            heard = listen(channel, new_marker(), 0)
            situation.over(channel, heard)
            no_files = held("no files are served unasked, so none from a chroot")
            situation.sftp = outcome_of(heard)._replace(what=f"the subsystem sftp: {heard.sentence}"), no_files
        if situation.sftp[0].is_open:
            channel.close()
    return situation.sftp


def _root_of(channel: Channel) -> Outcome:
    """Return whether the files that are served are those of the whole host, or of a chroot."""
    reply = ask_sftp(channel, bytes([_STAT]) + uint32(1) + ssh_string(_ON_EVERY_HOST))
    if not reply:
        return unknown("the subsystem sftp answered once and no more")
    try:
        fields = SshReader(reply[1:])
        no_such_file = reply[0] == _STATUS and (fields.uint32(), fields.uint32())[1] == _NO_SUCH_FILE
    except EncodingError:
        return agreed("the subsystem sftp answers what is no answer")
    if no_such_file:
        return through("files are served unasked, of a tree without /etc/passwd: a chroot")
    return held("files are served unasked (see subsystem), but from no chroot")


def ask_sftp(channel: Channel, packet: bytes) -> bytes:
    """Send an SFTP packet and return the one that comes back, without its length; nothing if none does."""
    before = len(channel.data)
    channel.send(ssh_string(packet))

    def reply() -> bytes:
        data = channel.data[before:]
        whole = 4 + int.from_bytes(data[:4])
        return data[4:whole] if len(data) >= max(whole, 5) else b""

    channel.wait(lambda: bool(reply()) or channel.ended, _SUBSYSTEM_SECONDS)
    return reply()
