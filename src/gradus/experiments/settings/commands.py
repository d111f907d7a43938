"""Commands that messages name."""

import shlex


def format_command(*words: object) -> str:
    """Return a `gradus` command that can be pasted into a shell, whatever its words contain."""
    return shlex.join(["gradus", *map(str, words)])
