"""A column of the inputs that alone gives the target away.

A correlation with a number above `SAME`, or classes that each have an interval of their own, apart
by a tenth of the range, while the best other column has a correlation below `OTHERS`, or tells the
class of fewer than `RIGHT` of the samples. It may be what is wanted, so it is a note; a table drops
a column with a correlation above 0.9999. Source: Kaufman et al., "Leakage in data mining" (2012).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.columns import describe_column, without_column
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "leak"
SAME, OTHERS, RIGHT = 0.999, 0.99, 0.95


def find(record: Record) -> Iterator[Finding]:
    """Yield a note for the column of each array of inputs that gives the target away."""
    for given in record.inputs:
        best = given.telling
        if best is None or best.first < SAME:
            continue
        are_numbers = record.outputs[0].kind == "values"
        if best.second > (OTHERS if are_numbers else RIGHT):
            continue
        column = describe_column(given.name, best.column)
        statistic = "correlation" if are_numbers else "samples told by it"
        yield Finding(
            message=(
                f"{column} has a correlation of {best.first:.5f} with the target."
                if are_numbers
                else f"{column} alone determines the class of every sample."
            ),
            why=(
                "It may be derived from the target. Then it is unknown when a prediction is "
                "needed, and scores prove nothing."
            ),
            remedy=(
                "If it is known before the target, keep it; a rule can replace the network. "
                f"Otherwise leave it out: {without_column(given.name, best.column)}."
            ),
            severity="note",
            evidence={statistic: {"value": best.first, "threshold": SAME}},
        )
