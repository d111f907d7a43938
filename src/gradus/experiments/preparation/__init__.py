"""From settings to split and preprocessed data, and the network that they get."""
