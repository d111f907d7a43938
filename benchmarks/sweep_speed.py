"""Seconds of a whole sweep, from an already imported process to the best model.

Compilation included, with gradus's compilation cache empty and filled. Four sweeps:

- digits: MLP 64-64-10, 256 trials over rate, momentum, dropout, penalty and seed, 30 epochs;
- mnist: MLP 784-128-64-10, 16 trials over Adam's rate, 3 epochs of 50,000 pictures, batch 128;
- mixed: 3 widths × 3 activations × 3 optimisers × rate, dropout and penalty, 256 trials, 10 epochs
  of the digits;
- cnn: 16 small CNNs over Adam's rate, an epoch of 10,000 pictures.

Every sweep runs in a process of its own, and every round draws other settings: a filled cache
holds what a former sweep of other settings left. Slow peers try a part of the trials, whose
seconds are scaled up; the table says so. Targets: see `TARGETS`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import common
import sweep_cases
import sweep_peers
from sweep_cases import CASES

QUICK_TRIALS, QUICK_ROWS = 4, 640
FILLED_BY, TUNED_BY = 999, 998  # seeds of the settings that fill caches and choose settings


class Entry(NamedTuple):
    """What takes part: a peer of `sweep_peers.py` and how.

    Attributes:
        peer: its name there.
        settings: fixed ones.
        filled: whether its compilation cache is filled; for all but gradus it is JAX's own,
            switched on.
        part: how many trials it tries; all if None.
        tuned: how many trials each of its candidates tries beforehand.
        without: what it lacks, for the table.
    """

    peer: str
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed
    filled: bool = False
    part: int | None = None
    tuned: int = 0
    without: str = ""


class Target(NamedTuple):
    """How many times as fast as the fastest of some others one should be, per trial."""

    ours: str
    others: tuple[str, ...]
    factor: float


EMPTY, FILLED, ALONE = "gradus, cache empty", "gradus, cache filled", "gradus one after another"
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
TARGETS = {
    "digits": [
        Target(EMPTY, (TORCH, SKLEARN, KERAS), 8),
        Target(FILLED, (TORCH, SKLEARN, KERAS), 12),
        Target(FILLED, (SCAN,), 1.5),
        Target(FILLED, (SCAN2,), 1.5),
    ],
    "mnist": [
        Target(EMPTY, (TORCH, KERAS), 3),
        Target(FILLED, (TORCH, KERAS), 3),
        Target(FILLED, (ALONE,), 1),
    ],
    "mixed": [
        Target(EMPTY, (TORCH, SKLEARN, KERAS), 4),
        Target(FILLED, (TORCH, SKLEARN, KERAS), 4),
    ],
    "cnn": [Target(FILLED, (ALONE,), 1)],
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
    """Return the answer of one sweep in a process of its own."""
    extra = {
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    switched_on = entry.filled and not entry.peer.startswith("gradus")
    with common.Worker({**job, "peer": entry.peer}, cache, extra if switched_on else None) as w:
        w.ask("make", settings={**entry.settings, **settings})
        return w.ask("sweep", trials=trials, seed=seed)


def tune(name: str, entry: Entry, job: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Return the candidate that is the fastest, with its cache filled if it has one.

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


def measure(name: str, repeats: int, quick: bool, only: Sequence[str]) -> dict[str, Any]:
    """Return what all entries of a case took, round by round."""
    entries = {n: e for n, e in ENTRIES[name].items() if not only or n in only}
    with tempfile.TemporaryDirectory() as folder:
        job = prepare(name, Path(folder), quick)
        trials = QUICK_TRIALS if quick else CASES[name].trials
        settings: dict[str, Any] = {}
        left_out: dict[str, str] = {}
        for label, entry in entries.items():
            try:
                settings[label] = tune(label, entry, job, quick)
                if entry.filled:
                    cache = common.cache_in(Path(folder), label)
                    many = min(entry.part or trials, trials)
                    once(entry, job, settings[label], cache, many, FILLED_BY)
                common.say(f"{name}, {label}: ready, {settings[label] or 'nothing to choose'}")
            except common.LeftOutError as error:
                settings.pop(label, None)
                left_out[label] = common.leave_out(label, error)
        runs: dict[str, list[dict[str, Any]]] = {label: [] for label in settings}
        for repeat in range(repeats):
            for label in list(runs)[:: -1 if repeat % 2 else 1]:
                entry = entries[label]
                parts = [] if entry.filled else [f"empty {repeat}"]
                cache = common.cache_in(Path(folder), label, *parts)
                many = min(entry.part or trials, trials)
                found = once(entry, job, settings[label], cache, many, repeat)
                found["scaled_s"] = found["seconds"] * trials / many
                runs[label].append(found)
                common.say(f"{name}, {label}: {found['scaled_s']:.2f} s")
    return {
        "trials": trials,
        "epochs": job["epochs"],
        "entries": {
            label: {
                "seconds": common.median(run["scaled_s"] for run in found),
                "tried": found[0]["trials"],
                "settings": {**entries[label].settings, **settings[label]},
                "runs": found,
            }
            for label, found in runs.items()
        },
        "left_out": left_out,
        "verdict": verdicts(name, runs),
    }


def verdicts(name: str, runs: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return for each target the median of the ratios within the rounds."""
    seconds = {label: [run["scaled_s"] for run in found] for label, found in runs.items()}
    found = []
    for ours, others, factor in TARGETS[name]:
        there = [other for other in others if other in seconds]
        if ours not in seconds or not there:
            continue
        fastest = min(there, key=lambda other: common.median(seconds[other]))
        times = common.ratio(seconds[fastest], seconds[ours])
        verdict = {"ours": ours, "fastest": fastest, "times": times, "target": factor}
        found.append({**verdict, "reached": times >= factor})
    return found


