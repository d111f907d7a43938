"""What the names of Keras, PyTorch, and scikit-learn are here, by where they are written.

What a row says completes the sentence "Here it is …"; what stands between backticks is code, which
the tests run. A row that begins with an argument, as `epsilon=0.001`, is for what has that one.
`docs/how-to/coming-from-keras.md` shows these tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from gradus.foreign_names.data_names import (
    DATASET_ATTRIBUTES,
    PREPROCESSOR_ATTRIBUTES,
    RUN_ATTRIBUTES,
    TABLE_PREPROCESSOR_ATTRIBUTES,
    VECTORIZER_ATTRIBUTES,
)
from gradus.foreign_names.estimator_names import (
    ESTIMATOR,
    ESTIMATOR_ATTRIBUTES,
    ESTIMATOR_FIT,
)
from gradus.foreign_names.keras_names import KERAS_NAMES
from gradus.foreign_names.module_names import MODULE_NAMES
from gradus.foreign_names.table_arguments import LOAD, TABLE_OPTIONS

_SHAPE = "not needed: the first batch says the shape"
_SEED = '`gr.Model(net, "mse", seed=1)`: one seed draws weights, dropout, and noise'
_NO_WORKERS = "not needed: a thread reads batches ahead; arrays are in memory"
_FIT_SEED = "`shuffle_seed=1` for the order of samples; " + _SEED
_PATIENCE = "`model.fit(x, y, validation_split=0.2, patience=5)`"
_WEIGHTS = '`model.weights`, a dict of arrays such as `model.weights["dense/kernel"]`'
_SET_WEIGHTS = '`model.set_weights({"dense/kernel": kernel})`'
_BY_FIT = "an argument of fit: "
_BY_SWEEP = "an argument of the sweep: "
_NO_MODE = "not needed: fit trains, and predict predicts"
_NO_DEVICE = "not needed: JAX finds the device; `model.fit(x, y, devices=1)` says how many"
_SAVE = '`model.save("model")`'
_LOAD = '`gr.Model.load("model")`, or gr.load for a run of the command line'
_MODEL = '`gr.Model(net, "mse", "adam", ["mae"])`'
_FIT = '`gr.Model(net, "mse").fit(x, y)`'
_TENSORBOARD = '`model.fit(x, y, trackers=gr.trackers.TensorBoard("logs"))`'
_MLFLOW = "`gr.trackers.MLflow()`, the argument trackers of fit"
_WANDB = "`gr.trackers.WandB()`, the argument trackers of fit"
_BEST = "`sweep.best`, a trained model"

# Classes, functions, and modules at `gr.…`.
_OTHER_NAMES = {
    "AdaptiveAvgPool2d": "`gr.GlobalAveragePooling2D()`",
    "BCELoss": '`gr.Model(net, "binary_crossentropy")`',
    "BCEWithLogitsLoss": '`gr.Model(net, "binary_crossentropy")`, with or without a last sigmoid',
    "BackupAndRestore": '`model.fit(x, y, checkpoint="run")`, then `model.fit(x, y, resume="run")`',
    "BatchNorm1d": "`gr.BatchNormalization()`",
    "BatchNorm2d": "`gr.BatchNormalization()`",
    "CSVLogger": '`history.frame().write_csv("history.csv")`',
    "CrossEntropyLoss": '`gr.Model(net, "sparse_categorical_crossentropy")`',
    "DataLoader": "`model.fit(x, y, batch_size=8)` for arrays; PyTorch's own is taken, too",
    "Dot": "jnp.sum(a * b, axis=-1) in the call of a layer of yours",
    "EarlyStopping": _PATIENCE,
    "GridSearchCV": '`gr.SearchCV(gr.Classifier(), {"l2": [0, 0.01]})`',
    "Input": _SHAPE,
    "InputLayer": _SHAPE,
    "L1Loss": '`gr.Model(net, "mae")`',
    "LearningRateScheduler": "`gr.Adam(gr.schedules.CosineDecay(0.001, 100))`, or another schedule",
    "Linear": "`gr.Dense(8)`",
    "MLFlowLogger": _MLFLOW,
    "MLPClassifier": "`gr.Classifier([8])`",
    "MLPRegressor": "`gr.Regressor([8])`",
    "MLflow": _MLFLOW,
    "MSELoss": '`gr.Model(net, "mse")`',
    "MaxPool2d": "`gr.MaxPooling2D(2)`",
    "MlflowCallback": _MLFLOW,
    "ModelCheckpoint": '`model.fit(x, y, checkpoint="run")`',
    "Module": "`gr.Layer`, with build and call",
    "Parameter": '`gr.Layer`, whose build writes self.kernel = self.add_weight("kernel", shape)',
    "RNN": "`gr.SimpleRNN(8)`",
    "RandomizedSearchCV": '`gr.SearchCV(gr.Classifier(), {"l2": [0, 0.01]})`',
    "ReduceLROnPlateau": "`gr.Adam(gr.schedules.ReduceOnPlateau(0.001))`",
    "Sigmoid": '`gr.Dense(8, "sigmoid")` or `gr.Activation("sigmoid")`',
    "StandardScaler": "`gr.data.ArrayPreprocessor`, which standardizes as it was fitted",
    "SummaryWriter": _TENSORBOARD,
    "Tanh": '`gr.Dense(8, "tanh")` or `gr.Activation("tanh")`',
    "TensorBoard": _TENSORBOARD,
    "TensorBoardLogger": _TENSORBOARD,
    "TerminateOnNaN": "not needed: a training that diverges ends and says where",
    "Trackio": "`gr.trackers.Trackio()`, the argument trackers of fit",
    "WandB": _WANDB,
    "WandbCallback": _WANDB,
    "WandbLogger": _WANDB,
    "WandbMetricsLogger": _WANDB,
    "callbacks": "`model.fit(x, y, callbacks=f)`, with a function f(model, epoch, logs)",
    "layers": "gradus itself, as in `gr.Dense`",
    "load_model": _LOAD,
    "no_grad": "not needed: gradients are taken where fit trains",
    "regularizers": "`gr.penalties`, as in `gr.Dense(8, kernel_regularizer=gr.L2(0.001))`",
    "to_categorical": "not needed: the loss sparse_categorical_crossentropy takes labels",
    "train_test_split": "`gr.data.split(len(x), 0.2)`, which returns the rows of both parts",
}
NAMES = KERAS_NAMES | MODULE_NAMES | _OTHER_NAMES

_OPTIMIZER = {
    "amsgrad": "not available: `gr.RAdam()` and `gr.Nadam()` are other forms of Adam",
    "b1": "`beta_1=0.9`",
    "b2": "`beta_2=0.999`",
    "beta1": "`beta_1=0.9`",
    "beta2": "`beta_2=0.999`",
    "betas": "`beta_1=0.9, beta_2=0.999`",
    "decay": "a schedule as the rate, `gr.Adam(gr.schedules.InverseTimeDecay(0.001, 100, 1.0))`",
    "eps": "`epsilon=1e-07`",
    "gradient_accumulation_steps": "`model.fit(x, y, batch_size=24)`: larger batches do the same",
    "lr": "`learning_rate=0.001`",
    "max_norm": "`global_clipnorm=1.0`",
    "momentum": "`beta_1=0.9`, or another optimizer, `gr.SGD(momentum=0.9)`",
    "name": "not needed: an optimizer has no name",
    "nesterov": "`gr.Nadam()`, or `gr.SGD(momentum=0.9, nesterov=True)`",
    "params": "not needed: the model gives its weights to the optimizer",
    "step_size": "`learning_rate=0.001`",
}
_LAYER = {
    "activity_regularizer": "`gr.ActivityRegularization(l2=0.01)`, a layer after this one",
    "axis": "not needed: layers work on the last axis",
    "batch_first": "not needed: the batch is the first axis",
    "batch_input_shape": _SHAPE,
    "batch_shape": _SHAPE,
    "bias": "`use_bias=False`",
    "bidirectional": "`gr.Bidirectional(gr.LSTM(8))`",
    "data_format": "not needed: channels are the last axis, `np.moveaxis(images, 1, -1)`",
    "dilation": "`dilation_rate=2`",
    "dtype": "not needed: networks calculate with float32",
    "embedding_dim": "`output_dim=4`",
    "eps": "`epsilon=0.001`",
    "hidden_size": "`units=8`",
    "in_channels": _SHAPE,
    "in_features": _SHAPE,
    "input_dim": _SHAPE,
    "input_length": _SHAPE,
    "input_shape": _SHAPE,
    "input_size": _SHAPE,
    "filter_size": "`kernel_size=3`",
    "kernel": "`kernel_size=3`",
    "name": '`gr.Dense(8).named("hidden")`',
    "num_embeddings": "`input_dim=10`",
    "num_features": _SHAPE,
    "num_layers": "one layer after another, `gr.Sequential([gr.GRU(8, return_sequences=True), "
    "gr.GRU(8)])`",
    "out_channels": "`filters=8`",
    "out_features": "`units=8`",
    "output_dim": "`units=8`",
    "p": "`rate=0.5`",
    "seed": _SEED,
    "stride": "`strides=2`",
    "trainable": "`gr.Dense(8).freeze()`",
    "weights": f"{_SET_WEIGHTS}, once the model is built",
}
_LOSS = {
    "from_logits": "not needed: the loss sees whether the network ends in a softmax or a sigmoid",
    "ignore_index": "`model.fit(x, y, sample_weight=weights)`, with 0 for what does not count",
    "name": "not needed: a loss is called by its own name",
    "pos_weight": "`model.fit(x, y, class_weight={0: 1.0, 1: 5.0})`",
    "reduction": "not needed: the loss of a batch is the mean over its samples",
    "weight": "`model.fit(x, y, class_weight={0: 1.0, 1: 5.0})`",
}
_MODEL_ARGUMENTS = {
    "alpha": "`penalty=gr.L2(0.0001)`",
    "batch_size": _BY_FIT + "`model.fit(x, y, batch_size=8)`",
    "callbacks": _BY_FIT + "`model.fit(x, y, callbacks=f)`",
    "class_weight": _BY_FIT + "`model.fit(x, y, class_weight={0: 1.0, 1: 5.0})`",
    "early_stopping": _BY_FIT + _PATIENCE,
    "epochs": _BY_FIT + "`model.fit(x, y, epochs=5)`",
    "hidden_layer_sizes": "`net=gr.mlp([8, 8, 1])`",
    "input_shape": _SHAPE,
    "inputs": 'a network, `gr.Model(net, "mse")`: a `gr.Functional` may take several',
    "jit_compile": "not needed: training is one compiled program",
    "layers": '`gr.Model(gr.Sequential([gr.Dense(8, "relu"), gr.Dense(1)]), "mse")`',
    "learning_rate": 'the optimizer\'s: `gr.Model(net, "mse", optimizer=gr.Adam(0.001))`',
    "lr": 'the optimizer\'s: `gr.Model(net, "mse", optimizer=gr.Adam(0.001))`',
    "max_iter": _BY_FIT + "`model.fit(x, y, epochs=5)`",
    "name": "not needed: a saved model has the name of its folder, " + _SAVE,
    "outputs": 'a network, `gr.Model(net, "mse")`: a `gr.Functional` may return several',
    "patience": _BY_FIT + _PATIENCE,
    "random_state": "`seed=1`",
    "run_eagerly": "not needed: `gr.inside(model, x, y)` shows what each layer computes",
    "shuffle": _BY_FIT + "`model.fit(x, y, shuffle=False)`",
    "solver": '`optimizer="adam"`',
    "steps_per_epoch": _BY_FIT + "model.fit(batches, steps_per_epoch=100)",
    "validation_data": _BY_FIT + "`model.fit(x, y, validation_data=(x, y))`",
    "validation_split": _BY_FIT + "`model.fit(x, y, validation_split=0.2)`",
    "verbose": _BY_FIT + "`model.fit(x, y, verbose=False)`",
    "weighted_metrics": '`metrics=["mae"]`: all of them are weighted',
}
_MLP = {
    "hidden_layer_sizes": "`widths=[8, 8, 1]`, the last width being that of the output",
    "hidden_units": "`widths=[8, 8, 1]`, the last width being that of the output",
    "input_shape": _SHAPE,
    "layers": "`widths=[8, 8, 1]`, the last width being that of the output",
    "units": "`widths=[8, 8, 1]`, the last width being that of the output",
}
_FIT_ARGUMENTS = {
    "early_stopping": "`patience=5`, with `validation_split=0.2`",
    "epoch": "`epochs=5`",
    "eval_set": "`validation_data=(x, y)`",
    "initial_epoch": "not needed: a second fit continues; the count is `history.epochs`",
    "learning_rate": "`model.learning_rate = 0.001` before it, or `gr.Adam(0.001)` in the model",
    "log_dir": '`trackers=gr.trackers.TensorBoard("logs")`',
    "logger": '`trackers=gr.trackers.TensorBoard("logs")`',
    "loss": f"an argument of the model: {_MODEL}",
    "lr": "`model.learning_rate = 0.001` before it, or `gr.Adam(0.001)` in the model",
    "max_epochs": "`epochs=5`",
    "max_iter": "`epochs=5`",
    "max_queue_size": _NO_WORKERS,
    "metrics": f"an argument of the model: {_MODEL}",
    "n_epochs": "`epochs=5`",
    "n_iter_no_change": "`patience=5`",
    "nb_epoch": "`epochs=5`",
    "num_epochs": "`epochs=5`",
    "optimizer": f"an argument of the model: {_MODEL}",
    "random_state": _FIT_SEED,
    "seed": _FIT_SEED,
    "tol": "`min_delta=0.0001`, with `patience=5`",
    "use_multiprocessing": _NO_WORKERS,
    "validation_batch_size": "not needed: validation does not depend on a batch size",
    "validation_freq": "not needed: validation is part of each epoch",
    "validation_set": "`validation_data=(x, y)`",
    "validation_steps": "not needed: validation sees each sample once; of a generator "
    "without an end, take some: `lambda: itertools.islice(batches(), 20)`",
    "workers": _NO_WORKERS,
}
_APPLY = {
    "callbacks": "an argument of fit: `model.fit(x, y, callbacks=f)`",
    "max_queue_size": _NO_WORKERS,
    "return_dict": "not needed: `model.evaluate(x, y)` returns a dict",
    "steps": "not needed: every row is used once",
    "training": "not needed: dropout acts in fit; `gr.inside(model, x, training=True)` shows it",
    "use_multiprocessing": _NO_WORKERS,
    "workers": _NO_WORKERS,
}
_SWEEP = {
    "direction": '`sweep.fit(x, y, monitor="val_loss", mode="min")`',
    "epochs": "an argument of its fit: `sweep.fit(x, y, epochs=2)`",
    "estimator": "`model=model`",
    "factor": "`strategy=gr.SuccessiveHalving(factor=3)`",
    "max_trials": "`trials=4`",
    "metric": '`sweep.fit(x, y, monitor="val_loss", mode="min")`',
    "n_iter": "`trials=4`",
    "n_jobs": "not needed: all cores are used",
    "n_trials": "`trials=4`",
    "num_samples": "`trials=4`",
    "objective": '`sweep.fit(x, y, monitor="val_loss", mode="min")`',
    "param_distributions": "a space in the model, `gr.Adam(gr.log_uniform(0.0001, 0.1))`",
    "param_grid": "a choice in the model, `gr.Adam(gr.choice(0.001, 0.01))`",
    "pruner": '`strategy="halving"`',
    "random_state": "`seed=1`",
    "sampler": '`search="tpe"`',
    "scoring": '`sweep.fit(x, y, monitor="val_loss", mode="min")`',
    "search_space": "a space in the model, `gr.Adam(gr.log_uniform(0.0001, 0.1))`",
    "trackers": "an argument of its fit: `sweep.fit(x, y, trackers=[gr.trackers.MLflow()])`",
}

_CROSSENTROPY = (
    '`"sparse_categorical_crossentropy"` for labels after a softmax, '
    '`"categorical_crossentropy"` for one-hot rows, and `"binary_crossentropy"` after a sigmoid'
)

# Words that are given as text, by what they name.
WORDS: Mapping[str, Mapping[str, str]] = {
    "loss": {
        "bce_with_logits": '`"binary_crossentropy"`, with or without a last sigmoid',
        "ce": _CROSSENTROPY,
        "cross_entropy": _CROSSENTROPY,
        "crossentropy": _CROSSENTROPY,
        "l1": '`"mae"`',
        "l2": '`"mse"`',
        "log_loss": _CROSSENTROPY,
        "logloss": _CROSSENTROPY,
        "nll": _CROSSENTROPY,
        "nll_loss": _CROSSENTROPY,
        "smooth_l1": '`"huber"`',
        "softmax_cross_entropy": '`"sparse_categorical_crossentropy"`, or '
        '`"categorical_crossentropy"` for one-hot rows',
    },
}

_METRIC = {
    "name": "not needed: a metric is called by its own name",
    "num_classes": "not needed: the output says how many there are",
    "num_thresholds": "`bins=1024`",
}
_SCHEDULE = {
    "T_max": "`decay_steps=1000`",
    "gamma": "`decay_rate=0.9`",
    "initial_lr": "`initial_learning_rate=0.1`",
    "learning_rate": "`initial_learning_rate=0.1`",
    "lr": "`initial_learning_rate=0.1`",
    "max_lr": "`maximum=0.1`",
    "name": "not needed: a schedule has no name",
    "warmup_steps": "`steps=100`",
}

# Arguments, by the class or its base, the method, or the function that was called with them.
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "BaseModel": _MODEL_ARGUMENTS,
    "BaseModel.evaluate": _APPLY,
    "BaseModel.predict": _APPLY,
    "BaseModel.predict_classes": _APPLY,
    "Layer": _LAYER,
    "Layer.add_weight": {
        "constraint": "an attribute of the layer named after the weight: "
        "`layer.kernel_constraint = gr.MaxNorm(2.0)`",
        "dtype": "not needed: weights are float32",
        "regularizer": "an attribute of the layer named after the weight: "
        "`layer.kernel_regularizer = gr.L2(0.01)`",
        "trainable": '`kind="state"` for a value that is not trained',
    },
    "Loss": _LOSS,
    "NetworkEstimator": ESTIMATOR,
    "NetworkEstimator.fit": ESTIMATOR_FIT,
    "Metric": _METRIC,
    "Model.fit": _FIT_ARGUMENTS,
    "Model.load": {
        "compile": "not needed: a saved model has its loss and its optimizer",
        "custom_objects": "`custom=[gr.Layer]`, a list of your classes",
        "safe_mode": "not needed: loading runs no code of a file",
    },
    "Model.save": {
        "include_optimizer": "not needed: all that fit continues from is saved",
        "overwrite": "not needed: a model that was saved there is replaced",
        "save_format": f"not needed: {_SAVE} writes a folder",
    },
    "Optimizer": _OPTIMIZER,
    "Penalty": {"l": "`strength=0.01`", "l1": "`strength=0.01`", "l2": "`strength=0.01`"},
    "RMSprop": {"alpha": "`rho=0.9`"},
    "Schedule": _SCHEDULE,
    "StepDecay": {"gamma": "`factor=0.5`", "step_size": "`every=1000`"},
    "Sweep": _SWEEP,
    "Sweep.fit": _FIT_ARGUMENTS
    | {
        "devices": "not needed: a sweep uses all cores or GPUs of a machine; for several "
        'machines write `gr.Sweep(model, executor="ray")`',
        "cv": _BY_SWEEP + "`gr.Sweep(model, cv=5)`",
        "n_trials": _BY_SWEEP + "`gr.Sweep(model, trials=4)`",
        "search": _BY_SWEEP + '`gr.Sweep(model, search="sobol")`',
        "seeds": _BY_SWEEP + "`gr.Sweep(model, seeds=3)`",
        "storage": _BY_SWEEP + '`gr.Sweep(model, storage="sweep.db")`',
        "strategy": _BY_SWEEP + '`gr.Sweep(model, strategy="halving")`',
        "trials": _BY_SWEEP + "`gr.Sweep(model, trials=4)`",
    },
    "TableOptions": TABLE_OPTIONS,
    "start": {
        "coordinator_address": '`address="10.0.0.1:1234"`',
        "init_method": '`address="10.0.0.1:1234"`',
        "local_device_ids": "not needed: a process uses all devices of its machine",
        "num_processes": "`processes=2`",
        "process_id": "`index=0`",
        "rank": "`index=0`",
        "world_size": "`processes=2`",
    },
    "load": LOAD,
    "mlp": _MLP,
}

_MODEL_ATTRIBUTES = {
    "add": "a list of layers, `gr.Sequential([gr.Dense(8), gr.Dense(1)])`",
    "best_params_": "that of a sweep: `sweep.best_settings`",
    "classes_": "not kept: predict_classes gives the numbers that y had",
    "coef_": _WEIGHTS,
    "coefs_": _WEIGHTS,
    "compile": f"{_MODEL}, which needs no compile",
    "count_params": "`print(model.summary())`",
    "cpu": _NO_DEVICE,
    "cuda": _NO_DEVICE,
    "eval": _NO_MODE,
    "evaluate_generator": "`model.evaluate(x, y)`",
    "export": '`gr.export(model, "model.onnx")`',
    "fit_generator": "`model.fit(x, y)`",
    "forward": "`model.predict(x)`",
    "get_config": "`model.settings`",
    "get_layer": "`model.net.layers[0]`",
    "get_params": "`model.settings`",
    "get_weights": _WEIGHTS,
    "layers": "`model.net.layers`",
    "load_state_dict": _SET_WEIGHTS,
    "loss_curve_": '`history["loss"]`',
    "metrics_names": "`list(history)`",
    "n_iter_": "`history.epochs`",
    "named_parameters": _WEIGHTS,
    "parameters": _WEIGHTS,
    "partial_fit": "`model.fit(x, y, epochs=1)`, which continues",
    "predict_generator": "`model.predict(x)`",
    "predict_on_batch": "`model.predict(x)`",
    "predict_proba": "`model.predict(x)`, which returns probabilities",
    "save_weights": _SAVE,
    "score": "`model.evaluate(x, y)`",
    "state_dict": _WEIGHTS,
    "test_on_batch": "`model.evaluate(x, y)`",
    "to": _NO_DEVICE,
    "to_json": _SAVE,
    "train": _NO_MODE,
    "train_on_batch": "`model.fit(x, y, batch_size=None, epochs=1)`",
    "trainable": "`model.net.freeze()`, or a layer's",
    "trainable_variables": _WEIGHTS,
    "trainable_weights": _WEIGHTS,
    "variables": _WEIGHTS,
    "zero_grad": "not needed: fit computes the gradients of each step anew",
}
_NETWORK_ATTRIBUTES = {
    "add": "a list of layers, `gr.Sequential([gr.Dense(8), gr.Dense(1)])`",
    "append": "a list of layers, `gr.Sequential([gr.Dense(8), gr.Dense(1)])`",
    "compile": f"a model of the network, {_MODEL}",
    "count_params": "`print(model.summary())`",
    "cuda": _NO_DEVICE,
    "eval": _NO_MODE,
    "evaluate": f"a model of the network, {_FIT}",
    "fit": f"a model of the network, {_FIT}",
    "forward": "call(self, x), which a layer of your own defines",
    "get_config": "`repr(layer)`",
    "get_weights": _WEIGHTS,
    "input_shape": "`print(model.summary())`",
    "load_state_dict": _SET_WEIGHTS,
    "name": '`layer.path`, which `layer.named("first")` changes',
    "named_parameters": _WEIGHTS,
    "output_shape": "`print(model.summary())`",
    "parameters": _WEIGHTS,
    "pop": "a list of layers, `gr.Sequential(net.layers[:-1])`",
    "predict": f"a model of the network, {_FIT}",
    "requires_grad_": "`layer.freeze()` and `layer.unfreeze()`",
    "set_weights": _SET_WEIGHTS,
    "state_dict": _WEIGHTS,
    "summary": "`print(model.summary())`, of a model",
    "to": _NO_DEVICE,
    "train": _NO_MODE,
    "trainable_variables": _WEIGHTS,
    "trainable_weights": _WEIGHTS,
    "variables": _WEIGHTS,
    "weights": _WEIGHTS,
}
_HISTORY_ATTRIBUTES = {
    "best_score": '`history["loss"].min()`',
    "epoch": "`history.epochs`, their number",
    "history": 'the history itself: `history["loss"]`',
    "loss": '`history["loss"]`',
    "model": "the model that was trained: `model.history` is its history",
    "params": "`model.settings`",
    "plot": "`gr.figures.learning_curves(history)`",
    "to_csv": '`history.frame().write_csv("history.csv")`',
}
_SWEEP_ATTRIBUTES = {
    "best_estimator_": _BEST,
    "best_model": _BEST,
    "best_params": "`sweep.best_settings`",
    "best_params_": "`sweep.best_settings`",
    "best_score": "`sweep.ranking[0].score`",
    "best_score_": "`sweep.ranking[0].score`",
    "best_trial": "`sweep.ranking[0]`",
    "best_value": "`sweep.ranking[0].score`",
    "cv_results_": "`sweep.table()`",
    "get_best_models": "`sweep.best`, or `sweep.member_models(sweep.ranking[1])`",
    "optimize": "`sweep.fit(x, y)`",
    "predict": "`sweep.best.predict(x)`",
    "results": "`sweep.table()`",
    "run": "`sweep.fit(x, y)`",
    "score": "`sweep.best.evaluate(x, y)`",
    "trials_dataframe": "`sweep.table()`",
}

# Attributes, by the class of the object or a base of it.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "ArrayPreprocessor": PREPROCESSOR_ATTRIBUTES,
    "BaseModel": _MODEL_ATTRIBUTES,
    "Dataset": DATASET_ATTRIBUTES,
    "History": _HISTORY_ATTRIBUTES,
    "Layer": _NETWORK_ATTRIBUTES,
    "NetworkEstimator": ESTIMATOR_ATTRIBUTES,
    "Run": RUN_ATTRIBUTES,
    "Sweep": _SWEEP_ATTRIBUTES,
    "TablePreprocessor": TABLE_PREPROCESSOR_ATTRIBUTES,
    "TextVectorizer": VECTORIZER_ATTRIBUTES,
}
