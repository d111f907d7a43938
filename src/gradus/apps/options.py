"""The arguments of commands: those of several, and the flags of `train` and `sweep`."""

# Annotations are objects here, not texts: cyclopts would evaluate each flag's several times in
# every command, a third of the time in which it reads the arguments.
from dataclasses import Field, dataclass, fields
from typing import Annotated, Any, Literal, get_args

from cyclopts import Group, Parameter

from gradus.apps.flag_values import (
    ENTRIES,
    parse_columns,
    parse_names,
    parse_size,
    parse_test,
    parse_weights,
    parse_whole,
    parse_widths,
)

DATA = Group.create_ordered("Data")
NETWORK = Group.create_ordered("Network")
TRAINING = Group.create_ordered("Training")
SWEEP = Group.create_ordered("Sweep")

DataArgument = Annotated[
    str,
    Parameter(help='As for train: a table ("-" for stdin), an .npz file, a folder of images, ….'),
]
RunArgument = Annotated[str, Parameter(help="The folder of a run, or its name in runs/.")]
TrainingArgument = Annotated[
    str,
    Parameter(
        help="The folder of a run, or its name in runs/; of a checkpoint or a saved model; or a "
        "log of Keras, Lightning, Hugging Face, or TensorBoard."
    ),
]
OutOption = Annotated[
    str | None, Parameter(help="The folder of the run; by default a new runs/DATA-N.")
]
QuietOption = Annotated[bool, Parameter(negative="", show_default=False, help="Show no progress.")]


def _flag(path: str, group: Group, help: str, **options: Any) -> Any:  # noqa: A002
    """Return the annotations of a flag: its path in an experiment ("training.epochs"), its help."""
    return _SettingPath(path), Parameter(group=group, help=help, **options)


@dataclass(frozen=True)
class _SettingPath:
    name: str


_COLUMN = {
    "converter": parse_columns,
    "n_tokens": 1,
    "negative": "",
}
NAMES: dict[str, Any] = {"converter": parse_names, "n_tokens": 1, "negative": ""}
WHOLE: dict[str, Any] = {"converter": parse_whole, "n_tokens": 1}


YesNo = Literal["yes", "no"]
YES_NO = ("header", "refit", "stream")  # the flags that are these, and true or false as settings


