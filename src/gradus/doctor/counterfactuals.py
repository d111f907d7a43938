"""Counterfactual trainings: which remedy helps, found in a few trainings of full length."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradus.doctor.candidate import Candidate
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.remedies import Remedy
from gradus.doctor.scores import Comparison, compare

if TYPE_CHECKING:
    from gradus.doctor.scores import Errors

FINALISTS = 3  # remedies at most that are trained in full length
SHORTEST = 0.1  # the least share of its epochs after which a candidate is judged


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a remedy.

    Attributes:
        remedy: the remedy.
        candidate: the training with it.
        comparison: with the training as it is, on validation samples.
        seeds: with how many seeds both were trained in full length; 0 if only the first part was,
            which showed that other remedies are better.
    """

    remedy: Remedy
    candidate: Candidate
    comparison: Comparison
    seeds: int = 0

    @property
    def helps(self) -> bool:
        """Whether the training is better with it, beyond the noise of several seeds."""
        return self.seeds > 1 and self.comparison.helps


def try_remedies(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[tuple[Remedy, Candidate]],
    budget: float,
    seeds: int,
) -> list[Outcome]:
    """Train candidates side by side, and return what became of them, the best first.

    All are trained for a part of their epochs, the best ones in full length, and one after another
    of these beside the training as it is with all seeds, until one helps. One that shows no gain
    beyond the noise of the samples with its first seed gets no more.

    Args:
        training: trains them.
        before: the training without them.
        remedies: the remedies, the likeliest first, and the candidates that they make.
        budget: how many trainings of full length all may take together.
        seeds: how many seeds the last comparison has.
    """
    if not remedies:
        return []
    length = {c: c.fit["epochs"] / before.fit["epochs"] for _, c in remedies}
    spare = budget - 1 - 2 * (seeds - 1)  # that without any in full, and both with more seeds
    finalists = int(np.clip(spare / 2, 1, FINALISTS))
    share = np.clip((spare - finalists) / sum(length.values()), SHORTEST, 1.0)
    outcomes = compare_remedies(training, before, remedies, float(share))
    finals = [(each.remedy, each.candidate) for each in outcomes[:finalists]]
    compared = compare_remedies(training, before, finals, seeds=1)
    for index, each in enumerate(compared):
        if not each.comparison.helps:
            continue
        remedy = [(each.remedy, each.candidate)]
        compared[index] = compare_remedies(training, before, remedy, seeds=seeds)[0]
        if compared[index].helps:
            compared.insert(0, compared.pop(index))
            break
    return [*compared, *outcomes[finalists:]]


def compare_remedies(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[tuple[Remedy, Candidate]],
    share: float = 1.0,
    seeds: int = 0,
) -> list[Outcome]:
    """Train candidates, and the one without remedies, and return what became of them, best first.

    Those that the best one does not beat beyond noise stay in the order of `remedies`.

    Args:
        training: trains them.
        before: the training without them.
        remedies: the remedies and the candidates; of equals the first one stays first.
        share: of the epochs.
        seeds: how many seeds are trained; 0 for one that is not trained in full.
    """
    numbers = range(max(seeds, 1))
    candidates = [before, *(candidate for _, candidate in remedies)]
    training.train([(each, seed) for seed in numbers for each in candidates], share)
    without, *after = [[training.errors(each, seed) for seed in numbers] for each in candidates]
    outcomes = [
        Outcome(remedy, candidate, compare(without, errors), seeds)
        for (remedy, candidate), errors in zip(remedies, after, strict=True)
    ]
    best = after[int(np.argmin([each.comparison.after for each in outcomes]))]
    # Of remedies that are equally good but for noise, the likelier one is the explanation.
    equals = [each for each, errors in zip(outcomes, after, strict=True) if not beats(best, errors)]
    others = [each for each in outcomes if each not in equals]
    return [*equals, *sorted(others, key=lambda each: each.comparison.after)]


def beats(errors: Sequence[Errors], others: Sequence[Errors]) -> bool:
    """Whether one training is better than another, beyond noise."""
    return compare(others, errors).helps
