"""Counterfactual trainings: which remedy helps, found in a few trainings of full length."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradus.diagnosis.record import Record
from gradus.doctor.candidate import Candidate
from gradus.doctor.candidate_training import CandidateTraining
from gradus.doctor.remedy import Remedy, together
from gradus.doctor.scores import Comparison, compare, no_worse_than_constant
from gradus.sweep.members.cost_model import COMPILE_SECONDS

FINALISTS = 3  # remedies at most that are trained in full length
CLEAR = 0.34  # the share of its epochs after which another seed may have made the verdict clear
SHORTEST = 0.1  # the least share of its epochs after which a candidate is judged
PROGRAMS = 2 / 3  # of the budget: how many are compiled at most
LEAST = 3  # remedies at least that are tried, whatever the budget
PAIRS = 6  # remedies at most that are tried on top of the best one
DOUBLINGS = 2  # of the seeds at most, where they cannot tell

Tried = tuple[Remedy, Candidate]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a remedy.

    Attributes:
        remedy: the remedy.
        candidate: the training with it.
        comparison: with the training as it is, on validation samples.
        seeds: how many seeds were compared, the first in full length; 0 if only the first part of
            that was trained, which showed that other remedies are better.
        failure: why it could not be trained; "" if it could.
        learns: whether it learns what a constant prediction does not tell; looked at only where
            labels are doubted.
    """

    remedy: Remedy
    candidate: Candidate
    comparison: Comparison
    seeds: int = 0
    failure: str = ""
    learns: bool = True

    @property
    def helps(self) -> bool:
        """Whether the training is better with it, beyond the noise of several seeds."""
        return self.seeds > 1 and self.comparison.helps and self.learns

    @property
    def is_doubtful(self) -> bool:
        """Whether more seeds may show that it helps: its gain is larger than one standard error."""
        return not self.helps and self.comparison.gain > self.comparison.noise


def try_remedies(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[Tried],
    budget: float,
    seeds: int,
    record: Record,
    pairs: bool = False,
) -> list[Outcome]:
    """Train candidates side by side, and return what became of them, the best first.

    All are trained for a part of their epochs, the best ones in full length, and one after another
    of these beside the training as it is with all seeds, while the budget lasts. One that shows no
    gain to speak of with its first seed gets no more. Several remedies together are the best only
    if each of them helps on top of the others.

    Args:
        training: trains them.
        before: the training without them.
        remedies: the remedies, the likeliest first, and the candidates that they make.
        budget: how many trainings of full length all may take together; so many times `PROGRAMS`
            programs are compiled.
        seeds: how many seeds the last comparison has; up to four times as many where these cannot
            tell.
        record: of the training without them.
        pairs: whether others are tried on top of the best one, too.
    """
    programs = PROGRAMS * budget
    remedies = _of_few_programs(training, [before], remedies, programs - pairs)
    if not remedies:
        return []
    plan = _plan(training, before, remedies, budget, seeds, pairs)
    remedies = remedies[: plan.remedies]
    outcomes = compare_remedies(training, before, remedies, plan.share)
    if pairs and outcomes[0].comparison.gain > 0:
        known = [before, *(candidate for _, candidate in remedies)]
        both = _of_few_programs(training, known, _on_top(outcomes, before, record), programs)
        remedies = [*remedies, *both[: plan.pairs]]
        outcomes = compare_remedies(training, before, remedies, plan.share)
    chosen = _finalists(outcomes, remedies[0][1], plan.finalists)
    finals = [each for each in remedies if each[1] in chosen]  # the likelier ones first
    compared = _confirm_all(training, before, finals, plan, seeds)
    if helping := [each for each in compared if each.helps]:
        best = functools.reduce(lambda one, other: _better(training, one, other), helping)
        parted = _without_parts(training, before, best, record, remedies, plan)
        known = [each.candidate for each in parted]
        compared = [*parted, *(each for each in compared if each.candidate not in known)]
    shown = [each.candidate for each in compared]
    return [*compared, *(each for each in outcomes if each.candidate not in shown)]


