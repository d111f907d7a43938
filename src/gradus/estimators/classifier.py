"""`Classifier`: a network for classes, as an estimator of scikit-learn's kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from gradus.data import Dataset
from gradus.errors import DataError, GradusError, warn
from gradus.estimators.base import NetworkEstimator
from gradus.experiments.preparation.outputs import decide_classes, make_loss
from gradus.foreign_names.arguments import explain_methods
from gradus.objectives.loss import Loss


def _has_probabilities(estimator: Classifier) -> bool:
    """Whether the outputs are probabilities: those of a hinge are none."""
    loss = estimator.loss
    if loss is None:
        return True
    try:
        found = make_loss(loss if isinstance(loss, Mapping) else {"name": loss})
    except GradusError:  # which `fit` will say
        return True
    return found.link is not None or found.kind != "flags"


@explain_methods
class Classifier(ClassifierMixin, NetworkEstimator):
    """A network that predicts classes, with scikit-learn's contract.

    Inside is the recipe of `gradus train`: columns of a data frame are read, filled in, and
    encoded, numbers are scaled, and every setting that is None is chosen for the data. On few rows
    (below 5,000) it trains for a fixed time on all of them; on more, a tenth is held out, and the
    weights of the best epoch are kept.

    y has the class of each row, (n,), or several labels of each, 0 or 1, (n, k). X may be images,
    (n, height, width, channels), which a `network` gets as they are.

    Args:
        layers: units of each hidden layer, such as (64, 32); empty for a linear model.
        activation: of the hidden layers.
        dropout: the rate of dropout after each hidden layer.
        batch_norm: whether batch normalization precedes each hidden activation.
        initializer: of the kernels.
        conv: of images, the filters of each convolution, such as (16, 32); empty for none.
        flip: of images in training, at random: "horizontal", "vertical", or both with "_and_".
        shift: of images in training, by at most this share of their size.
        rotation: likewise, by at most this share of a full turn.
        zoom: likewise, in or out by at most this share.
        network: a layer of your own in place of all layers; the number and activation of its
            outputs must suit the loss.
        optimizer: a name, a dict of `name` and settings, or an optimizer.
        learning_rate: of the optimizer.
        momentum: of the optimizer, if it has one.
        weight_decay: likewise.
        clipnorm: the largest norm of each gradient.
        schedule: of the learning rate: a name, or a dict of `name` and settings; "none" for a
            constant one.
        loss: a name, or a dict of `name` and settings.
        metrics: names of what `history_` has beside the loss.
        l1: the penalty on Σ|w| of the kernels.
        l2: the penalty on Σw² of the kernels.
        epochs: the number of epochs, or with `patience` the largest.
        batch_size: rows per step, or "all".
        class_weight: of classes in the loss: a dict by class, or "balanced".
        validation: the share of rows held out; 0 for none.
        patience: epochs without improvement on them before the training ends; 0 for never.
        monitor: the metric that `patience` watches, such as "val_accuracy".
        min_delta: the smallest change that counts as an improvement.
        scaling: of numbers: "auto", "standard", "normal", "minmax", or "none".
        missing: what replaces a missing number of a frame: "median" or "mean".
        indicator: whether a column with missing values gets a second one that marks them.
        one_hot_limit: a category with more levels is embedded, others are one-hot.
        text_features: how many words and characters a text becomes at most; 0 leaves texts out.
        columns: the kind of a column of a frame, by its name, such as {"zip": "category"}.
        keep_columns: columns of a frame to use even if they look useless.
        drop_columns: columns of a frame not to use.
        warm_start: whether another `fit` starts from the weights of the last one.
        random_state: the seed of weights, dropout, the order of rows, and the rows held out.
        verbose: whether progress is shown.

    Attributes:
        classes_: the classes, sorted; the numbers of the labels, 0 to k - 1, if there are several.
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, if X was a frame with names.
        model_: the trained `gr.Model`.
        history_: its `History`.
        experiment_: the settings, with those that were chosen for the data.

    Examples:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> flowers = gr.Classifier([8], learning_rate=0.02, epochs=30, random_state=0).fit(X, y)
        >>> flowers.score(X, y) > 0.9, flowers.predict_proba(X[:2]).shape
        (True, (2, 3))
    """

    classes_: np.ndarray
    _numeric_targets = False

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
        class_weight: Any = None,
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
        super().__init__(
            layers,
            activation=activation,
            dropout=dropout,
            batch_norm=batch_norm,
            initializer=initializer,
            conv=conv,
            flip=flip,
            shift=shift,
            rotation=rotation,
            zoom=zoom,
            network=network,
            optimizer=optimizer,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            schedule=schedule,
            loss=loss,
            metrics=metrics,
            l1=l1,
            l2=l2,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            patience=patience,
            monitor=monitor,
            min_delta=min_delta,
            scaling=scaling,
            missing=missing,
            indicator=indicator,
            one_hot_limit=one_hot_limit,
            text_features=text_features,
            columns=columns,
            keep_columns=keep_columns,
            drop_columns=drop_columns,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Classifier:
        """Train for one epoch on some rows, and go on with others in the next call.

        The first call decides the preprocessing, so its rows should be like those to come. The
        learning rate is constant.

        Args:
            X: as in `fit`.
            y: the classes of the rows, or their labels.
            classes: all classes; needed in the first call, unless y is several labels of each row.
            sample_weight: as in `fit`.

        Raises:
            ValueError: for classes that were not given in the first call.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, (n,); 0 or 1 for each of several labels."""
        outputs = self._outputs(X)
        labels = decide_classes(outputs, self._loss, self._target)
        return labels.astype(np.int64) if self._several else self.classes_[labels]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, classes), in the order of `classes_`.

        Those of several labels do not add up to 1: each is of the label being 1.
        """
        outputs = self._outputs(X).astype(np.float64)
        if self._several:
            return outputs
        if outputs.shape[1] == 1:
            return np.concatenate([1 - outputs, outputs], axis=1)
        return outputs / outputs.sum(axis=1, keepdims=True)

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):  # of a probability of 0 it is -∞
            return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return what the last softmax or sigmoid makes probabilities of: the logits.

        For two classes, (n,), above 0 for the second class; otherwise (n, classes). A network
        without probabilities, as that of a hinge, gives its scores.
        """
        scores = self._outputs(X, logits=True).astype(np.float64)
        if self._several or len(self.classes_) > 2:
            return scores
        return scores[:, -1] - (scores[:, 0] if scores.shape[1] == 2 else 0)

    @property
    def _several(self) -> bool:
        """Whether a row may have several labels."""
        return self._target.task == "multilabel"

    @property
    def _loss(self) -> Loss:
        return make_loss(self.experiment_.loss)

    def _checked_targets(self, y: Any) -> np.ndarray:
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if y.ndim == 2 and not set(np.unique(y).tolist()) <= {0, 1}:
            raise DataError(
                f"y has shape {y.shape}, with more than 0 and 1: several labels of a row are flags "
                "of 0 and 1. For several targets of other classes train a Classifier for each."
            )
        return y

    def _learn_targets(
        self, y: np.ndarray, goes_on: bool, partial: bool = False, classes: Any = None
    ) -> None:
        if y.ndim == 2:
            self._learn_labels(y, goes_on, classes)
            return
        if goes_on and self._several:
            raise DataError(
                f"y has shape {y.shape}, but the training that goes on has {len(self.classes_)} "
                "labels of each row."
            )
        if classes is not None:
            check_classification_targets(classes)
        elif partial and not goes_on:
            raise DataError(
                "partial_fit: the first rows may lack some classes: name all of them, classes=[…]."
            )
        given = np.unique(y if classes is None else classes)
        if not goes_on:
            if len(given) < 2:
                raise DataError(
                    f"y has one class, {given.tolist()[0]!r}: there is nothing to learn."
                )
            self.classes_ = given
        same = set(given.tolist()) <= set(self.classes_.tolist())
        if not partial:
            same = np.array_equal(given, self.classes_)
        if not same:
            word = "warm_start: " if not partial else "partial_fit: "
            raise DataError(
                f"{word}y has the classes {given.tolist()}, but the training that goes on has "
                f"{self.classes_.tolist()}."
            )

    def _learn_labels(self, y: np.ndarray, goes_on: bool, classes: Any) -> None:
        """Learn or check how many labels each row may have."""
        columns = y.shape[1]
        if not goes_on and (y == y[0]).all():
            raise DataError(f"y has the same {columns} labels in each row: nothing to learn.")
        known = len(self.classes_) if goes_on else columns
        if columns != known or (goes_on and not self._several):
            what = f"{known} {'labels of each row' if self._several else 'classes'}"
            raise DataError(f"y has shape {y.shape}, but the training that goes on has {what}.")
        if classes is not None and len(np.unique(classes)) != columns:
            raise DataError(
                f"partial_fit: y has {columns} labels of each row, but classes={classes!r}: leave "
                "it out."
            )
        if not goes_on and columns > 2 and (y.sum(axis=1) == 1).all():
            warn(
                f"Classifier: each row of y has exactly one of {columns} labels. Each is predicted "
                "by itself, so a row may get none or several; for classes write y.argmax(axis=1).",
                UserWarning,
            )
        self.classes_ = np.arange(columns)

    def _weights_of_targets(self, y: np.ndarray) -> np.ndarray | None:
        if self.class_weight is None:
            return None
        try:
            return compute_sample_weight(self.class_weight, y)
        except (ValueError, TypeError):
            form = "a dict from classes to weights"
            if y.ndim == 2:
                form = "a list of such dicts, one for each label, such as {0: 1, 1: 5}"
            raise DataError(
                f'class_weight={self.class_weight!r}: write "balanced", or {form}; the classes are '
                f"{self.classes_.tolist()}."
            ) from None

    def _with_targets(self, data: Dataset, y: np.ndarray) -> Dataset:
        names = tuple(map(str, self.classes_.tolist()))
        if y.ndim == 2:
            flags = y.astype(np.int32)
            return dataclasses.replace(data, y=flags, task="multilabel", class_names=names)
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise DataError(
                f"y has the class {unseen.tolist()[0]!r}, which is none of the classes "
                f"{self.classes_.tolist()}."
            )
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        labels = np.searchsorted(self.classes_, y).astype(np.int32)
        return dataclasses.replace(data, y=labels, task=task, class_names=names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
