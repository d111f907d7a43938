"""Seconds of a whole sweep, from an already imported process to the best model.

Compilation included, with gradus's compilation cache empty and filled. Four sweeps:

- digits: MLP 64-64-10, 256 trials over rate, momentum, dropout, penalty and seed, 30 epochs;
- mnist: MLP 784-128-64-10, 16 trials over Adam's rate, 3 epochs of 50,000 images, batch 128;
- mixed: 3 widths × 3 activations × 3 optimizers × rate, dropout and penalty, 256 trials, 10 epochs
  of the digits;
- cnn: 16 small CNNs over Adam's rate, an epoch of 10,000 images.

Every sweep runs in its own process, and every round draws new settings: a filled cache holds what
a previous sweep over other settings left. Slow peers run only a part of the trials, and their
seconds are scaled up; the table says so. Goals: see `GOALS`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import common
import sweep_cases
import sweep_peers
from sweep_cases import CASES

QUICK_TRIALS, QUICK_ROWS = 4, 640
FILLED_BY, TUNED_BY = 999, 998  # seeds of the trials that fill caches and choose settings


class Entry(NamedTuple):
    """A participant: a peer of `sweep_peers.py` and how it runs.

    Attributes:
        peer: its name there.
        settings: its fixed settings.
        filled: whether its compilation cache is filled; except for gradus that is JAX's cache,
            enabled.
        part: how many trials it runs; all if None.
        tuned: how many trials each of its candidates runs beforehand.
        without: what it lacks, for the table.
    """

    peer: str
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed
    filled: bool = False
    part: int | None = None
    tuned: int = 0
    without: str = ""


EMPTY, FILLED, ALONE = "gradus, empty cache", "gradus, filled cache", "gradus one after another"
TORCH, KERAS, SKLEARN = "Optuna + PyTorch", "Keras (JAX)", "scikit-learn"
SCAN, SCAN2 = "scan by hand, one thread", "scan by hand, two threads"
OURS = {EMPTY: Entry("gradus"), FILLED: Entry("gradus", filled=True)}
LACKS = "no dropout"

ENTRIES: dict[str, dict[str, Entry]] = {
    "digits": {
        **OURS,
        TORCH: Entry(TORCH, part=64, tuned=8),
        SKLEARN: Entry(SKLEARN, part=64, without=LACKS),
        KERAS: Entry(KERAS, filled=True, part=8, tuned=2),
        SCAN: Entry("scan by hand", filled=True, tuned=32),
        SCAN2: Entry("scan by hand, two threads", filled=True, tuned=32),
    },
    "mnist": {
        **OURS,
        ALONE: Entry(ALONE, filled=True),
        TORCH: Entry(TORCH, tuned=2),
        KERAS: Entry(KERAS, filled=True, tuned=4),
    },
    "mixed": {
        **OURS,
        TORCH: Entry(TORCH, part=108, tuned=8),
        SKLEARN: Entry(SKLEARN, part=108, without=f"{LACKS}, no RMSprop"),
        KERAS: Entry(KERAS, filled=True, part=27, tuned=3),
    },
    "cnn": {
        FILLED: Entry("gradus", filled=True),
        ALONE: Entry(ALONE, filled=True),
        **{
            f"gradus, width {width}": Entry("gradus", {"width": width}, filled=True)
            for width in (1, 2, 4)
        },
    },
}
# Speedup over the fastest of some others, with an empty and a filled cache.
GOALS: dict[str, list[Any]] = {
    "digits": [((TORCH, SKLEARN, KERAS), 8, 12), ((SCAN,), None, 1.5), ((SCAN2,), None, 1.5)],
    "mnist": [((TORCH, KERAS), 3, 3), ((ALONE,), None, 1)],
    "mixed": [((TORCH, SKLEARN, KERAS), 4, 4)],
    "cnn": [((ALONE,), None, 1)],
}
LABELS = {
    EMPTY: EMPTY,
    FILLED: FILLED,
    ALONE: "gradus, one `fit` after another, probes off",
    SCAN: "scan by hand in JAX, called for each trial, one thread",
    SCAN2: "scan by hand in JAX, called for each trial, two threads",
    SKLEARN: "scikit-learn `RandomizedSearchCV`, two jobs",
    TORCH: "Optuna + PyTorch, two processes",
    KERAS: "Keras on JAX in a loop, filled cache",
    **{f"gradus, width {width}": f"gradus, mapped over {width}" for width in (1, 2, 4)},
}
TITLES = {
    "digits": "digits, 64-64-10, batch 32",
    "mixed": "digits, 27 structures",
    "mnist": "MNIST, 784-128-64-10, batch 128",
    "cnn": "small CNNs on 10,000 MNIST images",
}


def prepare(name: str, folder: Path, quick: bool) -> dict[str, Any]:
    """Write the data of a case and return the job of its workers."""
    case = CASES[name]
    if name in ("digits", "mixed"):
        sweep_cases.digits(folder)
    else:
        rows = QUICK_ROWS if quick else {"mnist": 50_000, "cnn": 10_000}[name]
        sweep_cases.mnist(folder, rows, rows // 5)
    epochs = 1 if quick else case.epochs
    return {"sweep": name, "data": str(folder), "batch": case.batch, "epochs": epochs}


def once(
    entry: Entry, job: dict[str, Any], settings: dict[str, Any], cache: Path, trials: int, seed: int
) -> dict[str, Any]:
    """Run one sweep in its own process and return its answer."""
    switched_on = entry.filled and not entry.peer.startswith("gradus")
    extra = common.jax_cache(cache) if switched_on else {}
    with common.Worker({**job, "peer": entry.peer}, cache, extra) as w:
        w.ask("make", settings={**entry.settings, **settings})
        return w.ask("sweep", trials=trials, seed=seed)


def tune(name: str, entry: Entry, job: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Return the fastest candidate, with its cache filled if it has one.

    Raises:
        LeftOutError: if none works.
    """
    candidates = sweep_peers.PEERS[entry.peer].candidates(job)
    if len(candidates) == 1 or quick or not entry.tuned:
        return candidates[0]
    tried = []
    for number, settings in enumerate(candidates):
        cache = common.cache_in(Path(job["data"]), "tune", name, number)
        try:
            seconds = [
                once(entry, job, settings, cache, entry.tuned, TUNED_BY + again)["seconds"]
                for again in range(2)
            ]
        except RuntimeError as error:
            common.say(f"{name}, {settings}: {error}")
            continue
        tried.append((seconds[-1], number))
    if not tried:
        raise common.LeftOutError("it failed with all settings")
    return candidates[min(tried)[1]]


