"""Successive halving and Hyperband: many trials for few epochs, few trials for many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradus.checks import whole_number
from gradus.errors import GradusError
from gradus.foreign_names.arguments import explain_methods
from gradus.rng import host_rng
from gradus.sweep.execution.trial_runner import TrialRunner
from gradus.sweep.search.trial import Trial
from gradus.sweep.strategies.base import Strategy, rank_by_score

# Earlier rungs selected worse: measured on digits, random trials of an MLP over 27 epochs.
HALVINGS = 2


@explain_methods
class SuccessiveHalving(Strategy):
    """Trains all trials a little, the best 1/`factor` of them `factor` times as long, and so on.

    The rungs are at the epochs `start`, `start · factor`, `start · factor²`, … up to a trial's last
    epoch. At each rung the best 1/`factor` of the trials that reached it, but at least one,
    continue; the others end with the status "stopped". Trials that have finished (with fewer
    `epochs` or by `patience`) still compete with their scores; diverged trials are out.

    With `factor` η, n trials and last epoch R this takes about n · start · log(R / start) / log η
    epochs instead of n · R.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
    optimization".

    Args:
        factor: the reduction factor, above 1.
        start: the epoch of the first rung; by default the last epoch / `factor`² (with 3 about a
            quarter of the work of a full sweep), or later if there are fewer than `factor`² trials.

    Raises:
        GradusError: for an invalid factor or start.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.choice(0.001, 0.01, 0.1)))
        >>> sweep = gr.Sweep(model, search="grid", strategy=gr.SuccessiveHalving(3, start=2))
        >>> sweep = sweep.fit(x, 2 * x, epochs=6, verbose=False)
        >>> [(trial.epochs, trial.status) for trial in sweep.trials]
        [(2, 'stopped'), (2, 'stopped'), (6, 'finished')]
    """

    def __init__(self, factor: float = 3, start: int | None = None) -> None:
        self.factor = _checked_factor(factor)
        self.start = None if start is None else whole_number("start", start, 1)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train fewer and fewer trials from rung to rung."""
        if self.start is not None:
            halve(runner, trials, self.factor, self.start)
            return
        last = runner.max_epochs(trials)
        halvings = min(
            HALVINGS, _floor_log(self.factor, last), _floor_log(self.factor, len(trials))
        )
        halve(runner, trials, self.factor, last / self.factor**halvings)


@explain_methods
class Hyperband(Strategy):
    """Successive halving with several first rungs, in case early scores predict late ones badly.

    The trials are assigned at random to brackets s = S, …, 0, where S = ⌊log R / log η⌋ for a last
    epoch R and `factor` η. Bracket s has its first rung at epoch R · η⁻ˢ and a fraction of the
    trials proportional to ηˢ / (s + 1), so that all brackets train about equally long; bracket 0
    trains every trial to its last epoch.

    Source: Li et al. 2017, "Hyperband: a novel bandit-based approach to hyperparameter
    optimization".

    Args:
        factor: as in `SuccessiveHalving`.

    Raises:
        GradusError: for an invalid factor.

    Examples:
        >>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
        >>> model = gr.Model(gr.Dense(1), "mse", gr.SGD(gr.log_uniform(1e-4, 1e-1)))
        >>> sweep = gr.Sweep(model, trials=8, strategy=gr.Hyperband(3))
        >>> sweep = sweep.fit(x, 2 * x, epochs=3, verbose=False)
        >>> sorted({trial.epochs for trial in sweep.trials})
        [1, 3]
    """

    def __init__(self, factor: float = 3) -> None:
        self.factor = _checked_factor(factor)

    def run(self, runner: TrialRunner, trials: Sequence[Trial]) -> None:
        """Train the brackets one after another."""
        last = runner.max_epochs(trials)
        for rungs, bracket in enumerate(self._brackets(runner, trials, last)):
            halve(runner, bracket, self.factor, last / self.factor**rungs)

    def _brackets(
        self, runner: TrialRunner, trials: Sequence[Trial], last: int
    ) -> Iterator[list[Trial]]:
        """Yield the trials of each bracket, from the one without rungs to the one with the most."""
        # Neighbors in a grid are similar, so the brackets are random samples.
        shuffled = host_rng(runner.seed, "brackets", str(trials[0].number)).permutation(len(trials))
        shares = [self.factor**s / (s + 1) for s in range(_floor_log(self.factor, last) + 1)]
        start = 0
        for index in range(len(shares)):
            end = round(len(trials) * sum(shares[: index + 1]) / sum(shares))
            yield [trials[number] for number in sorted(shuffled[start:end])]
            start = end


def halve(runner: TrialRunner, trials: Sequence[Trial], factor: float, start: float) -> None:
    """Train trials from rung to rung, the first at the epoch `start`, until each has ended."""
    remaining, rung, trained = list(trials), start, 0
    while remaining:
        if round(rung) > trained:
            trained = round(rung)
            runner.train_until(remaining, trained)
            remaining = _survivors(runner, remaining, max(1, int(len(remaining) / factor)))
        rung *= factor


def _survivors(runner: TrialRunner, trials: Sequence[Trial], count: int) -> list[Trial]:
    """Return the best trials that can continue; stop the others."""
    ordered = rank_by_score(runner, trials)
    runner.stop_trials(trial for trial in ordered[count:] if not trial.ended)
    return [trial for trial in ordered[:count] if not trial.ended]


def _floor_log(factor: float, number: float) -> int:
    """Return the largest exponent with which a power of `factor` is at most `number`."""
    power = 0
    while factor ** (power + 1) <= number:
        power += 1
    return power


def _checked_factor(factor: float) -> float:
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 1:
        raise GradusError(f"factor={factor!r}: write a number above 1, such as 3.")
    return factor