class Plan(NamedTuple):
    """What a budget is spent on.

    Attributes:
        epochs: how many all trainings may have together.
        remedies: how many are tried.
        pairs: how many are tried on top of the best one.
        share: of its epochs, for which each of these is trained.
        finalists: how many are trained in full length.
    """

    epochs: float
    remedies: int
    pairs: int
    share: float
    finalists: int


def _plan(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[Tried],
    budget: float,
    seeds: int,
    with_pairs: bool,
) -> Plan:
    """Divide a budget into short trainings, those of full length, and those with other seeds."""
    epochs = before.fit["epochs"]
    # Trainings cost nothing to speak of until they take as long as compiling their program.
    trainings = max(budget, COMPILE_SECONDS / max(training.seconds(before), 1e-6))
    spare = trainings - 1 - 2 * (seeds - 1) * CLEAR  # without the one as it is, and other seeds
    finalists = int(np.clip(spare / 1.5, 1, FINALISTS))
    shortest = max(SHORTEST, 1 / epochs)
    room = (spare - finalists) / shortest  # for so many short trainings
    pairs = int(np.clip(room / 3, 1, PAIRS)) if with_pairs else 0
    count = max(LEAST, int(room) - pairs)
    length = sum(candidate.fit["epochs"] for _, candidate in remedies[:count]) / epochs + pairs
    share = float(np.clip((spare - finalists) / length, shortest, 1.0))
    return Plan(trainings * epochs, count, pairs, share, finalists)


def _confirm_all(
    training: CandidateTraining,
    before: Candidate,
    finals: Sequence[Tried],
    plan: Plan,
    seeds: int,
) -> list[Outcome]:
    """Train candidates in full, and with several seeds as far as they gain and the plan allows."""
    compared = compare_remedies(training, before, finals, seeds=1)
    for index, each in enumerate(compared):
        if not each.comparison.helps and (each.comparison.gain <= 0 or each.comparison.is_equal):
            continue
        remedy = each.remedy, each.candidate
        for doublings in range(1 + DOUBLINGS):
            compared[index] = confirm(training, before, remedy, seeds * 2**doublings)
            if not compared[index].is_doubtful or training.trained_epochs >= plan.epochs:
                break
        if training.trained_epochs >= plan.epochs:
            break
    return compared


def _better(training: CandidateTraining, one: Outcome, other: Outcome) -> Outcome:
    """Return the better one of two remedies that help.

    The first is kept unless the other is better by a standard error (Breiman et al.,
    "Classification and regression trees", 1984). Of fewer changes and more, the more must be better
    by as much as helps.
    """
    if len(other.remedy.parts) < len(one.remedy.parts):
        one, other = other, one
    seeds = range(min(one.seeds, other.seeds))
    errors = [[training.errors(o.candidate, seed) for seed in seeds] for o in (one, other)]
    comparison = compare(*errors)
    has_more = len(other.remedy.parts) > len(one.remedy.parts)
    is_better = comparison.helps if has_more else comparison.gain > comparison.noise
    return other if is_better else one


def _without_parts(
    training: CandidateTraining,
    before: Candidate,
    best: Outcome,
    record: Record,
    remedies: Sequence[Tried],
    plan: Plan,
) -> list[Outcome]:
    """Return the best remedy without those of its parts that add nothing to the others.

    One after another is left out, as far as the plan allows, and the training is compared with that
    of all. What was trained for it follows in the list.
    """
    known = {frozenset(map(str, made.changes)): (remedy, made) for remedy, made in remedies}
    outcomes: list[Outcome] = []
    while len(best.remedy.parts) > 1 and training.trained_epochs < plan.epochs:
        fewer = [_fewer(best.remedy, part, before, record, known) for part in best.remedy.parts]
        own = compare_remedies(training, before, fewer, seeds=1)
        equal = []
        for index, each in enumerate(own):
            if not each.comparison.helps or beats(training, best.candidate, each.candidate):
                continue
            remedy = each.remedy, each.candidate
            own[index] = confirm(training, before, remedy, best.seeds)
            if own[index].helps and not _adds(training, each.candidate, best):
                equal.append(own[index])
        outcomes = [*own, *outcomes]
        if not equal:
            break
        outcomes.append(best)
        best = min(equal, key=lambda each: each.comparison.after)
        outcomes.remove(best)
    return [best, *outcomes]


