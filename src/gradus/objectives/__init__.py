"""Training objectives and their evaluation: losses, metrics, penalties on weights."""
