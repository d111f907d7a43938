"""Estimators of scikit-learn's kind: `Classifier`, `Regressor`, and `SearchCV`."""
