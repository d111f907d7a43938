"""How often the doctor finds and names the faults of the literature's programs, and cries wolf.

Every case of `doctor/cases.py` is trained with several seeds, and so is its twin without the fault.
A program counts as faulty if it is statically wrong or comes out poor (`doctor/scores.py`),
whatever its label says; else it counts as sound, as does a twin that is better than a constant.
Found: it has a fault. Named: the category of its first root fault is one of the case's. Thresholds
were chosen by the seeds in `CALIBRATED`; the others tell.

Outcomes are kept, case by case, in the folder that GRADUS_DOCTOR_OUTCOMES names, if it does;
several processes of `doctor/train_cases.py` may fill it before.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import common

sys.path.insert(0, str(Path(__file__).resolve().parent / "doctor"))

CALIBRATED = (0, 1, 2, 3, 4)  # seeds that thresholds and rules were chosen by
FOUND, NAMED, ROOTS = 0.95, 0.85, 1.5  # goals: of the faulty ones; roots at most
QUICK = ("ATC-Circle-01bb8f27", "SO-51181393", "NEG-Circle-0db8c740")


def measure(options: Any) -> dict[str, Any]:
    """Train all cases that are not in the folder of outcomes yet, and gather what was found."""
    import train_cases
    from cases import read_cases

    kept = os.environ.get("GRADUS_DOCTOR_OUTCOMES")
    folder = Path(kept or tempfile.mkdtemp(prefix="doctor-"))
    folder.mkdir(parents=True, exist_ok=True)
    known = read_cases()
    outcomes = {}
    for name in QUICK if options.quick else known:
        path = folder / f"{name}.json"
        record = json.loads(path.read_text()) if path.is_file() else {"seeds": {}}
        for seed in range(options.rounds):
            if str(seed) not in record["seeds"]:
                found = common.plain(train_cases.measure(known[name], seed))
                record["seeds"][str(seed)] = found
                common.say(train_cases.line(name, seed, found))
        record = {**common.plain(train_cases.facts(known[name])), **record}
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        outcomes[name] = shortened(record, range(options.rounds))
    return {"outcomes": outcomes}


def shortened(record: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, Any]:
    """Return what the tables need of a case's outcomes."""
    runs = []
    for seed in seeds:
        outcome = record["seeds"][str(seed)]
        run: dict[str, Any] = {"seed": seed, "status": outcome["program"]["status"]}
        if run["status"] == "prevented":
            run["reason"] = outcome["program"]["reason"]
        else:
            run |= {"counts": outcome["counts"], "findings": faults(outcome["program"])}
            run["notes"] = notes(outcome["program"])
        twin = outcome["twin"]
        if twin["status"] == "trained" and not outcome.get("twin_failed"):
            run["twin"] = [twin["fix"], faults(twin), notes(twin)]
        runs.append(run)
    shown = ("categories", "published", "stand_in", "caps")
    return {**{name: record.get(name) for name in shown}, "runs": runs}


def faults(outcome: Mapping[str, Any]) -> list[list[Any]]:
    """Return the code, category, and cause of each fault, roots first."""
    found = [each for each in outcome["findings"] if each["severity"] == "fault"]
    return [[each["code"], each["category"], each["cause"]] for each in found]


def notes(outcome: Mapping[str, Any]) -> int:
    """Return the number of notes."""
    return sum(each["severity"] == "note" for each in outcome["findings"])


# --- scores -------------------------------------------------------------------------------------