def measure_case(name: str, options: Any) -> dict[str, Any]:
    """Measure all entries of a case, round by round."""
    entries = {label: entry for label, entry in ENTRIES[name].items() if label in options.peers}
    settings, left_out = {}, dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        job = prepare(name, Path(folder), options.quick)
        trials = QUICK_TRIALS if options.quick else CASES[name].trials

        def sweep(label: str, number: int) -> dict[str, Any]:
            entry = entries[label]
            many = min(entry.part or trials, trials)
            parts = [] if entry.filled else [f"empty {number}"]
            cache = common.cache_in(Path(folder), label, *parts)
            found = once(entry, job, settings[label], cache, many, number)
            seconds = found["seconds"] * trials / many
            common.say(f"{name}, {label}: {seconds:.2f} s")
            return {**found, "scaled_s": seconds}

        for label, entry in entries.items():
            try:
                settings[label] = tune(label, entry, job, options.quick)
                if entry.filled:
                    sweep(label, FILLED_BY)
                common.say(f"{name}, {label}: ready, {settings[label] or 'nothing to choose'}")
            except common.LeftOutError as error:
                settings.pop(label, None)
                left_out[label] = common.leave_out(label, error)
        runs = common.interleave(settings, options.rounds, sweep, left_out)
    seconds = {label: [run["scaled_s"] for run in found] for label, found in runs.items()}
    found = {
        label: {
            "seconds": common.median(seconds[label]),
            "times": {
                ours: common.ratio(seconds[label], seconds[ours])
                for ours in OURS
                if ours in seconds and label not in OURS
            },
            "tried": these[0]["trials"],
            "programs": these[0].get("programs"),
            "settings": {**entries[label].settings, **settings[label]},
            "runs": these,
        }
        for label, these in runs.items()
    }
    return {"trials": trials, "epochs": job["epochs"], "entries": found, "left_out": left_out}


def measure(options: Any) -> dict[str, Any]:
    """Measure each case."""
    return {"cases": {name: measure_case(name, options) for name in options.cases}}


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Return a table for each case."""
    return {f"sweep_speed.{name}": case_table(name, c) for name, c in result["cases"].items()}


def case_table(name: str, found: dict[str, Any]) -> str:
    """Return the table of a case, with each goal beside its peers."""
    entries, trials, epochs = found["entries"], found["trials"], found["epochs"]
    goals: dict[tuple[str, str], float | None] = {}
    for others, *wanted in GOALS[name]:
        there = [other for other in others if other in entries]
        if there:
            fastest = min(there, key=lambda other: entries[other]["seconds"])
            goals |= {(fastest, ours): one for ours, one in zip(OURS, wanted, strict=True)}
    ours = [one for one in OURS if one in entries]
    rows = []
    for label in (label for label in LABELS if label in entries):
        entry, notes = entries[label], [ENTRIES[name][label].without]
        if entry["tried"] != trials:
            notes.append(f"scaled up from {entry['tried']} trials")
        if label in OURS and entry["programs"]:
            notes.append(f"{entry['programs']} program{'s' if entry['programs'] > 1 else ''}")
        times = [
            common.goal(entry["times"][one], goals.get((label, one))) if entry["times"] else None
            for one in ours
        ]
        rows.append([LABELS[label], entry["seconds"], *times, "; ".join(filter(None, notes))])
    title = f"{TITLES[name]}, {trials} trials of {epochs} epoch{'s' if epochs > 1 else ''}"
    speedups = [f"speedup, {one.removeprefix('gradus, ')}" for one in ours]
    heads = [title, "seconds", *speedups, "notes"]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return common.table(heads, rows)


if __name__ == "__main__":
    labels = dict.fromkeys(label for entries in ENTRIES.values() for label in entries)
    common.main(__doc__, measure, tables, rounds=5, cases=ENTRIES, peers=labels)
