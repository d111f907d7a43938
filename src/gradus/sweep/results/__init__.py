"""The results of a sweep: storage, hyperparameter importance, and ensembles."""