def is_named(case: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Return whether the first root fault is in one of the case's categories."""
    return bool(run["findings"]) and run["findings"][0][1] in case["categories"]


def roots(run: Mapping[str, Any]) -> int:
    """Return the number of faults that follow from no other."""
    return sum(cause is None for _, _, cause in run["findings"])


def scores(outcomes: Mapping[str, Any], seeds: Iterable[int]) -> dict[str, Any]:
    """Return how the faulty programs of some seeds were found and named."""
    runs = [
        (case, run)
        for case in outcomes.values()
        for run in case["runs"]
        if run["seed"] in seeds and run.get("counts")
    ]
    count = max(len(runs), 1)
    return {
        "programs": len(runs),
        "found": sum(bool(run["findings"]) for _, run in runs) / count,
        "named": sum(is_named(case, run) for case, run in runs) / count,
        "roots": sum(roots(run) for _, run in runs) / count,
    }


def sound(outcomes: Mapping[str, Any], seeds: Iterable[int]) -> list[tuple[str, int, Any, int]]:
    """Return name, seed, faults, and notes of each sound training; equal twins count once."""
    found: dict[Any, tuple[str, int, Any, int]] = {}
    for name, case in outcomes.items():
        for run in case["runs"]:
            if run["seed"] not in seeds:
                continue
            if run.get("counts") is False:
                found[name, run["seed"]] = name, run["seed"], run["findings"], run["notes"]
            if "twin" in run:
                fix, of_twin, noted = run["twin"]
                twin = f"{name} ({fix})" if fix else name
                found.setdefault((twin, run["seed"]), (twin, run["seed"], of_twin, noted))
    return list(found.values())


def interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson, 1927)."""
    z, share = 1.96, hits / count
    middle = share + z * z / (2 * count)
    half = z * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    low, high = (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)
    return max(0.0, low), min(1.0, high)


# --- Markdown -----------------------------------------------------------------------------------


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the table of the scores, that of the cases, and that of the alarms."""
    outcomes = result["outcomes"]
    seeds = sorted({run["seed"] for case in outcomes.values() for run in case["runs"]})
    groups = {
        "which chose some rules": [seed for seed in seeds if seed in CALIBRATED],
        "which no rule has seen": [seed for seed in seeds if seed not in CALIBRATED],
    }
    rows = []
    for label, chosen in groups.items():
        if not chosen:
            continue
        found, healthy = scores(outcomes, chosen), sound(outcomes, chosen)
        alarms, count = sum(bool(faults) for _, _, faults, _ in healthy), max(len(healthy), 1)
        low, high = interval(alarms, count)
        rows.append(
            [
                f"seeds {', '.join(map(str, chosen))} ({label})",
                found["programs"],
                common.goal(100 * found["found"], 100 * FOUND, unit="%"),
                common.goal(100 * found["named"], 100 * NAMED, unit="%"),
                common.goal(found["roots"], ROOTS, most=True),
                count,
                f"{alarms} ({100 * low:.1f} to {100 * high:.1f}%)",
                sum(noted for *_, noted in healthy) / count,
            ]
        )
    heads = ["", "faulty", "found", "named", "roots a run", "sound", "with a fault", "notes a run"]
    return {
        "doctor_detection": common.table(heads, rows),
        "doctor_cases": common.table(
            ["case", "right", "what the doctor said first, how often", "others"],
            [case_row(name, case) for name, case in outcomes.items()],
        ),
        "doctor_alarms": common.table(
            ["sound training", "seeds", "faults"], alarm_rows(sound(outcomes, seeds))
        ),
    }


def alarm_rows(healthy: Iterable[tuple[str, int, Any, int]]) -> list[list[str]]:
    """Return a row for each sound training and what was said of it, with the seeds."""
    said: dict[tuple[str, str], list[str]] = {}
    for name, seed, found, _ in healthy:
        if found:
            codes = ", ".join(code for code, *_ in found)
            said.setdefault((name, codes), []).append(str(seed))
    return [[name, ", ".join(seeds), codes] for (name, codes), seeds in said.items()]


def case_row(name: str, case: Mapping[str, Any]) -> list[str]:
    """Return the row of a case: its categories, what was said of it, and what others said."""
    said: Counter[str] = Counter()
    for run in case["runs"]:
        if run["status"] == "prevented":
            said[f"prevented ({run['reason']})"] += 1
        elif not run["counts"]:
            said["sound" + ("" if not run["findings"] else f", but {run['findings'][0][0]}")] += 1
        elif run["findings"]:
            said[run["findings"][0][0] + ("" if is_named(case, run) else " (not right)")] += 1
        else:
            said["nothing (not right)"] += 1
    shown = "; ".join(f"{word} {count} ×" for word, count in said.most_common())
    said_right = (case["published"] or {}).get("categorised", {})
    detected = (case["published"] or {}).get("detected", {})
    others = ", ".join(
        f"{tool} {'named' if said_right.get(tool) else 'found' if hit else 'missed'}"
        for tool, hit in detected.items()
    )
    stand_in = f" ({case['stand_in']} stands in)" if case["stand_in"] else ""
    return [
        name + stand_in,
        ", ".join(f"`{category}`" for category in case["categories"]),
        shown,
        others,
    ]


if __name__ == "__main__":
    common.main(__doc__, measure, tables, rounds=7)
