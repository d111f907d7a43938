"""The command line: `gradus train`, `sweep`, `evaluate`, `diagnose`, `repair`, `runs`, ….

This module imports only the parser of arguments; each command imports what it needs, so that
`gradus --help` is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from gradus import streams
from gradus.apps import summaries
from gradus.apps.doctor import diagnose, repair_command
from gradus.apps.export import export_command
from gradus.apps.lessons import lesson, lessons
from gradus.apps.options import (
    NAMES,
    DataArgument,
    OutOption,
    QuietOption,
    RunArgument,
    SweepOptions,
    TrainOptions,
)
from gradus.apps.output import (
    BAD_USAGE,
    DONE,
    FAILED,
    INTERRUPTED,
    Json,
    Output,
    format_value,
    with_flag_names,
)
from gradus.apps.serve import serve
from gradus.apps.usage import usage_message, with_dash_as_data
from gradus.errors import GradusError
from gradus.records import finite_or_none

TRACEBACK = "GRADUS_TRACEBACK"


def _version() -> str:
    from gradus import __version__

    return __version__


app = App(
    name="gradus",
    help="Train neural networks, and see why one does not learn.",
    version=_version,
    suppress_keyboard_interrupt=False,
    help_epilogue=f"Set {TRACEBACK}=1 to see the traceback of an error.",
)
app.command(lesson)
app.command(lessons)
app.command(diagnose)
app.command(repair_command, name="repair")
app.command(export_command, name="export")
app.command(serve)


@app.command
def train(
    data: Annotated[
        str | None,
        Parameter(
            help='A table (.csv, .parquet, .jsonl, .xlsx, …; "part-*.csv"; https://…; "-" for '
            "stdin), an .npz file, a folder of images, a built-in data set, or an experiment "
            ".toml.",
        ),
    ] = None,
    /,
    *,
    options: TrainOptions = TrainOptions(),  # noqa: B008 - it is immutable
    out: OutOption = None,
    resume: Annotated[str | None, Parameter(help="The run to resume.")] = None,
    quiet: QuietOption = False,
    json: Json = False,
) -> int:
    """Train a network and write a run. Settings that you leave out are chosen for the data.

    gradus train titanic.csv --target survived

    gradus train runs/titanic-1/experiment.toml --epochs 50
    """
    from gradus.experiments import train_run
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.experiment import ExperimentError

    output = Output(json)
    resumed = _resume_folder(resume, out, "train")
    if data is None and resumed is None:
        raise ExperimentError("Name the data to train on: gradus train DATA.")
    source = str(Path(str(resumed), experiment_file.FILE)) if data is None else data
    raw, where, flags = _read_experiment(source, options)
    experiment = experiment_file.check_experiment(experiment_file.merge_settings(raw, flags), where)
    with experiment_file.name_file_in_errors(where):
        record = train_run.train_run(experiment, out, resumed, output.print_line, not quiet)
    summaries.print_training_summary(record, output)
    output.print_json(record)
    return {"interrupted": INTERRUPTED, "diverged": FAILED}.get(record["status"], DONE)


@app.command
def sweep(
    data: Annotated[
        str | None,
        Parameter(
            help="As for `train`; a .toml may have search spaces instead of values.",
        ),
    ] = None,
    /,
    *,
    sweep_options: SweepOptions = SweepOptions(),  # noqa: B008 - it is immutable
    options: TrainOptions = TrainOptions(),  # noqa: B008
    out: OutOption = None,
    resume: Annotated[
        str | None, Parameter(help="The sweep to resume; --trials may be larger than before.")
    ] = None,
    quiet: QuietOption = False,
    json: Json = False,
) -> int:
    """Train with many settings in parallel, and write the best trial as a run.

    Without search spaces in an experiment, the learning rate, layers, dropout and L2 vary.

    gradus sweep digits --trials 256

    gradus sweep experiment.toml --search sobol --seeds 3
    """
    from gradus.experiments import runs, sweep_run, sweep_setup
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.experiment import ExperimentError

    output = Output(json)
    resumed = _resume_folder(resume, out, "sweep")
    if resumed is None and data is None:
        raise ExperimentError("Name the data to search settings for: gradus sweep DATA.")
    if resumed is not None and data is not None:
        raise ExperimentError("--resume uses the data of its run: leave out DATA.")
    source = str(data) if resumed is None else str(resumed / runs.SWEEP)
    raw, where, flags = _read_experiment(source, options)
    if sweep_flags := sweep_options.settings():
        flags["sweep"] = sweep_flags
    if resumed is not None:
        sweep_setup.check_resume_flags(raw, flags, where)
    with experiment_file.name_file_in_errors(where):
        record = sweep_run.sweep_run(raw, flags, where, out, resumed, output.print_line, not quiet)
    summaries.print_sweep_summary(record, output)
    output.print_json(record)
    return INTERRUPTED if record["interrupted"] else DONE


@app.command
def evaluate(run: RunArgument, data: DataArgument, /, *, json: Json = False) -> int:
    """Evaluate a run on data with targets.

    gradus evaluate runs/titanic-1 later.csv
    """
    from gradus.experiments.run import open_run

    output = Output(json)
    opened = open_run(run)
    found = opened.evaluated_rows(data)
    output.print_line(f"{opened.folder} on {data} ({found.part}, {found.rows:,} rows)")
    for note in found.notes:
        output.print_line(f"note: {note}")
    metrics = [[name, format_value(value)] for name, value in found.metrics.items()]
    output.print_table(["", "value"], metrics)
    result = {"run": str(opened.folder), "data": data, **asdict(found)}
    output.print_json(finite_or_none(result))
    return DONE


@app.command
def predict(
    run: RunArgument,
    data: DataArgument,
    /,
    *,
    out: Annotated[
        str | None, Parameter(help="A .csv, .tsv or .parquet file; stdout by default.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        Parameter(help="Columns of the table to write beside the predictions: id,name.", **NAMES),
    ] = None,
    threshold: Annotated[
        float | None,
        Parameter(help="Of two classes, predict the second from this probability on; 0.5 else."),
    ] = None,
    json: Json = False,
) -> int:
    """Predict the class and its probabilities, or the value, of each row. No target is needed.

    gradus predict runs/titanic-1 new.csv --out predictions.csv

    gradus predict runs/titanic-1 new.csv --keep name,ticket --threshold 0.3
    """
    from gradus.apps import prediction_files
    from gradus.experiments.run import open_run

    output, to_stdout = Output(json), out in (None, "-")
    if not to_stdout:
        prediction_files.check_output_path(str(out), data)
    opened = open_run(run)
    made = prediction_files.predict_table(opened, data, keep or [], threshold)
    for note in made.notes:
        output.print_note(note)
    result: dict[str, Any] = {"run": str(opened.folder), "data": data, **made.summary}
    if json and to_stdout:
        result["predictions"] = made.frame.to_dict(as_series=False)
    else:
        prediction_files.write_predictions(made.frame, out)
        if not to_stdout:
            result["out"] = out
            output.print_line(f"{made.frame.height:,} predictions are in {out}")
    output.print_json({**result, "columns": made.frame.columns})
    return DONE


@app.command
def report(run: RunArgument, /, *, json: Json = False) -> int:
    """Rewrite the report.html of a run from its files and its training data."""
    from gradus.experiments import page
    from gradus.experiments.run import open_run

    output = Output(json)
    opened = open_run(run)
    path, missing = page.rewrite_page(opened)
    if missing:
        output.print_line(missing)
    output.print_line(f"The report is in {path}")
    note = {"note": missing} if missing else {}
    output.print_json({"run": str(opened.folder), "report": str(path), **note})
    return DONE


@app.command(name="runs")
def show_runs(
    folder: Annotated[str, Parameter(help="The folder of the runs.")] = "runs",
    /,
    *,
    sort: Annotated[
        str | None, Parameter(help="A metric: the best run first. By default the oldest is first.")
    ] = None,
    html: Annotated[
        str | None, Parameter(help="Also write a page to this file, with the curves of the runs.")
    ] = None,
    json: Json = False,
) -> int:
    """List the runs with their data, metrics, and size, and the settings in which they differ.

    gradus runs --sort accuracy --html runs.html
    """
    from gradus.experiments.run_list import list_runs, sort_by
    from gradus.files import user_path

    output = Output(json)
    listed = list_runs(user_path(folder))
    if sort is not None and listed:
        listed = sort_by(listed, sort)
    if listed:
        rows = [summaries.run_row(run) for run in listed]
        output.print_table(summaries.RUN_COLUMNS, rows, summaries.TEXT_COLUMNS)
        for run in listed:
            if "error" in run:
                output.print_line(f"{run['run']}: {run['error']}")
        if html is not None:
            from gradus.experiments.run_list import histories
            from gradus.report.runs_page import write_runs

            page = write_runs(html, folder, summaries.RUN_COLUMNS, rows, histories(listed))
            output.print_line(f"The comparison is in {page}")
    else:
        output.print_line("No runs yet. To train one: gradus train digits")
    output.print_json({"runs": listed})
    return DONE


def _resume_folder(resume: str | None, out: str | None, command: str) -> Path | None:
    """Return the folder of the run that `train` or `sweep` is to resume, or None."""
    from gradus.experiments import runs
    from gradus.experiments.settings.experiment import ExperimentError

    if resume is not None and out is not None:
        raise ExperimentError("--resume writes to the folder of its run: leave out --out.")
    return None if resume is None else runs.find_resumable(resume, command)


def _read_experiment(
    data: str, options: TrainOptions
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return the raw settings, where they come from, and the settings of the flags."""
    from gradus.experiments import runs
    from gradus.experiments.commands import format_command
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.experiment import ExperimentError

    flags = options.settings()
    if "test" in flags:
        flags["test"] = experiment_file.absolute_source(flags["test"], Path.cwd())
    if kind := runs.kind_of_run(Path(data)):
        toml = Path(data, runs.SWEEP if kind == "sweep" else experiment_file.FILE)
        raise ExperimentError(
            f"{data!r} is the folder of a run, not data. To repeat it: "
            f"{format_command(kind, toml)}. To go on with it: "
            f"{format_command(kind, '--resume', data)}"
        )
    if data.endswith(".toml"):
        return experiment_file.read_settings(Path(data)), data, flags
    return {"data": experiment_file.absolute_source(data, Path.cwd())}, "The command line", flags


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 (failed), 2 (bad usage) or 130 (Ctrl-C).

    Args:
        argv: the arguments; those of the process if None.
    """
    arguments = with_dash_as_data(sys.argv[1:] if argv is None else argv)
    try:
        with streams.all_writable():
            return _run_command(arguments)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        return FAILED


def _run_command(arguments: list[str]) -> int:
    """Run a command, print its error if it fails, and return its exit status."""
    try:
        returned = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
        return returned if isinstance(returned, int) else DONE
    except CycloptsError as error:
        return _fail(arguments, usage_message(error), BAD_USAGE)
    except GradusError as error:
        if os.environ.get(TRACEBACK):
            raise
        from gradus.experiments.settings.experiment import ExperimentError

        return _fail(
            arguments, str(error), BAD_USAGE if isinstance(error, ExperimentError) else FAILED
        )
    except BrokenPipeError:
        raise
    except KeyboardInterrupt as error:
        return _fail(arguments, str(error) or "Interrupted.", INTERRUPTED)
    except MemoryError:
        return _fail(arguments, "Out of memory.", FAILED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        hint = f"This is a bug in gradus; {TRACEBACK}=1 shows the traceback."
        return _fail(arguments, f"{type(error).__name__}: {error}\n{hint}", FAILED)


def _fail(arguments: Sequence[str], message: str, status: int) -> int:
    message = with_flag_names(message)
    sys.stderr.write(f"gradus: {message}\n")
    if status == BAD_USAGE:
        command = arguments[0] if arguments and arguments[0] in app else ""
        sys.stderr.write(f"See: gradus {command}{' ' * bool(command)}--help\n")
    Output("--json" in arguments).print_json({"error": message})
    return status