@Parameter(name="*")
@dataclass(frozen=True)
class TrainOptions:
    """Flags of `gradus train`; None keeps the experiment's setting, or a default for the data."""

    target: Annotated[
        str | None, *_flag("target", DATA, "The column of a table to predict, or several: a,b.")
    ] = None
    header: Annotated[
        YesNo | None,
        *_flag("table.header", DATA, "Whether the first row of a file names the columns."),
    ] = None
    separator: Annotated[
        str | None,
        *_flag("table.separator", DATA, 'What separates the values of a row: ",", ";", ….'),
    ] = None
    encoding: Annotated[
        str | None, *_flag("table.encoding", DATA, "The encoding of a text file: latin-1, ….")
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None, *_flag("table.decimal", DATA, "The decimal mark of numbers.")
    ] = None
    missing: Annotated[
        list[str] | None,
        *_flag("table.missing", DATA, "Values that mean a missing one: -,NA.", **NAMES),
    ] = None
    column: Annotated[
        list[str] | None,
        *_flag(
            "table.columns",
            DATA,
            "How a column is read, repeatable: zip=category (or number, boolean, date, text, "
            'identifier), "when=date;date=%d/%m/%Y", "size=category;levels=S,M,L".',
            **_COLUMN,
        ),
    ] = None
    sheet: Annotated[
        str | None,
        *_flag("table.sheet", DATA, "The sheet of a spreadsheet; by default the first."),
    ] = None
    task: Annotated[
        Literal["binary", "multiclass", "classification", "multilabel", "regression", "multitask"]
        | None,
        *_flag(
            "task",
            DATA,
            "The kind of target, if gradus infers the wrong one.",
        ),
    ] = None
    test: Annotated[
        str | float | None,
        *_flag(
            "test",
            DATA,
            "Test data of the same kind, or the fraction of rows held out: 0.2.",
            converter=parse_test,
            n_tokens=1,
        ),
    ] = None
    stream: Annotated[
        YesNo | None,
        *_flag("stream", DATA, "Whether data are read in parts; by default if they are too large."),
    ] = None
    validation: Annotated[
        float | None, *_flag("validation", DATA, "Fraction of rows held out for validation.")
    ] = None
    group: Annotated[
        str | None, *_flag("group", DATA, "The column whose groups of rows stay in one part.")
    ] = None
    split_by_time: Annotated[
        str | None,
        *_flag("split_by_time", DATA, "The column by which the latest rows are held out."),
    ] = None
    drop_columns: Annotated[
        list[str] | None, *_flag("drop_columns", DATA, "Columns not to use: a,b.", **NAMES)
    ] = None
    keep_columns: Annotated[
        list[str] | None,
        *_flag("keep_columns", DATA, "Columns to use even if they look useless: a,b.", **NAMES),
    ] = None
    scaling: Annotated[
        Literal["auto", "standard", "normal", "minmax", "none"] | None,
        *_flag("preprocessing.scaling", DATA, "How numbers are scaled."),
    ] = None
    image_size: Annotated[
        list[int] | None,
        *_flag(
            "preprocessing.image_size",
            DATA,
            "Height and width that images are resized to: 48,64.",
            converter=parse_size,
            n_tokens=1,
            negative="",
        ),
    ] = None
    flip: Annotated[
        Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] | None,
        *_flag("augmentation.flip", DATA, "Flip images at random in training."),
    ] = None
    shift: Annotated[
        float | None,
        *_flag("augmentation.shift", DATA, "Largest random shift, as a fraction of the size."),
    ] = None
    rotation: Annotated[
        float | None,
        *_flag(
            "augmentation.rotation", DATA, "Largest random rotation, as a fraction of a full turn."
        ),
    ] = None
    zoom: Annotated[
        float | None,
        *_flag("augmentation.zoom", DATA, "Largest random zoom, in or out, as a fraction."),
    ] = None
    conv: Annotated[
        list[int] | None,
        *_flag(
            "network.conv",
            NETWORK,
            'Filters of the convolutions on images: 16,32, or "none".',
            converter=parse_widths,
            n_tokens=1,
            negative="",
        ),
    ] = None
    layers: Annotated[
        list[int] | None,
        *_flag(
            "network.layers",
            NETWORK,
            'Units of the hidden layers: 128,64, or "none".',
            converter=parse_widths,
            n_tokens=1,
            negative="",
        ),
    ] = None
    activation: Annotated[
        str | None, *_flag("network.activation", NETWORK, "Hidden activation: relu, tanh, ….")
    ] = None
    dropout: Annotated[
        float | None, *_flag("network.dropout", NETWORK, "Dropout rate after each hidden layer.")
    ] = None
    batch_norm: Annotated[
        bool | None, *_flag("network.batch_norm", NETWORK, "Batch normalization of hidden layers.")
    ] = None
    initializer: Annotated[
        str | None, *_flag("network.initializer", NETWORK, "Kernel initializer: he_normal, ….")
    ] = None
    optimizer: Annotated[
        str | None, *_flag("optimizer.name", TRAINING, "sgd, adam, adamw, rmsprop, muon, ….")
    ] = None
    learning_rate: Annotated[
        float | None, *_flag("optimizer.learning_rate", TRAINING, "Learning rate.")
    ] = None
    momentum: Annotated[
        float | None, *_flag("optimizer.momentum", TRAINING, "Momentum of sgd, rmsprop and muon.")
    ] = None
    weight_decay: Annotated[
        float | None, *_flag("optimizer.weight_decay", TRAINING, "Decoupled weight decay.")
    ] = None
    clipnorm: Annotated[
        float | None, *_flag("optimizer.clipnorm", TRAINING, "Largest norm of each gradient.")
    ] = None
    schedule: Annotated[
        str | None,
        *_flag("schedule.name", TRAINING, "Learning rate schedule: none, cosine, one_cycle, …."),
    ] = None
    loss: Annotated[str | None, *_flag("loss.name", TRAINING, "Loss: mae, huber, focal, ….")] = None
    loss_weights: Annotated[
        list[str] | None,
        *_flag(
            "loss_weights",
            TRAINING,
            "Of several targets that have a loss each, its weight: price=2,spam=0.5.",
            converter=parse_weights,
            n_tokens=1,
            negative="",
        ),
    ] = None
    metrics: Annotated[
        list[str] | None,
        *_flag("metrics", TRAINING, "Metrics of each epoch: accuracy,f1.", **NAMES),
    ] = None
    track: Annotated[
        list[str] | None,
        *_flag(
            "track",
            TRAINING,
            "Where it is logged, too: tensorboard, mlflow, wandb, trackio.",
            **NAMES,
        ),
    ] = None
    l1: Annotated[float | None, *_flag("penalty.l1", TRAINING, "Penalty on Σ|w|.")] = None
    l2: Annotated[float | None, *_flag("penalty.l2", TRAINING, "Penalty on Σw².")] = None
    class_weight: Annotated[
        Literal["balanced", "none"] | None,
        *_flag("training.class_weight", TRAINING, "Whether rare classes get larger weights."),
    ] = None
    epochs: Annotated[
        int | None, *_flag("training.epochs", TRAINING, "Maximum number of epochs.", **WHOLE)
    ] = None
    batch_size: Annotated[
        int | Literal["all"] | None,
        *_flag("training.batch_size", TRAINING, 'Rows per step, or "all".', **WHOLE),
    ] = None
    patience: Annotated[
        int | None,
        *_flag(
            "training.patience",
            TRAINING,
            "Epochs without improvement before early stopping; 0: off.",
            **WHOLE,
        ),
    ] = None
    refit: Annotated[
        YesNo | None,
        *_flag("training.refit", TRAINING, "Whether to train once more, with the validation rows."),
    ] = None
    monitor: Annotated[
        str | None, *_flag("training.monitor", TRAINING, "Metric of early stopping: val_loss, ….")
    ] = None
    seed: Annotated[
        int | None, *_flag("seed", TRAINING, "Seed of weights, dropout and noise.", **WHOLE)
    ] = None
    shuffle_seed: Annotated[
        int | None,
        *_flag("shuffle_seed", TRAINING, "Seed of row order and validation split.", **WHOLE),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Return the flags that are set as an experiment's settings, by section."""
        settings: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                *section, key = setting_path(field).split(".")
                if field.name in YES_NO:
                    value = value == "yes"
                elif field.name in ENTRIES:
                    value = ENTRIES[field.name](value)
                inner = settings.setdefault(section[0], {}) if section else settings
                inner[key] = value
        return settings


@Parameter(name="*")
@dataclass(frozen=True)
class SweepOptions:
    """Flags that only `gradus sweep` has."""

    trials: Annotated[int | None, Parameter(group=SWEEP, help="Number of trials.", **WHOLE)] = None
    search: Annotated[
        str | None, Parameter(group=SWEEP, help="Search algorithm: random, sobol, grid, ….")
    ] = None
    seeds: Annotated[
        int | None, Parameter(group=SWEEP, help="Number of seeds per trial.", **WHOLE)
    ] = None
    cv: Annotated[
        int | None,
        Parameter(group=SWEEP, help="Number of cross-validation folds per trial.", **WHOLE),
    ] = None
    strategy: Annotated[
        str | None, Parameter(group=SWEEP, help="How long trials train: full, halving, ….")
    ] = None
    storage: Annotated[
        str | None,
        Parameter(group=SWEEP, help="Where trials are stored: a file, or the URL of a database."),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Return the flags that are set as settings of the section `[sweep]`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def setting_path(flag: Field[Any]) -> str:
    """Return the setting of a flag of `train`, such as "training.epochs"."""
    return next(part.name for part in get_args(flag.type) if isinstance(part, _SettingPath))
