"""Mutants: healthy networks of eleven kinds with one fault each, put in by some fifty operators.

`doctor/twins.py` has the networks, `doctor/operators.py` the operators and the categories that name
their faults. Each mutant and its healthy twin are trained with ten seeds on the same samples, and
judged by their error on test samples that neither `fit` nor the doctor sees. What counts was fixed
before any mutant was diagnosed:

- A mutant is *kept* if its errors are above its twin's beyond noise: p < 0.01 in Welch's one-sided
  t-test over the seeds and Cohen's d ≥ 0.5 (DeepCrime's measure), and by an amount that matters: a
  mean error above 1.1 × the twin's + 0.01. Errors are at most 2, and 2 after a divergence.
- A run of a kept mutant is *found* if it comes back with a fault, *named* if the category of its
  first root fault is among the operator's; *roots* are faults that follow from no other.
- A run is *poor*, as in `doctor_detection.py`, if its error is above 1.5 × its twin's mean + 0.02.
- A random sample of the first seed's poor runs is given to `gr.repair`, which compares on
  validation samples. One is *repaired* if half of what its error has above its twin's mean is gone.
- Only healthy twins count as sound. Mutants that are not kept are reported apart, since some of
  them are wrong, though it does no harm.

Rules were chosen by runs of the seeds 0 to 13, and what was missed with 14 to 18 was known when the
last were written, so seeds begin at 19, which no rule knows: a run of a seed from 19 on must never
be looked at while a rule is written. All networks are trained with the first five seeds before any
is with others, so that a run that is stopped is a whole measurement of fewer seeds (`--rounds`).
Outcomes are kept in the folder that GRADUS_DOCTOR_OUTCOMES names, if it does, so that an
interrupted run goes on.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
import numpy as np
from doctor_detection import interval

sys.path.insert(0, str(Path(__file__).resolve().parent / "doctor"))

if TYPE_CHECKING:
    from twins import Setup

SIGNIFICANT, EFFECT = 0.01, 0.5  # of Welch's p, and of Cohen's d
FACTOR, MARGIN = 1.1, 0.01  # the mean error of a kept mutant is above 1.1 × its twin's + 0.01
FOUND, NAMED, ROOTS = 0.95, 0.85, 1.5  # goals, as for the literature's programs
FIRST_SEED = 19  # rules were chosen by runs of those before
FEWEST = 5  # seeds that all networks are trained with before any is with more
REPAIRED = 30  # poor runs that a repair is tried on, which takes long
QUICK = ("rate × 30", "output ReLU", "hidden softmax")
Runs = list[dict[str, Any]]


def measure(options: Any) -> dict[str, Any]:
    """Train the healthy networks and all of their mutants; a round is a seed."""
    from operators import OPERATORS

    kept = os.environ.get("GRADUS_DOCTOR_OUTCOMES")
    folder = Path(kept or tempfile.mkdtemp(prefix="doctor-")) / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = list(QUICK if options.quick else OPERATORS)
    paths = {
        kind: folder / f"{kind}.json"
        for kind in (options.cases[:1] if options.quick else options.cases)
    }
    for rounds in sorted({min(FEWEST, options.rounds), options.rounds}):
        for kind, path in paths.items():
            train_all(kind, path, chosen, rounds)
    repair_some(paths, options.rounds)
    return {
        "source": f"seeds {FIRST_SEED} to {FIRST_SEED + options.rounds - 1}",
        "kinds": {
            kind: {
                name: shortened(record[name], options.rounds)
                for name in ("", *chosen)
                if name in record
            }
            for kind, record in ((kind, read(path)) for kind, path in paths.items())
        },
        "categories": {name: OPERATORS[name].categories for name in chosen},
    }


def read(path: Path) -> dict[str, Any]:
    """Return the outcomes of a network and its mutants, as far as they are known."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Keep the outcomes of a network and its mutants."""
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def train_all(kind: str, path: Path, operators: Iterable[str], rounds: int) -> None:
    """Train a network and its mutants with so many seeds, and keep the outcomes."""
    from operators import OPERATORS
    from twins import TWINS

    record = read(path)
    for name in ("", *operators):
        setup = OPERATORS[name].change(TWINS[kind]) if name else TWINS[kind]
        if setup is not None:
            began = time.perf_counter()
            record[name] = trained(setup, record.get(name, {}), rounds)
            write(path, record)
            common.say(f"{kind}: {name or 'healthy'}: {time.perf_counter() - began:.0f} s")


