"""The command line: `gradus train`, `sweep`, `evaluate`, `predict`, `report`, `runs` and `lesson`.

Only the parsing of arguments is imported here; what computes is imported by the command that
needs it, so that `gradus --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from gradus.apps import summaries
from gradus.apps.lessons import lesson, lessons
from gradus.apps.options import SweepOptions, TrainOptions
from gradus.apps.output import Output, format_value, in_flags
from gradus.errors import GradusError

DONE, FAILED, BAD_USAGE = 0, 1, 2
TRACEBACK = "GRADUS_TRACEBACK"

Json = Annotated[bool, Parameter(negative="", help="Print one JSON object on standard output.")]
DataArgument = Annotated[
    str,
    Parameter(help="A .csv, .tsv, .parquet or .npz, a folder of images, or a built-in name."),
]
RunArgument = Annotated[str, Parameter(help="The folder of a run, or its name in runs/.")]


def _version() -> str:
    from gradus import __version__

    return __version__


app = App(
    name="gradus",
    help="Train neural networks, and learn why one does not learn.",
    version=_version,
    suppress_keyboard_interrupt=False,
    help_epilogue=f"Set {TRACEBACK}=1 to see where an error arose.",
)
app.command(lesson)
app.command(lessons)


@app.command
def train(
    data: Annotated[
        str | None,
        Parameter(help="A table, an .npz, a folder of images, a built-in name, or a .toml."),
    ] = None,
    /,
    *,
    options: TrainOptions = TrainOptions(),  # noqa: B008 - it is immutable
    out: Annotated[
        str | None, Parameter(help="The run's folder; runs/DATA-N if not given.")
    ] = None,
    resume: Annotated[str | None, Parameter(help="The run to go on with.")] = None,
    quiet: Annotated[bool, Parameter(negative="", help="Show no progress.")] = False,
    json: Json = False,
) -> int:
    """Train a network, with settings chosen for the data, and write a run.

    gradus train titanic.csv --target survived

    gradus train runs/titanic-1/experiment.toml --epochs 50
    """
    from gradus.apps import experiment_file, training

    show = Output(json)
    resumed = _resumed(resume, out)
    if data is None and resumed is None:
        raise experiment_file.SpecError("Say what to train on: gradus train DATA.")
    source = str(Path(str(resumed), experiment_file.FILE)) if data is None else data
    raw, where, given = _experiment(source, options)
    experiment = experiment_file.check_experiment(experiment_file.merge_settings(raw, given), where)
    with experiment_file.naming_file(where):
        record = training.train_run(experiment, out, resumed, show.say, not quiet)
    summaries.print_training_summary(record, show)
    show.result(record)
    return DONE


@app.command
def sweep(
    data: Annotated[
        str | None,
        Parameter(help="What `train` takes; a .toml may have spaces in the places of values."),
    ] = None,
    /,
    *,
    trying: SweepOptions = SweepOptions(),  # noqa: B008 - it is immutable
    options: TrainOptions = TrainOptions(),  # noqa: B008
    out: Annotated[
        str | None, Parameter(help="The run's folder; runs/DATA-N if not given.")
    ] = None,
    resume: Annotated[
        str | None, Parameter(help="The sweep to go on with, also with more --trials.")
    ] = None,
    quiet: Annotated[bool, Parameter(negative="", help="Show no progress.")] = False,
    json: Json = False,
) -> int:
    """Train with many settings side by side, and write the best as a run.

    Without spaces in an experiment, the learning rate, widths, dropout and L2 are tried.

    gradus sweep digits --trials 256

    gradus sweep experiment.toml --search sobol --seeds 3
    """
    from gradus.apps import experiment_file, runs, sweep_setup, sweeping

    show = Output(json)
    resumed = _resumed(resume, out)
    if resumed is None and data is None:
        raise experiment_file.SpecError("Say what to try settings on: gradus sweep DATA.")
    if resumed is not None and data is not None:
        raise experiment_file.SpecError("--resume goes on with its run's own data: leave out DATA.")
    source = str(data) if resumed is None else str(resumed / runs.SWEEP)
    raw, where, given = _experiment(source, options)
    if how := trying.settings():
        given["sweep"] = how
    if resumed is not None:
        sweep_setup.check_resume_flags(raw, given, where)
    with experiment_file.naming_file(where):
        record = sweeping.sweep_run(raw, given, where, out, resumed, show.say, not quiet)
    summaries.print_sweep_summary(record, show)
    show.result(record)
    return DONE


@app.command
def evaluate(run: RunArgument, data: DataArgument, /, *, json: Json = False) -> int:
    """Measure a run on data that have targets.

    gradus evaluate runs/titanic-1 later.csv
    """
    from gradus.apps import inference, runs

    show = Output(json)
    opened = runs.open_run(run)
    found = inference.evaluate_run(opened, data)
    show.say(f"{opened.folder} on {data} ({found['part']}, {found['rows']:,} rows)")
    for note in found["notes"]:
        show.say(f"note: {note}")
    show.table(["", "value"], [[name, format_value(v)] for name, v in found["metrics"].items()])
    show.result(runs.finite_or_none({"run": str(opened.folder), "data": data, **found}))
    return DONE


@app.command
def predict(
    run: RunArgument,
    data: Annotated[
        str,
        Parameter(
            help='What `train` takes, or "-" for CSV on standard input.', allow_leading_hyphen=True
        ),
    ],
    /,
    *,
    out: Annotated[
        str | None, Parameter(help="A .csv, .tsv or .parquet; standard output if not given.")
    ] = None,
    json: Json = False,
) -> int:
    """Predict each row: its class with all probabilities, or its value. No target is needed.

    gradus predict runs/titanic-1 new.csv --out predictions.csv
    """
    from gradus.apps import inference, runs

    if out not in (None, "-"):
        inference.checked_ending(str(out))
    opened = runs.open_run(run)
    columns = inference.predict_with_run(opened, data)
    rows = len(columns["prediction"] if "prediction" in columns else columns["prediction_1"])
    found: dict[str, Any] = {"run": str(opened.folder), "data": data, "rows": rows}
    if json and out in (None, "-"):
        found["predictions"] = {name: values.tolist() for name, values in columns.items()}
    else:
        inference.write_predictions(columns, out)
        if out not in (None, "-"):
            found["out"] = out
            Output(json).say(f"{rows:,} predictions are in {out}")
    Output(json).result({**found, "columns": list(columns)})
    return DONE


@app.command
def report(run: RunArgument, /, *, json: Json = False) -> int:
    """Write a run's report.html anew, from the run and the data that it was trained on."""
    from gradus.apps import page, runs

    show = Output(json)
    opened = runs.open_run(run)
    path, missing = page.rewrite_page(opened)
    if missing:
        show.say(missing)
    show.say(f"The report is in {path}")
    show.result({"run": str(opened.folder), "report": str(path)})
    return DONE


