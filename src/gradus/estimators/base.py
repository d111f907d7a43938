"""What `Classifier` and `Regressor` share: scikit-learn's contract around one training."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from gradus.checks import MAX_INT, flag, whole_number
from gradus.data import Dataset, TablePreprocessor, Target
from gradus.data.columns.unseen import RANGE
from gradus.data.targets import require_target
from gradus.diagnosis.findings import Diagnosis
from gradus.errors import GradusError, warn
from gradus.estimators.inputs import (
    as_dataset,
    checked_data,
    column_labels,
    leak_notes,
    row_shape,
)
from gradus.estimators.model_state import pack_model, unpack_model
from gradus.estimators.settings import (
    check_no_spaces,
    complete_experiment,
    in_arguments,
    model_arguments,
    unknown_parameter,
)
from gradus.estimators.training import Training, make_training, prepare_training
from gradus.experiments.inference import read_data
from gradus.experiments.preparation.prepare_in_memory import PreparedData
from gradus.experiments.preparation.splitting import summarize_data
from gradus.experiments.settings.experiment import Experiment
from gradus.foreign_names.arguments import explain_methods
from gradus.foreign_names.attributes import refuse_attribute
from gradus.train.history import History


@explain_methods
class NetworkEstimator(BaseEstimator, abc.ABC):
    """A network as an estimator; the arguments are those of `Classifier`.

    A subclass says what its targets are: `_learn_targets` checks and `_with_targets` encodes them.

    Attributes:
        model_: the trained gradus model.
        preprocessor_: from X to the inputs of the network.
        experiment_: the settings, with those that were chosen for the data.
    """

    _numeric_targets: bool
    _column_names: tuple[str, ...]
    _row_shape: tuple[int, ...]

    def __init__(
        self,
        layers: Any = None,
        *,
        activation: Any = None,
        dropout: Any = None,
        batch_norm: Any = None,
        initializer: Any = None,
        conv: Any = None,
        flip: Any = None,
        shift: Any = None,
        rotation: Any = None,
        zoom: Any = None,
        network: Any = None,
        optimizer: Any = None,
        learning_rate: Any = None,
        momentum: Any = None,
        weight_decay: Any = None,
        clipnorm: Any = None,
        schedule: Any = None,
        loss: Any = None,
        metrics: Any = None,
        l1: Any = None,
        l2: Any = None,
        epochs: Any = None,
        batch_size: Any = None,
        validation: Any = None,
        patience: Any = None,
        monitor: Any = None,
        min_delta: Any = None,
        scaling: Any = None,
        missing: Any = None,
        indicator: Any = None,
        one_hot_limit: Any = None,
        text_features: Any = None,
        columns: Any = None,
        keep_columns: Any = None,
        drop_columns: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.layers = layers
        self.activation = activation
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.initializer = initializer
        self.conv = conv
        self.flip = flip
        self.shift = shift
        self.rotation = rotation
        self.zoom = zoom
        self.network = network
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.schedule = schedule
        self.loss = loss
        self.metrics = metrics
        self.l1 = l1
        self.l2 = l2
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.monitor = monitor
        self.min_delta = min_delta
        self.scaling = scaling
        self.missing = missing
        self.indicator = indicator
        self.one_hot_limit = one_hot_limit
        self.text_features = text_features
        self.columns = columns
        self.keep_columns = keep_columns
        self.drop_columns = drop_columns
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # --- training ------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train a network on X and y.

        Args:
            X: a data frame (pandas, Polars), an array of numbers (n, p), a sparse matrix, or images
                (n, height, width, channels).
            y: the targets of the rows, (n,) or (n, k).
            sample_weight: of each row in the loss, (n,); a row of weight 0 is left out.

        Returns:
            The estimator itself.

        Raises:
            ValueError: for data or settings that cannot be trained with.
        """
        training = self.begin_fit(X, y, sample_weight)
        training.run(flag("verbose", self.verbose, type(self).__name__))
        return self.end_fit(training)

    def begin_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Training:
        """Return what `fit` trains; `end_fit` keeps it once it is trained."""
        goes_on = flag("warm_start", self.warm_start, type(self).__name__)
        goes_on = goes_on and hasattr(self, "model_")
        data = self.read(X, y, sample_weight, goes_on)
        training = self.begin_training(data, goes_on)
        if goes_on:
            training.start_from(self.model_)
        return training

    def read(self, X: Any, y: Any, sample_weight: Any = None, goes_on: bool = False) -> Dataset:
        """Return the data of a training; learn what the columns and the targets are.

        Args:
            X: as in `fit`.
            y: likewise.
            sample_weight: likewise.
            goes_on: whether columns and targets must be as in the last training.
        """
        X, y = self._checked(X, y, goes_on, fewest=2)
        self._learn_targets(y, goes_on)
        data = self._dataset(X, y, sample_weight)
        return dataclasses.replace(data, notes=(*data.notes, *leak_notes(data)))

    def begin_training(
        self, data: Dataset, goes_on: bool = False, done: dict[Any, PreparedData] | None = None
    ) -> Training:
        """Return the training of data that were read; say what the preprocessing left out.

        Args:
            data: as `read` returns them.
            goes_on: whether the preprocessing is that of the last training.
            done: of the same data, as in `prepare_training`.
        """
        arguments = self._arguments()
        experiment = self._experiment(arguments, data)
        return self._new_training(data, experiment, arguments, goes_on, done)

    def end_fit(self, training: Training, partial: bool = False) -> Any:
        """Keep a trained model, and warn of faults that it shows; return the estimator.

        Args:
            training: trained.
            partial: whether the training goes on, so that nothing is said of what is too short.
        """
        self.model_ = training.model
        self.preprocessor_ = training.prepared.preprocessor
        self.experiment_ = training.prepared.experiment
        if self.history_.stopped == "interrupted":
            epoch = f"after epoch {self.n_iter_}"
            warn(f"{type(self).__name__}: interrupted {epoch}.", UserWarning)
        faults = () if self.findings_ is None else self.findings_.faults
        for fault in faults if not partial or self.history_.stopped == "diverged" else ():
            warn(f"{type(self).__name__}: {fault}", ConvergenceWarning)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """Train for one epoch; the first rows decide the preprocessing and the settings.

        The learning rate is constant, as nobody knows when the training will end.
        """
        arguments, goes_on = self._arguments(), hasattr(self, "model_")
        now = {
            "epochs": 1, "validation": 0.0, "patience": 0, "monitor": None, "schedule": "none",
        }  # fmt: skip
        X, y = self._checked(X, y, goes_on, fewest=1 if goes_on else 2)
        self._learn_targets(y, goes_on, partial=True, classes=classes)
        data = self._dataset(X, y, sample_weight)
        experiment = self._experiment(arguments | now, data)
        training = self._new_training(data, experiment, arguments, goes_on)
        if goes_on and self.experiment_.schedule["name"] == "none":
            training = Training(training.prepared, self.model_)
        elif goes_on:  # the schedule of a `fit` has ended
            training.start_from(self.model_)
        training.run()
        return self.end_fit(training, partial=True)

    def _experiment(self, arguments: dict[str, Any], data: Dataset) -> Experiment:
        """Return the settings that arguments are for some data, all of them chosen."""
        owner = type(self).__name__
        return complete_experiment(arguments, owner, self._seed(), summarize_data(data))

    def _new_training(
        self,
        data: Dataset,
        experiment: Experiment,
        arguments: dict[str, Any],
        goes_on: bool,
        done: dict[Any, PreparedData] | None = None,
    ) -> Training:
        """Return the training of an untrained model; say what the preprocessing left out."""
        owner, former = type(self).__name__, self.preprocessor_ if goes_on else None
        try:
            prepared = prepare_training(data, experiment, former, done)
        except GradusError as error:
            raise type(error)(in_arguments(str(error))) from None
        for note in [] if goes_on else prepared.notes:
            warn(f"{owner}: {in_arguments(note)}.", UserWarning)
        return make_training(prepared, model_arguments(arguments, owner))

    def _checked(self, X: Any, y: Any, goes_on: bool, fewest: int) -> tuple[Any, np.ndarray]:
        """Return inputs and targets after scikit-learn's checks; note the columns of a frame."""
        names, shape = (self._column_names, self._row_shape) if goes_on else (None, None)
        if not goes_on and hasattr(self, "model_"):
            del self.model_  # should this fit fail, it would not suit what is learned now
        X, y = checked_data(self, X, y, names, self._numeric_targets, fewest, shape)
        if not goes_on:
            self._column_names, self._row_shape = column_labels(X), row_shape(X)
        return X, self._checked_targets(y)

    def _checked_targets(self, y: np.ndarray) -> np.ndarray:
        """Return targets that scikit-learn has checked, after checks of their kind."""
        return y

    @abc.abstractmethod
    def _learn_targets(
        self, y: np.ndarray, goes_on: bool, partial: bool = False, classes: Any = None
    ) -> None:
        """Learn what the targets are, or check that they are as before.

        Args:
            y: the checked targets.
            goes_on: whether a training goes on.
            partial: whether they may be some of them only.
            classes: all classes, if they were given.
        """

    def _weights_of_targets(self, y: np.ndarray) -> np.ndarray | None:
        """Return the weights of rows that follow from their targets, or None."""
        return None

    @abc.abstractmethod
    def _with_targets(self, data: Dataset, y: np.ndarray) -> Dataset:
        """Return a data set with its targets, encoded."""

    def _dataset(self, X: Any, y: np.ndarray, sample_weight: Any) -> Dataset:
        """Return checked inputs, targets and weights as a data set, without rows of weight 0."""
        data = self._with_targets(as_dataset(X, self.columns), y)
        weight = self._weights_of_targets(y)
        if sample_weight is not None:
            if isinstance(sample_weight, str):
                raise GradusError(
                    f"sample_weight={sample_weight!r}: write a number for each row; of classes, "
                    'gr.Classifier(class_weight="balanced") weighs them.'
                )
            given = _check_sample_weight(sample_weight, data.x, ensure_non_negative=True)
            weight = given if weight is None else weight * given
        if weight is None:
            return data
        if not weight.any():
            raise GradusError("The weights of all rows are zero: there is nothing to learn.")
        # A weight of 2 is a row seen twice, and the loss is the mean over what is seen.
        data = dataclasses.replace(data, weight=weight / weight[weight > 0].mean())
        return data.take(weight > 0)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments, after a check that none is a set of values."""
        arguments = self.get_params(deep=False)
        check_no_spaces(arguments, type(self).__name__)
        return arguments

    def _seed(self) -> int:
        """Return the seed that `random_state` says: itself, or a number drawn from it."""
        state = self.random_state
        if state is None or isinstance(state, np.random.RandomState):
            return int(check_random_state(state).randint(MAX_INT))
        return whole_number("random_state", state, 0, type(self).__name__)

    # --- what was learned ----------------------------------------------------------------------

    @property
    def _target(self) -> Target:
        """The fitted target."""
        return require_target(self.preprocessor_.target)

    def _outputs(self, X: Any, logits: bool = False) -> np.ndarray:
        """Return the outputs of the network for inputs, or those before the last activation."""
        check_is_fitted(self, "model_")
        fitted = self.preprocessor_
        X, _ = checked_data(self, X, names=self._column_names, shape=self._row_shape)
        if isinstance(fitted, TablePreprocessor):
            # Numbers beyond those of the training are of every cross-validation.
            for unseen in (each for each in fitted.unseen_values(X) if each.kind != RANGE):
                warn(f"{type(self).__name__}: {unseen.note}.", UserWarning)
        elif X.ndim > 2:
            X = read_data(X, fitted, self.model_).x
        return np.asarray(self.model_.predict(fitted.transform(X), logits=logits))

    @property
    def history_(self) -> History:
        """The history of the last training, by epoch: "loss", "val_loss", ...."""
        return self.model_.history

    @property
    def loss_curve_(self) -> list[float]:
        """The loss after each epoch."""
        return [float(loss) for loss in self.history_["loss"]]

    @property
    def n_iter_(self) -> int:
        """How many epochs were trained."""
        return self.history_.epochs

    @property
    def findings_(self) -> Diagnosis | None:
        """What is wrong with the training, as `Model.diagnose` says; None in a search."""
        return self.history_.findings

    if not TYPE_CHECKING:  # for mypy an unknown attribute stays a fault
        __getattr__ = refuse_attribute

    def set_params(self, **params: Any) -> Any:
        """Set parameters, as those of scikit-learn's estimators are set.

        Raises:
            GradusError: for an unknown one, with what it is here.
        """
        known = self.get_params(deep=False)
        for name in params:
            if name.partition("__")[0] not in known:
                raise unknown_parameter(type(self).__name__, name, known)
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = pack_model(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_" in state:
            self.model_ = unpack_model(state["model_"])