def trained(setup: Setup, known: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Return the outcome of each seed, by its number; those that are known are not trained again.

    What gradus refuses, it refuses with every seed.
    """
    found = dict(known)
    for seed in range(FIRST_SEED, FIRST_SEED + rounds):
        if str(seed) not in found and "prevented" not in found:
            run = common.plain(outcome(setup, seed))
            found |= run if "prevented" in run else {str(seed): run}
    return found


def outcome(setup: Setup, seed: int) -> dict[str, Any]:
    """Return the error of a training and what the doctor says of it, or why there was none."""
    from gradus.errors import GradusError

    parts = setup.parts(seed)
    try:
        model = setup.train(parts, seed)
    except GradusError as error:
        return {"prevented": f"{type(error).__name__}: {error}"}
    shown = ("code", "category", "severity", "cause", "layer", "evidence")
    return {
        "error": setup.error(model, parts),
        "epochs": model.history.epochs,
        "findings": [{name: getattr(each, name) for name in shown} for each in model.diagnose()],
    }


def repair_some(paths: Mapping[str, Path], rounds: int) -> None:
    """Repair `REPAIRED` of the first seed's poor runs of kept mutants, drawn from all networks.

    GANs, which `gr.repair` refuses, and autoencoders are left out.
    """
    from scores import is_poor
    from twins import TWINS

    poor = []
    for kind in (kind for kind in paths if TWINS[kind].task not in ("points", "copies")):
        errors = {
            name: [runs[str(FIRST_SEED + number)]["error"] for number in range(rounds)]
            for name, runs in read(paths[kind]).items()
            if "prevented" not in runs
        }
        healthy = errors.pop("")
        mean = float(np.mean(healthy))
        poor += [
            (kind, name, mean)
            for name, of_mutant in errors.items()
            if rounds > 1 and is_poor(of_mutant[0], mean, False) and is_kept(of_mutant, healthy)
        ]
    for number in np.random.default_rng(0).permutation(len(poor))[:REPAIRED]:
        kind, name, mean = poor[number]
        record = read(paths[kind])
        run = record[name][str(FIRST_SEED)]
        if "repaired" not in run:
            run["repaired"] = repaired(kind, name, mean)
            write(paths[kind], record)
            common.say(f"{kind}: {name}: repaired {run['repaired']}")


def repaired(kind: str, name: str, healthy: float) -> bool:
    """Return whether repair mends the first seed's run of a mutant."""
    from operators import OPERATORS
    from twins import TWINS

    import gradus as gr

    setup = OPERATORS[name].change(TWINS[kind])
    parts = setup.parts(FIRST_SEED)
    model = setup.train(parts, FIRST_SEED)
    found = gr.repair(model, *parts.train, validation_data=parts.validation, seed=FIRST_SEED)
    error = setup.error(model, parts)
    after = error if found.model is None else setup.error(found.model, parts)
    return after <= error - 0.5 * (error - healthy)


def shortened(record: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Return what the tables need of the outcomes, in few lines, the seeds in their order.

    They are the errors; the root faults of all runs in a string, runs parted by ";"; the number of
    all notes; and, by number, whether the runs where that was tried were repaired.
    """
    if "prevented" in record:
        return {"prevented": record["prevented"]}
    runs = [record[str(FIRST_SEED + number)] for number in range(rounds)]
    return {
        "errors": [run["error"] for run in runs],
        "roots": ";".join(
            ",".join(
                f"{each['code']}/{each['category']}"
                for each in run["findings"]
                if each["severity"] == "fault" and each["cause"] is None
            )
            for run in runs
        ),
        "notes": sum(each["severity"] == "note" for run in runs for each in run["findings"]),
        "repaired": {
            str(number): run["repaired"]
            for number, run in enumerate(runs)
            if run.get("repaired") is not None
        },
    }


# --- scores -------------------------------------------------------------------------------------


def is_kept(errors: Sequence[float], healthy: Sequence[float]) -> bool:
    """Return whether a mutant is worse than its twin beyond noise, and by what matters."""
    more = float(np.mean(errors) - np.mean(healthy))
    if not np.mean(errors) > FACTOR * np.mean(healthy) + MARGIN:
        return False
    variance = (np.var(errors, ddof=1) + np.var(healthy, ddof=1)) / 2
    return welch(errors, healthy) < SIGNIFICANT and more >= EFFECT * float(np.sqrt(variance))


def welch(errors: Sequence[float], healthy: Sequence[float]) -> float:
    """Return p of Welch's t-test for errors above the healthy ones; 0 if neither vary."""
    from scipy.stats import t

    parts = [np.var(each, ddof=1) / len(each) for each in (errors, healthy)]
    if sum(parts) < 1e-12:
        return 0.0 if np.mean(errors) > np.mean(healthy) else 1.0
    of_each = zip(parts, (errors, healthy), strict=True)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(each) - 1) for part, each in of_each)
    return float(t.sf((np.mean(errors) - np.mean(healthy)) / np.sqrt(sum(parts)), freedom))


