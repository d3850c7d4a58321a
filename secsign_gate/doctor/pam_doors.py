"""The PAM door in all services of this host: each line that starts it is judged, wherever it is included from."""

from secsign_gate.doctor.finding import Finding
from secsign_gate.doctor.pam_door_line import examine_service
from secsign_gate.doctor.pam_files import pam_service, pam_services


def examine_pam_doors(service_of_sshd: str = "sshd") -> tuple[Finding, ...]:
    """Judge every line that starts the gate; what is true of one in several services is said once if it is the same."""
    findings = [
        finding
        for name in pam_services()
        for finding in examine_service(name, pam_service(name), of_sshd=name == service_of_sshd)
    ]
    return tuple(dict.fromkeys(findings))
