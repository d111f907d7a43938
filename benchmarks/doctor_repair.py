"""How often `gr.repair` mends the literature's faulty programs, by how much, and at what price.

A case of `doctor/cases.py` is mendable if it comes out poor, its twin without the fault learns,
and its fault is not in its labels alone, which gradus never changes. Its validation samples are
divided: `gr.repair` compares on one half, and what it recommends is judged on the other. It helped
if the error there is smaller by two standard errors over three seeds: the first ones from 2 to
`LAST` with which the program comes out poor, as with others there is nothing to mend; a case that
does well with 2, 3, and 4 is left out. Most rules were chosen by seeds 0 and 1; others tell. Both
the program's own training and the repair begin without a compiled program.

The control is a random search of the same remedies, singly and in pairs, with as many trainings of
full length: it draws from `POOL` of them, which are all trained once, `REPEATS` times, and keeps
what is best on the first half.

Outcomes are kept in the folder that GRADUS_REPAIR_OUTCOMES names, if it does; which cases come out
poor is read from that of `doctor_detection.py`, GRADUS_DOCTOR_OUTCOMES, where it is known.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import common
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "doctor"))

CALIBRATED, LAST = 2, 6  # seeds from 0 that rules were chosen by; the last one that tells
MENDED, TIMES = 0.9, 3.0  # goals: the share that helped; times of one training at most
POOL, REPEATS = 12, 20  # remedies that the random search draws from; how often it is repeated
# Cases with convolutions or 20 layers, whose trainings take half a minute each, are left out.
SLOW = ("TDC-baseCNN", "UMLAUT", "IPS-1", "IPS-4", "SO-48594888", "SO-44164749", "AT-motiv", "GH-F")
FAST = ("IPS-12", "IPS-13", "IPS-14")  # which begin as some of them do
QUICK = ("SO-51181393", "ATC-Circle-0ae2cd88")


def measure(options: Any) -> dict[str, Any]:
    """Repair every mendable case with every seed, and gather what came of it."""
    from cases import read_cases

    folder = Path(os.environ.get("GRADUS_REPAIR_OUTCOMES") or tempfile.mkdtemp(prefix="repair-"))
    folder.mkdir(parents=True, exist_ok=True)
    known = read_cases()
    outcomes: dict[str, list[Any]] = {}
    for name in QUICK if options.quick else known:
        for seed in range(CALIBRATED, LAST + 1):
            poor = sum("left_out" not in each for each in outcomes.get(name, ()))
            if poor == options.rounds or (not poor and seed == CALIBRATED + options.rounds):
                break
            path = folder / f"{name}-{seed}.json"
            if not path.is_file():
                path.write_text(json.dumps(common.plain(repaired(known[name], seed))))
            found = json.loads(path.read_text())
            outcomes.setdefault(name, []).append(found)
            common.say(f"{name} seed {seed}: {found}")
            if found.get("left_out", "it does well") != "it does well":
                break
    return {"outcomes": outcomes}


def repaired(case: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Train a case, repair it, and return errors, seconds, and those of random searches."""
    from cases import Prevented, program

    import gradus as gr
    from gradus.doctor.proving import BUDGET

    made = program(case, seed)
    if isinstance(made, Prevented):
        return {"left_out": f"prevented ({made.reason})"}
    if reason := not_mendable(made, seed, case):
        return {"left_out": reason}
    data = made.data
    chosen, judged = halves(len(data.x_val), seed)
    parts = (data.x_val[chosen], data.y_val[chosen])
    forget_programs()
    model = made.build()
    began = time.perf_counter()
    model.fit(data.x, data.y, validation_data=parts, verbose=False, **made.fit)
    plain = time.perf_counter() - began
    began = time.perf_counter()
    found = gr.repair(model, data.x, data.y, validation_data=parts, seed=seed, budget=BUDGET)
    seconds = time.perf_counter() - began
    control = Control(model, data, parts, seed)
    before = control.judge(model, data.x_val[judged], data.y_val[judged])
    after = (
        before
        if found.model is None
        else control.judge(found.model, data.x_val[judged], data.y_val[judged])
    )
    draws = max(1, round(found.trainings))
    return {
        "helped": found.helped,
        "before": before,
        "after": after,
        "remedy": found.outcomes[0].candidate.name if found.outcomes else "",
        "trainings": found.trainings,
        "times": seconds / plain,
        "plain": plain,
        "random": control.random_gains(draws, judged, before),
    }


def not_mendable(made: Any, seed: int, case: Mapping[str, Any]) -> str:
    """Return why a case is no mendable one, or ""."""
    import train_cases

    if made.id.startswith(SLOW) and made.id not in FAST:
        return "a training takes half a minute"
    if made.healthy or not made.categories:
        return "published as healthy"
    if made.categories <= {"labels"}:
        return "its labels are wrong"
    path = Path(os.environ.get("GRADUS_DOCTOR_OUTCOMES", ""), f"{made.id}.json")
    known = json.loads(path.read_text())["seeds"] if path.is_file() else {}
    outcome = known.get(str(seed)) or train_cases.measure(case, seed)
    if not outcome.get("poor"):
        return "it does well"
    return "its twin fails" if outcome.get("twin_failed") else ""


