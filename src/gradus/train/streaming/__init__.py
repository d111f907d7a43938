"""Training on samples that come in batches, as they are read."""