@app.command(name="runs")
def show_runs(
    folder: Annotated[str, Parameter(help="Where the runs are.")] = "runs", /, *, json: Json = False
) -> int:
    """List the runs: their data, metrics and size."""
    from gradus.apps import runs

    show = Output(json)
    found = runs.list_runs(Path(folder))
    if found:
        header = ["run", "status", "part", "metrics", "epochs", "weights", "seconds"]
        show.table(header, [summaries.run_row(one) for one in found])
    else:
        show.say("No runs yet: gradus train digits")
    show.result({"runs": found})
    return DONE


def _resumed(resume: str | None, out: str | None) -> Path | None:
    """Return the folder of the run that is to go on, or None."""
    from gradus.apps import experiment_file, runs

    if resume is not None and out is not None:
        raise experiment_file.SpecError("--resume writes to its own run's folder: leave out --out.")
    return None if resume is None else runs.existing_run(resume)


def _experiment(data: str, options: TrainOptions) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return raw settings, where they are from, and those that flags give."""
    from gradus.apps import experiment_file

    given = options.settings()
    if "test" in given:
        given["test"] = experiment_file.absolute_source(given["test"], Path.cwd())
    if data.endswith(".toml"):
        return experiment_file.read_settings(Path(data)), data, given
    return {"data": experiment_file.absolute_source(data, Path.cwd())}, "The command line", given


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 (failed) or 2 (bad usage).

    Args:
        argv: the arguments; those of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        returned = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
        return returned if isinstance(returned, int) else DONE
    except CycloptsError as error:
        return _fail(arguments, str(error), BAD_USAGE)
    except GradusError as error:
        if os.environ.get(TRACEBACK):
            raise
        from gradus.apps.experiment_file import SpecError

        return _fail(arguments, str(error), BAD_USAGE if isinstance(error, SpecError) else FAILED)
    except BrokenPipeError:  # who reads has seen enough, such as `head`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        return FAILED
    except KeyboardInterrupt as error:
        return _fail(arguments, str(error) or "Interrupted.", FAILED)
    except MemoryError:
        return _fail(arguments, "Out of memory.", FAILED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        said = f"{type(error).__name__}: {error}"
        hint = f"This is a fault of gradus; {TRACEBACK}=1 shows where it arose."
        return _fail(arguments, f"{said}\n{hint}", FAILED)


def _fail(arguments: Sequence[str], message: str, status: int) -> int:
    message = in_flags(message)
    sys.stderr.write(f"gradus: {message}\n")
    if status == BAD_USAGE:
        command = arguments[0] if arguments and arguments[0] in app else ""
        sys.stderr.write(f"See: gradus {command}{' ' * bool(command)}--help\n")
    Output("--json" in arguments).result({"error": message})
    return status