def forget_programs() -> None:
    """Have JAX compile all programs anew, as in a process whose cache has none of them."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    jax.clear_caches()
    jax.config.update("jax_compilation_cache_dir", tempfile.mkdtemp(prefix="programs-"))
    compilation_cache.reset_cache()


def halves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to compare on, and those to judge by."""
    rows = np.random.default_rng(seed).permutation(count)
    return np.sort(rows[: count // 2]), np.sort(rows[count // 2 :])


class Control:
    """Random searches of the remedies of a program.

    Args:
        model: the trained program.
        data: its data.
        parts: the validation samples to compare on.
        seed: of everything random.
    """

    def __init__(self, model: Any, data: Any, parts: tuple[Any, Any], seed: int) -> None:
        from gradus.doctor.candidate import make_candidate, make_data
        from gradus.doctor.candidate_training import CandidateTraining
        from gradus.doctor.catalog import candidates_for

        self.data, self.rng = data, np.random.default_rng(seed)
        original = make_candidate(model, make_data(model, data.x, data.y, parts, seed), seed)
        self.training = CandidateTraining(original, model.record)
        singles = candidates_for(original, model.record, model.diagnose(), notes=True)
        pairs = [
            dataclasses.replace(both, name=f"{one.name}, {other.name}")
            for one, candidate in singles
            for other, _ in singles
            if other.code != one.code
            and (both := other.apply(candidate, model.record)) is not candidate
        ]
        every = [candidate for _, candidate in singles] + pairs
        picked = self.rng.permutation(len(every))[:POOL]
        self.pool = [every[index] for index in sorted(picked)]

    def judge(self, model: Any, x: Any, y: Any) -> float:
        """Return the error of a model on some samples."""
        from gradus.doctor.scores import sample_errors

        errors = sample_errors(model.task, self.training.kinds, model.predict(x), y, self.data.y)
        return min(float(errors.mean()), 1.0)  # no worse than a constant, as for classes

    def random_gains(self, draws: int, judged: np.ndarray, before: float) -> list[float]:
        """Return the gain of each of the random searches on the samples to judge by."""
        if not self.pool:
            return [0.0] * REPEATS
        self.training.train([(candidate, 0) for candidate in self.pool])
        chosen = np.array([self.training.errors(each, 0).mean() for each in self.pool])
        x, y = self.data.x_val[judged], self.data.y_val[judged]
        finite = np.isfinite(chosen)
        final = [
            self.judge(self.training.model(each, 0), x, y) if known else before
            for each, known in zip(self.pool, finite, strict=True)
        ]
        gains = []
        for _ in range(REPEATS):
            drawn = self.rng.choice(len(self.pool), draws)
            best = drawn[np.argmin(np.where(finite, chosen, np.inf)[drawn])]
            gains.append(before - final[best])
        return gains


# --- Markdown -----------------------------------------------------------------------------------


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the table of the scores, and that of the cases."""
    mendable = {
        name: [each for each in found if "left_out" not in each]
        for name, found in result["outcomes"].items()
    }
    runs = {name: found for name, found in mendable.items() if found}
    heads = ["cases", "mended", "gain", "gain of random search", "better in", "times of a training"]
    cases = [
        [
            name,
            common.number(np.mean([each["before"] for each in found])),
            common.number(np.mean([each["after"] for each in found])),
            "yes" if is_mended(found) else "no",
            "; ".join(dict.fromkeys(each["remedy"] for each in found)),
            common.number(np.median([each["times"] for each in found])),
        ]
        for name, found in runs.items()
    ]
    return {
        "doctor_repair": common.table(heads, [summary(runs)]) if runs else "nothing was mendable",
        "doctor_repaired_cases": common.table(
            ["case", "error", "repaired", "mended", "what helped", "times"], cases
        ),
    }


def is_mended(found: list[Mapping[str, Any]]) -> bool:
    """Whether a case is better beyond two standard errors over its seeds."""
    gains = np.array([each["before"] - each["after"] for each in found])
    if len(gains) == 1:
        return bool(gains[0] > 0 and found[0]["helped"])
    return bool(gains.mean() > 2 * gains.std(ddof=1) / len(gains) ** 0.5)


def summary(runs: Mapping[str, Any]) -> list[Any]:
    """Return the row of all cases."""
    flat = [each for found in runs.values() for each in found]
    gains = np.array([each["before"] - each["after"] for each in flat])
    random = np.array([np.mean(each["random"]) for each in flat])
    differences = np.array(
        [
            np.mean([e["before"] - e["after"] - np.mean(e["random"]) for e in f])
            for f in runs.values()
        ]
    )
    error = differences.std(ddof=1) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    mended = sum(is_mended(found) for found in runs.values()) / len(runs)
    return [
        len(runs),
        common.goal(100 * mended, 100 * MENDED, unit="%"),
        common.number(gains.mean()),
        f"{common.number(random.mean())} ({differences.mean():+.3f} ± {1.96 * error:.3f})",
        f"{np.mean(gains > random):.0%} of the trainings",
        common.goal(float(np.median([each["times"] for each in flat])), TIMES, most=True),
    ]


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=3)