def mutants(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all mutants that were trained, with whether they are kept, and their runs."""
    found = []
    for kind, outcomes in result["kinds"].items():
        healthy = outcomes[""]["errors"]
        for name, outcome in outcomes.items():
            if name and "prevented" not in outcome:
                errors = outcome["errors"]
                kept = len(errors) > 1 and is_kept(errors, healthy)
                found.append({"kind": kind, "operator": name, "kept": kept})
                found[-1]["runs"] = runs_of(outcome, result["categories"][name], healthy)
    return found


def runs_of(outcome: Mapping[str, Any], right: Sequence[str], healthy: Sequence[float]) -> Runs:
    """Return each seed's run: its error, whether it is poor, found, and named, and its roots.

    Args:
        outcome: of a mutant.
        right: the categories that name its fault.
        healthy: the errors of its twin.
    """
    from scores import is_poor

    runs = []
    said = outcome["roots"].split(";")
    for number, (error, roots) in enumerate(zip(outcome["errors"], said, strict=True)):
        named = [root.partition("/") for root in roots.split(",") if root]
        runs.append(
            {
                "error": error,
                "poor": bool(is_poor(error, float(np.mean(healthy)), False)),
                "roots": [code for code, _, _ in named],
                "named": bool(named) and named[0][2] in right,
                "repaired": outcome["repaired"].get(str(number)),
            }
        )
    return runs


def share(runs: Runs, hit: Callable[[dict[str, Any]], Any]) -> float | None:
    """Return the percentage of runs that something holds for; None of no runs."""
    return 100 * sum(bool(hit(run)) for run in runs) / len(runs) if runs else None


# --- Markdown -----------------------------------------------------------------------------------


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables by operator, by network, and by both, and that of harmless mutants."""
    found = mutants(result)
    return {
        "doctor_mutants": by_operator(result, found),
        "doctor_mutants.kinds": by_kind(result, found),
        "doctor_mutants.matrix": matrix(result, found),
        "doctor_mutants.harmless": harmless(found),
    }


def scored(runs: Runs, goals: bool = False) -> list[Any]:
    """Return the cells of some runs of kept mutants: found, named, roots, and repaired if known."""
    cells = [
        common.goal(
            share(runs, lambda run: run["roots"]), 100 * FOUND if goals else None, unit="%"
        ),
        common.goal(
            share(runs, lambda run: run["named"]), 100 * NAMED if goals else None, unit="%"
        ),
        common.goal(
            sum(len(run["roots"]) for run in runs) / len(runs) if runs else None,
            ROOTS if goals else None,
            most=True,
        ),
    ]
    tried = [run for run in runs if run["repaired"] is not None]
    fixed = share(tried, lambda run: run["repaired"])
    return [*cells, common.goal(fixed, None, unit="%")]


HEADS = ("found", "named", "roots a run", "repaired")


def of(mutants: Iterable[Mapping[str, Any]]) -> Runs:
    """Return the runs of some mutants."""
    return [run for mutant in mutants for run in mutant["runs"]]


def by_operator(result: Mapping[str, Any], found: list[dict[str, Any]]) -> str:
    """Return the table of the operators."""
    kept = [mutant for mutant in found if mutant["kept"]]
    refused = Counter(
        name
        for outcomes in result["kinds"].values()
        for name, outcome in outcomes.items()
        if "prevented" in outcome
    )
    poor = [run for run in of(kept) if run["poor"]]
    total = f"{len(kept)} of {len(found)}"
    rows = [
        ["all kept", "", total, refused.total(), *scored(of(kept), goals=True), ""],
        [f"their {len(poor):,} poor runs of {len(of(kept)):,}", "", None, None, *scored(poor), ""],
    ]
    for name, right in result["categories"].items():
        mine = [mutant for mutant in found if mutant["operator"] == name]
        mine_kept = [mutant for mutant in mine if mutant["kept"]]
        if mine or refused[name]:
            count = f"{len(mine_kept)} of {len(mine)}"
            shown = ", ".join(f"`{category}`" for category in right)
            runs = of(mine_kept)
            rows.append([name, shown, count, refused[name], *scored(runs), said_first(runs)])
    heads = ["operator", "named by", "kept", "refused", *HEADS, "said first, how often"]
    return common.table(heads, rows)


def by_kind(result: Mapping[str, Any], found: list[dict[str, Any]]) -> str:
    """Return the table of the kinds of networks, with what is said of the healthy ones."""
    rows = []
    for kind, outcomes in result["kinds"].items():
        mine = [mutant for mutant in found if mutant["kind"] == kind]
        kept = [mutant for mutant in mine if mutant["kept"]]
        rows.append(
            [kind, *sound([outcomes[""]]), f"{len(kept)} of {len(mine)}", *scored(of(kept))]
        )
    healthy = [outcomes[""] for outcomes in result["kinds"].values()]
    kept = [mutant for mutant in found if mutant["kept"]]
    total = f"{len(kept)} of {len(found)}"
    rows.append(["all", None, *sound(healthy)[1:], total, *scored(of(kept))])
    heads = ["network", "healthy error", "healthy with a fault", "notes a run", "kept", *HEADS]
    return common.table(heads, rows)


def sound(outcomes: list[Any]) -> list[Any]:
    """Return the cells of healthy twins: error, faults, and notes a run."""
    errors = [error for outcome in outcomes for error in outcome["errors"]]
    alarms = sum(bool(said) for outcome in outcomes for said in outcome["roots"].split(";"))
    noted = sum(outcome["notes"] for outcome in outcomes)
    low, high = interval(alarms, len(errors))
    return [
        common.spread(float(np.mean(errors)), common.standard_error(errors), False),
        f"{alarms} of {len(errors)} ({100 * low:.1f} to {100 * high:.1f}%)",
        noted / len(errors),
    ]


def matrix(result: Mapping[str, Any], found: list[dict[str, Any]]) -> str:
    """Return the table of operators by networks: in how many runs a kept mutant is named."""
    kinds = list(result["kinds"])
    cells = {(mutant["operator"], mutant["kind"]): cell(mutant) for mutant in found}
    for kind, outcomes in result["kinds"].items():
        refused = (name for name, outcome in outcomes.items() if "prevented" in outcome)
        cells |= {(name, kind): "refused" for name in refused}
    rows = [
        [name, *(cells.get((name, kind)) for kind in kinds)]
        for name in result["categories"]
        if any((name, kind) in cells for kind in kinds)
    ]
    return common.table(["operator", *kinds], rows)


def cell(mutant: Mapping[str, Any]) -> str:
    """Return in how many runs a mutant is named, and, if that differs, in how many it is found."""
    named, found = (sum(bool(run[each]) for run in mutant["runs"]) for each in ("named", "roots"))
    if not mutant["kept"]:
        return "fine"
    return str(named) if named == found else f"{named} ({found})"


def harmless(found: list[dict[str, Any]]) -> str:
    """Return the table of what is said of mutants that are not kept, by operator."""
    rows = []
    for name in dict.fromkeys(mutant["operator"] for mutant in found):
        runs = of(m for m in found if m["operator"] == name and not m["kept"])
        hits = [run for run in runs if run["roots"]]
        if hits:
            rows.append([name, f"{len(hits)} of {len(runs)}", said_first(hits)])
    return common.table(["operator", "runs with a fault", "said first, how often"], rows)


def said_first(runs: Runs) -> str:
    """Return the first roots of some runs in words, with how often each was said."""
    said = Counter(
        f"{run['roots'][0]}{' (right)' if run['named'] else ''}" if run["roots"] else "nothing"
        for run in runs
    )
    return "; ".join(f"{word} {count} ×" for word, count in said.most_common())


if __name__ == "__main__":
    from twins import TWINS

    common.main(__doc__, measure, tables, rounds=10, cases=TWINS)
