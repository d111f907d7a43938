"""Runs the benchmarks and writes their figures into README.md and pages of docs.

Every benchmark writes its numbers to `benchmarks/results/NAME.json`. A page shows them, rendered,
between the markers `<!-- begin: NAME -->` and `<!-- end: NAME -->`, so no figure is typed by hand.
Without arguments, the pages are only rendered again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import string
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import common

ROOT = common.HERE.parent
RESULTS = Path("benchmarks", "results")
PAGES = (Path("README.md"), Path("docs", "performance.md"), Path("docs", "doctor.md"))
NAMES = (
    *("cold_start", "memory", "epoch_speed", "time_to_accuracy", "network_speed", "cnn_quality"),
    *("defaults_quality", "sweep_speed", "sweep_size", "sweep_quality", "search_cv", "serve"),
    *("streaming", "streaming_limit", "kernels"),
    *("doctor_detection", "doctor_alarms", "doctor_mutants", "doctor_repair", "doctor_cost"),
)
MARKER = re.compile(r"<!-- (?:begin|end): \S+ -->")
BLOCK = re.compile(r"(<!-- begin: (\S+) -->\n).*?(<!-- end: \2 -->)", re.S)


def run(name: str, root: Path, quick: bool) -> bool:
    """Run a benchmark, which writes its results; return whether it succeeded."""
    common.say(f"--- {name}")
    command = [sys.executable, str(common.HERE / f"{name}.py"), "--results", str(root / RESULTS)]
    return subprocess.run([*command, *(["--quick"] if quick else [])], check=False).returncode == 0


def blocks(results: Path) -> dict[str, str]:
    """Return the Markdown of every block that the results define, by name."""
    found, read = {}, []
    for path in sorted(results.glob("*.json"), key=lambda path: NAMES.index(path.stem)):
        read.append(json.loads(path.read_text()))
        found |= importlib.import_module(path.stem).tables(read[-1])
    return found | {"measured": measured(read)}


def measured(results: list[dict[str, Any]]) -> str:
    """Return the table that says when and on what the results were measured, and what to know."""
    rows, setups, notes = [], [], []
    for result in results:
        script = f"`{result['benchmark']}.py`"
        setup = common.setup(result)
        if setup not in setups:
            setups.append(setup)
        code = result["versions"]["gradus"].partition(" at ")[2]
        letter = string.ascii_uppercase[setups.index(setup)]
        rows.append([script, result["date"], code or "–", result["rounds"], letter])
        notes += [f"- {script}: {note}." for note in remarks(result)]
    table = common.table(["script", "date", "commit", "rounds", "on"], rows)
    legend = [f"- {string.ascii_uppercase[i]}: {each}." for i, each in enumerate(setups)]
    lines = [textwrap.fill(line, 100, subsequent_indent="  ") for line in [*legend, *notes]]
    return table + "\n\n" + "\n".join(lines)


def remarks(result: dict[str, Any]) -> list[str]:
    """Return what to know about a result: where it is from, and which peers were left out."""
    left_out = {**result.get("left_out", {})}
    for group in ("batches", "networks", "cases"):
        for part in result.get(group, {}).values():
            left_out |= part.get("left_out", {})
    missing = [f"{name}: {why.splitlines()[0]}" for name, why in left_out.items()]
    return [note.rstrip(".") for note in [result.get("source", ""), *missing] if note]


def filled(page: str, found: dict[str, str]) -> str:
    """Return a page with every block rendered from the results.

    Raises:
        ValueError: if markers do not pair up, or no result defines a block.
    """
    names = [match[2] for match in BLOCK.finditer(page)]
    if len(MARKER.findall(page)) != 2 * len(names):
        raise ValueError(f"markers do not pair up; the whole blocks are {', '.join(names)}")
    unknown = sorted(set(names) - set(found))
    if unknown:
        raise ValueError(f"no result in {RESULTS} gives {', '.join(unknown)}")
    return BLOCK.sub(lambda match: f"{match[1]}\n{found[match[2]]}\n\n{match[3]}", page)


def main() -> None:
    """Run the requested benchmarks and render the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", nargs="*", choices=NAMES, metavar="NAME", help="run these first; alone, run all"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run at tiny sizes, one round; results and pages go to a temporary folder",
    )
    options = parser.parse_args()
    chosen = [] if options.run is None and not options.quick else options.run or NAMES
    root = ROOT
    if options.quick:
        root = Path(tempfile.mkdtemp(prefix="figures-"))
        shutil.copytree(ROOT / RESULTS, root / RESULTS)
    failed = [name for name in chosen if not run(name, root, options.quick)]
    found = blocks(root / RESULTS)
    for page in PAGES:
        (root / page).parent.mkdir(exist_ok=True)
        (root / page).write_text(filled((ROOT / page).read_text(), found))
        print(f"wrote {root / page}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
