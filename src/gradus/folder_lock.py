"""The lock of the folder of a run or checkpoint: only one process trains in it at a time.

It is the system's lock of an open file, which ends with its process even if that is killed, so no
stale lock remains; a file that was left behind is locked anew.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gradus.errors import SavedError
from gradus.files import user_path

LOCK = ".lock"
ATTEMPTS = 100  # to lock a file that others remove at the same time
_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # of Windows are the latter two


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Create a folder if needed, and hold it within the block; afterward, an empty one is removed.

    Raises:
        SavedError: if another process, or another thread, holds it.
        OSError: if the folder cannot be created or written.
    """
    folder = user_path(folder)
    file = _acquire(folder)
    try:
        yield
    finally:
        _release(file, folder)


def _acquire(folder: Path) -> BinaryIO:
    """Return the locked file of a folder, the one that others find there."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("ab")
        except (FileExistsError, FileNotFoundError):  # the folder may be removed at this moment
            if attempt == ATTEMPTS:
                raise
            continue
        if not _lock(file.fileno()):
            file.close()
            break
        if _is_in(folder, file):
            return file
        file.close()  # its last holder has removed it
    raise SavedError(
        f"{str(folder)!r} is in use: another training writes there. Wait until it has ended, or "
        "name another folder."
    )


def _is_in(folder: Path, file: BinaryIO) -> bool:
    """Whether an open file is the one in a folder."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat())
    except FileNotFoundError:
        return False


def _release(file: BinaryIO, folder: Path) -> None:
    """Remove the locked file, and the folder if it is empty."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":  # where no open file is removed
            file.close()
            (folder / LOCK).unlink()
        else:  # while it is locked, or it would be that of another
            (folder / LOCK).unlink(missing_ok=True)
    file.close()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _lock(handle: int) -> bool:
    """Lock an open file; return False if another has locked it.

    Where the file system has no locks, all may have it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD
    return True