def _fewer(
    remedy: Remedy,
    part: Remedy,
    before: Candidate,
    record: Record,
    known: Mapping[frozenset[str], Tried],
) -> Tried:
    """Return a remedy without one of its parts, and the candidate, the known one if there is."""
    rest = [each for each in remedy.parts if each is not part]
    fewer = together(rest) if len(rest) > 1 else rest[0]
    made = fewer.apply(before, record)
    tried = known.get(frozenset(map(str, made.changes)))
    return tried or (fewer, dataclasses.replace(made, name=fewer.name))


def _adds(training: CandidateTraining, fewer: Candidate, best: Outcome) -> bool:
    """Whether the best remedy is better than a part of it, beyond noise, after full trainings."""
    both, seeds = (fewer, best.candidate), range(best.seeds)
    training.train([(candidate, seed) for candidate in both for seed in seeds])
    errors = [
        [no_worse_than_constant(training.errors(candidate, seed)) for seed in seeds]
        for candidate in both
    ]
    return compare(*errors).helps


def _of_few_programs(
    training: CandidateTraining, known: Sequence[Candidate], remedies: Sequence[Tried], most: float
) -> list[Tried]:
    """Return the remedies, without those that need more programs than `most`.

    Compiling one takes as long as many trainings.

    Args:
        training: trains them.
        known: the candidates whose programs count as well.
        remedies: the remedies, those to keep first.
        most: how many programs all may have.
    """
    programs = {training.program(candidate) for candidate in known}
    kept = []
    for remedy, candidate in remedies:
        program = training.program(candidate)
        if program in programs or len(programs) < most:
            programs.add(program)
            kept.append((remedy, candidate))
    return kept


def _on_top(outcomes: Sequence[Outcome], before: Candidate, record: Record) -> list[Tried]:
    """Return the best remedy together with each of the next ones that change something else."""
    best, *others = outcomes
    changed = {change.where for change in best.candidate.changes}
    others = [each for each in others if not each.failure]
    known = {frozenset(map(str, outcome.candidate.changes)) for outcome in outcomes}
    made: list[Tried] = []
    for other in others:
        if changed & {change.where for change in other.candidate.changes}:
            continue
        both = together([*(best.remedy.parts or (best.remedy,)), other.remedy])
        candidate = both.apply(before, record)
        if frozenset(map(str, candidate.changes)) not in known:
            made.append((both, dataclasses.replace(candidate, name=both.name)))
    return made


def _finalists(outcomes: Sequence[Outcome], likeliest: Candidate, count: int) -> list[Candidate]:
    """Return the candidates to train in full: the best, and the likeliest if it helps at all."""
    best = [each.candidate for each in outcomes[:count]]
    helping = [each.candidate for each in outcomes if each.comparison.helps]
    if count > 1 and likeliest in helping and likeliest not in best:
        best[-1] = likeliest
    return best


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence for each remedy that could not be trained, and why."""
    return [
        f"Not tried: {each.candidate.name}. {each.failure}" for each in outcomes if each.failure
    ]


def confirm(training: CandidateTraining, before: Candidate, remedy: Tried, seeds: int) -> Outcome:
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
    training: CandidateTraining, before: Candidate, remedy: Tried, seeds: int
) -> Outcome:
    """Return the outcome of a remedy, as far as it and the training without it are trained.

    Of several seeds, none counts as worse than a constant prediction: how much worse one is that
    failed would decide the noise.
    """
    errors = [
        [training.errors(candidate, seed) for seed in range(max(seeds, 1))]
        for candidate in (before, remedy[1])
    ]
    if seeds > 1:
        errors = [[no_worse_than_constant(each) for each in of_seeds] for of_seeds in errors]
    failure = training.failure(remedy[1])
    return Outcome(*remedy, compare(*errors), seeds, failure, training.learns(errors[1]))


def compare_remedies(
    training: CandidateTraining,
    before: Candidate,
    remedies: Sequence[Tried],
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
