"""An experiment: its settings, its data, the default recipe, and the run that a training leaves."""
