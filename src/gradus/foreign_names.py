"""What the names of Keras, PyTorch, and scikit-learn are here, where no name is alike."""

from __future__ import annotations

HERE = {
    "AdaptiveAvgPool2d": "GlobalAveragePooling2D()",
    "BCELoss": 'Model(…, loss="binary_crossentropy")',
    "CrossEntropyLoss": 'Model(…, loss="sparse_categorical_crossentropy")',
    "DataLoader": "fit(x, y, batch_size=…), which takes arrays",
    "EarlyStopping": "fit(…, patience=…)",
    "GridSearchCV": "SearchCV",
    "Input": "not needed: the first batch says the shape",
    "InputLayer": "not needed: the first batch says the shape",
    "LearningRateScheduler": "Adam(gr.schedules.…)",
    "LeakyReLU": 'Dense(…, "leaky_relu") or Activation("leaky_relu")',
    "Linear": "Dense",
    "MLPClassifier": "Classifier",
    "MLPRegressor": "Regressor",
    "MSELoss": 'Model(…, loss="mse")',
    "ModelCheckpoint": "fit(…, checkpoint=FOLDER)",
    "RandomizedSearchCV": "SearchCV",
    "ReLU": 'Dense(…, "relu") or Activation("relu")',
    "ReduceLROnPlateau": "Adam(gr.schedules.…)",
    "Sigmoid": 'Dense(…, "sigmoid") or Activation("sigmoid")',
    "Softmax": 'Dense(…, "softmax") or Activation("softmax")',
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
