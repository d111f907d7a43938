"""The server of a run: its socket, its token, and its loop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from gradus.errors import GradusError
from gradus.experiments.run import Run
from gradus.optional import import_optional
from gradus.serving.access import check_token, is_loopback

QUEUE = 128  # connections that wait to be accepted


@contextlib.contextmanager
def listening(host: str, port: int, token: str | None) -> Iterator[socket.socket]:
    """Yield a socket that listens at an address.

    Args:
        host: the address, or a name of it.
        port: the port; 0 for any that is free.
        token: that requests must have, or None.

    Raises:
        GradusError: if the address cannot be listened at, or is not loopback and has no token.
    """
    for package in ("starlette", "uvicorn"):
        import_optional(package, "gradus serve", "serve")
    family, address = _resolve(host, port)
    check_token(token, is_loopback(address[0]))
    with contextlib.closing(_listen(family, address, host)) as listener:
        yield listener


def serve_run(
    run: Run, listener: socket.socket, host: str, token: str | None, ready: Callable[[str], None]
) -> None:
    """Serve a run over HTTP until the process is interrupted.

    Args:
        run: the run.
        listener: the socket.
        host: what its address was called.
        token: that requests must have, or None.
        ready: called with the URL when the service answers.
    """
    import uvicorn

    from gradus.serving.endpoints import make_application

    address, port, *_ = listener.getsockname()
    application = make_application(run, token, host if is_loopback(address) else None)
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
    )
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    uvicorn.Server(config).run(sockets=[listener])


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Return the family and the address of a host name and a port."""
    if not 0 <= port < 2**16:
        raise GradusError(f"--port {port}: write a number from 0 to 65535; 0 is any free port.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise GradusError(
            f"--host {host!r} is no address of this machine: write 127.0.0.1, or 0.0.0.0 for all."
        ) from None
    family, *_, address = found[0]
    return family, address


def _listen(family: socket.AddressFamily, address: tuple[Any, ...], host: str) -> socket.socket:
    """Return a socket that listens at an address."""
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(QUEUE)
    except OSError as error:
        listener.close()
        raise GradusError(
            f"{host}, port {address[1]}, cannot be listened at: {error.strerror}. Choose another "
            "with --port, or any that is free with --port 0."
        ) from None
    return listener
