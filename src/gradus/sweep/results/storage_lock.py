"""The lock of a sweep in a database: one process trains it, and one that is killed lets go of it.

Two would come to the same results, each in the time that one takes. A lock lasts as long as the
connection that holds it, which ends with its process however that ends; so none is left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

# Each answers whether the lock was free, and takes it for the connection.
SERVERS = {
    "postgresql": "SELECT pg_try_advisory_lock({key})",
    "mysql": "SELECT GET_LOCK('gradus {key}', 0)",
    "mariadb": "SELECT GET_LOCK('gradus {key}', 0)",
}


@contextlib.contextmanager
def hold_lock(url: str, name: str) -> Iterator[bool]:
    """Hold the lock of a sweep, and yield whether it was free.

    Of kinds of database that are not known here, and of one in memory, it is always free.

    Args:
        url: of the database, as SQLAlchemy knows it.
        name: of the sweep in it.
    """
    from sqlalchemy import make_url

    place = make_url(url)
    kind, database = place.get_backend_name(), place.database or ""
    if kind in SERVERS:
        with _by_server(url, SERVERS[kind].format(key=_key(database, name))) as free:
            yield free
    elif kind == "sqlite" and database and not database.startswith((":", "file:")):
        with _by_file(Path(f"{database}.{quote(name, safe='')}.lock")) as free:
            yield free
    else:
        yield True


@contextlib.contextmanager
def _by_server(url: str, question: str) -> Iterator[bool]:
    from sqlalchemy import NullPool, create_engine, text

    # No transaction is left open meanwhile, which would keep the server from tidying up.
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield bool(connection.execute(text(question)).scalar())


@contextlib.contextmanager
def _by_file(path: Path) -> Iterator[bool]:
    """Hold a file beside the database by SQLite's own locks, which every system has."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA journal_mode=OFF")  # nothing is written: no second file
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):  # on Windows, where an open file stays
                path.unlink()


def _key(*words: str) -> int:
    """Return a number of 63 bits for some words."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8]) >> 1
