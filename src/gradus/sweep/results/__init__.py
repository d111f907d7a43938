"""What comes of a sweep: its storage, hyperparameter importance, and ensembles."""
