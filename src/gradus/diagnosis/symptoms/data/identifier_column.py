"""A column of the inputs that numbers the rows.

Whole numbers that differ in all rows, though by chance at least ten pairs would be equal
(`gradus.diagnosis.columns`). A single column may be meant, as time may be, and a code for an
embedding is no number. In a table such a column is dropped when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.columns import describe_column, without_column
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "leak"


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for each array of inputs with a column that numbers the rows."""
    if any(layer.kind == "Embedding" for layer in record.layers):
        return
    for given in record.inputs:
        if given.numbering is None or given.columns < 2:
            continue
        column = describe_column(given.name, given.numbering)
        yield Finding(
            message=f"{column} numbers the rows: no two values are equal.",
            why=(
                "If the file was sorted, it reveals the targets of nearby rows. It says nothing "
                "about new rows."
            ),
            remedy=f"Leave it out: {without_column(given.name, given.numbering)}.",
            severity="note",
            evidence={"equal pairs": {"value": 0, "threshold": 1}},
        )
