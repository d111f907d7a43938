"""Who may use a service."""

import asyncio

import pytest

from gradus.errors import GradusError
from gradus.serving.access import Gate, check_token, is_loopback


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True),
     ("8.8.8.8", False), ("::", False), ("192.168.0.1", False), ("localhost.evil.com", False),
     ("", False)],
)  # fmt: skip
def test_what_is_loopback(address, expected):
    assert is_loopback(address) is expected


def test_a_token_is_needed_where_others_reach_the_service():
    check_token(None, loopback=True)
    check_token("abc", loopback=False)
    with pytest.raises(GradusError, match="GRADUS_TOKEN, or write --token TOKEN"):
        check_token(None, loopback=False)
    for token in ("", "two words", "naïve", "a\nb"):
        with pytest.raises(GradusError, match=r"The token"):
            check_token(token, loopback=True)


def judged(gate, path="/predict", **headers):
    """Return the status with which a gate refuses a request, or "passed"."""
    found = []
    scope = {
        "type": "http",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(gate(scope, None, found.append))
    return found[0]


def make_gate(token=None, host=None):
    async def application(scope, receive, send):
        send("passed")

    def refuse(status, sentence):
        async def refusing(scope, receive, send):
            send(status)

        return refusing

    return Gate(application, refuse, token, host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "passed"), ("127.0.0.1:8000", "passed"), ("localhost:1", "passed"),
     ("LOCALHOST", "passed"), ("[::1]:8000", "passed"), ("127.0.0.2", "passed"),
     ("evil.com", 403), ("127.0.0.1.evil.com", 403), ("evil.com:127", 403), ("", 403),
     ("[evil.com]", 403), ("192.168.0.1", 403)],
)  # fmt: skip
def test_names_that_lead_to_loopback(host, expected):
    assert judged(make_gate(host="127.0.0.1"), host=host) == expected
    assert judged(make_gate(), host=host) == "passed"


def test_a_token_opens_all_but_health():
    gate = make_gate(token="abc")  # noqa: S106
    assert judged(gate, authorization="Bearer abc") == "passed"
    assert judged(gate, authorization="Bearer abd") == 401
    assert judged(gate, authorization="abc") == 401
    assert judged(gate) == 401
    assert judged(gate, path="/openapi.json") == 401
    assert judged(gate, path="/health") == "passed"
