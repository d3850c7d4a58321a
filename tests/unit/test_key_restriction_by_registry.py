"""What a key may do if root's registry hands it out, and the account's own files say something of it as well."""

from ipaddress import ip_address

import pytest
from ssh_samples import ED25519, OTHER_ED25519, certificate, words

from secsign_gate.core.key_restriction import KeyOrders, KeyRestrictionError, key_orders
from secsign_gate.core.key_search import FoundLine
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import PublicKey

KEY, CA = words(ED25519), words(OTHER_ED25519)
FREE, FORCED = KeyOrders(None, user_rc=True), KeyOrders(b"rrsync", user_rc=True)
BY_FORCE = b'command="rrsync"'


def found(path: str, *lines: bytes) -> tuple[FoundLine, ...]:
    return tuple(FoundLine(path.encode(), number, line) for number, line in enumerate(lines, 1))


def orders(file: list[bytes], registry: list[bytes], *, blob: bytes = ED25519, trusted: bytes = b"") -> KeyOrders:
    here = Circumstances(
        "alice",
        ip_address("127.0.0.1"),
        1_750_000_000,
        trusted_keys=(trusted,) if trusted else (),
        command_lines=found("/registry", *registry),
    )
    key = PublicKey(words(blob).split()[0].decode(), blob)
    return key_orders((key,), found("/home/alice/.ssh/authorized_keys", *file), here)


def test_what_the_registry_says_of_a_key_counts() -> None:
    assert orders([], [BY_FORCE + b" " + KEY]) == FORCED
    assert orders([], [BY_FORCE + b" " + KEY, KEY]) == FORCED
    assert orders([b"# " + KEY], [KEY]) == FREE


@pytest.mark.parametrize(("file", "registry"), [(KEY, BY_FORCE + b" " + KEY), (BY_FORCE + b" " + KEY, KEY)])
def test_a_file_of_the_account_does_not_overrule_it(file: bytes, registry: bytes) -> None:
    """sshd may have been told to read no files, and whoever may write there has written this."""
    with pytest.raises(KeyRestrictionError, match=r"/home/\S+ line 1 and /registry line 1; make them agree"):
        orders([file], [registry])


def test_a_file_that_agrees_is_no_obstacle() -> None:
    assert orders([BY_FORCE + b" " + KEY], [BY_FORCE + b" " + KEY]) == FORCED
    assert orders([BY_FORCE + b" " + KEY, KEY], [BY_FORCE + b" " + KEY]) == FORCED, "of a file, the first line counts"
    assert not orders([KEY], [b"no-user-rc " + KEY]).user_rc


def test_a_line_that_let_nobody_in_says_nothing() -> None:
    assert orders([KEY], [b'expiry-time="20200101Z",' + BY_FORCE + b" " + KEY]) == FREE
    assert orders([KEY], [b"cert-authority," + BY_FORCE + b" " + KEY]) == FREE


def test_nor_does_an_authority_that_other_accounts_trust() -> None:
    """For whom TrustedUserCAKeys is, sshd's configuration says, and not ours."""
    line = b"cert-authority," + BY_FORCE + b" " + CA
    assert orders([], [line], blob=certificate()) == FORCED
    with pytest.raises(KeyRestrictionError, match="TrustedUserCAKeys and /registry line 1"):
        orders([], [line], blob=certificate(), trusted=OTHER_ED25519)
    with pytest.raises(KeyRestrictionError, match="authorized_keys line 1 and /registry line 1"):
        orders([b"cert-authority " + CA], [line], blob=certificate())
