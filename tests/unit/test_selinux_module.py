"""The SELinux module: it compiles, fits into Debian's policy, grants what the broker needs, and no more."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from selinux_policy import (
    CHECKOUT,
    CONTEXTS,
    DEBIANS,
    SOURCE,
    Access,
    PolicyError,
    allowed,
    built,
    debians_with_ours,
    labels,
    run,
)

from secsign_gate.broker.listening import control_path
from secsign_gate.config.reader import DEFAULT_PATH, DEFAULT_SOCKET

DOCUMENT = CHECKOUT / "docs/mandatory-access.md"
INTERFACES = CONTEXTS.with_suffix(".if")
DROP_IN = CONTEXTS.parent / "secsign-gate.service.d/selinux.conf"

needs_checkmodule = pytest.mark.skipif(
    shutil.which("checkmodule") is None, reason="checkpolicy is not here; `make test` brings it"
)
needs_debians_policy = pytest.mark.skipif(
    not (DEBIANS / "base.pp.bz2").exists(), reason="selinux-policy-default is not here; `make test` brings it"
)


def process(kind: str) -> str:
    """Return the context of a process of this type."""
    roles = {"unconfined_t": "unconfined_u:unconfined_r", "staff_t": "staff_u:staff_r", "user_t": "user_u:user_r"}
    roles |= {"sysadm_t": "sysadm_u:sysadm_r", "staff_sudo_t": "staff_u:staff_r"}
    return f"{roles.get(kind, 'system_u:system_r')}:{kind}:s0"


def thing(kind: str) -> str:
    """Return the context of a file, a port or a device of this type."""
    return f"system_u:object_r:{kind}:s0"


BROKER = process("secsign_gate_t")

NEEDED = {
    "systemd starts the broker": (process("init_t"), BROKER, "process", "transition siginh rlimitinh"),
    "and does so under NoNewPrivileges": (process("init_t"), BROKER, "process2", "nnp_transition"),
    "by Python": (BROKER, thing("bin_t"), "file", "entrypoint read execute map"),
    "whose modules it maps": (BROKER, thing("lib_t"), "file", "open read execute map"),
    "systemd stops it": (process("init_t"), BROKER, "process", "signal sigkill"),
    "systemd makes the door's socket": (process("init_t"), thing("secsign_gate_run_t"), "sock_file", "create unlink"),
    "which the broker takes over": (BROKER, process("init_t"), "unix_stream_socket", "accept getopt read write"),
    "systemd makes the folders": (
        process("systemd_tmpfiles_t"),
        thing("secsign_gate_log_t"),
        "dir",
        "create relabelto setattr",
    ),
    "it makes root's socket": (BROKER, thing("secsign_gate_control_t"), "sock_file", "create setattr unlink"),
    "it gives up root": (BROKER, BROKER, "capability", "setuid setgid setpcap"),
    "and what else root has": (BROKER, BROKER, "process", "setcap setrlimit"),
    "the monitor keeps two capabilities": (BROKER, BROKER, "capability", "sys_ptrace dac_read_search"),
    "it looks at an sshd": (BROKER, process("sshd_t"), "lnk_file", "read"),
    "and at its descriptors": (BROKER, process("sshd_t"), "dir", "open read search"),
    "and who started that": (BROKER, process("init_t"), "file", "open read"),
    "it looks at a door": (BROKER, process("staff_t"), "file", "open read"),
    "and at that of an unconfined user": (BROKER, process("unconfined_t"), "file", "open read"),
    "it reads its orders": (BROKER, thing("secsign_gate_conf_t"), "file", "open read"),
    "and its credentials": (BROKER, thing("secsign_gate_secret_t"), "file", "open read"),
    "and the resolver's": (BROKER, thing("net_conf_t"), "file", "open read"),
    "and the CAs": (BROKER, thing("cert_t"), "file", "open read"),
    "it asks for names": (BROKER, thing("dns_port_t"), "tcp_socket", "name_connect"),
    "and the ID server": (BROKER, thing("http_port_t"), "tcp_socket", "name_connect"),
    "it records": (BROKER, thing("secsign_gate_log_t"), "file", "create open read append write"),
    "also in syslog": (BROKER, process("syslogd_t"), "unix_dgram_socket", "sendto"),
    "it tells systemd": (BROKER, thing("init_runtime_t"), "sock_file", "write"),
    "a user asks": (process("user_t"), BROKER, "unix_stream_socket", "connectto"),
    "an unconfined user asks": (process("unconfined_t"), BROKER, "unix_stream_socket", "connectto"),
    "at the socket": (process("user_t"), thing("secsign_gate_run_t"), "sock_file", "write"),
    "that may be systemd's": (process("user_t"), process("init_t"), "unix_stream_socket", "connectto"),
    "sshd asks, by PAM": (process("sshd_t"), BROKER, "unix_stream_socket", "connectto"),
    "by Python, too": (process("sshd_t"), thing("bin_t"), "file", "execute execute_no_trans"),
    "sshd looks keys up": (process("sshd_t"), thing("secsign_gate_conf_t"), "file", "open read"),
    "sudo asks": (process("staff_sudo_t"), BROKER, "unix_stream_socket", "connectto"),
    "the console asks": (process("local_login_t"), BROKER, "unix_stream_socket", "connectto"),
    "an administrator looks": (process("sysadm_t"), thing("secsign_gate_control_t"), "sock_file", "write"),
    "and writes orders": (process("sysadm_t"), thing("secsign_gate_secret_t"), "file", "create write relabelto"),
    "the record is rotated": (process("logrotate_t"), thing("secsign_gate_log_t"), "file", "rename create"),
}
FORBIDDEN = {
    "it traces no sshd": (BROKER, process("sshd_t"), "process", "ptrace"),
    "nor itself": (BROKER, BROKER, "process", "ptrace"),
    "nor a user's process": (BROKER, process("unconfined_t"), "process", "ptrace signal"),
    "it runs nothing": (BROKER, thing("bin_t"), "file", "execute_no_trans"),
    "nor makes code": (BROKER, BROKER, "process", "execmem execstack execheap"),
    "it writes no orders": (BROKER, thing("secsign_gate_conf_t"), "file", "write append create"),
    "nor credentials": (BROKER, thing("secsign_gate_secret_t"), "file", "write append create"),
    "nor its own program": (BROKER, thing("lib_t"), "file", "write append create"),
    "it removes no record": (BROKER, thing("secsign_gate_log_t"), "file", "unlink rename"),
    "it reads no passwords": (BROKER, thing("shadow_t"), "file", "read open"),
    "nor host keys": (BROKER, thing("sshd_key_t"), "file", "read open"),
    "nor homes": (BROKER, thing("user_home_t"), "file", "read open"),
    "nor memory": (BROKER, thing("memory_device_t"), "chr_file", "read open"),
    "it listens at no port": (BROKER, thing("unreserved_port_t"), "tcp_socket", "name_bind"),
    "and calls no other one": (BROKER, thing("smtp_port_t"), "tcp_socket", "name_connect"),
    "a user reads no orders": (process("user_t"), thing("secsign_gate_conf_t"), "file", "read open"),
    "nor credentials of them": (process("user_t"), thing("secsign_gate_secret_t"), "file", "read open"),
    "nor the record": (process("user_t"), thing("secsign_gate_log_t"), "file", "read open"),
    "does not command": (process("user_t"), thing("secsign_gate_control_t"), "sock_file", "write"),
    "nor signal": (process("user_t"), BROKER, "process", "signal sigkill sigstop ptrace"),
    "nor put a socket there": (process("user_t"), thing("secsign_gate_run_t"), "dir", "write add_name remove_name"),
    "sshd reads no credentials": (process("sshd_t"), thing("secsign_gate_secret_t"), "file", "read open"),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(SOURCE, CONTEXTS, tmp_path_factory.mktemp("selinux"))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return debians_with_ours(tmp_path_factory.mktemp("debian"))


@pytest.fixture
def policy(together: tuple[Path, Path]) -> Path:
    return together[0]


def patterns() -> dict[str, str]:
    """Return the contexts of the .fc by their patterns."""
    lines = [line.split() for line in CONTEXTS.read_text().splitlines() if line and not line.startswith("#")]
    return {line[0]: line[-1] for line in lines}


@needs_checkmodule
def test_it_compiles_and_is_packaged(package: Path) -> None:
    assert package.stat().st_size > 0


@needs_checkmodule
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("allow secsign_gate_t self:fd use;", "allow secsign_gate_t self:fd uses;"), ("{ fork ", "{ frok "), (";", "")],
    ids=["a permission", "a declaration", "a semicolon"],
)
def test_a_mistake_in_it_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    mistaken = tmp_path / SOURCE.name
    mistaken.write_text(SOURCE.read_text().replace(right, wrong, 1))
    with pytest.raises(PolicyError):
        built(mistaken, CONTEXTS, tmp_path)


@needs_checkmodule
def test_other_modules_can_use_its_interfaces(tmp_path: Path) -> None:
    """Expanded by hand: m4 would replace the argument, and gen_require by require."""
    bodies = re.findall(r"^interface\(`(\w+)',`\n(.*?)^'\)$", INTERFACES.read_text(), re.MULTILINE | re.DOTALL)
    assert {name for name, _ in bodies} == {"secsign_gate_ask", "secsign_gate_read_config", "secsign_gate_read_log"}
    classes = "class dir { getattr open read search }; class file { getattr ioctl open read };"
    classes += " class lnk_file { getattr read };"
    text = f"module other 1.0;\nrequire {{ attribute domain; {classes} }}\ntype other_t, domain;\n"
    for _, body in bodies:
        text += re.sub(r"gen_require\(`(.*?)'\)", r"require {\1}", body, flags=re.DOTALL).replace("$1", "other_t")
    (tmp_path / "other.te").write_text(text)
    (tmp_path / "other.fc").write_text("")
    built(tmp_path / "other.te", tmp_path / "other.fc", tmp_path)


@needs_checkmodule
@needs_debians_policy
def test_it_grants_what_is_needed_and_no_more(policy: Path) -> None:
    questions = {title: Access(*row[:3]) for title, row in (NEEDED | FORBIDDEN).items()}
    answers = dict(zip(questions, allowed(policy, list(questions.values())), strict=True))
    missing = {title: set(row[3].split()) - answers[title] for title, row in NEEDED.items()}
    too_much = {title: set(row[3].split()) & answers[title] for title, row in FORBIDDEN.items()}
    assert {title: found for title, found in (missing | too_much).items() if found} == {}


@needs_checkmodule
@needs_debians_policy
def test_names_that_only_other_distributions_have_are_granted_there(tmp_path: Path) -> None:
    """Their policies are not here; a module that has their types stands for them. (Of some, Debian has aliases.)"""
    source = tmp_path / "others.te"
    source.write_text(
        "module others 1.0;\n"
        "require { attribute domain, file_type; role system_r; }\n"
        "type sshd_session_t, domain;\ntype unconfined_service_t, domain;\n"
        "role system_r types { sshd_session_t unconfined_service_t };\n"
        "type passwd_file_t, file_type;\n"
    )
    (tmp_path / "others.fc").write_text("")
    policy, _ = debians_with_ours(tmp_path, built(source, tmp_path / "others.fc", tmp_path))
    wanted = {
        Access(BROKER, process("sshd_session_t"), "dir"): "open read search",
        Access(BROKER, process("unconfined_service_t"), "unix_stream_socket"): "accept getopt read write",
        Access(BROKER, thing("passwd_file_t"), "file"): "open read",
        Access(BROKER, thing("syslogd_var_run_t"), "dir"): "search",
        Access(BROKER, thing("init_var_run_t"), "sock_file"): "write",
        Access(process("sshd_session_t"), BROKER, "unix_stream_socket"): "connectto",
        Access(process("sshd_session_t"), thing("secsign_gate_run_t"), "sock_file"): "write",
        Access(process("sshd_session_t"), thing("secsign_gate_conf_t"), "file"): "open read",
        Access(process("user_t"), process("unconfined_service_t"), "unix_stream_socket"): "connectto",
    }
    answers = zip(wanted.items(), allowed(policy, list(wanted)), strict=True)
    assert [asked for (asked, needed), given in answers if set(needed.split()) - given] == []


@needs_checkmodule
@needs_debians_policy
def test_the_policy_knows_every_context(policy: Path) -> None:
    run("setfiles", "-c", policy, CONTEXTS)
    context = re.search(r"^SELinuxContext=(.*)$", DROP_IN.read_text(), re.MULTILINE)
    assert context
    assert allowed(policy, [Access(context[1], context[1], "fd")]) == [{"use"}]


@needs_checkmodule
@needs_debians_policy
def test_the_host_labels_the_program_itself(together: tuple[Path, Path]) -> None:
    """As what the rules say of it: run as bin_t, mapped as lib_t."""
    _, contexts = together
    program, module = "/opt/secsign-gate/bin/secsign-gate", "/opt/secsign-gate/lib/python3.11/site-packages/a/b.so"
    control = control_path(DEFAULT_SOCKET)
    found = labels(contexts, [program, module], "file") | labels(contexts, [DEFAULT_SOCKET, control], "sock_file")
    assert found == {
        program: thing("bin_t"),
        module: thing("lib_t"),
        DEFAULT_SOCKET: thing("secsign_gate_run_t"),
        control: thing("secsign_gate_control_t"),
    }


def orders(name: str) -> str:
    return (CHECKOUT / "examples" / name).read_text()


def test_every_label_is_for_a_path_of_the_product() -> None:
    """And every folder of the product has one."""
    folder, sockets = str(Path(DEFAULT_PATH).parent), str(Path(DEFAULT_SOCKET).parent)
    (secret,) = re.findall(r'^pin_account_file = "(.*)"$', orders("secsign-gate.toml"), re.MULTILINE)
    (record,) = re.findall(r'^#file = "(.*)"$', orders("secsign-gate.toml"), re.MULTILINE)
    made = re.findall(r"^d (\S+)", (CHECKOUT / "systemd/tmpfiles.d/secsign-gate.conf").read_text(), re.MULTILINE)
    (log,) = set(made) - {sockets}
    control = control_path(DEFAULT_SOCKET)
    for_all = {path: f"{path}(/.*)?" for path in (folder, sockets, log)}
    expected = {
        for_all[folder]: "conf",
        f"{folder}/{secret}": "secret",
        for_all[sockets]: "run",
        control.replace(".", r"\."): "control",
        f"/var{for_all[sockets]}": "run",
        f"/var{control}".replace(".", r"\."): "control",
        for_all[log]: "log",
        f"{record}.*".replace(".jsonl", r"\.jsonl"): "log",
    }
    assert patterns() == {path: thing(f"secsign_gate_{kind}_t") for path, kind in expected.items()}


def test_the_socket_for_root_is_named_in_the_transition() -> None:
    assert f'secsign_gate_control_t "{Path(control_path(DEFAULT_SOCKET)).name}";' in SOURCE.read_text()
    assert f'secsign_gate_run_t "{Path(DEFAULT_SOCKET).parent.name}";' in SOURCE.read_text()


def test_the_drop_in_is_for_the_service_and_says_nothing_else() -> None:
    assert DROP_IN.parent.name == f"{(CHECKOUT / 'systemd/secsign-gate.service').name}.d"
    reader = configparser.ConfigParser(interpolation=None)
    reader.read(DROP_IN)
    assert {section: list(reader[section]) for section in reader.sections()} == {"Service": ["selinuxcontext"]}


@needs_checkmodule
def test_it_is_built_as_the_document_says(tmp_path: Path) -> None:
    lines = re.findall(r"^(?:checkmodule|semodule_package) .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        subprocess.run(line.replace("/root/", f"{tmp_path}/").split(), cwd=CONTEXTS.parent, check=True)
    assert (tmp_path / "secsign_gate.pp").stat().st_size > 0


def test_the_document_explains_every_type_and_boolean() -> None:
    document = DOCUMENT.read_text()
    declared = re.findall(r"^(?:type|bool) (secsign_gate_\w+)", SOURCE.read_text(), re.MULTILINE)
    assert len(declared) == 8
    assert [name for name in declared if f"| `{name}` |" not in document] == []
