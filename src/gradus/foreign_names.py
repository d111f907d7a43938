"""What the names of Keras, PyTorch, and scikit-learn are here, where no name is alike."""

from __future__ import annotations

HERE = {
    "AdaptiveAvgPool2d": "GlobalAveragePooling2D()",
    "BCELoss": 'Model(…, loss="binary_crossentropy")',
    "CrossEntropyLoss": 'Model(…, loss="sparse_categorical_crossentropy")',
    "DataLoader": "fit(x, y, batch_size=…), which takes arrays",
    "Dot": "jnp.sum(a * b, axis=-1) in the call of a layer of yours",
    "EarlyStopping": "fit(…, patience=…)",
    "Input": "not needed: the first batch says the shape",
    "InputLayer": "not needed: the first batch says the shape",
    "LearningRateScheduler": "Adam(gr.schedules.…)",
    "Linear": "Dense",
    "MLPClassifier": 'mlp and Model, or "gradus train" on the command line',
    "MLPRegressor": 'mlp and Model, or "gradus train" on the command line',
    "MSELoss": 'Model(…, loss="mse")',
    "ModelCheckpoint": "fit(…, checkpoint=FOLDER)",
    "ReduceLROnPlateau": "Adam(gr.schedules.…)",
    "Sigmoid": 'Dense(…, "sigmoid") or Activation("sigmoid")',
    "Tanh": 'Dense(…, "tanh") or Activation("tanh")',
    "callbacks": "fit(…, callbacks=…), any function",
    "layers": "gradus itself, as in gr.Dense",
    "load": "Model.load(FOLDER)",
    "load_model": "Model.load(FOLDER)",
    "regularizers": "penalties, as in Dense(…, kernel_regularizer=gr.L2(0.001))",
    "to_categorical": "not needed: the loss sparse_categorical_crossentropy takes labels",
}


def meaning_here(name: str) -> str:
    """Return, as the end of an error, what a name of another library is here; "" if none is known.

    Args:
        name: such as "EarlyStopping".
    """
    return f" Here it is {HERE[name]}." if name in HERE else ""
