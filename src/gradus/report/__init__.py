"""What a training and a trained network look like: figures, and the page of a run."""
