import pytest
from ssh_samples import ED25519, PLAIN_KEYS, RSA, certificate, words

from secsign_gate.core.auth_info import AuthInfoError, parse_auth_info
from secsign_gate.core.login import OtherMethod, PublicKey

KEY = words(ED25519)


def test_one_key() -> None:
    assert parse_auth_info(b"publickey " + KEY + b"\n") == (PublicKey("ssh-ed25519", ED25519),)


@pytest.mark.parametrize("blob", [*PLAIN_KEYS, *map(certificate, PLAIN_KEYS)], ids=lambda blob: blob[4:40].hex())
def test_every_type_of_key(blob: bytes) -> None:
    (method,) = parse_auth_info(b"publickey " + words(blob) + b"\n")
    assert method == PublicKey(words(blob).split()[0].decode(), blob)


def test_several_methods_keep_their_order() -> None:
    content = b"publickey " + KEY + b"\npublickey " + words(RSA) + b"\nkeyboard-interactive/pam\npassword\n"
    assert parse_auth_info(content) == (
        PublicKey("ssh-ed25519", ED25519),
        PublicKey("ssh-rsa", RSA),
        OtherMethod("keyboard-interactive/pam"),
        OtherMethod("password"),
    )


def test_what_sshd_says_beyond_the_key_is_not_needed() -> None:
    content = (
        b"publickey " + KEY + b' signature count = 5\nhostbased ssh-rsa AAAA client user "alice", client host "a"\n'
    )
    assert parse_auth_info(content) == (PublicKey("ssh-ed25519", ED25519), OtherMethod("hostbased"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"password",
        b"publickey " + KEY,
        b"password\n\n",
        b"password\n\npassword\n",
        b"publickey\n",
        b"publickey \n",
        b"publickey ssh-ed25519\n",
        b"publickey ssh-ed25519 \n",
        b"publickey  " + KEY + b"\n",
        b"publickey\t" + KEY + b"\n",
        b"publickey " + KEY + b"\r\n",
        b"publickey " + KEY[:-1] + b"\n",
        b"publickey " + KEY[:30] + b"\r" + KEY[30:] + b"\n",
        b"publickey " + KEY + b"AAAA\n",
        b"publickey " + KEY.replace(b"ssh-ed25519", b"ssh-rsa") + b"\n",
        b"publickey " + KEY.replace(b"ssh-ed25519", b"ssh-ed25519-cert-v01@openssh.com") + b"\n",
        b"publickey " + words(ED25519 + b"\0") + b"\n",
        b"publickey " + words(ED25519[:-1]) + b"\n",
        b"public\x1bkey\n",
        b"pass\xffword\n",
        b"pass\0word\n",
        b"x" * 257 + b"\n",
        b"password\n" * 65,
        b"publickey " + KEY + b" " + b"x" * (1 << 20) + b"\n",
    ],
)
def test_what_sshd_does_not_write_is_an_error(content: bytes) -> None:
    with pytest.raises(AuthInfoError, match=r"^the file that SSH_USER_AUTH names "):
        parse_auth_info(content)


def test_more_methods_than_sshd_lets_anybody_try_are_refused_before_any_is_read() -> None:
    line = b"publickey " + KEY + b"\n"
    assert len(parse_auth_info(line * 8)) == 8
    with pytest.raises(AuthInfoError, match="more than 8 methods"):
        parse_auth_info(b"no such method\n" + line * 8)
