"""One login and its record, for the tests of the audit."""

from ipaddress import ip_address

from secsign_gate.broker.audit_record import Event, Record
from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.login import Account, Command, Login, OtherMethod, PublicKey, SshConnection
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Ground, allow

KEY = "SHA256:PEwSdoGta4FL6IHBXTO+GPSvpm0NCzM+EuSLnhFc/VU"
LOGIN = Login(
    door="force_command",
    account=Account("alice", 1000, "/home/alice", "/bin/bash", ("alice",)),
    connection=SshConnection(ip_address("192.0.2.7"), 50022, ip_address("2001:db8::1"), 22),
    methods=(PublicKey("ssh-ed25519", b"blob"), OtherMethod("keyboard-interactive/pam")),
    fingerprints=(KEY,),
    wanted=Command(b"uptime"),
    restriction=None,
    terminal=True,
    sshd=SshdProcess(4711, 123456),
    address_counts=True,
)
RECORD = Record(
    time=1715938212.345,
    event=Event.VERDICT,
    reference="7F3KQ2",
    verdict=allow(Ground.APPROVED),
    door="force_command",
    account="alice",
    uid=1000,
    login=LOGIN,
    secsign_id=SecSignId("alice"),
    auth_session_id="-5208431176540921877",
    waited=4.2069,
)
