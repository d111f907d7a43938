"""Names of classes and categories that may be one name in several spellings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

SHOWN = 3  # groups of names that a note shows


def spelling_notes(names: Iterable[str], what: str) -> list[str]:
    """Return a note if some names differ only in case or spaces.

    Args:
        names: of classes or categories, each once.
        what: what the note calls them, such as "classes of 'paid'".

    Example:
        >>> print(*spelling_notes(["No", "Yes", "yes"], "classes of 'paid'"))
        classes of 'paid' differ only in case or spaces ('Yes' and 'yes'), ...
    """
    groups = defaultdict(list)
    for name in names:
        groups["".join(name.casefold().split())].append(repr(name))
    alike = [" and ".join(group) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    shown = ", ".join(alike[:SHOWN]) + ", …" * (len(alike) > SHOWN)
    return [
        f"{what} differ only in case or spaces ({shown}), and count as different: spell them alike "
        "if they mean the same"
    ]
