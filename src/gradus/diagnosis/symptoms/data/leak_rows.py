"""Rows of validation that training has, too.

The share of the rows, with their targets, above `SHARE`, of at least `FEWEST` rows that are found.
Rows that occur twice by nature do so within training as well: it is a fault only above `MORE` times
the share of the training rows that another one equals, plus `PROVED`, else a note. Where more than
`USUAL` of these repeat, as in a table of few different rows, no note is made, unless nearly `ALL`
do and the rows are different otherwise, as in a file that was read twice. Source: Kapoor &
Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science" (2023).
"""

from __future__ import annotations

from collections.abc import Iterator

from gradus.diagnosis.comparison import PartComparison
from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record

CATEGORY = "leak"
SHARE, FEWEST = 0.01, 5
MORE, PROVED = 3.0, 0.05
USUAL, ALL, DIFFERENT = 0.1, 0.9, 0.6
REMOVE = (
    "Before the split, remove repeated rows: rows = np.unique(x, axis=0, return_index=True)[1]; "
    "x, y = x[rows], y[rows]."
)


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if rows of validation are rows of training."""
    for compared in record.comparisons:
        if compared.shared >= FEWEST:
            yield from _find_in(compared)


def _find_in(compared: PartComparison) -> Iterator[Finding]:
    share = min(1.0, compared.shared / compared.looked / compared.seen)
    repeated = min(1.0, compared.repeated / compared.seen)
    is_proved = share > MORE * repeated + PROVED
    is_doubled = share > ALL and repeated > ALL / 2 and compared.different > DIFFERENT
    if share <= SHARE or not (is_proved or is_doubled or repeated <= USUAL):
        return
    part, once = compared.part, "hardly any" if repeated < SHARE else f"{repeated:.0%}"
    occur = "occur" if is_proved else "also occur"
    yield Finding(
        message=f"{share:.0%} of the {part} rows are also training rows.",
        why=(
            f"A network that memorizes them scores well, so the {part} score says less about new "
            f"samples. Within training, {once} of the rows {occur} twice."
        ),
        remedy=(
            f"Use other rows for {part}, as validation_split=0.2 does. {REMOVE}"
            if is_proved
            else REMOVE  # a random split of repeated rows does the same
        ),
        severity="fault" if is_proved else "note",
        evidence={f"rows of {part} in training": {"value": share, "threshold": SHARE}},
    )
