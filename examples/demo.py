"""Train on scikit-learn's handwritten digits, print the result, write report.html."""

import gradus as gr
from gradus.data import load, split
from gradus.report.page import write_report
from gradus.report.report_builder import build_report

digits = load("digits")
x, y = digits.x, digits.y  # (1797, 8, 8, 1) bytes from 0 to 16, and labels
train, test = split(y, 0.25, seed=1)

net = gr.Sequential(
    [
        gr.Rescaling(1 / 16),
        gr.Flatten(),
        gr.Dense(128, "relu"),
        gr.Dropout(0.3),
        gr.Dense(64, "relu"),
        gr.Dense(10, "softmax"),
    ]
)
model = gr.Model(net, "sparse_categorical_crossentropy", gr.Adam(1e-3), metrics=["accuracy"])
model.fit(x[train], y[train], epochs=60, validation_split=0.15, patience=10)

print(model.summary())
result = model.evaluate(x[test], y[test])
print(f"\n{result['accuracy']:.1%} of {len(test)} unseen digits are classified correctly.")
page = write_report(
    "report.html", build_report(model, x[test], y[test], title="Handwritten digits")
)
print(f"The report: {page}")
