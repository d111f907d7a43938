"""Train every case and its twin, and say which cases come out poor.

    python benchmarks/doctor/train_cases.py --seeds 5 --results FOLDER
    python benchmarks/doctor/train_cases.py --cases MUT-R3 IPS-5 --seeds 1 --results FOLDER

Each case is a file in the folder, ID.json, with an entry for each seed; what is there already is
not trained again. A case counts as faulty if it is statically wrong, diverged, or has an error
above 1.5 × its twin's + 0.02; otherwise it counts among the healthy, whatever its label says.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cases import FOLDER, Prevented, Program, is_there, program, read_cases
from fixes import fixed
from scores import LEARNED, baseline, error, is_poor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common


def trained(made: Program) -> dict[str, Any]:
    """Train a program, and return its losses, its errors, and what was found."""
    began, data, model = time.perf_counter(), made.data, made.build()
    history = model.fit(data.x, data.y, validation_data=data.validation, verbose=False, **made.fit)
    errors = {
        name: error(made, y, model.predict(x))
        for name, x, y in (
            ("error", data.x, data.y),
            ("val_error", data.x_val, data.y_val),
        )
    }
    last = history.last() if history.epochs else {}
    return {
        "status": "diverged" if history.stopped == "diverged" else "trained",
        "loss": last.get("loss"),
        "val_loss": last.get("val_loss"),
        **errors,
        "epochs": history.epochs,
        "notes": list(history.notes),
        "findings": [
            {name: getattr(finding, name) for name in ("code", "category", "severity", "cause")}
            for finding in model.diagnose()
        ],
        "seconds": time.perf_counter() - began,
    }


def outcome(made: Program | Prevented) -> dict[str, Any]:
    """Return what became of a program: its training, or why there was none.

    Many twins are one program, which is trained once.
    """
    if isinstance(made, Prevented):
        return {"status": "prevented", "reason": made.reason, "text": made.text}
    spec = dataclasses.replace(made.spec, id="", caps=(), notes=())
    key = f"{spec} {made.seed}"
    if key not in _trained:
        _trained[key] = trained(made)
    return dict(_trained[key])


_trained: dict[str, dict[str, Any]] = {}


def measure(case: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the outcomes of a case and of its twin for one seed, and whether the case counts."""
    made, twin = program(case, seed), fixed(case, seed)
    found, other = outcome(made), outcome(twin)
    result: dict[str, Any] = {"program": found, "twin": other}
    if isinstance(twin, Program):
        other["fix"] = twin.fix
        result["baseline"] = baseline(twin, twin.data)
        result["twin_failed"] = other["status"] != "trained" or not (
            other["val_error"] < LEARNED * result["baseline"]
        )
    if isinstance(made, Program):
        diverged = found["status"] == "diverged"
        found["static"] = made.static
        result["poor"] = is_poor(found["val_error"], other.get("val_error"), diverged)
        result["counts"] = bool(made.static) or result["poor"]
    return result


def facts(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a case's file says of it besides its trainings."""
    made = program(case, 0)
    shown = {"id": made.id, "categories": sorted(made.categories), "stand_in": made.stand_in}
    names = ("published", "copies", "caps", "notes") if isinstance(made, Program) else ()
    return shown | {name: getattr(made, name) for name in names}


def line(name: str, seed: int, result: Mapping[str, Any]) -> str:
    """Return the line that is printed for a case and a seed."""
    found, twin = result["program"], result["twin"]

    def shown(part: Mapping[str, Any]) -> str:
        if part["status"] == "prevented":
            return f"prevented ({part['reason']})"
        # An error that is not finite is None in the file.
        size = "∞" if part["val_error"] is None else f"{part['val_error']:.3g}"
        return f"{part['status']} {size} in {part['seconds']:.0f} s"

    counts = {True: "faulty", False: "fine", None: "unknown"}[result.get("counts")]
    words = [f"{name:28} seed {seed}: {shown(found):26} twin {shown(twin):24}"]
    words += [f"constant {result['baseline']:.3f}"] if "baseline" in result else []
    words += ["prevented" if found["status"] == "prevented" else counts]
    words += [f"[{found['static']}]"] if found.get("static") else []
    words += ["TWIN FAILED"] if result.get("twin_failed") else []
    return "  ".join(words)


def main() -> None:
    """Train the cases that the command line names; all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", metavar="ID", help="ids; all by default")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0; default 1")
    parser.add_argument("--results", type=Path, required=True, help="a folder for ID.json files")
    options = parser.parse_args()
    if not is_there():
        parser.error(f"no cases in {FOLDER}: set GRADUS_DOCTOR to the folder of cases.json")
    known = read_cases()
    if unknown := [name for name in options.cases or [] if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}")
    options.results.mkdir(parents=True, exist_ok=True)
    for name in options.cases or known:
        path = options.results / f"{name}.json"
        kept = json.loads(path.read_text()) if path.is_file() else {}
        seeds = dict(kept.get("seeds", {}))
        for seed in range(options.seeds):
            if str(seed) not in seeds:
                seeds[str(seed)] = common.plain(measure(known[name], seed))
                record = {**facts(known[name]), "seeds": seeds}
                text = json.dumps(common.plain(record), indent=1, ensure_ascii=False)
                path.write_text(text + "\n")
            print(line(name, seed, seeds[str(seed)]), flush=True)


if __name__ == "__main__":
    main()
