"""Who may use a service: a token, and the host names that requests may be addressed to."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gradus.errors import GradusError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
OPEN = ("/health",)  # paths that need no token


def is_loopback(address: str) -> bool:
    """Whether an address, or the name "localhost", is that of this machine alone."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def check_token(token: str | None, loopback: bool) -> None:
    """Check that a service that others can reach has a token.

    Raises:
        GradusError: if it has none, or one that no header can hold.
    """
    if token is None and not loopback:
        raise GradusError(
            "Beyond this machine a service needs a token, which every request then names: set the "
            "environment variable GRADUS_TOKEN, or write --token TOKEN."
        )
    if token is not None and (not token or not token.isascii() or not token.isprintable()):
        raise GradusError("The token is empty or has characters that a header cannot hold.")
    if token is not None and " " in token:
        raise GradusError("The token has a space: write one word.")


class Gate:
    """Passes on the requests that are allowed, and refuses the others.

    On loopback the `Host` header must name this machine, as a page of another site could otherwise
    reach the service by a name of its own that leads here (DNS rebinding).

    Args:
        application: that answers allowed requests.
        refuse: returns an application that answers with a status and a sentence.
        token: that requests must have, or None.
        host: the address that the service is bound to, if it is a loopback one; else None.
    """

    def __init__(
        self,
        application: Application,
        refuse: Callable[[int, str], Application],
        token: str | None,
        host: str | None,
    ) -> None:
        self.application, self.refuse, self.host = application, refuse, host
        self.expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        application = self.application
        if scope["type"] == "http":
            application = self._judge(scope) or application
        await application(scope, receive, send)

    def _judge(self, scope: Scope) -> Application | None:
        """Return what refuses a request, or None if it is allowed."""
        given = named = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                given = value
            elif name == b"host":
                named = value
        if self.host is not None and not _names_this_machine(named.decode("latin-1"), self.host):
            return self.refuse(
                403,
                f"The request is for the host {named.decode('latin-1')!r}, not for this machine: "
                f"write http://{self.host}:PORT, or start the service with --host and a token.",
            )
        if self.expected is None or scope["path"] in OPEN:
            return None
        if not hmac.compare_digest(given, self.expected):
            return self.refuse(
                401, 'The token is missing or wrong: send "Authorization: Bearer …".'
            )
        return None


def _names_this_machine(header: str, host: str) -> bool:
    """Whether a Host header, with or without a port, names the loopback address."""
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    return name == host or is_loopback(name)
