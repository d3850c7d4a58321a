"""The PAM door in all services of this host: each line that starts it is judged, wherever it is included from."""

from collections import defaultdict

from secsign_gate.doctor.finding import Finding
from secsign_gate.doctor.pam.door_line import examine_service
from secsign_gate.doctor.pam.files import pam_service, pam_services


def examine_pam_doors(service_of_sshd: str = "sshd") -> tuple[Finding, ...]:
    """Judge every line that starts the gate; what is true of one in several services is said once, with their names."""
    services: dict[Finding, list[str]] = defaultdict(list)
    for name in pam_services():
        for finding in dict.fromkeys(examine_service(name, pam_service(name), of_sshd=name == service_of_sshd)):
            services[finding].append(name)
    return tuple(
        finding._replace(what=f"{finding.what} (service {', '.join(names)})") for finding, names in services.items()
    )
