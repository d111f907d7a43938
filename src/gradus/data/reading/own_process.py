"""A reader in a process of its own, which a damaged file can end, or let use all memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradus.errors import DataError
from gradus.host_memory import UNKNOWN, host_free_bytes

SMALLEST_LIMIT = 4 << 30  # bytes of addresses, which libraries reserve without using them
# Not a limit on systems without `resource`, such as Windows.
_FRAME = """
import io, json, pathlib, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
folder, arguments = pathlib.Path(sys.argv[1]), sys.argv[3:]
try:
    content = sys.stdin.buffer.read()
{}
except SystemExit:
    raise
except BaseException as error:
    sys.exit(str(error).split("\\n")[0] or type(error).__name__)
"""


@contextlib.contextmanager
def read_in_own_process(
    script: str, content: bytes, name: str, kind: str, *arguments: str
) -> Iterator[Path]:
    """Yield a folder with what a script made of the bytes of a file.

    Args:
        script: reads `content`, bytes, with `arguments`, and writes into `folder`, a path.
        content: of the file.
        name: what errors call it.
        kind: what errors call its format: "a Parquet file".
        *arguments: of the script.

    Raises:
        DataError: if the script fails, or ends.
    """
    body = "\n".join(f"    {line}" for line in script.strip().splitlines())
    free = host_free_bytes()
    limit = "-1" if free == UNKNOWN else str(max(free, SMALLEST_LIMIT))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-I", "-c", _FRAME.replace("{}", body), folder, limit]
        done = subprocess.run(  # noqa: S603
            [*command, *arguments], input=content, capture_output=True, check=False
        )
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            reason = words[-1] if done.returncode == 1 and words else "reading it fails"
            raise DataError(f"{name} is not {kind}, or is damaged: {reason.rstrip('.')}.")
        yield Path(folder)
