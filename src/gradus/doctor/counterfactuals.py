"""Counterfactual trainings: which remedy helps, found in a few trainings of full length."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from gradus.doctor.candidate import Candidate
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.remedies import Remedy
from gradus.doctor.scores import Comparison, compare

FINALISTS = 3  # remedies at most that are trained in full length
CLEAR = 0.34  # the share of its epochs after which another seed may have made the verdict clear
SHORTEST = 0.1  # the least share of its epochs after which a candidate is judged


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a remedy.

    Attributes:
        remedy: the remedy.
        candidate: the training with it.
        comparison: with the training as it is, on validation samples.
        seeds: how many seeds were compared, the first in full length; 0 if only the first part of
            that was trained, which showed that other remedies are better.
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
    spare = budget - 1 - 2 * (seeds - 1) * CLEAR  # without the training as it is, and other seeds
    finalists = int(np.clip(spare / 1.5, 1, FINALISTS))
    share = np.clip((spare - finalists) / sum(length.values()), SHORTEST, 1.0)
    outcomes = compare_remedies(training, before, remedies, float(share))
    chosen = _finalists(outcomes, remedies[0][1], finalists)
    finals = [each for each in remedies if each[1] in chosen]  # the likelier ones first
    compared = compare_remedies(training, before, finals, seeds=1)
    for index, each in enumerate(compared):
        if not each.comparison.helps:
            continue
        compared[index] = confirm(training, before, (each.remedy, each.candidate), seeds)
        if compared[index].helps:
            compared.insert(0, compared.pop(index))
            break
    return [*compared, *(each for each in outcomes if each.candidate not in chosen)]


def _finalists(outcomes: Sequence[Outcome], likeliest: Candidate, count: int) -> list[Candidate]:
    """Return the candidates to train in full: the best, and the likeliest if it helps at all."""
    best = [each.candidate for each in outcomes[:count]]
    helping = [each.candidate for each in outcomes if each.comparison.helps]
    if count > 1 and likeliest in helping and likeliest not in best:
        best[-1] = likeliest
    return best


def confirm(
    training: CandidateTraining, before: Candidate, remedy: tuple[Remedy, Candidate], seeds: int
) -> Outcome:
    """Return the outcome of a remedy with several seeds, the first of which has been trained.

    The others are cut short if a part of their training makes the verdict clear.
    """
    others = [(each, seed) for seed in range(1, seeds) for each in (before, remedy[1])]
    training.train([(before, 0), (remedy[1], 0)])
    training.train(others, CLEAR)
    outcome = outcome_of(training, before, remedy, seeds)
    if outcome.helps:
        return outcome
    training.train(others)
    return outcome_of(training, before, remedy, seeds)


def outcome_of(
    training: CandidateTraining, before: Candidate, remedy: tuple[Remedy, Candidate], seeds: int
) -> Outcome:
    """Return the outcome of a remedy, as far as it and the training without it are trained."""
    errors = [
        [training.errors(candidate, seed) for seed in range(max(seeds, 1))]
        for candidate in (before, remedy[1])
    ]
    return Outcome(*remedy, compare(*errors), seeds)


def compare_remedies(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[tuple[Remedy, Candidate]],
    share: float = 1.0,
    seeds: int = 0,
) -> list[Outcome]:
    """Train candidates and the one without remedies, and return what became of them, best first.

    Those that the best one does not beat beyond noise stay in the order of `remedies`.

    Args:
        training: trains them.
        before: the training without them.
        remedies: the remedies and the candidates; of equals the first one stays first.
        share: of the epochs.
        seeds: 1 if they are trained in full, else 0.
    """
    training.train([(each, 0) for each in (before, *(made for _, made in remedies))], share)
    outcomes = [outcome_of(training, before, remedy, seeds) for remedy in remedies]
    best = min(outcomes, key=lambda each: each.comparison.after).candidate
    # Of remedies that are equally good but for noise, the likelier one is the explanation.
    equals = [each for each in outcomes if not beats(training, best, each.candidate)]
    others = [each for each in outcomes if each not in equals]
    return [*equals, *sorted(others, key=lambda each: each.comparison.after)]


def beats(training: CandidateTraining, one: Candidate, other: Candidate) -> bool:
    """Whether one candidate is better than another, beyond noise."""
    return compare([training.errors(other, 0)], [training.errors(one, 0)]).helps
