"""The settings of an experiment: sections, files, search spaces, and defaults for the data."""
