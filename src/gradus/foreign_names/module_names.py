"""What people look for at `gr.…` that is a method, a module, or a command here.

The rows of `MODULE_NAMES` are a part of `table.NAMES`. Those of `PACKAGES` are names that packages
of gradus have, so that `gr.train` may be one: they are told where it is called, too.
"""

from __future__ import annotations

from gradus.foreign_names.keras_names import each_of

_LOAD = '`gr.data.load("digits")`, or the path of a table and its target'
_RUN = 'a folder that gradus train writes, which gr.load("runs/iris-1") reads'
_PLOT = "`gr.figures`, as in `gr.figures.learning_curves(history)`"
_SWEEP = "`gr.Sweep(model, trials=4)`, or gradus sweep DATA in a shell"
_SEED = '`gr.Model(net, "mse", seed=1)`: one seed draws weights, dropout, and noise'
_NO_DEVICE = "not needed: JAX finds the device; `model.fit(x, y, devices=1)` says how many"
_NO_TENSORS = "not needed: arrays of NumPy and JAX, lists, and data frames are taken"
_JAX = "that of JAX: networks and optimizers are pytrees"
_ENCODER = "`gr.data.TablePreprocessor`, which encodes the columns of a table as it was fitted"
_SKLEARN = "that of scikit-learn, which takes `gr.Classifier()`"
_SCORES = (
    "`model.evaluate(x, y)`, or that of scikit-learn, with what model.predict_classes(x) returns"
)
_IMAGES = 'gr.data.load("photos"), a folder with a subfolder of images for each class'
_REPORT = (
    "gradus report RUN in a shell; in Python write_report of gradus.report.page, with what "
    "build_report of gradus.report.report_builder returns"
)

MODULE_NAMES = {
    **each_of('`model.save("model")`', "save save_model dump"),
    **each_of(_PLOT, "draw plot plot_history plots show visualize"),
    **each_of(_SWEEP, "Tuner optimize search tune tuner BayesianOptimization RandomSearch"),
    **each_of(
        _LOAD,
        "DataFrame datasets from_csv from_pandas load_csv load_data load_dataset read_csv "
        "read_excel read_parquet",
    ),
    **each_of(_IMAGES, "ImageDataGenerator ImageFolder image_dataset_from_directory"),
    **each_of(_RUN, "Experiment Run experiment run"),
    **each_of(_SEED, "manual_seed random seed seed_everything set_random_seed set_seed"),
    **each_of(_NO_DEVICE, "cuda device devices set_device use_gpu"),
    **each_of(_NO_TENSORS, "Tensor Variable array as_tensor tensor"),
    **each_of(_JAX, "GradientTape autograd function grad jit value_and_grad vmap"),
    **each_of(_ENCODER, "LabelEncoder MinMaxScaler OneHotEncoder OrdinalEncoder SimpleImputer"),
    **each_of(_SKLEARN, "Pipeline cross_val_score cross_validate make_pipeline"),
    **each_of(_SCORES, "accuracy_score classification_report f1_score"),
    **each_of('`gr.export(model, "model.onnx")`', "export_onnx onnx save_onnx to_onnx"),
    **each_of("`gr.mlp([8, 1])`, or `gr.Sequential`", "DNN Net Network NeuralNetwork"),
    **each_of("`model.find_learning_rate(x, y)`", "LRFinder find_learning_rate find_lr lr_find"),
    **each_of("`model.fit(x, y)`, which is the loop", "Learner Trainer"),
    **each_of(
        "sklearn.inspection.permutation_importance(estimator, x, y)",
        "explain feature_importance feature_importances",
    ),
    "AutoML": "`gr.Classifier()` or `gr.Regressor()`, which choose what is left out",
    "LinearRegression": "`gr.Regressor([])`",
    "LogisticRegression": "`gr.Classifier([])`",
    "GELU": '`gr.Activation("gelu")`',
    "Mish": '`gr.Activation("mish")`',
    "SELU": '`gr.Activation("selu")`',
    "SiLU": '`gr.Activation("silu")`',
    "Softplus": '`gr.Activation("softplus")`',
    "Swish": '`gr.Activation("swish")`',
    "check": "`model.check(x, y)`",
    "compile": '`gr.Model(net, "mse", "adam", ["mae"])`, which needs no compile',
    "diagnose": "`model.diagnose()`, or gradus diagnose RUN in a shell",
    "early_stopping": "`model.fit(x, y, validation_split=0.2, patience=5)`",
    "evaluate": "`model.evaluate(x, y)`, or gradus evaluate RUN in a shell",
    "fit": "`model.fit(x, y)`",
    "freeze": "`model.net.freeze()`, or a layer's",
    "lesson": "gradus lesson xor in a shell",
    "load_weights": '`model.load_weights("model")`',
    "predict": '`model.predict(x)`, or that of a run, gr.load("runs/iris-1").predict(rows)',
    "preprocessing": "`gr.data`, as in `gr.data.TablePreprocessor`",
    "runs": "gradus runs in a shell",
    "serve": "gradus serve RUN in a shell",
    "summary": "`print(model.summary())`",
    "utils": "`gr.data` for what prepares data, and `gr.figures` for what draws",
}

PACKAGES = {
    "lessons": "gradus lessons in a shell",
    "models": "gradus itself, as in `gr.Model`",
    "nn": "gradus itself, as in `gr.Dense`",
    "optim": "gradus itself, as in `gr.Adam`",
    "report": _REPORT,
    "sweep": _SWEEP,
    "train": "`model.fit(x, y)`, or gradus train DATA in a shell",
}
