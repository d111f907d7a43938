"""How to say what a column of a table is, where what was inferred is not what was meant."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gradus.data.columns.formats import KINDS
from gradus.experiments.settings.spaces import to_toml

HINT = "to read a column otherwise: --column NAME=KIND, --drop-columns NAME, --keep-columns NAME"


def override_rows(columns: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return what can be said of a column, the flag that says it, and the lines of a file.

    Args:
        columns: the name, the kind, and the encoding of each column that is used; the first is the
            example.

    >>> for row in override_rows([("age", "number", "standardized")]):
    ...     print(*row, sep=" | ", end="")
    of another kind: number, ... | --column age=category | [table.columns]
    age = "category"
    not used | --drop-columns age | drop_columns = ["age"]
    used, though it was left out | --keep-columns NAME | keep_columns = ["NAME"]
    """
    if not columns:
        return []
    name, inferred, _ = columns[0]
    kind = "number" if inferred == "category" else "category"
    return [
        (
            f"of another kind: {', '.join(KINDS)}",
            shlex.join(["--column", f"{name}={kind}"]),
            to_toml({"table": {"columns": {name: kind}}}),
        ),
        ("not used", shlex.join(["--drop-columns", name]), to_toml({"drop_columns": [name]})),
        (
            "used, though it was left out",
            "--keep-columns NAME",
            to_toml({"keep_columns": ["NAME"]}),
        ),
    ]
