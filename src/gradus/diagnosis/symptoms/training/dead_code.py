"""A code of an autoencoder that says nothing of the sample, or half of which does not.

Of a variational autoencoder: the deviation of the code's means over a batch, below `ACTIVE` in the
root mean square of its numbers, in each of the last records. A number of a code is active if the
variance of its mean is above 0.01 (Burda, Grosse & Salakhutdinov, "Importance weighted
autoencoders", 2016). It is a fault where nothing was learned, else a note. Of any other: more than
`MANY` of the code's units are zero on all samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradus.diagnosis.findings import Finding
from gradus.diagnosis.record import Record
from gradus.diagnosis.symptoms.network.identity_learned import layers_of
from gradus.diagnosis.training import SUSTAINED, TrainingRecord

CATEGORY = "other"
CAUSES = ("diverged", "rate-invalid", "rate-high", "inputs-tiny", "inputs-unscaled")
ACTIVE, MANY = 0.1, 0.5


def find(record: Record) -> Iterator[Finding]:
    """Yield a finding if the code of an autoencoder has collapsed."""
    training, encoder = record.training, layers_of(record, "encoder")
    if training is None or not encoder or not layers_of(record, "decoder"):
        return
    if "code/mean" in training.layers:
        yield from _find_collapse(record, training)
        return
    share = training.silent_share(encoder[-1].path)
    if share > MANY and record.learned:
        yield Finding(
            message=(
                f"{share:.0%} of the code's {encoder[-1].units} units are zero for every sample."
            ),
            why="They carry no information, so the code is smaller than it looks.",
            remedy='Use a linear code layer, a lower learning rate, or "leaky_relu".',
            severity="note",
            kind="dynamic",
            layer=encoder[-1].path,
            evidence={"units that are zero": {"value": share, "threshold": MANY}},
        )


def _find_collapse(record: Record, training: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if all samples have the same distribution of codes."""
    spread = training.layers["code/mean"].spread[-SUSTAINED:]
    if len(spread) < SUSTAINED or not record.is_long or not np.max(spread) < ACTIVE:
        return
    yield Finding(
        message=f"The code means deviate by only {np.max(spread):.2g} across samples.",
        why=(
            "All samples get the same code distribution, so the decoder learns to ignore the "
            "code. The KL term outweighs what the code could convey."
        ),
        remedy=(
            "Use a smaller beta, such as 0.1, raise it during training, or scale the data: the "
            "squared error of numbers that hardly vary carries little weight."
        ),
        severity=record.doubt,
        kind="dynamic",
        layer="code/mean",
        evidence={"deviation of the code": {"value": float(np.max(spread)), "threshold": ACTIVE}},
    )
