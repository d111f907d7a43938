"""The command line, and the training, sweep, and inference behind it."""
