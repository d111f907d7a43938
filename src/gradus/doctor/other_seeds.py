"""The training as it is with other seeds, as a remedy: whether luck is the cause."""

from __future__ import annotations

import dataclasses

from gradus.doctor.candidate import Candidate, Change
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.counterfactuals import CLEAR, Outcome
from gradus.doctor.remedy import Remedy
from gradus.doctor.scores import compare, no_worse_than_constant


def try_other_seeds(training: CandidateTraining, before: Candidate, seeds: int) -> Outcome:
    """Train the training as it is with other seeds, and return the outcome of the best of them.

    It is told by their mean, as the best of several is better by chance. They are cut short if a
    part of their training makes the verdict clear.

    Args:
        training: trains them.
        before: the training as it is.
        seeds: how many other seeds.
    """
    others = range(1, seeds + 1)
    training.train([(before, 0)])
    for share in (CLEAR, 1.0):
        training.train([(before, seed) for seed in others], share)
        own, *errors = (no_worse_than_constant(training.errors(before, s)) for s in (0, *others))
        comparison = compare([own], errors)
        learns = training.learns(errors)
        if comparison.helps and learns:
            break
    best = min(others, key=lambda seed: float(training.errors(before, seed).mean()))
    remedy = Remedy("another seed", "", lambda candidate, record: with_seed(candidate, best))
    candidate = dataclasses.replace(with_seed(before, best), name=remedy.name)
    return Outcome(remedy, candidate, comparison, seeds, learns=learns)


def with_seed(candidate: Candidate, added: int) -> Candidate:
    """Return the candidate with another seed, of its weights and of the order of samples."""
    seed = candidate.settings["seed"]
    change = Change("seed", str(seed), str(seed + added), "seed", seed + added)
    fit = {**candidate.fit, "shuffle_seed": candidate.fit["shuffle_seed"] + added}
    settings = {**candidate.settings, "seed": seed + added}
    return candidate.changed(change, settings=settings, fit=fit)
