"""Which remedies are tried for which fault, in the order of practice.

Sources of the order: Karpathy, "A recipe for training neural networks" (2019); Godbole et al.,
"Deep learning tuning playbook" (2023).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from gradus.diagnosis.findings import Diagnosis
from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate
from gradus.doctor.optimizer_remedies import (
    adam,
    adam_w,
    clipping,
    rate_times,
    usual_rate,
    usual_settings,
    warm_up,
)
from gradus.doctor.remedies import (
    batch_normalization,
    batches_of,
    class_weights,
    dropout_of,
    epochs_times,
    fewer_layers,
    fitting_initializer,
    fitting_output,
    hidden_activation,
    penalty_times,
    pre_norm,
    scaled_inputs,
    scaled_targets,
    width_times,
)
from gradus.doctor.remedy import Remedy, together

LOWER = tuple(map(rate_times, (0.1, 0.03, 0.3)))
HIGHER = tuple(map(rate_times, (10.0, 3.0, 30.0)))
USUAL_LOWER, USUAL_HIGHER = usual_rate(raised=False), usual_rate(raised=True)
SETTINGS = Remedy("the optimizer's usual settings", "optimizer-setting", usual_settings)
ADAM = Remedy("Adam", "optimizer", adam)
ADAM_W = Remedy("AdamW", "overfitting", adam_w)
WARM_UP = Remedy("a rate that rises over the first tenth", "rate-high", warm_up)
PRE_NORM = Remedy("blocks that normalize first", "vanishing-gradient", pre_norm)
CLIPPING = Remedy("gradients clipped at norm 1", "exploding-gradient", clipping)
INPUTS = Remedy("scaled inputs", "inputs-unscaled", scaled_inputs)
TARGETS = Remedy("scaled targets", "targets-unscaled", scaled_targets)
OUTPUT = Remedy("the output and the loss that fit the targets", "output-loss", fitting_output)
RELU = Remedy("relu, drawn by he_normal", "saturation", hidden_activation("relu", "he_normal"))
BOUNDLESS = Remedy(
    "relu in place of exponential",
    "exploding-gradient",
    hidden_activation("relu", "he_normal", of=("exponential",)),
)
ELU = Remedy("elu, drawn by he_normal", "dead-relu", hidden_activation("elu", "he_normal"))
TANH = Remedy(
    "tanh, drawn by glorot_uniform", "dead-relu", hidden_activation("tanh", "glorot_uniform")
)
INITIAL = Remedy("initial weights that fit the activations", "initial-scale", fitting_initializer)
NORMED = Remedy("batch normalization", "vanishing-gradient", batch_normalization)
SHALLOW = Remedy("half of the hidden layers", "vanishing-gradient", fewer_layers)
WIDER = Remedy("hidden layers of four times the width", "underfitting", width_times(4))
NARROWER = Remedy("hidden layers of a quarter of the width", "overfitting", width_times(0.25))
NO_DROPOUT = Remedy("no dropout", "over-regularised", dropout_of(0.0))
PENALTIES = (
    Remedy("a hundredth of the penalties", "over-regularised", penalty_times(0.01)),
    Remedy("no penalties", "over-regularised", penalty_times(0.0)),
)
BATCH = Remedy("batches of 32", "batch-size", batches_of(32))
LONGER = Remedy("four times the epochs", "too-few-epochs", epochs_times(4))
BALANCED = Remedy("class weights", "imbalance", class_weights)

REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "softmax-of-one": (OUTPUT,),
    "output-loss": (OUTPUT,),
    "loss-targets": (OUTPUT,),
    "output-range": (OUTPUT, TARGETS),
    "softmax-twice": (OUTPUT,),
    "loss-reduction": (OUTPUT, *LOWER),
    "loss-arithmetic": (OUTPUT,),
    "hidden-softmax": (RELU, TANH),
    "hidden-linear": (RELU, TANH),
    "hidden-squashing": (RELU, TANH),
    "rate-invalid": (USUAL_LOWER, USUAL_HIGHER, *LOWER, ADAM),
    "optimizer-setting": (SETTINGS, ADAM),
    "inputs-unscaled": (INPUTS,),
    "inputs-tiny": (INPUTS,),
    "targets-unscaled": (TARGETS,),
    "symmetric-weights": (INITIAL,),
    "initial-scale": (INITIAL,),
    "diverged": (
        *(BOUNDLESS, PRE_NORM, *LOWER, WARM_UP, USUAL_LOWER),
        *(CLIPPING, INPUTS, TARGETS, INITIAL),
    ),
    "exploding-gradient": (BOUNDLESS, PRE_NORM, CLIPPING, *LOWER, INITIAL, INPUTS),
    "rate-high": (*LOWER, USUAL_LOWER, WARM_UP, PRE_NORM, ADAM),
    "rate-low": (*HIGHER, USUAL_HIGHER, ADAM),
    "too-few-epochs": (LONGER, *HIGHER),
    "dead-relu": (*LOWER, USUAL_LOWER, ELU, INITIAL, INPUTS),
    "saturation": (INPUTS, INITIAL, RELU, *LOWER),
    "too-deep": (SHALLOW, ELU, NORMED, INITIAL),
    "vanishing-gradient": (PRE_NORM, RELU, NORMED, SHALLOW, INITIAL),
    "over-regularised": (*PENALTIES, NO_DROPOUT),
    "overfitting": (NARROWER, ADAM_W),
    "underfitting": (WIDER, LONGER, *HIGHER),
    "oscillation": (*LOWER, WARM_UP, CLIPPING, ADAM),
    "optimizer": (ADAM,),
    "batch-size": (BATCH,),
    "imbalance": (BALANCED,),
}
LEFT = 0.1  # of a constant's loss: more is worth trying where nothing was found
TOGETHER = 3  # faults at most whose first remedies are tried together, too
# What is tried wherever a network learns too little; what attention needs changes no other network.
GENERAL = (
    *(PRE_NORM, LOWER[0], HIGHER[0], USUAL_LOWER, USUAL_HIGHER, ADAM),
    *(INPUTS, INITIAL, RELU, OUTPUT, WARM_UP),
)


def candidates_for(
    original: Candidate, record: Record, diagnosis: Diagnosis, notes: bool = False
) -> list[tuple[Remedy, Candidate]]:
    """Return the remedies of what was found, and what they make of a training, each once.

    First come those of causes, then several of them together, then those of consequences. Where
    anything may be the cause, what is tried wherever a network learns too little follows; so it
    does where no finding explains why much of the loss is left, if notes have remedies.

    Args:
        original: the training.
        record: of it.
        diagnosis: what was found.
        notes: whether notes have remedies, too.
    """
    made: dict[Remedy, Candidate] = {}

    def changing(remedies: Sequence[Remedy]) -> list[Remedy]:
        """Return those of the remedies that change the training."""
        for remedy in remedies:
            if remedy not in made:
                candidate = remedy.apply(original, record)
                made[remedy] = dataclasses.replace(candidate, name=remedy.name)
        return [remedy for remedy in remedies if made[remedy].changes]

    found = diagnosis.findings if notes else diagnosis.faults
    roots = [changing(REMEDIES.get(each.code, ())) for each in found if each.cause is None]
    others = [changing(REMEDIES.get(each.code, ())) for each in found if each.cause is not None]
    first = list(dict.fromkeys(remedies[0] for remedies in roots if remedies))
    wanted = [*first, *(changing([together(first[:TOGETHER])]) if len(first) > 1 else [])]
    wanted += [each for remedies in (*roots, *others) for each in remedies]
    is_ambiguous = record.learned is False or any(each.kind == "dynamic" for each in found)
    left = max(record.remaining or 0.0, record.unseen or 0.0)
    is_unexplained = notes and not wanted and left > LEFT
    if (diagnosis.faults and is_ambiguous) or is_unexplained:
        wanted += changing(GENERAL)
    distinct: dict[frozenset[str], Remedy] = {}
    for remedy in wanted:  # two may be the same here
        distinct.setdefault(frozenset(map(str, made[remedy].changes)), remedy)
    return [(remedy, made[remedy]) for remedy in distinct.values()]
