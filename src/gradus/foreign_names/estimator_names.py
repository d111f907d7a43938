"""What the names of scikit-learn's networks, and of Keras's, are at `gr.Classifier`."""

from __future__ import annotations

_HELD_OUT = "arguments of the estimator, `gr.Classifier(validation=0.2, patience=5)`"
_ITS_OWN = "an argument of the estimator: "

ESTIMATOR = {
    "alpha": "`l2=0.0001`",
    "early_stopping": "`patience=5`, with `validation=0.2`",
    "hidden_layer_sizes": "`layers=[8]`",
    "hidden_units": "`layers=[8]`",
    "learning_rate_init": "`learning_rate=0.001`",
    "lr": "`learning_rate=0.001`",
    "max_epochs": "`epochs=5`",
    "max_iter": "`epochs=5`",
    "n_epochs": "`epochs=5`",
    "n_iter_no_change": "`patience=5`",
    "n_jobs": "not needed: all cores are used",
    "nesterovs_momentum": '`optimizer={"name": "sgd", "nesterov": True}`',
    "seed": "`random_state=1`",
    "shuffle": "not needed: rows are in a new order in each epoch",
    "solver": '`optimizer="adam"`',
    "tol": "`min_delta=0.0001`",
    "units": "`layers=[8]`",
    "validation_fraction": "`validation=0.2`",
    "validation_split": "`validation=0.2`",
}
ESTIMATOR_FIT = {
    "batch_size": _ITS_OWN + "`gr.Classifier(batch_size=8)`",
    "class_weight": _ITS_OWN + '`gr.Classifier(class_weight="balanced")`',
    "early_stopping_rounds": _HELD_OUT,
    "epochs": _ITS_OWN + "`gr.Classifier(epochs=5)`",
    "eval_set": _HELD_OUT,
    "patience": _HELD_OUT,
    "validation_data": _HELD_OUT,
    "validation_split": _HELD_OUT,
    "verbose": _ITS_OWN + "`gr.Classifier(verbose=True)`",
}

_WEIGHTS = "estimator.model_.weights, a dict of arrays"
ESTIMATOR_ATTRIBUTES = {
    "best_loss_": 'estimator.history_["loss"].min()',
    "coef_": _WEIGHTS,
    "coefs_": _WEIGHTS,
    "evaluate": "estimator.score(x, y), or estimator.model_, a `gr.Model`",
    "feature_importances_": "sklearn.inspection.permutation_importance(estimator, x, y)",
    "history": "estimator.history_",
    "intercept_": _WEIGHTS,
    "intercepts_": _WEIGHTS,
    "loss_": "estimator.loss_curve_[-1]",
    "n_layers_": "len(estimator.model_.net.layers)",
    "save": "joblib.dump(estimator, path), or estimator.model_.save(folder), the network alone",
    "summary": "print(estimator.model_.summary())",
    "weights": _WEIGHTS,
}
