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

from cyclopts import App, CycloptsError, Group, Parameter

from gradus import streams
from gradus.apps import summaries
from gradus.apps.doctor import diagnose, repair_command
from gradus.apps.experiment_sources import read_experiment, resume_folder
from gradus.apps.export import export_command
from gradus.apps.flag_names import flags_in_errors
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
)
from gradus.apps.serve import serve
from gradus.apps.usage import usage_message, with_dash_as_data
from gradus.drawing.status import doing, status_line
from gradus.errors import GradusError
from gradus.experiments.settings.commands import with_flag_names
from gradus.records import finite_or_none

TRACEBACK = "GRADUS_TRACEBACK"
LONG = ("train", "sweep", "evaluate", "predict", "diagnose", "repair", "export", "report", "runs",
        "lesson", "lessons", "serve")  # fmt: skip
QUIETLY = {"--quiet", "--help", "-h"}


def _version() -> str:
    from gradus import __version__

    return __version__


TRAIN, USE, LOOK, LEARN, OPTIONS = map(
    Group.create_ordered, ("Train", "Use a run", "Look into a run", "Learn", "Options")
)

app = App(
    name="gradus",
    help="""Train neural networks, and see why one does not learn.

    To start, with a built-in data set: gradus train digits

    With a table of yours: gradus train houses.csv --target price

    What a command takes, with an example: gradus train --help
    """,
    help_format="plaintext",  # a package for Markdown takes a quarter of the time to be imported
    version=_version,
    suppress_keyboard_interrupt=False,
    help_epilogue=f"Set {TRACEBACK}=1 to see the traceback of an error.",
)
for _flag in ("--help", "--version"):
    app[_flag].group = OPTIONS
app.command(lesson, group=LEARN)
app.command(lessons, group=LEARN)
app.command(diagnose, group=LOOK)
app.command(repair_command, name="repair", group=LOOK)
app.command(export_command, name="export", group=USE)
app.command(serve, group=USE)


@app.command(group=TRAIN, sort_key=1)
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

    gradus train digits

    gradus train titanic.csv --target survived

    gradus train runs/titanic-1/experiment.toml --epochs 50
    """
    from gradus.experiments import train_run
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.experiment import ExperimentError

    output = Output(json)
    resumed = resume_folder(resume, out, "train")
    if data is None and resumed is None:
        raise ExperimentError("Name the data to train on: gradus train DATA.")
    source = str(Path(str(resumed), experiment_file.FILE)) if data is None else data
    raw, where, flags = read_experiment(source, options)
    with flags_in_errors(not where.endswith(".toml")), experiment_file.name_file_in_errors(where):
        settings = experiment_file.merge_settings(raw, flags)
        experiment = experiment_file.check_experiment(settings, where)
        record = train_run.train_run(experiment, out, resumed, output.print_line, not quiet)
    summaries.print_training_summary(record, output)
    output.print_json(record)
    return {"interrupted": INTERRUPTED, "diverged": FAILED}.get(record["status"], DONE)


@app.command(group=TRAIN, sort_key=2)
def sweep(
    data: Annotated[
        str | None,
        Parameter(
            help="As for train; a .toml may have search spaces instead of values.",
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

    gradus sweep digits --trials 16 --epochs 20

    gradus sweep experiment.toml --search sobol --seeds 3
    """
    from gradus.experiments import runs, sweep_run, sweep_setup
    from gradus.experiments.settings import experiment_file
    from gradus.experiments.settings.experiment import ExperimentError

    output = Output(json)
    resumed = resume_folder(resume, out, "sweep")
    if resumed is None and data is None:
        raise ExperimentError("Name the data to search settings for: gradus sweep DATA.")
    if resumed is not None and data is not None:
        raise ExperimentError("--resume uses the data of its run: leave out DATA.")
    source = str(data) if resumed is None else str(resumed / runs.SWEEP)
    raw, where, flags = read_experiment(source, options)
    if sweep_flags := sweep_options.settings():
        flags["sweep"] = sweep_flags
    if resumed is not None:
        sweep_setup.check_resume_flags(raw, flags, where)
    with flags_in_errors(not where.endswith(".toml")), experiment_file.name_file_in_errors(where):
        record = sweep_run.sweep_run(raw, flags, where, out, resumed, output.print_line, not quiet)
    summaries.print_sweep_summary(record, output)
    output.print_json(record)
    return INTERRUPTED if record["interrupted"] else DONE


