"""What people look for at a run, at a table, and at its preprocessor, and what it is there."""

from __future__ import annotations

RUN_ATTRIBUTES = {
    "classes_": "run.classes",
    "export": 'gr.export(run.folder, "model.onnx")',
    "fit": "run.model.fit(x, y), on what run.preprocessor.transform makes of data",
    "metrics": "run.record.metrics",
    "report": "gradus report RUN in a shell, which writes report.html in run.folder",
    "save": "not needed: the run is in run.folder",
    "score": "run.evaluate(data)",
    "settings": "run.experiment",
    "summary": "print(run.model.summary())",
    "transform": "run.preprocessor.transform(data)",
    "weights": "run.model.weights, a dict of arrays",
}
PREPROCESSOR_ATTRIBUTES = {
    "fit_transform": "the class's fit, and then transform(data) of what that returns",
    "inverse_transform": "inverse_target(outputs), as inputs stay encoded",
}
TABLE_PREPROCESSOR_ATTRIBUTES = PREPROCESSOR_ATTRIBUTES | {
    "get_feature_names_out": "preprocessor.feature_names",
}
DATASET_ATTRIBUTES = {
    "batch": "`model.fit(x, y, batch_size=8)`",
    "columns": "dataset.feature_names",
    "data": "dataset.x",
    "frame": "dataset.x",
    "head": "dataset.x[:5]",
    "labels": "dataset.y",
    "shape": "dataset.x.shape",
    "shuffle": "not needed: fit takes samples in a new order in each epoch",
    "split": "gr.data.split(len(dataset), 0.2), whose rows dataset.take takes",
    "to_numpy": "x, y = dataset.xy(dataset.preprocessor())",
    "train": "the data set itself, beside its dataset.test",
}
VECTORIZER_ATTRIBUTES = {
    "adapt": "vectorizer.fit(texts)",
    "fit_transform": "vectorizer.fit(texts).transform(texts)",
    "get_vocabulary": "vectorizer.vocabulary",
    "inverse_transform": "vectorizer.inverse(codes)",
    "vocabulary_": "vectorizer.vocabulary",
}
