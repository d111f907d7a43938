"""Successive halving and Hyperband: many trials for few epochs, few trials for many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.rng import host_rng
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import WAITING, Trial
from gradus.sweep.strategies.base import Strategy, rank_by_score

# Earlier rungs chose less well: measured on digits, random trials of an MLP over 27 epochs.
HALVINGS = 2


class SuccessiveHalving(Strategy):
    """Trains all trials a little, the best 1/`factor` of them `factor` times as far, and so on.

    The rungs are at the epochs `start`, `start · factor`, `start · factor²`, … up to a trial's
    last. At each, the best 1/`factor` of the trials that came to the rung before train on from
    where they stand, at least one; the others end there with the status "stopped". Trials that
    ended by themselves (of fewer `epochs`, or by `patience`) are compared with the others by
    their score, and those that diverged leave.

    With `factor` η, n trials and last epoch R this takes about n · start · log(R / start) / log η
    epochs instead of n · R.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
    optimization".

    Args:
        factor: above 1; how many trials there are for each that trains on.
        start: the epoch of the first rung; by default the last epoch / `factor`² (with 3 about a
            quarter of the work of a full sweep), or later if there are fewer than `factor`² trials.

    Raises:
        GradusError: for a factor or a start that cannot be.
    """

    def __init__(self, factor: float = 3, start: int | None = None) -> None:
        self.factor = _factor(factor)
        self.start = None if start is None else whole_number("start", start, 1)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train trials from rung to rung, fewer and fewer."""
        if self.start is not None:
            halve(runner, trials, self.factor, self.start)
            return
        last = runner.max_epochs(trials)
        halvings = min(HALVINGS, _powers(self.factor, last), _powers(self.factor, len(trials)))
        halve(runner, trials, self.factor, last / self.factor**halvings)


class Hyperband(Strategy):
    """Successive halving from several starts: a hedge where early epochs say little of late ones.

    The trials are dealt out at random to brackets s = S, …, 0, where S = ⌊log R / log η⌋ for a
    last epoch R and `factor` η. Bracket s has its first rung at epoch R · η⁻ˢ, and a share of the
    trials in proportion to ηˢ / (s + 1), so that all brackets train about as much; in bracket 0
    every trial is trained to its end.

    Source: Li et al. 2017, "Hyperband: a novel bandit-based approach to hyperparameter
    optimization".

    Args:
        factor: as in `SuccessiveHalving`.

    Raises:
        GradusError: for a factor that cannot be.
    """

    def __init__(self, factor: float = 3) -> None:
        self.factor = _factor(factor)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train the trials bracket after bracket."""
        last = runner.max_epochs(trials)
        for rungs, bracket in enumerate(self._brackets(runner, trials, last)):
            halve(runner, bracket, self.factor, last / self.factor**rungs)

    def _brackets(
        self, runner: TrialRunner, trials: Sequence[Trial], last: int
    ) -> Iterator[list[Trial]]:
        """Yield the trials of each bracket, from that without rungs to that of the most."""
        # A grid's neighbours are alike, so that the first hundred are no sample of it.
        mixed = host_rng(runner.seed, "brackets", str(trials[0].number)).permutation(len(trials))
        shares = [self.factor**s / (s + 1) for s in range(_powers(self.factor, last) + 1)]
        begun = 0
        for place in range(len(shares)):
            end = round(len(trials) * sum(shares[: place + 1]) / sum(shares))
            yield [trials[index] for index in sorted(mixed[begun:end])]
            begun = end


def halve(runner: TrialRunner, trials: Sequence[Trial], factor: float, start: float) -> None:
    """Train trials from rung to rung, the first at the epoch `start`, until each has ended."""
    left, rung, before = list(trials), start, 0
    while left:
        if round(rung) > before:
            before = round(rung)
            runner.train_until(left, before)
            left = _survivors(runner, left, max(1, int(len(left) / factor)))
        rung *= factor


def _survivors(runner: TrialRunner, trials: Sequence[Trial], places: int) -> list[Trial]:
    """Return those of the best trials that can train on, and end the others."""
    ordered = rank_by_score(runner, trials)
    runner.stop_trials(trial for trial in ordered[places:] if trial.status == WAITING)
    return [trial for trial in ordered[:places] if trial.status == WAITING]


def _powers(factor: float, number: float) -> int:
    """Return the largest power of `factor` that is not above a number."""
    power = 0
    while factor ** (power + 1) <= number:
        power += 1
    return power


def _factor(factor: float) -> float:
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 1:
        raise GradusError(f"factor={factor!r}: write a number above 1, such as 3.")
    return factor
