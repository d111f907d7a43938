"""Files at an address of the web."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from gradus.data.reading.compression import check_unpacked_size
from gradus.errors import DataError
from gradus.host_memory import host_free_bytes

TIMEOUT = 30.0  # seconds without an answer, or without another byte
SCHEMES = ("https", "http")
_PART = 1 << 20  # bytes
_STATUS = {
    401: "it asks for a login: download the file, and name its path",
    403: "the server does not give it out: download the file, and name its path",
    404: "there is no such file: check the address",
    410: "the file is gone",
}


def is_address(source: Any) -> bool:
    """Return whether a source is an address, which has a scheme, rather than a path.

    Examples:
        >>> from gradus.data.reading.addresses import is_address
        >>> is_address("https://example.com/t.csv"), is_address("data/t.csv")
        (True, False)
    """
    return isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def address_path(address: str) -> str:
    """Return the path in an address, whose ending tells a format: "/data/t.csv".

    Raises:
        DataError: if it is no address.
    """
    try:
        return urllib.parse.unquote(urllib.parse.urlsplit(address).path)
    except ValueError as error:
        raise DataError(f"{address!r} is not an address: {error}.") from None


def download(address: str) -> bytes:
    """Return the bytes at an address, up to what fits into memory.

    Args:
        address: begins with https:// or http://.

    Raises:
        DataError: for another scheme, an answer that is an error, no answer in time, or a file that
            is larger than the memory.
    """
    import http.client
    import urllib.error
    import urllib.request  # here, as it takes long to import

    scheme = address.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise DataError(
            f"{address!r}: gradus reads addresses that begin with https:// or http://; download "
            "the file, and name its path."
        )
    request = urllib.request.Request(address, headers={"User-Agent": "gradus"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            if scheme == "https" and not answer.geturl().lower().startswith("https:"):
                raise DataError(
                    f"{address!r} leads to {answer.geturl()!r}, which is not encrypted: if you "
                    "trust it, write that address."
                )
            return _read(answer, address)
    except DataError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        reason = _STATUS.get(error.code, str(error.reason) or "an error")
        raise DataError(f"{address!r} cannot be read ({error.code}): {reason}.") from None
    except TimeoutError:
        raise _no_answer(address) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _no_answer(address) from None
        raise DataError(
            f"{address!r} cannot be reached: {error.reason}. Is the address right, and is there a "
            "network?"
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(f"{address!r} cannot be read: {error}.") from None


def _read(answer: Any, address: str) -> bytes:
    """Return all bytes of an answer.

    Raises:
        DataError: if there are fewer than announced, or more than fit into memory.
    """
    free, parts, size = host_free_bytes(), [], 0
    announced = answer.headers.get("Content-Length")
    while part := answer.read(_PART):
        size += len(part)
        check_unpacked_size(max(size, int(announced or 0)), free, repr(address), "has")
        parts.append(part)
    if announced is not None and size < int(announced):
        raise DataError(f"{address!r} ended after {size:,} of {int(announced):,} bytes: try again.")
    return b"".join(parts)


def _no_answer(address: str) -> DataError:
    return DataError(f"{address!r} gave no answer for {TIMEOUT:.0f} seconds: try again later.")
