"""The pages of a run, written again from what is kept."""

from __future__ import annotations

from gradus.drawing.status import doing
from gradus.errors import GradusError
from gradus.experiments import run_report, runs, sweep_run
from gradus.experiments.run import Run
from gradus.experiments.train_run import PrintLine


def rewrite_reports(run: Run, print_line: PrintLine) -> dict[str, str]:
    """Rewrite the report of a run and, of a sweep, the page of all trials.

    Args:
        run: the run.
        print_line: prints a line.

    Returns:
        The paths of the run, its `report`, and its `sweep`; and `note`, what is missing from them.
    """
    path, missing = run_report.rewrite_page(run)
    pages, notes = {"report": str(path)}, [missing]
    if missing:
        print_line(missing)
    print_line(f"The report is in {path}")
    if (run.folder / runs.SWEEP).exists():
        doing(f"writing the page of the sweep {run.folder}")
        try:
            path, missing = sweep_run.rewrite_sweep_page(run)
        except GradusError as error:
            missing = f"The page of all trials, {sweep_run.PAGE}, stays as it was. {error}"
        else:
            pages["sweep"] = str(path)
            print_line(f"The page of all trials is in {path}")
        if missing:
            print_line(missing)
        notes.append(missing)
    note = " ".join(notes).strip()
    return {"run": str(run.folder), **pages, **({"note": note} if note else {})}