@app.command(group=USE)
def evaluate(run: RunArgument, data: DataArgument | None = None, /, *, json: Json = False) -> int:
    """Evaluate a run on data with targets; without data, on the rows that it held out.

    gradus evaluate runs/digits-1 digits

    gradus evaluate runs/titanic-1 later.csv
    """
    from gradus.drawing.style import axis_label
    from gradus.experiments.loading import open_run

    output = Output(json)
    opened = open_run(run)
    _tell_of_memory(data, output)
    doing(f"evaluating {run} on {'the rows that it held out' if data is None else data}")
    found = opened.evaluated_part() if data is None else opened.evaluated_rows(data)
    data = opened.experiment.data if data is None else data
    rows = f"{found.rows:,} rows"
    part = f"all {rows}" if found.part == "all rows" else f"{found.part}, {rows}"
    output.print_line(f"{opened.folder} on {data} ({part})")
    for note in found.notes:
        output.print_line(f"note: {note}")
    metrics = [[axis_label(name), format_value(value)] for name, value in found.metrics.items()]
    output.print_table(["", "value"], metrics)
    result = {"run": str(opened.folder), "data": data, **asdict(found)}
    output.print_json(finite_or_none(result))
    return DONE


@app.command(group=USE)
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

    gradus predict runs/digits-1 digits --out predictions.csv

    gradus predict runs/titanic-1 new.csv --out predictions.csv

    gradus predict runs/titanic-1 new.csv --keep name,ticket --threshold 0.3

    gradus predict runs/pets-1 photo.jpg
    """
    from gradus.apps import prediction_files
    from gradus.experiments.loading import open_run

    output, to_stdout = Output(json), out in (None, "-")
    if not to_stdout:
        prediction_files.check_output_path(str(out), data)
    opened = open_run(run)
    _tell_of_memory(data, output)
    doing(f"predicting {data}")
    made = prediction_files.PredictionTable(opened, data, keep or [], threshold)
    result: dict[str, Any] = {"run": str(opened.folder), "data": data}
    if json and to_stdout:
        result["predictions"] = prediction_files.as_lists(made.parts())
        columns = list(result["predictions"])
    else:
        columns = prediction_files.write_predictions(made.parts(), out)
    result |= made.summary()
    for note in result["notes"]:
        output.print_note(note)
    if not to_stdout:
        result["out"] = out
        output.print_line(f"{result['rows']:,} predictions are in {out}")
    output.print_json({**result, "columns": columns})
    return FAILED if "unreadable" in result else DONE


@app.command(group=LOOK)
def report(run: RunArgument, /, *, json: Json = False) -> int:
    """Rewrite the report.html of a run, and the sweep.html of a sweep, from files and data.

    gradus report runs/digits-1
    """
    from gradus.apps.reports import rewrite_reports
    from gradus.experiments.loading import open_run

    output = Output(json)
    opened = open_run(run)
    doing(f"writing the report of {run}")
    output.print_json(rewrite_reports(opened, output.print_line))
    return DONE


@app.command(name="runs", group=LOOK)
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
        output.print_table(
            summaries.RUN_COLUMNS, rows, summaries.TEXT_COLUMNS, summaries.OPTIONAL_COLUMNS
        )
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 (failed), 2 (bad usage) or 130 (Ctrl-C).

    Args:
        argv: the arguments; those of the process if None.
    """
    arguments = with_dash_as_data(sys.argv[1:] if argv is None else argv)
    try:
        with (
            streams.all_writable(),
            streams.worded(with_flag_names),
            status_line("starting", _takes_long(arguments)),
        ):
            return _run_command(arguments)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        return FAILED


def _takes_long(arguments: Sequence[str]) -> bool:
    """Return whether a command takes so long that it says at once what it is doing."""
    return bool(arguments) and arguments[0] in LONG and not QUIETLY.intersection(arguments)


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


def _tell_of_memory(data: str | None, output: Output) -> None:
    """Print a note before data are read in parts, as they may not fit into memory."""
    from gradus.experiments.preparation.reading_in_parts import is_too_large
    from gradus.files import user_path

    if data is not None and is_too_large(user_path(data)):
        output.print_note(f"{data} is read in parts, as it may not fit into memory")


def _fail(arguments: Sequence[str], message: str, status: int) -> int:
    message = with_flag_names(message)
    sys.stderr.write(f"gradus: {message}\n")
    if status == BAD_USAGE:
        command = arguments[0] if arguments and arguments[0] in app else ""
        sys.stderr.write(f"See: gradus {command}{' ' * bool(command)}--help\n")
    Output("--json" in arguments).print_json({"error": message})
    return status