def show(name: str, found: dict[str, Any]) -> None:
    """Print the table of a case and what came of its targets."""
    rows = []
    for label, entry in found["entries"].items():
        runs, notes = entry["runs"], []
        if entry["tried"] != found["trials"]:
            notes.append(f"scaled from {entry['tried']} trials")
        notes += [ENTRIES[name][label].without] if ENTRIES[name][label].without else []
        chosen = ", ".join(f"{key} {value}" for key, value in entry["settings"].items())
        rows.append(
            {
                "library": label,
                "seconds": entry["seconds"],
                "s a trial": entry["seconds"] / found["trials"],
                "programs": runs[0].get("programs"),
                "compiling s": common.median(run.get("compile_s", float("nan")) for run in runs),
                "best score": common.median(run["score"] for run in runs),
                "settings and notes": "; ".join([*([chosen] if chosen else []), *notes]) or "-",
            }
        )
    common.table(f"{name}, {found['trials']} trials of {found['epochs']} epochs, medians", rows)
    for verdict in found["verdict"]:
        print(
            f"{verdict['ours']}: {verdict['times']:.2f} × as fast as {verdict['fastest']} "
            f"(target {verdict['target']:g} ×{'' if verdict['reached'] else ', missed'})"
        )
    for label, reason in found["left_out"].items():
        print(f"{label}: {reason}: left out")


def main() -> None:
    parser = common.parser(__doc__, repeats=5)
    parser.add_argument("--cases", nargs="+", choices=list(ENTRIES), default=list(ENTRIES))
    labels = list(dict.fromkeys(label for entries in ENTRIES.values() for label in entries))
    parser.add_argument("--only", nargs="+", choices=labels, default=[], help="default all")
    options = parser.parse_args()
    repeats = 1 if options.quick else options.repeats
    facts, cases = common.machine(), {}
    for name in options.cases:
        cases[name] = measure(name, repeats, options.quick, options.only)
        show(name, cases[name])
    common.emit(
        "sweep_speed",
        {"quick": options.quick, "repeats": repeats, "machine": facts, "cases": cases},
    )


if __name__ == "__main__":
    main()
