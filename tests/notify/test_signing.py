"""Signatures that any library for Standard Webhooks can check, and that nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noljima.notify.secret import Secret
from noljima.notify.signing import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    BadSignatureError,
    id_of,
    key_of,
    signed,
    verify,
)

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
BODY = b'{"type":"job.failed"}'


def test_the_example_of_the_specification_s_libraries_is_signed_alike() -> None:
    """The values of the test that the libraries in all languages share."""
    key = key_of("secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    headers = signed(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330.0, b'{"test": 2432232314}'
    )

    assert headers == {
        ID: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        TIMESTAMP: "1614265330",
        SIGNATURE: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_takes_our_messages_by_the_new_key_and_the_one_before() -> None:
    headers = signed([KEY, OTHER], "17/failed/1", 1000.7, BODY)

    verify([KEY], headers, BODY, 1001.0)
    verify([OTHER], {name.title(): value for name, value in headers.items()}, BODY, 1300.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({ID: "17/failed/2"}, "no signature"),
        ({TIMESTAMP: "1001"}, "no signature"),
        ({TIMESTAMP: "1e3"}, "is not a whole number"),
        ({TIMESTAMP: "²"}, "is not a whole number"),
        ({SIGNATURE: ""}, "no signature"),
        ({SIGNATURE: "v1,é"}, "no signature"),
        ({SIGNATURE: "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, "no signature"),
    ],
)
def test_a_receiver_takes_nothing_else(change: dict[str, str], words: str) -> None:
    headers = signed([KEY], "17/failed/1", 1000.0, BODY)
    with pytest.raises(BadSignatureError, match=words):
        verify([KEY], {**headers, **change}, BODY, 1000.0)
    for name in headers:
        rest = {other: value for other, value in headers.items() if other != name}
        with pytest.raises(BadSignatureError, match=f"the header {name} is missing"):
            verify([KEY], rest, BODY, 1000.0)


def test_an_old_message_is_not_taken_again() -> None:
    headers = signed([KEY], "k", 1000.0, BODY)
    for now_s in (699.0, 1301.0):
        with pytest.raises(BadSignatureError, match="more than 300 s away"):
            verify([KEY], headers, BODY, now_s)


@given(body=st.binary(max_size=50), other=st.binary(max_size=50), key=st.text(max_size=40))
def test_a_signature_is_of_one_key_one_id_and_one_body(body: bytes, other: bytes, key: str) -> None:
    headers = signed([KEY], key, 5.0, body)

    verify([KEY], headers, body, 5.0)
    for keys, found in (([OTHER], body), *(([KEY], other) for _ in [0] if other != body)):
        with pytest.raises(BadSignatureError):
            verify(keys, headers, found, 5.0)


@given(one=st.text(max_size=200), other=st.text(max_size=200))
def test_an_id_is_fit_for_a_header_and_of_one_notice(one: str, other: str) -> None:
    name = id_of(one)

    assert name.isascii()
    assert name.isprintable()
    assert "." not in name
    assert name == name.strip() != ""
    assert (id_of(other) == name) == (other == one)
    assert id_of("~" + name[1:]) != name
