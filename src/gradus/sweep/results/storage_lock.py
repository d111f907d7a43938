"""The lock of a sweep in a database: only one process trains it at a time.

Two processes would compute the same results twice. A lock belongs to a connection, which ends with
its process even if that is killed, so no stale lock remains.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

# Each query acquires the lock for the connection and returns whether that succeeded.
SERVER_LOCKS = {
    "postgresql": "SELECT pg_try_advisory_lock({key})",
    "mysql": "SELECT GET_LOCK('gradus {key}', 0)",
    "mariadb": "SELECT GET_LOCK('gradus {key}', 0)",
}


@contextlib.contextmanager
def hold_lock(url: str, name: str) -> Iterator[bool]:
    """Hold the lock of a sweep within the block; yield whether it was acquired.

    Other databases, and those in memory, have no lock: it is always acquired.

    Args:
        url: the SQLAlchemy URL of the database.
        name: the name of the sweep in it.
    """
    from sqlalchemy import make_url

    parsed = make_url(url)
    kind, database = parsed.get_backend_name(), parsed.database or ""
    if kind in SERVER_LOCKS:
        with _server_lock(
            url, SERVER_LOCKS[kind].format(key=_lock_key(database, name))
        ) as acquired:
            yield acquired
    elif kind == "sqlite" and database and not database.startswith((":", "file:")):
        with _file_lock(Path(f"{database}.{quote(name, safe='')}.lock")) as acquired:
            yield acquired
    else:
        yield True


@contextlib.contextmanager
def _server_lock(url: str, query: str) -> Iterator[bool]:
    from sqlalchemy import NullPool, create_engine, text

    # Autocommit, as an open transaction would keep the server from vacuuming.
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield bool(connection.execute(text(query)).scalar())


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    """Lock a file beside the database with SQLite's own locks, which work on every system."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA journal_mode=OFF")  # no journal file, as nothing is written
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):  # Windows keeps an open file
                path.unlink()


def _lock_key(*words: str) -> int:
    """Return a 63-bit hash of some words."""
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8]) >> 1
